# SPDX-License-Identifier: Apache-2.0
# Guest tests: ordinary Linux programs (dynamic glibc, static glibc, static
# musl) and the root directory that holds them as an image.

GUEST_CFLAGS := -std=gnu17 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE
GUEST_BIN := $(O)/tests/guest

$(GUEST_BIN)/%.static: tests/guest/%.c tests/guest/tap.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) $($*_GUEST_CFLAGS) -static -pthread -o $@ $< -lrt

$(GUEST_BIN)/%.musl: tests/guest/%.c tests/guest/tap.h
	@mkdir -p $(@D)
	$(Q)musl-gcc $(GUEST_CFLAGS) $($*_GUEST_CFLAGS) -static -pthread -o $@ $<

$(GUEST_BIN)/%.nonpie: tests/guest/%.c tests/guest/tap.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) $($*_GUEST_CFLAGS) -no-pie -fno-pie -pthread -o $@ $< -lrt

$(GUEST_BIN)/%.go: tests/guest/%.go
	@mkdir -p $(@D)
	$(Q)GOCACHE=$(abspath $(O))/go-cache CGO_ENABLED=0 go build -o $@ $<

$(GUEST_BIN)/hello_asm: tests/guest/hello_asm.S
	@mkdir -p $(@D)
	$(Q)$(CC) -nostdlib -static -o $@ $<

$(GUEST_BIN)/%: tests/guest/%.c tests/guest/tap.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) $($*_GUEST_CFLAGS) -pthread -o $@ $< -lrt

GUEST_BINARIES := $(addprefix $(GUEST_BIN)/,$(GUEST_TESTS) \
	$(addsuffix .static,$(GUEST_TESTS_STATIC)) \
	$(addsuffix .musl,$(GUEST_TESTS_MUSL)) \
	hello hello.static hello.musl hello_asm hello_nonpie.nonpie hello_go.go)

.PHONY: guest-tests guest-root
guest-tests: $(GUEST_BINARIES) ## build the guest tests

$(O)/guest-root/.stamp: $(GUEST_BINARIES) tools/guest-root
	$(Q)tools/guest-root $(O)/guest-root $(GUEST_BINARIES)
	$(Q)touch $@

guest-root: $(O)/guest-root/.stamp ## a root directory with the guest tests
