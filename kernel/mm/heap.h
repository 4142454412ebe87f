/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel heap: size classes up to half a page packed densely (snapshots
 * copy it), whole pages above. Shared by all spaces. Never sleeps for memory;
 * NULL means that the instance's kernel memory limit is reached.
 */
#ifndef JIFFY_KERNEL_MM_HEAP_H
#define JIFFY_KERNEL_MM_HEAP_H

#include "lib/compiler.h"

void heap_init(void);
/* At least size bytes, 16-byte aligned; a size of 0 is a bug. */
void *kmalloc(size_t size);
void *kzalloc(size_t size);
void *krealloc(void *p, size_t size); /* p may be NULL */
void kfree(void *p);		      /* NULL is fine */
char *kstrdup(const char *s);
char *kstrndup(const char *s, size_t n);
/* Whole pages, page-aligned. */
void *kpages_alloc(size_t npages);
void kpages_free(void *p, size_t npages);

/* For /proc/meminfo, leak tests and crash reports. */
struct heap_stats {
	u64 bytes_used,
		bytes_reserved; /* handed out; taken from the platform */
	u64 nobjects;
};
void heap_stats(struct heap_stats *s);

#endif
