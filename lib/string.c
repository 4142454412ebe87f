/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C library's memory and string functions for the kernel. Blocks of up to
 * 128 bytes go through general registers, larger ones through the string
 * instructions, which the processor turns into whole cache lines.
 */
#include "lib/string.h"

#define SMALL_MAX 128 /* bytes moved in a loop of words */

/* Unaligned words that may alias anything. */
typedef u64 word_t __attribute__((may_alias, aligned(1)));
typedef u32 half_t __attribute__((may_alias, aligned(1)));
typedef u16 quarter_t __attribute__((may_alias, aligned(1)));

static inline void copy_below_16(char *d, const char *s, size_t n)
{
	if (n >= 8) {
		u64 head = *(const word_t *)s;
		u64 tail = *(const word_t *)(s + n - 8);

		*(word_t *)d = head;
		*(word_t *)(d + n - 8) = tail;
	} else if (n >= 4) {
		u32 head = *(const half_t *)s;
		u32 tail = *(const half_t *)(s + n - 4);

		*(half_t *)d = head;
		*(half_t *)(d + n - 4) = tail;
	} else if (n >= 2) {
		u16 head = *(const quarter_t *)s;
		u16 tail = *(const quarter_t *)(s + n - 2);

		*(quarter_t *)d = head;
		*(quarter_t *)(d + n - 2) = tail;
	} else if (n == 1) {
		*d = *s;
	}
}

/* At least 8 bytes, ascending. Not "rep movsb": as fast at best, eight times
 * slower where dst follows src at a small distance (modulo a page), on a
 * processor without fast short strings, and in an emulator. */
static inline void copy_words(void *d, const void *s, size_t n)
{
	u64 tail = *(const word_t *)((const char *)s + n - 8);
	word_t *end = (word_t *)((char *)d + n - 8);

	n /= 8;
	__asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	*end = tail;
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	void *d = dst;
	const void *s = src;

	if (n < 16) {
		copy_below_16(d, s, n);
		return dst;
	}
	if (n > SMALL_MAX) {
		copy_words(d, s, n);
		return dst;
	}
	for (size_t i = 0; i + 16 < n; i += 16) {
		((word_t *)d)[i / 8] = ((const word_t *)s)[i / 8];
		((word_t *)d)[i / 8 + 1] = ((const word_t *)s)[i / 8 + 1];
	}
	*(word_t *)((char *)d + n - 16) =
		*(const word_t *)((const char *)s + n - 16);
	*(word_t *)((char *)d + n - 8) =
		*(const word_t *)((const char *)s + n - 8);
	return dst;
}

static void copy_backward(char *d, const char *s, size_t n)
{
	while (n >= 8) {
		n -= 8;
		*(word_t *)(d + n) = *(const word_t *)(s + n);
	}
	while (n > 0) {
		n--;
		d[n] = s[n];
	}
}

void *memmove(void *dst, const void *src, size_t n)
{
	char *d = dst;
	const char *s = src;

	if (n < 16) {
		copy_below_16(d, s, n);
	} else if ((uintptr_t)d - (uintptr_t)s >= n) {
		/* Not inside [s, s+n): ascending order is safe. */
		copy_words(d, s, n);
	} else {
		copy_backward(d, s, n);
	}
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	char *d = dst;
	u64 word = (u8)c * 0x0101010101010101UL;

	if (n < 8) {
		for (size_t i = 0; i < n; i++)
			d[i] = (char)c;
		return dst;
	}
	*(word_t *)(d + n - 8) = word;
	if (n > SMALL_MAX) {
		n /= 8;
		__asm__ volatile("rep stosq"
				 : "+D"(d), "+c"(n)
				 : "a"(word)
				 : "memory");
		return dst;
	}
	for (size_t i = 0; i + 8 < n; i += 8)
		*(word_t *)(d + i) = word;
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a;
	const u8 *y = b;
	size_t i = 0;

	while (i + 8 <= n &&
	       *(const word_t *)(x + i) == *(const word_t *)(y + i))
		i += 8;
	for (; i < n; i++) {
		if (x[i] != y[i])
			return x[i] - y[i];
	}
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	const u8 *p = s;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == (u8)c)
			return (void *)(uintptr_t)(p + i);
	}
	return NULL;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (a[i] != b[i] || !a[i])
			return (u8)a[i] - (u8)b[i];
	}
	return 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)(uintptr_t)s;
		if (!*s)
			return NULL;
	}
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	for (;; s++) {
		if (*s == (char)c)
			last = s;
		if (!*s)
			return (char *)(uintptr_t)last;
	}
}
