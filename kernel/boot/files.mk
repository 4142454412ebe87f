# SPDX-License-Identifier: Apache-2.0
KERNEL_SRCS += \
	kernel/boot/boot.c \
	kernel/boot/cloned.c \
	kernel/boot/command.c \
	kernel/boot/files.c \
	kernel/boot/fileserver.c \
	kernel/boot/program.c \
	kernel/boot/refuse.c \
	kernel/boot/user.c \
	kernel/boot/volumes.c
