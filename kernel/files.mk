# SPDX-License-Identifier: Apache-2.0
# Kernel sources, a list per folder.
KERNEL_SRCS :=
include $(wildcard kernel/*/files.mk)
include kernel/plat/process/files.mk
include kernel/plat/pc/files.mk
