/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names eight bytes at a time: hashing, finding the end of a component,
 * comparing. Words may reach beyond a name's end, never beyond its page.
 */
#ifndef JIFFY_KERNEL_VFS_NAME_HASH_H
#define JIFFY_KERNEL_VFS_NAME_HASH_H

#include "lib/compiler.h"

#define NAME_ONES 0x0101010101010101UL
#define NAME_HIGHS 0x8080808080808080UL

/* May be loaded from any address, whatever type lies there. */
typedef u64 name_word __attribute__((may_alias, aligned(1)));
#ifdef JIFFY_UNIT_TEST /* ASan sees the bytes behind a name */
#define NAME_READS_BEYOND __attribute__((no_sanitize("address")))
#else
#define NAME_READS_BEYOND
#endif

static inline bool name_word_fits(const char *s)
{
	return likely(((uintptr_t)s & (PAGE_SIZE - 1)) <= PAGE_SIZE - 8);
}

/* The word at s; what follows a terminator is of no meaning. */
NAME_READS_BEYOND static inline u64 name_load(const char *s)
{
	u64 word = 0;

	if (name_word_fits(s))
		return *(const name_word *)s;
	for (u32 i = 0; i < 8 && s[i]; i++)
		word |= (u64)(u8)s[i] << 8 * i;
	return word;
}

/* n < 8 bytes as a word, zeroes behind. */
NAME_READS_BEYOND static inline u64 name_tail(const char *s, u32 n)
{
	u64 word = 0;

	if (name_word_fits(s))
		return *(const name_word *)s & ((1UL << 8 * n) - 1);
	for (u32 i = 0; i < n; i++)
		word |= (u64)(u8)s[i] << 8 * i;
	return word;
}

static inline u64 name_hash_step(u64 hash, u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15UL;
	return hash ^ (hash >> 32);
}

/* Length and hash of the component at s, which ends at a slash or NUL. */
static inline u32 name_scan(const char *s, u32 *hash)
{
	u64 h = 0, word, slash, end;
	u32 len = 0, n;

	for (;;) {
		word = name_load(s + len);
		slash = word ^ (NAME_ONES * '/');
		end = (((word - NAME_ONES) & ~word) |
		       ((slash - NAME_ONES) & ~slash)) &
		      NAME_HIGHS;
		if (likely(end))
			break;
		h = name_hash_step(h, word);
		len += 8;
	}
	n = (u32)__builtin_ctzl(end) / 8;
	*hash = (u32)name_hash_step(h, word & ((1UL << 8 * n) - 1));
	return len + n;
}

/* The same hash of a name whose length is known. */
static inline u32 name_hash(const char *name, u32 len)
{
	u64 h = 0;

	for (; len >= 8; len -= 8, name += 8)
		h = name_hash_step(h, *(const name_word *)name);
	return (u32)name_hash_step(h, name_tail(name, len));
}

static inline bool name_equal(const char *a, const char *b, u32 len)
{
	for (; len >= 8; len -= 8, a += 8, b += 8)
		if (*(const name_word *)a != *(const name_word *)b)
			return false;
	return name_tail(a, len) == name_tail(b, len);
}

#endif
