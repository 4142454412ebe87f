# SPDX-License-Identifier: Apache-2.0
# Compiles the tests of the suite from SRC into OUT with the suite's own flags:
# ONLY those named, or all that have a main(). What does not compile is no test.
ONLY ?=
ifneq ($(strip $(ONLY)),)
TESTS := $(ONLY)
else
TESTS := $(shell cd $(SRC) && (find conformance -name '[0-9]*-*.c'; \
	find functional -name '*.c') | xargs grep -l 'main' | sed 's/\.c$$//')
endif
# Some tests of aio forget the two headers.
CFLAGS := -g -O2 -w -std=gnu99 -D_POSIX_C_SOURCE=200112L -D_GNU_SOURCE \
	-include fcntl.h -include sys/stat.h

.PHONY: all
all: $(TESTS:%=$(OUT)/%)

$(OUT)/%: $(SRC)/%.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -I$(SRC)/include -I$(<D)/../include -o $@ $< -lpthread -lrt -lm 2>$@.err
	@rm -f $@.err; touch $(OUT)/stamp
