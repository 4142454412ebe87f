# SPDX-License-Identifier: Apache-2.0
KERNEL_SRCS += \
	kernel/proc/clock.c kernel/proc/cputime.c \
	kernel/proc/clone.c \
	kernel/proc/cred.c \
	kernel/proc/deliver.c \
	kernel/proc/elf.c \
	kernel/proc/exec.c \
	kernel/proc/exec_args.c \
	kernel/proc/exec_load.c \
	kernel/proc/exit.c \
	kernel/proc/fault.c \
	kernel/proc/itimer.c \
	kernel/proc/lock.c kernel/proc/lockdep.c \
	kernel/proc/oom.c \
	kernel/proc/pid.c \
	kernel/proc/pidfd.c \
	kernel/proc/posix_timer.c \
	kernel/proc/process.c \
	kernel/proc/quiet.c \
	kernel/proc/rseq.c \
	kernel/proc/signal.c \
	kernel/proc/sigqueue.c \
	kernel/proc/sleep.c \
	kernel/proc/timer.c \
	kernel/proc/wait.c \
	kernel/proc/waitq.c
KERNEL_SRCS += kernel/proc/coredump.c kernel/proc/core_elf.c \
	kernel/proc/core_outside.c
