/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formatting without libc: the conversions that fmt.h lists, with printf's
 * meaning. Output goes through a cursor that counts what did not fit.
 */
#include "lib/fmt.h"
#include "lib/string.h"

struct out {
	char *buf;
	size_t size; /* bytes of buf, terminator included */
	size_t len;  /* of the whole text */
};

enum length { LEN_CHAR, LEN_SHORT, LEN_INT, LEN_LONG };

struct spec {
	bool left, zero, alt, plus, space;
	bool has_precision;
	int width;
	int precision;
	enum length length;
	char conv;
};

static void put_char(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void put_bytes(struct out *o, const char *s, size_t n)
{
	if (o->len + 1 < o->size) {
		size_t room = o->size - 1 - o->len;

		memcpy(o->buf + o->len, s, MIN(room, n));
	}
	o->len += n;
}

static void put_fill(struct out *o, char c, int n)
{
	for (int i = 0; i < n; i++)
		put_char(o, c);
}

/* prefix, zeros and digits, in a field of spec->width. */
static void put_field(struct out *o, const struct spec *spec,
		      const char *prefix, int zeros, const char *s, size_t n)
{
	size_t prefix_len = strlen(prefix);
	int used = (int)(prefix_len + n) + zeros;
	int pad = spec->width > used ? spec->width - used : 0;

	if (!spec->left)
		put_fill(o, ' ', pad);
	put_bytes(o, prefix, prefix_len);
	put_fill(o, '0', zeros);
	put_bytes(o, s, n);
	if (spec->left)
		put_fill(o, ' ', pad);
}

static void put_number(struct out *o, const struct spec *spec, u64 v,
		       unsigned int base, const char *prefix)
{
	const char *digits = spec->conv == 'X' ? "0123456789ABCDEF"
					       : "0123456789abcdef";
	char text[24];
	int n = 0;
	int zeros = 0;
	int field;

	for (; v; v /= base)
		text[sizeof(text) - (size_t)++n] = digits[v % base];
	if (n == 0 && !(spec->has_precision && spec->precision == 0))
		text[sizeof(text) - (size_t)++n] = '0';
	field = n + (int)strlen(prefix);
	if (spec->has_precision)
		zeros = spec->precision > n ? spec->precision - n : 0;
	else if (spec->zero && !spec->left && spec->width > field)
		zeros = spec->width - field;
	put_field(o, spec, prefix, zeros, text + sizeof(text) - n, (size_t)n);
}

static u64 signed_arg(const struct spec *spec, va_list *ap)
{
	if (spec->length == LEN_LONG)
		return (u64)va_arg(*ap, long);
	if (spec->length == LEN_SHORT)
		return (u64)(s64)(short)va_arg(*ap, int);
	if (spec->length == LEN_CHAR)
		return (u64)(s64)(signed char)va_arg(*ap, int);
	return (u64)(s64)va_arg(*ap, int);
}

static u64 unsigned_arg(const struct spec *spec, va_list *ap)
{
	if (spec->length == LEN_LONG)
		return va_arg(*ap, unsigned long);
	if (spec->length == LEN_SHORT)
		return (unsigned short)va_arg(*ap, unsigned int);
	if (spec->length == LEN_CHAR)
		return (unsigned char)va_arg(*ap, unsigned int);
	return va_arg(*ap, unsigned int);
}

static void put_signed(struct out *o, const struct spec *spec, va_list *ap)
{
	u64 v = signed_arg(spec, ap);
	const char *sign = spec->plus ? "+" : spec->space ? " " : "";

	if ((s64)v < 0) {
		sign = "-";
		v = 0 - v;
	}
	put_number(o, spec, v, 10, sign);
}

static void put_unsigned(struct out *o, const struct spec *spec, va_list *ap)
{
	u64 v = unsigned_arg(spec, ap);

	switch (spec->conv) {
	case 'x':
		put_number(o, spec, v, 16, spec->alt && v ? "0x" : "");
		break;
	case 'X':
		put_number(o, spec, v, 16, spec->alt && v ? "0X" : "");
		break;
	case 'o':
		put_number(o, spec, v, 8, spec->alt && v ? "0" : "");
		break;
	default:
		put_number(o, spec, v, 10, "");
	}
}

static void put_string(struct out *o, const struct spec *spec, const char *s)
{
	size_t n;

	if (!s)
		s = "(null)";
	n = spec->has_precision ? strnlen(s, (size_t)spec->precision)
				: strlen(s);
	put_field(o, spec, "", 0, s, n);
}

static void put_conversion(struct out *o, const struct spec *spec, va_list *ap)
{
	char c;

	switch (spec->conv) {
	case 'd':
	case 'i':
		put_signed(o, spec, ap);
		break;
	case 'u':
	case 'x':
	case 'X':
	case 'o':
		put_unsigned(o, spec, ap);
		break;
	case 'p':
		put_number(o, spec, (uintptr_t)va_arg(*ap, void *), 16, "0x");
		break;
	case 'c':
		c = (char)va_arg(*ap, int);
		put_field(o, spec, "", 0, &c, 1);
		break;
	case 's':
		put_string(o, spec, va_arg(*ap, const char *));
		break;
	case '%':
		put_char(o, '%');
		break;
	default: /* a mistake of ours: show it */
		put_char(o, '%');
		put_char(o, spec->conv);
	}
}

static const char *parse_number(const char *p, int *n, va_list *ap)
{
	*n = 0;
	if (*p == '*') {
		*n = va_arg(*ap, int);
		return p + 1;
	}
	while (*p >= '0' && *p <= '9')
		*n = *n * 10 + (*p++ - '0');
	return p;
}

static const char *parse_flags(const char *p, struct spec *spec)
{
	for (;; p++) {
		if (*p == '-')
			spec->left = true;
		else if (*p == '0')
			spec->zero = true;
		else if (*p == '#')
			spec->alt = true;
		else if (*p == '+')
			spec->plus = true;
		else if (*p == ' ')
			spec->space = true;
		else
			return p;
	}
}

static const char *parse_length(const char *p, struct spec *spec)
{
	spec->length = LEN_INT;
	for (;; p++) {
		if (*p == 'h')
			spec->length = spec->length == LEN_SHORT ? LEN_CHAR
								 : LEN_SHORT;
		else if (*p == 'l' || *p == 'z' || *p == 'j' || *p == 't')
			spec->length = LEN_LONG;
		else
			return p;
	}
}

/* p is after the '%'; returns the place of the conversion character. */
static const char *parse_spec(const char *p, struct spec *spec, va_list *ap)
{
	*spec = (struct spec){ 0 };
	p = parse_flags(p, spec);
	p = parse_number(p, &spec->width, ap);
	if (spec->width < 0) {
		spec->left = true;
		spec->width = -spec->width;
	}
	if (*p == '.') {
		p = parse_number(p + 1, &spec->precision, ap);
		spec->has_precision = spec->precision >= 0;
	}
	p = parse_length(p, spec);
	spec->conv = *p;
	return p;
}

int fmt_vformat(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = { .buf = buf, .size = size };
	va_list args;

	va_copy(args, ap);
	for (const char *p = fmt; *p; p++) {
		struct spec spec;

		if (*p != '%') {
			put_char(&o, *p);
			continue;
		}
		p = parse_spec(p + 1, &spec, &args);
		if (!*p)
			break;
		put_conversion(&o, &spec, &args);
	}
	va_end(args);
	if (size > 0)
		buf[MIN(o.len, size - 1)] = '\0';
	return (int)o.len;
}

int fmt_format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = fmt_vformat(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

void fmt_buf_init(struct fmt_buf *b, char *data, size_t size)
{
	*b = (struct fmt_buf){ .data = data, .size = size };
	data[0] = '\0';
}

void fmt_buf_add(struct fmt_buf *b, const char *fmt, ...)
{
	size_t room = b->size - b->len;
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = (size_t)fmt_vformat(b->data + b->len, room, fmt, ap);
	va_end(ap);
	if (n >= room) {
		n = room - 1;
		b->is_cut = true;
	}
	b->len += n;
}

void fmt_buf_put(struct fmt_buf *b, const char *bytes, size_t n)
{
	size_t room = b->size - 1 - b->len;

	if (n > room) {
		n = room;
		b->is_cut = true;
	}
	memcpy(b->data + b->len, bytes, n);
	b->len += n;
	b->data[b->len] = '\0';
}
