# SPDX-License-Identifier: Apache-2.0
# Shared with host programs; string.c only for the kernel (hosts have libc).
LIB_SRCS := lib/fmt.c lib/rbtree.c lib/str.c
LIB_KERNEL_SRCS := lib/string.c
