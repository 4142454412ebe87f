# SPDX-License-Identifier: Apache-2.0
# Tests. `make check` runs what CI runs and ends with one line of counts; each
# stage appends "pass NAME", "fail NAME" or "skip NAME: why" to RESULTS.

RESULTS := $(O)/check/results

UNIT_CFLAGS := -std=gnu17 -O1 -g $(WARNINGS) -I. -D_GNU_SOURCE \
	-DJIFFY_UNIT_TEST -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer \
	-Wno-builtin-declaration-mismatch

define unit_test
$(O)/tests/unit/$(1): $$($(1)_UNIT_SRCS) $$(wildcard tests/unit/*.h)
	@mkdir -p $$(@D)
	@echo "  UNIT $(1)"
	$$(Q)$$(CC) $$(UNIT_CFLAGS) $$($(1)_UNIT_CFLAGS) -o $$@ \
		$$($(1)_UNIT_SRCS) -lcmocka -pthread $$($(1)_UNIT_LIBS)
endef
$(foreach t,$(sort $(UNIT_TESTS)),$(eval $(call unit_test,$(t))))
UNIT_BINARIES := $(addprefix $(O)/tests/unit/,$(sort $(UNIT_TESTS)))

FUZZ_CFLAGS := -std=gnu17 -O1 -g -I. -D_GNU_SOURCE -DJIFFY_UNIT_TEST \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	-Wno-unknown-warning-option
define fuzz_target
$(O)/fuzz/$(1): $$($(1)_FUZZ_SRCS)
	@mkdir -p $$(@D)
	@echo "  FUZZ $(1)"
	$$(Q)clang $$(FUZZ_CFLAGS) $$($(1)_FUZZ_CFLAGS) -o $$@ \
		$$($(1)_FUZZ_SRCS) $$($(1)_FUZZ_LIBS)
endef
$(foreach t,$(sort $(FUZZ_TARGETS)),$(eval $(call fuzz_target,$(t))))
FUZZ_BINARIES := $(addprefix $(O)/fuzz/,$(sort $(FUZZ_TARGETS)))

# The syscall fuzzer, a guest program: its grammar is the kernel's tables.
SYSCALL_FUZZ_SRCS := $(wildcard tests/fuzz/syscalls/*.c)
$(O)/fuzz/fuzz_syscalls: $(SYSCALL_FUZZ_SRCS) kernel/sys/table.h \
		$(wildcard kernel/sys/flags*.h) $(wildcard tests/fuzz/syscalls/*.h)
	@mkdir -p $(@D)
	@echo "  FUZZ fuzz_syscalls"
	$(Q)$(CC) -std=gnu17 -O1 -g -Wall -Wextra -Werror -I. -static -pthread \
		-o $@ $(SYSCALL_FUZZ_SRCS)

.PHONY: check check-run check-build check-unit check-guest check-e2e check-fuzz check-all lint \
	check-headers check-layers check-format check-docs format fuzz \
	check-fuzz-syscalls fuzz-syscalls check-debug check-soak check-powercut \
	check-suites nightly soak

# What tests need is built first and in parallel; a thing that does not build is
# a failure of its own, or its tests would be missed without a word.
CHECK_JOBS ?= $(shell nproc)

check: check-run ## all that CI runs; ends with one line of counts
	@tools/summary $(RESULTS)

check-run:
	@mkdir -p $(O)/check && : >$(RESULTS)
	@$(MAKE) --no-print-directory -s -k -j$(CHECK_JOBS) check-build || \
		echo "fail build" >>$(RESULTS)
	@$(MAKE) --no-print-directory -k -j$(CHECK_JOBS) --output-sync=target \
		BUILT=1 lint check-unit check-fuzz || true
	@$(MAKE) --no-print-directory -k check-guest check-e2e \
		check-debug check-soak check-powercut check-suites || true

check-build: all guest-root $(UNIT_BINARIES) $(FUZZ_BINARIES) \
	$(O)/fuzz/fuzz_syscalls

# In check-run, what did not build (a failure noted already) hides no other.
check-unit: $(if $(BUILT),,$(UNIT_BINARIES)) ## host unit tests under ASan and UBSan
	@tools/run-unit $(RESULTS) \
		$(if $(BUILT),$(wildcard $(UNIT_BINARIES)),$(UNIT_BINARIES))

check-guest: all guest-root ## guest tests: Linux first, then as instances
	@tools/run-guest $(RESULTS) $(O)

check-e2e: all guest-root powercut other ## whole programs under `jiffy run`
	@tools/run-e2e $(RESULTS) $(O)

SUITES ?= $(notdir $(patsubst %/suite,%,$(wildcard tests/suites/*/suite)))

check-suites: all ## the quick part of the suites that others wrote
	@tools/run-suite -q $(RESULTS) $(O) $(SUITES)

nightly: all $(O)/fuzz/fuzz_syscalls $(O)/fuzz/ext4_image ## SUITES in full, NIGHTLY_SECONDS (4 h) at most, and a table; goes on if run again
	@tools/install-packages suites
	@mkdir -p $(O)/check && : >$(O)/check/nightly
	@tools/run-suite -s $(or $(NIGHTLY_SECONDS),14400) $(O)/check/nightly \
		$(O) $(SUITES)
	@tools/run-fuzz-syscalls $(O)/check/nightly $(O) \
		$(or $(FUZZ_SECONDS),600) $(shell date +%s) || :
	@tools/run-fuzz $(O)/check/nightly $(or $(FUZZ_SECONDS),600) \
		$(O)/fuzz/ext4_image
	@tools/suite-report $(O)
	@tools/summary $(O)/check/nightly

soak: all guest-root powercut $(O)/tests/powercut/ledger ## the long ones: starts and stops, mixed stress, 500 power cuts, servers that sleep, 500 clones, ends of databases
	@mkdir -p $(O)/check && : >$(O)/check/soak
	@tools/run-soak $(O)/check/soak $(O)
	@tools/run-powercut $(O)/check/soak $(O) 500
	@STORM=1 tools/run-guest $(O)/check/soak $(O)
	@tools/run-soak-sleep $(O)/check/soak $(O)
	@CLONES=500 tools/run-e2e $(O)/check/soak $(O) tests/e2e/clones.bats
	@ASLEEP_SECONDS=3600 tools/run-suite-asleep $(O)/check/soak $(O) redis
	@ASLEEP_SECONDS=3600 tools/run-suite-asleep $(O)/check/soak $(O) postgres
	@tools/run-soak-database $(O)/check/soak $(O) postgres
	@tools/run-soak-database $(O)/check/soak $(O) mariadb
	@tools/summary $(O)/check/soak

check-powercut: powercut $(O)/tests/powercut/ledger ## 30 power cuts: nothing that was promised is lost
	@tools/run-powercut $(RESULTS) $(O) $(or $(CUTS),30)

check-soak: all guest-root ## a minute of what soak does
	@SOAK_INSTANCES=60 SOAK_SECONDS=15 tools/run-soak $(RESULTS) $(O)
	@STORM=1 tools/run-guest $(RESULTS) $(O) fork thread signal futex

check-fuzz: $(FUZZ_BINARIES) ## a few seconds of every fuzz target
	@tools/run-fuzz $(RESULTS) 5 $(FUZZ_BINARIES)

fuzz: $(FUZZ_BINARIES) ## FUZZ_SECONDS (600) of every fuzz target
	@tools/run-fuzz /dev/stdout $(or $(FUZZ_SECONDS),600) $(FUZZ_BINARIES)

# Groups with the most locks, on a kernel that checks their order, and the
# syscall fuzzer with fixed seeds.
DEBUG_GUEST_TESTS := fork exec thread futex pipe event poll unix inet tty \
	inotify path inode files2 signal
check-debug: debug guest-root $(O)/fuzz/fuzz_syscalls ## guest tests and fuzzer on a debug kernel
	@mkdir -p $(O)/debug/fuzz $(O)/debug/check
	@cp $(O)/fuzz/fuzz_syscalls $(O)/debug/fuzz/
	@: >$(O)/debug/check/results
	@tools/run-guest $(O)/debug/check/results $(O)/debug $(DEBUG_GUEST_TESTS)
	@tools/run-fuzz-syscalls $(O)/debug/check/results $(O)/debug 20
	@sed -E 's#^([a-z]+) #\1 debug/#' $(O)/debug/check/results >>$(RESULTS)

check-fuzz-syscalls: all $(O)/fuzz/fuzz_syscalls ## the syscall fuzzer, fixed seeds
	@tools/run-fuzz-syscalls $(RESULTS) $(O) 20

fuzz-syscalls: all $(O)/fuzz/fuzz_syscalls ## FUZZ_SECONDS (600) of the syscall fuzzer
	@tools/install-packages fuzz
	@tools/run-fuzz-syscalls /dev/stdout $(O) $(or $(FUZZ_SECONDS),600) \
		$(or $(FUZZ_SEED),$(shell date +%s))

C_FILES = $(shell git ls-files --cached --others --exclude-standard \
	'*.c' '*.h' 2>/dev/null)

lint: check-layers check-headers check-format check-docs ## static checks

check-layers:
	@tools/result $(RESULTS) lint/layers tools/check-layers

check-headers:
	@tools/result $(RESULTS) lint/headers tools/check-headers

check-format:
	@tools/result $(RESULTS) lint/format clang-format --dry-run -Werror \
		$(C_FILES)

check-docs:
	@tools/result $(RESULTS) lint/docs tools/check-docs

format: ## reformat all C files
	$(Q)clang-format -i $(C_FILES)
