# SPDX-License-Identifier: Apache-2.0
KERNEL_SRCS += kernel/dev/blkdev.c kernel/dev/block.c kernel/dev/chrdev.c kernel/dev/mem.c kernel/dev/random.c \
	kernel/dev/console.c kernel/dev/generation.c kernel/dev/hostreg.c kernel/dev/sleep.c kernel/dev/ldisc.c kernel/dev/outpipe.c kernel/dev/tty.c \
	kernel/dev/tty_job.c kernel/dev/pty.c
KERNEL_SRCS += $(if $(POWERCUT),$(POWERCUT_SRCS),kernel/dev/wrap.c)
