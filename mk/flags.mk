# SPDX-License-Identifier: Apache-2.0
# Compiler flags, one meaning per variable.

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wvla -Wundef -Wmissing-prototypes \
	-Wstrict-prototypes -Wimplicit-fallthrough -Wformat=2 -Wwrite-strings \
	-Wpointer-arith -Wcast-function-type

COMMON_CFLAGS := -std=gnu17 -O2 -g $(WARNINGS) -I.

# The kernel: no libc, no SSE, no red zone, position-independent code linked at
# a fixed address beyond 2 GiB.
KERNEL_CFLAGS := $(COMMON_CFLAGS) -ffreestanding -mno-red-zone \
	-mgeneral-regs-only -fno-stack-protector -fno-omit-frame-pointer \
	-fpie -fvisibility=hidden -fno-asynchronous-unwind-tables \
	-fcf-protection=none -fno-builtin-printf -ffunction-sections \
	-fdata-sections -Wframe-larger-than=2048 -fno-strict-aliasing \
	-fno-tree-loop-distribute-patterns \
	-mmemset-strategy=unrolled_loop:256:noalign,libcall:-1:noalign \
	-mmemcpy-strategy=unrolled_loop:256:noalign,libcall:-1:noalign

HOST_CFLAGS := $(COMMON_CFLAGS) -D_GNU_SOURCE \
	$(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer)
