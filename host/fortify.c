/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For programs that are linked with musl, which starts in a third of glibc's
 * time: the three checked string functions that Debian's libjansson.a, built
 * against glibc, expects of its C library. Not part of other programs.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int __snprintf_chk(char *s, size_t len, int flag, size_t room, const char *fmt,
		   ...) __attribute__((format(printf, 5, 6)));
int __vsnprintf_chk(char *s, size_t len, int flag, size_t room, const char *fmt,
		    va_list ap) __attribute__((format(printf, 5, 0)));
char *__strncpy_chk(char *to, const char *from, size_t len, size_t room);

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
