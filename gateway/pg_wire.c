/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing the PostgreSQL messages that a gateway cares for; used by
 * gateway/pg.c and the fuzz target.
 */
#include "gateway/pg_wire.h"

#include <errno.h>
#include <string.h>

#define CODE_CANCEL 80877102u
#define CODE_SSL 80877103u
#define CODE_GSS 80877104u
#define PROTOCOL_MAJOR 3
#define TLS_HANDSHAKE 0x16

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static enum pg_first first_kind(uint32_t code, uint32_t len)
{
	if (code == CODE_SSL)
		return len == 8 ? PG_FIRST_SSL : PG_FIRST_BAD;
	if (code == CODE_GSS)
		return len == 8 ? PG_FIRST_GSS : PG_FIRST_BAD;
	if (code == CODE_CANCEL)
		return len >= 16 && len <= 12 + PG_SECRET_MAX ? PG_FIRST_CANCEL
							      : PG_FIRST_BAD;
	return code >> 16 == PROTOCOL_MAJOR && len >= 9 ? PG_FIRST_STARTUP
							: PG_FIRST_BAD;
}

enum pg_first pg_first(const uint8_t *buf, size_t n, size_t *len)
{
	enum pg_first kind;
	uint32_t want;

	*len = 0;
	if (n && buf[0] == TLS_HANDSHAKE)
		return PG_FIRST_TLS;
	/* Its length is below 64 Ki: anything else is not PostgreSQL. */
	if (n && (buf[0] || (n > 1 && buf[1])))
		return PG_FIRST_BAD;
	if (n < 4)
		return PG_FIRST_MORE;
	want = get32(buf);
	if (want < 8 || want > PG_FIRST_MAX)
		return PG_FIRST_BAD;
	if (n < 8)
		return PG_FIRST_MORE;
	kind = first_kind(get32(buf + 4), want);
	if (kind == PG_FIRST_BAD)
		return kind;
	if (n < want)
		return PG_FIRST_MORE;
	*len = want;
	return kind;
}

/* The next parameter from *pos on: 1, 0 at the end, -EINVAL. */
static int next_param(const uint8_t *buf, size_t len, size_t *pos,
		      const char **name, const char **value)
{
	const uint8_t *end;

	if (*pos >= len)
		return -EINVAL;
	if (!buf[*pos])
		return *pos + 1 == len ? 0 : -EINVAL;
	*name = (const char *)buf + *pos;
	end = memchr(buf + *pos, 0, len - *pos);
	if (!end)
		return -EINVAL;
	*pos = (size_t)(end - buf) + 1;
	*value = (const char *)buf + *pos;
	end = *pos < len ? memchr(buf + *pos, 0, len - *pos) : NULL;
	if (!end)
		return -EINVAL;
	*pos = (size_t)(end - buf) + 1;
	return 1;
}

/* One word of the options, which end at white space; a backslash takes the
 * meaning of the next character away. Returns where it ended. */
static const char *option_word(const char *p, char *word, size_t size)
{
	size_t n = 0;

	for (; *p && !strchr(" \t\n\r\f\v", *p); p++) {
		if (*p == '\\' && p[1])
			p++;
		if (n + 1 < size)
			word[n++] = *p;
	}
	word[n] = '\0';
	return p;
}

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t\n\r\f\v");
}

/* The value of a word endpoint=VALUE or -cendpoint=VALUE, else NULL. */
static const char *endpoint_value(const char *word)
{
	static const char name[] = "endpoint=";

	if (!strncmp(word, "-c", 2))
		word += 2;
	else if (!strncmp(word, "--", 2))
		word += 2;
	return strncmp(word, name, sizeof(name) - 1) ? NULL
						     : word + sizeof(name) - 1;
}

/* Walk the options: each word that names the endpoint is put into endpoint;
 * what else there is goes to out, if not NULL, as it was. */
static int walk_options(const char *options, char *endpoint, char *out)
{
	char word[PG_NAME_MAX + 16];
	const char *p = skip_space(options);

	while (*p) {
		const char *start = p, *value;

		p = option_word(p, word, sizeof(word));
		/* "-c endpoint=X" is two words */
		if (!strcmp(word, "-c") && *skip_space(p))
			p = option_word(skip_space(p), word, sizeof(word));
		value = endpoint_value(word);
		if (value) {
			if (!*value || strlen(value) >= PG_NAME_MAX ||
			    (*endpoint && strcmp(endpoint, value)))
				return -EINVAL;
			memcpy(endpoint, value, strlen(value) + 1);
		} else if (out) {
			memcpy(out, start, (size_t)(p - start));
			out += p - start;
			*out++ = ' ';
		}
		p = skip_space(p);
	}
	if (out)
		*out = '\0';
	return 0;
}

static int take_once(const char **slot, const char *value)
{
	if (*slot)
		return -EINVAL;
	*slot = value;
	return 0;
}

int pg_startup_parse(const uint8_t *buf, size_t len, struct pg_startup *s)
{
	const char *name, *value, *dot;
	size_t pos = 8;
	int status;

	*s = (struct pg_startup){ 0 };
	if (len < 9 || len > PG_FIRST_MAX || get32(buf) != len)
		return -EINVAL;
	s->version = get32(buf + 4);
	while ((status = next_param(buf, len, &pos, &name, &value)) > 0) {
		int bad = 0;

		if (!strcmp(name, "user"))
			bad = take_once(&s->user, value);
		else if (!strcmp(name, "database"))
			bad = take_once(&s->database, value);
		else if (!strcmp(name, "options"))
			bad = take_once(&s->options, value);
		if (bad)
			return bad;
	}
	if (status)
		return status;
	if (!s->user)
		s->user = "";
	if (!s->database || !*s->database)
		s->database = s->user;
	dot = strrchr(s->user, '.');
	if (dot && dot != s->user && strlen(dot + 1) < PG_NAME_MAX)
		memcpy(s->tenant, dot + 1, strlen(dot + 1) + 1);
	return s->options ? walk_options(s->options, s->endpoint, NULL) : 0;
}

/* Where the copy of a message goes; left is 0 once it did not fit. */
struct out {
	uint8_t *p;
	size_t left;
	bool is_full;
};

static void emit(struct out *o, const void *data, size_t len)
{
	if (o->is_full || len > o->left) {
		o->is_full = true;
		return;
	}
	memcpy(o->p, data, len);
	o->p += len;
	o->left -= len;
}

static void emit_options(struct out *o, const char *value)
{
	char rest[PG_FIRST_MAX + 2], endpoint[PG_NAME_MAX] = "";

	walk_options(value, endpoint, rest);
	if (!*rest)
		return;
	emit(o, "options", sizeof("options"));
	emit(o, rest, strlen(rest) + 1);
}

ssize_t pg_startup_copy(const uint8_t *buf, size_t len,
			const struct pg_startup *s, bool cut_tenant,
			uint8_t *out, size_t size)
{
	struct out o = { .p = out, .left = size };
	const char *name, *value;
	size_t pos = 8;

	emit(&o, buf, 8);
	while (next_param(buf, len, &pos, &name, &value) > 0) {
		if (!strcmp(name, "options") && s->endpoint[0]) {
			emit_options(&o, value);
			continue;
		}
		emit(&o, name, strlen(name) + 1);
		if (!strcmp(name, "user") && cut_tenant && s->tenant[0]) {
			emit(&o, value, strlen(value) - strlen(s->tenant) - 1);
			emit(&o, "", 1);
		} else {
			emit(&o, value, strlen(value) + 1);
		}
	}
	emit(&o, "", 1);
	if (o.is_full || size - o.left > PG_FIRST_MAX)
		return -ENOSPC;
	put32(out, (uint32_t)(size - o.left));
	return (ssize_t)(size - o.left);
}

int pg_cancel_parse(const uint8_t *buf, size_t len, struct pg_key *key)
{
	if (len < 16 || len > 12 + PG_SECRET_MAX)
		return -EINVAL;
	key->pid = get32(buf + 8);
	key->nsecret = (uint16_t)(len - 12);
	memcpy(key->secret, buf + 12, key->nsecret);
	return 0;
}

size_t pg_cancel_write(const struct pg_key *key, uint8_t *out)
{
	put32(out, 12u + key->nsecret);
	put32(out + 4, CODE_CANCEL);
	put32(out + 8, key->pid);
	memcpy(out + 12, key->secret, key->nsecret);
	return 12u + key->nsecret;
}

size_t pg_error_write(const char *sqlstate, const char *message, uint8_t *out,
		      size_t size)
{
	struct out o = { .p = out, .left = size };

	emit(&o, "E\0\0\0\0", 5);
	emit(&o, "SFATAL\0VFATAL\0C", 15);
	emit(&o, sqlstate, 6);
	emit(&o, "M", 1);
	emit(&o, message, strlen(message) + 1);
	emit(&o, "", 1);
	if (o.is_full)
		return 0;
	put32(out + 1, (uint32_t)(size - o.left - 1));
	return size - o.left;
}

bool pg_error_is(const uint8_t *body, size_t len, const char *sqlstate)
{
	size_t pos = 0;

	while (pos < len && body[pos]) {
		const uint8_t *end = memchr(body + pos, 0, len - pos);

		if (!end)
			return false;
		if (body[pos] == 'C')
			return !strcmp((const char *)body + pos + 1, sqlstate);
		pos = (size_t)(end - body) + 1;
	}
	return false;
}

enum pg_event pg_frames_next(struct pg_frames *f, const uint8_t *buf, size_t n,
			     size_t *pos)
{
	size_t take;
	uint32_t len;

	if (f->left && *pos < n) {
		take = n - *pos < f->left ? n - *pos : f->left;
		f->left -= (uint32_t)take;
		*pos += take;
		return PG_EVENT_BODY;
	}
	while (f->nhead < sizeof(f->head) && *pos < n)
		f->head[f->nhead++] = buf[(*pos)++];
	if (f->nhead < sizeof(f->head))
		return PG_EVENT_MORE;
	len = get32(f->head + 1);
	f->nhead = 0;
	if (len < 4 || len > INT32_MAX)
		return PG_EVENT_BAD;
	f->left = len - 4;
	return PG_EVENT_HEAD;
}
