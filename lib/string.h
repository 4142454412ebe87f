/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C library's memory and string functions that the kernel and lib/ use,
 * with the C library's meaning. In the kernel lib/string.c defines them; in
 * host programs libc does. str_copy() and str_hash() are ours everywhere.
 */
#ifndef JIFFY_LIB_STRING_H
#define JIFFY_LIB_STRING_H

#include "lib/compiler.h"

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);

/* Copy src with its terminator into dst[size], cut to fit; the length of src,
 * so a result >= size means that it was cut. size must not be 0. */
size_t str_copy(char *dst, size_t size, const char *src);

/* Hash of n bytes (FNV-1a, 64 bit folded to 32). */
u32 str_hash(const char *s, size_t n);

/* Parse an unsigned number in base 10 (or 8, 16 when base says so) that fills
 * s[0..n): 0, -EINVAL (not a number) or -ERANGE. */
int str_to_u64(const char *s, size_t n, unsigned int base, u64 *value);

#endif
