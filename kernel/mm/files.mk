# SPDX-License-Identifier: Apache-2.0
KERNEL_SRCS += kernel/mm/heap.c kernel/mm/pages.c kernel/mm/window.c \
	kernel/mm/object.c kernel/mm/area.c kernel/mm/map.c kernel/mm/mm.c \
	kernel/mm/protect.c kernel/mm/pager.c kernel/mm/pager_dirty.c \
	kernel/mm/pager_direct.c kernel/mm/readahead.c \
	kernel/mm/remap.c kernel/mm/remote.c
