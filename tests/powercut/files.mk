# SPDX-License-Identifier: Apache-2.0
# What `make powercut` puts into the kernel.
POWERCUT_SRCS := tests/powercut/device.c tests/unit/powercut.c

$(O)/tests/powercut/ledger: tests/powercut/ledger.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE \
		-static -o $@ $<
