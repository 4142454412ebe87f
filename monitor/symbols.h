/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for kernel addresses, from the kernel file's own symbol table.
 */
#ifndef JIFFY_MONITOR_SYMBOLS_H
#define JIFFY_MONITOR_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

struct symbols;

/* Load from an ELF file; NULL if it has none. Free with symbols_free(). */
struct symbols *symbols_load(const char *path);
void symbols_free(struct symbols *s);
/* "name+0x12" or "0x7d00..." into buf. s may be NULL. */
void symbols_name(const struct symbols *s, uint64_t addr, char *buf,
		  size_t size);

#endif
