/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For programs that are linked with musl, which starts in a third of glibc's
 * time: the three checked string functions that Debian's libjansson.a, built
 * against glibc, expects of its C library, and a memcpy() that is quick with
 * the few bytes at a time of a JSON text, where musl's string instruction costs
 * a tenth of a start. Not part of other programs.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int __snprintf_chk(char *s, size_t len, int flag, size_t room, const char *fmt,
		   ...) __attribute__((format(printf, 5, 6)));
int __vsnprintf_chk(char *s, size_t len, int flag, size_t room, const char *fmt,
		    va_list ap) __attribute__((format(printf, 5, 0)));
char *__strncpy_chk(char *to, const char *from, size_t len, size_t room);
/* The linker's names for memcpy(): what all call, and the C library's. */
void *__wrap_memcpy(void *restrict to, const void *restrict from, size_t n);
void *__real_memcpy(void *restrict to, const void *restrict from, size_t n);

#define COPY_SMALL 64 /* bytes; a string instruction wins above */

/* Words that may lie anywhere, of any type. */
typedef uint64_t word_t __attribute__((may_alias, aligned(1)));

void *__wrap_memcpy(void *restrict to, const void *restrict from, size_t n)
{
	const char *s = from;
	char *d = to;

	if (n > COPY_SMALL)
		return __real_memcpy(to, from, n);
	for (; n >= 8; n -= 8, s += 8, d += 8)
		*(word_t *)d = *(const word_t *)s;
	for (; n; n--) {
		*d++ = *s++;
		__asm__ volatile(""); /* not to become a call of memcpy() */
	}
	return to;
}

int __vsnprintf_chk(char *s, size_t len, int flag, size_t room, const char *fmt,
		    va_list ap)
{
	(void)flag;
	if (len > room)
		abort();
	return vsnprintf(s, len, fmt, ap);
}

int __snprintf_chk(char *s, size_t len, int flag, size_t room, const char *fmt,
		   ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = __vsnprintf_chk(s, len, flag, room, fmt, ap);
	va_end(ap);
	return n;
}

char *__strncpy_chk(char *to, const char *from, size_t len, size_t room)
{
	if (len > room)
		abort();
	return strncpy(to, from, len);
}
