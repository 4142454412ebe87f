# SPDX-License-Identifier: Apache-2.0
# The guest tests: one program per group of calls, run on the host's Linux
# first and as an instance then; both must print the same and end with 0.
#
# GUEST_TESTS         build/tests/guest/NAME: cc -O2 -pthread, dynamic
# GUEST_TESTS_STATIC  NAME.static: the same with -static
# GUEST_TESTS_MUSL    NAME.musl: musl-gcc -static
# hostile and leak come last: hostile is the slowest (a few seconds), leak is
# the one whose kernel counts are compared (argument: rounds, 20 unless told).

GUEST_TESTS := elf_start rseq mem fork exec signal sigframe fd path inode \
	thread futex pipe event poll unix inet raw time timer cred admin sched shm \
	sysv memlock xattr inotify files2 procfs tty badargs hostile leak

GUEST_TESTS_STATIC := elf_start mem fork exec signal sigframe thread futex \
	fd pipe hostile

GUEST_TESTS_MUSL := elf_start mem fork exec signal sigframe fd path inode \
	thread futex pipe event poll unix inet time cred shm procfs tty hostile \
	leak

# Socket options and message flags; times; credentials and limits.
GUEST_TESTS += netlink sockopt sockmsg cputime procvm limits

# Moving data, dumps, locks, disks.
GUEST_TESTS += disk aio init mqueue splice core sigio locks exact

# Several processors.
GUEST_TESTS += tlb registers

# Pages of 2 MiB.
GUEST_TESTS += large

# Programs that tests and benchmarks start, with rules of their own:
# hello.c (also static and musl), hello_asm.S (-nostdlib -static),
# hello_nonpie.c (-no-pie), hello_go.go (with -selftest it prints TAP).
