/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64, and text where it is text.
 */
#include "daemon/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/json.h"
#include "host/xmalloc.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
			     "wxyz0123456789+/";

json_t *bytes_base64(const void *data, size_t len)
{
	const unsigned char *p = data;
	char *text = xmalloc(len / 3 * 4 + 5), *to = text;
	json_t *v;

	for (size_t i = 0; i < len; i += 3) {
		unsigned int n = (unsigned int)p[i] << 16 |
				 (i + 1 < len ? p[i + 1] << 8 : 0) |
				 (i + 2 < len ? p[i + 2] : 0);

		*to++ = digits[n >> 18];
		*to++ = digits[n >> 12 & 63];
		*to++ = i + 1 < len ? digits[n >> 6 & 63] : '=';
		*to++ = i + 2 < len ? digits[n & 63] : '=';
	}
	*to = '\0';
	v = json_string(text);
	free(text);
	return v;
}

/* Four digits: how many bytes they are, -1: none. */
static int quad(const char *p, bool is_last, char *to)
{
	unsigned int n = 0;
	int pad = !is_last || p[3] != '=' ? 0 : p[2] == '=' ? 2 : 1;

	for (int i = 0; i < 4; i++) {
		const char *d = i >= 4 - pad ? digits : strchr(digits, p[i]);

		if (!d || !p[i])
			return -1;
		n = n << 6 | (unsigned int)(d - digits);
	}
	to[0] = (char)(n >> 16);
	to[1] = (char)(n >> 8);
	to[2] = (char)n;
	return 3 - pad;
}

int bytes_from_base64(const char *text, char **out, size_t *len, struct err *e)
{
	size_t n = strlen(text);
	cleanup_free char *to = xmalloc(n / 4 * 3 + 1);

	*len = 0;
	if (n % 4)
		return err_set(e, EINVAL, "no base64: its length");
	for (size_t i = 0; i < n; i += 4) {
		int got = quad(text + i, i + 4 == n, to + *len);

		if (got < 0)
			return err_set(e, EINVAL, "no base64: at byte %zu", i);
		*len += (size_t)got;
	}
	*out = take_ptr(to);
	return 0;
}

size_t bytes_utf8_rest(const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t n = 1; n <= 3 && n <= len; n++) {
		unsigned char b = p[len - n];
		size_t whole = b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : 2;

		if ((b & 0xc0) == 0x80)
			continue;
		return b >= 0xc2 && b <= 0xf4 && whole > n ? n : 0;
	}
	return 0;
}

static size_t write_line(const char *name, const char *suffix, json_t *v,
			 char *buf, size_t size)
{
	cleanup_free char *key = xasprintf("%s%s", name, suffix);
	cleanup_json json_t *o = json_pack("{s:o}", key, v);
	size_t n = json_dumpb(o, buf, size - 1, JSON_COMPACT);

	if (!n || n >= size)
		return 0;
	buf[n] = '\n';
	return n + 1;
}

size_t bytes_line(const char *name, const void *data, size_t len, char *buf,
		  size_t size)
{
	json_t *text = json_stringn(data, len); /* NULL: no UTF-8 */
	size_t n = text ? write_line(name, "", text, buf, size) : 0;

	return n ? n
		 : write_line(name, "_base64", bytes_base64(data, len), buf,
			      size);
}
