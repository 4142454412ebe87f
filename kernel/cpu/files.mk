# SPDX-License-Identifier: Apache-2.0
KERNEL_SRCS += \
	kernel/cpu/entry.S \
	kernel/cpu/fpu.c \
	kernel/cpu/patch.c \
	kernel/cpu/patch_decode.c \
	kernel/cpu/sigframe.c \
	kernel/cpu/usercopy_asm.S \
	kernel/cpu/usercopy.c \
	kernel/cpu/vdso.c \
	kernel/cpu/vdso_image.S

# The vDSO: a shared object of its own that vdso_image.S takes in.
VDSO_SRCS := kernel/cpu/vdso/vdso.c
VDSO_LDS := kernel/cpu/vdso/vdso.lds
