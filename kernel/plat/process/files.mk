# SPDX-License-Identifier: Apache-2.0
KERNEL_SRCS += \
	kernel/plat/process/block.c \
	kernel/plat/process/broker.c \
	kernel/plat/process/dense.c \
	kernel/plat/process/filter.c \
	kernel/plat/process/freeze.c \
	kernel/plat/process/hfd.c \
	kernel/plat/process/hostcall.S \
	kernel/plat/process/lazy.c \
	kernel/plat/process/memory.c \
	kernel/plat/process/park.c \
	kernel/plat/process/restore.c \
	kernel/plat/process/signal.S \
	kernel/plat/process/spawn.c \
	kernel/plat/process/head.S \
	kernel/plat/process/start.c \
	kernel/plat/process/thread.c \
	kernel/plat/process/time.c \
	kernel/plat/process/trap.c \
	kernel/plat/process/vdso_host.c \
	kernel/plat/process/woken.c
