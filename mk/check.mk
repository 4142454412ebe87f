# SPDX-License-Identifier: Apache-2.0
# Tests. `make check` runs what CI runs and ends with one line of counts; each
# stage appends "pass NAME", "fail NAME" or "skip NAME: why" to RESULTS.

RESULTS := $(O)/check/results

UNIT_CFLAGS := -std=gnu17 -O1 -g $(WARNINGS) -I. -D_GNU_SOURCE \
	-DJIFFY_UNIT_TEST -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer \
	-Wno-builtin-declaration-mismatch

# Sources that several tests share are compiled once.
$(O)/unit-obj/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

unit_objs = $(patsubst %.c,$(O)/unit-obj/%.o,$(1))

define unit_test
$(O)/tests/unit/$(1): $$(call unit_objs,$$($(1)_UNIT_SRCS))
	@mkdir -p $$(@D)
	@echo "  UNIT $(1)"
	$$(Q)$$(CC) $$(UNIT_CFLAGS) -o $$@ $$^ -lcmocka -pthread \
		$$($(1)_UNIT_LIBS)
-include $$(patsubst %.o,%.d,$$(call unit_objs,$$($(1)_UNIT_SRCS)))
endef
$(foreach t,$(sort $(UNIT_TESTS)),$(eval $(call unit_test,$(t))))
UNIT_BINARIES := $(addprefix $(O)/tests/unit/,$(sort $(UNIT_TESTS)))

# Programs that tests/e2e make of Jiffy's sources.
E2E_HOST_SRCS := $(addprefix host/,loop.c jobs.c err.c strv.c xmalloc.c)
E2E_BINARY_SRCS := $(wildcard gateway/*.c) $(E2E_HOST_SRCS)
$(O)/tests/e2e/gateway: $(call unit_objs,tests/e2e/gateway.c $(E2E_BINARY_SRCS))
$(O)/tests/e2e/front: $(call unit_objs,tests/e2e/front.c $(E2E_BINARY_SRCS))
-include $(patsubst %.c,$(O)/unit-obj/%.d,$(E2E_BINARY_SRCS) \
	tests/e2e/gateway.c tests/e2e/front.c)
E2E_BINARIES := $(addprefix $(O)/tests/e2e/,gateway front)
$(E2E_BINARIES):
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(CC) $(UNIT_CFLAGS) -o $@ $^ $(GATEWAY_LIBS) -pthread
.PHONY: tests/e2e/gateway tests/e2e/front
tests/e2e/gateway tests/e2e/front: %: $(O)/%

FUZZ_CFLAGS := -std=gnu17 -O1 -g -I. -D_GNU_SOURCE -DJIFFY_UNIT_TEST \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	-Wno-unknown-warning-option
$(O)/fuzz-obj/%.o: %.c
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

fuzz_objs = $(patsubst %.c,$(O)/fuzz-obj/%.o,$(1))

define fuzz_target
$(O)/fuzz/$(1): $$(call fuzz_objs,$$($(1)_FUZZ_SRCS))
	@mkdir -p $$(@D)
	@echo "  FUZZ $(1)"
	$$(Q)clang $$(FUZZ_CFLAGS) -o $$@ $$^ $$($(1)_FUZZ_LIBS)
-include $$(patsubst %.o,%.d,$$(call fuzz_objs,$$($(1)_FUZZ_SRCS)))
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

.PHONY: check check-run check-build check-unit check-guest \
	check-e2e check-fuzz check-all lint \
	check-headers check-layers check-format check-docs format fuzz \
	check-fuzz-syscalls fuzz-syscalls check-debug check-soak check-powercut \
	check-suites nightly soak

# What tests need is built first and in parallel; a thing that does not build is
# a failure of its own, or its tests would be missed without a word. Then there
# are two lanes, as most tests keep one processor busy or wait; each has results
# of its own. With BUILT, what did not build (a failure noted already) hides no
# other, and nobody writes what the other lane runs.
CHECK_JOBS ?= $(shell nproc)

check: check-run ## all that CI runs; ends with one line of counts
	@tools/summary $(RESULTS)

check-run:
	@mkdir -p $(O)/check && : >$(RESULTS)
	@tools/timed "everything is built" $(MAKE) --no-print-directory -s -k \
		-j$(CHECK_JOBS) check-build || echo "fail build" >>$(RESULTS)
	@rm -f $(RESULTS)-1 $(RESULTS)-2
	@tools/timed "lane 1" $(MAKE) --no-print-directory -k BUILT=1 \
		RESULTS=$(RESULTS)-1 check-e2e & \
	tools/timed "lane 2" $(MAKE) --no-print-directory -k BUILT=1 \
		RESULTS=$(RESULTS)-2 lint check-unit check-fuzz check-guest \
		check-debug check-powercut check-pc-quick check-suites; wait
	@cat $(RESULTS)-1 $(RESULTS)-2 >>$(RESULTS) || \
		echo "fail a lane has no results" >>$(RESULTS)
	@tools/run-again $(RESULTS) $(O)
	@tools/timed "the soak, alone" $(MAKE) --no-print-directory -k BUILT=1 \
		check-soak || true

# $(call unless_built,prerequisites)
unless_built = $(if $(BUILT),,$(1))

check-build: all guest-root debug powercut other pc $(O)/tests/pc/boot $(UNIT_BINARIES) \
	$(FUZZ_BINARIES) $(E2E_BINARIES) $(O)/fuzz/fuzz_syscalls \
	$(O)/tests/powercut/ledger

check-unit: $(call unless_built,$(UNIT_BINARIES)) ## host unit tests under ASan and UBSan
	@tools/run-unit $(RESULTS) \
		$(if $(BUILT),$(wildcard $(UNIT_BINARIES)),$(UNIT_BINARIES))

check-guest: $(call unless_built,all guest-root) ## guest tests: Linux first, then as instances
	@tools/run-guest $(RESULTS) $(O)

# E2E may name some of tests/e2e/*.bats.
check-e2e: $(call unless_built,all guest-root powercut other $(E2E_BINARIES) pc $(O)/tests/pc/boot) ## whole programs under `jiffy run`
	@tools/run-e2e $(RESULTS) $(O) $(E2E)

SUITES ?= $(notdir $(patsubst %/suite,%,$(wildcard tests/suites/*/suite)))

check-suites: $(call unless_built,all) ## the quick part of the suites that others wrote
	@tools/run-suite -q $(RESULTS) $(O) $(SUITES)

nightly: all $(O)/fuzz/fuzz_syscalls $(FUZZ_BINARIES) ## SUITES in full, NIGHTLY_SECONDS (4 h) at most, and a table; goes on if run again
	@tools/install-packages suites
	@mkdir -p $(O)/check && : >$(O)/check/nightly
	@tools/run-suite -s $(or $(NIGHTLY_SECONDS),14400) $(O)/check/nightly \
		$(O) $(SUITES)
	@tools/run-fuzz-syscalls $(O)/check/nightly $(O) \
		$(or $(FUZZ_SECONDS),600) $(shell date +%s) || :
	@tools/run-fuzz $(O)/check/nightly $(or $(FUZZ_SECONDS),600) \
		$(FUZZ_BINARIES)
	@tools/suite-report $(O)
	@tools/summary $(O)/check/nightly

soak: all guest-root powercut $(O)/tests/powercut/ledger ## the long ones: starts and stops, mixed stress, 500 power cuts, servers that sleep, 500 clones, ends of databases
	@mkdir -p $(O)/check && : >$(O)/check/soak
	@tools/run-soak $(O)/check/soak $(O)
	@tools/run-powercut $(O)/check/soak $(O) 500
	@STORM=1 tools/run-guest $(O)/check/soak $(O)
	@tools/run-soak-sleep $(O)/check/soak $(O)
	@CLONES=500 tools/run-e2e $(O)/check/soak $(O) tests/e2e/clones.bats
	@TENANTS=200 TENANTS_SECONDS=600 SERVICES=50 SERVICES_SECONDS=3600 \
		E2E_SECONDS=10800 \
		tools/run-e2e $(O)/check/soak $(O) tests/e2e/tenants.bats
	@RESTART_SERVICES=100 RESTART_KILLS=50 IDLE_SERVICES=100 \
		IDLE_CONNECTIONS=10000 HELD_SECONDS=900 E2E_SECONDS=1800 \
		tools/run-e2e $(O)/check/soak $(O) tests/e2e/held.bats
	@ASLEEP_SECONDS=3600 tools/run-suite-asleep $(O)/check/soak $(O) redis
	@ASLEEP_SECONDS=3600 tools/run-suite-asleep $(O)/check/soak $(O) postgres
	@tools/run-soak-database $(O)/check/soak $(O) postgres
	@tools/run-soak-database $(O)/check/soak $(O) mariadb
	@tools/summary $(O)/check/soak

check-powercut: $(call unless_built,powercut $(O)/tests/powercut/ledger) ## 30 power cuts: nothing that was promised is lost
	@tools/run-powercut $(RESULTS) $(O) $(or $(CUTS),30)

check-soak: $(call unless_built,all guest-root) ## a minute of what soak does
	@SOAK_INSTANCES=60 SOAK_SECONDS=15 tools/run-soak $(RESULTS) $(O)
	@STORM=1 tools/run-guest $(RESULTS) $(O) fork thread signal futex

check-fuzz: $(call unless_built,$(FUZZ_BINARIES)) ## a few seconds of every fuzz target
	@tools/run-fuzz $(RESULTS) 3 \
		$(if $(BUILT),$(wildcard $(FUZZ_BINARIES)),$(FUZZ_BINARIES))

fuzz: $(FUZZ_BINARIES) ## FUZZ_SECONDS (600) of every fuzz target
	@tools/run-fuzz /dev/stdout $(or $(FUZZ_SECONDS),600) $(FUZZ_BINARIES)

# Groups with the most locks, on a kernel that checks their order, and the
# syscall fuzzer with fixed seeds.
DEBUG_GUEST_TESTS := fork exec thread futex pipe event poll unix inet tty \
	inotify path inode files2 signal
check-debug: $(call unless_built,debug guest-root $(O)/fuzz/fuzz_syscalls) ## guest tests and fuzzer on a debug kernel
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

# Platform pc under QEMU's emulation.
$(O)/tests/pc/boot: tests/pc/boot.c monitor/boot.c $(HOST_SRCS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) -Wno-format-truncation -o $@ tests/pc/boot.c \
		monitor/boot.c host/err.c host/strv.c host/xmalloc.c host/io.c

.PHONY: check-pc check-pc-quick check-kvm check-cgroup
check-pc: all guest-root pc $(O)/tests/pc/boot ## guest tests and programs on platform pc, under QEMU
	@mkdir -p $(O)/check && : >$(O)/check/pc-results
	@tools/run-pc $(O)/check/pc-results $(O)
	@CPUS=2 tools/run-pc $(O)/check/pc-results $(O) $(PC_SMP_TESTS)
	@STEP=1 tools/run-pc $(O)/check/pc-results $(O) registers
	@tools/run-pc-machines $(O)/check/pc-results $(O)
	@tools/run-pc-suites $(O)/check/pc-results $(O)
	@E2E_SECONDS=1800 tools/run-e2e $(O)/check/pc-results $(O) \
		tests/pc/programs.bats tests/pc/network.bats
	@JIFFY_PLATFORM=qemu tools/run-e2e $(O)/check/pc-results $(O) $(PC_E2E)
	@tools/summary $(O)/check/pc-results

check-cgroup: all ## limits by control groups of version 2, in an emulated machine: a minute
	@mkdir -p $(O)/check && : >$(O)/check/cgroup-results
	@tools/run-cgroup $(O)/check/cgroup-results $(O)
	@tools/summary $(O)/check/cgroup-results

check-kvm: all guest-root pc $(O)/tests/pc/boot ## platform pc under KVM, nested in an emulated machine: some minutes
	@mkdir -p $(O)/check && : >$(O)/check/kvm-results
	@tools/run-kvm $(O)/check/kvm-results $(O)
	@tools/summary $(O)/check/kvm-results

# Half a minute of it.
PC_GUEST_TESTS := fork mem signal futex fd poll inet unix exec thread core \
	files2:volume
PC_SMP_TESTS := registers thread thread.musl futex futex.static tlb large fork \
	fork.musl mem signal sigframe rseq sched exec poll event unix pipe timer \
	hostile leak fd:volume
PC_E2E := $(patsubst %,tests/e2e/%.bats,stdio cp death exec detached \
	volume-run run)
PC_SMP_QUICK := registers thread futex tlb large
PC_MACHINES := microvm,acpi=on q35 off:q35 rng cut_image disk
check-pc-quick: $(call unless_built,all guest-root pc $(O)/tests/pc/boot) ## the part of check-pc that CI runs
	@tools/run-pc $(RESULTS) $(O) $(PC_GUEST_TESTS)
	@CPUS=2 tools/run-pc $(RESULTS) $(O) $(PC_SMP_QUICK)
	@tools/run-pc-machines $(RESULTS) $(O) $(PC_MACHINES)
