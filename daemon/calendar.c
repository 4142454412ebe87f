/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calendar expressions: one reader of lists for both notations, which differ
 * in their words for ranges and in the order of fields.
 */
#include "daemon/calendar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "host/cleanup.h"
#include "host/strv.h"
#include "lib/compiler.h"

#define DAY 86400
#define DAYS_MAX (8 * 366 + 1)
#define TEXT_MAX 256
#define YEAR_MIN 1970
#define YEAR_MAX 2199
#define ALL(n) ((1ULL << (n)) - 1)

static const struct {
	const char *word, *text;
} words[] = {
	{ "minutely", "*-*-* *:*:00" },	    { "hourly", "*-*-* *:00:00" },
	{ "daily", "*-*-* 00:00:00" },	    { "weekly", "Mon *-*-* 00:00:00" },
	{ "monthly", "*-*-01 00:00:00" },   { "yearly", "*-01-01 00:00:00" },
	{ "annually", "*-01-01 00:00:00" },
};

/* What a field may hold. */
struct range {
	const char *names; /* three letters each, from `first` on, or NULL */
	int first, last;
};

static const struct range second_range = { NULL, 0, 59 };
static const struct range hour_range = { NULL, 0, 23 };
static const struct range day_range = { NULL, 1, 31 };
static const struct range month_range = {
	"JanFebMarAprMayJunJulAugSepOctNovDec", 1, 12
};
static const struct range weekday_range = { "SunMonTueWedThuFriSat", 0, 7 };

static int bad(const char *text, struct err *e)
{
	return err_set(e, EINVAL, "'%.60s' is no calendar expression", text);
}

/* A number or a name at *p, which is moved behind it; -1. */
static int read_value(const char **p, const struct range *r)
{
	char *end;
	long n;

	for (int i = 0; r->names && r->names[3 * i]; i++) {
		if (strncasecmp(*p, r->names + 3 * i, 3) != 0)
			continue;
		*p += strspn(*p, "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		return r->first + i;
	}
	if (**p < '0' || **p > '9')
		return -1;
	n = strtol(*p, &end, 10);
	*p = end;
	return n >= r->first && n <= r->last ? (int)n : -1;
}

/* "*", "5", "1..5", "1-5", with "/2" behind it: bits; false: none of these. */
static bool read_item(const char *p, const struct range *r, uint64_t *bits)
{
	int from = r->first, to = r->last, step = 1;
	bool is_open = *p == '*';

	if (is_open) {
		p++;
	} else {
		from = to = read_value(&p, r);
		if (!strncmp(p, "..", 2) || *p == '-') {
			p += *p == '-' ? 1 : 2;
			to = read_value(&p, r);
		} else if (*p == '/') {
			to = r->last;
		}
	}
	if (*p == '/') {
		char *end;
		long n = strtol(p + 1, &end, 10);

		if (p[1] < '0' || p[1] > '9' || n < 1 || n > r->last)
			return false;
		step = (int)n;
		p = end;
	}
	if (*p || from < 0 || to < from)
		return false;
	for (int i = from; i <= to; i += step)
		*bits |= 1ULL << i;
	return true;
}

static bool read_field(const char *text, const struct range *r, uint64_t *bits)
{
	cleanup_strv struct strv v = STRV_INIT;

	*bits = 0;
	strv_split(&v, text, ',');
	for (size_t i = 0; i < v.count; i++)
		if (!read_item(v.items[i], r, bits))
			return false;
	return v.count > 0;
}

static bool read_weekdays(const char *text, struct calendar *c)
{
	if (!read_field(text, &weekday_range, &c->weekdays))
		return false;
	c->weekdays |= c->weekdays >> 7; /* Sunday is 7, too */
	c->weekdays &= ALL(7);
	return true;
}

/* [YEAR-]MONTH-DAY */
static bool read_date(const char *text, struct calendar *c)
{
	cleanup_strv struct strv v = STRV_INIT;
	static const struct range years = { NULL, YEAR_MIN, YEAR_MAX };
	const char *year;
	size_t i;

	strv_split(&v, text, '-');
	if (v.count != 2 && v.count != 3)
		return false;
	i = v.count - 2;
	if (i && strcmp(v.items[0], "*") != 0) {
		year = v.items[0];
		c->year_from = c->year_to = read_value(&year, &years);
		if (*year || c->year_from < 0)
			return false;
	}
	return read_field(v.items[i], &month_range, &c->months) &&
	       read_field(v.items[i + 1], &day_range, &c->days);
}

/* HOUR:MINUTE[:SECOND] */
static bool read_time(const char *text, struct calendar *c)
{
	cleanup_strv struct strv v = STRV_INIT;

	strv_split(&v, text, ':');
	if (v.count != 2 && v.count != 3)
		return false;
	return read_field(v.items[0], &hour_range, &c->hours) &&
	       read_field(v.items[1], &second_range, &c->minutes) &&
	       (v.count == 2 ||
		read_field(v.items[2], &second_range, &c->seconds));
}

static bool read_cron(const struct strv *v, struct calendar *c)
{
	c->is_either = v->items[2][0] != '*' && v->items[4][0] != '*';
	return read_field(v->items[0], &second_range, &c->minutes) &&
	       read_field(v->items[1], &hour_range, &c->hours) &&
	       read_field(v->items[2], &day_range, &c->days) &&
	       read_field(v->items[3], &month_range, &c->months) &&
	       read_weekdays(v->items[4], c);
}

/* [WEEKDAYS] [DATE] [TIME], one at least. */
static bool read_systemd(const struct strv *v, struct calendar *c)
{
	size_t i = 0;

	if (i < v->count && !strpbrk(v->items[i], ":-"))
		if (!read_weekdays(v->items[i++], c))
			return false;
	if (i < v->count && !strchr(v->items[i], ':'))
		if (!read_date(v->items[i++], c))
			return false;
	if (i == v->count)
		c->hours = c->minutes = 1; /* midnight */
	else if (!read_time(v->items[i++], c))
		return false;
	return i == v->count;
}

static void split(const char *text, struct strv *v)
{
	cleanup_strv struct strv all = STRV_INIT;

	strv_split(&all, text, ' ');
	for (size_t i = 0; i < all.count; i++)
		if (*all.items[i])
			strv_add(v, all.items[i]);
	if (v->count > 1 && !strcasecmp(v->items[v->count - 1], "UTC"))
		free(v->items[--v->count]);
}

int calendar_parse(const char *text, struct calendar *c, struct err *e)
{
	cleanup_strv struct strv v = STRV_INIT;
	const char *meant = text;

	*c = (struct calendar){ .seconds = 1,
				.hours = ALL(24),
				.minutes = ALL(60),
				.days = ALL(32) & ~1ULL,
				.months = ALL(13) & ~1ULL,
				.weekdays = ALL(7),
				.year_from = YEAR_MIN,
				.year_to = YEAR_MAX };
	if (strlen(text) > TEXT_MAX)
		return bad(text, e);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcasecmp(text, words[i].word))
			meant = words[i].text;
	split(meant, &v);
	if (v.count == 5 ? !read_cron(&v, c)
			 : !v.count || v.count > 3 || !read_systemd(&v, c))
		return bad(text, e);
	return 0;
}

static bool is_day(const struct calendar *c, const struct tm *tm)
{
	bool day = c->days >> tm->tm_mday & 1;
	bool weekday = c->weekdays >> tm->tm_wday & 1;

	return tm->tm_year + 1900 >= c->year_from &&
	       tm->tm_year + 1900 <= c->year_to &&
	       c->months >> (tm->tm_mon + 1) & 1 &&
	       (c->is_either ? day || weekday : day && weekday);
}

/* The first bit from `from` on; -1. */
static int first_bit(uint64_t bits, int from)
{
	bits = from > 63 ? 0 : bits >> from << from;
	return bits ? __builtin_ctzll(bits) : -1;
}

/* The first second of a day that matches, from `from` on; -1. */
static int first_second(const struct calendar *c, int from)
{
	for (int h = first_bit(c->hours, from / 3600); h >= 0;
	     h = first_bit(c->hours, h + 1)) {
		int left = MAX(from - h * 3600, 0);

		for (int m = first_bit(c->minutes, left / 60); m >= 0;
		     m = first_bit(c->minutes, m + 1)) {
			int s = first_bit(c->seconds, MAX(left - m * 60, 0));

			if (s >= 0)
				return h * 3600 + m * 60 + s;
		}
	}
	return -1;
}

int64_t calendar_next(const struct calendar *c, int64_t after)
{
	int64_t from = after + 1, day = from / DAY * DAY;

	for (int i = 0; i < DAYS_MAX; i++, day += DAY) {
		time_t t = (time_t)day;
		struct tm tm;
		int s;

		if (!gmtime_r(&t, &tm) || !is_day(c, &tm))
			continue;
		s = first_second(c, (int)MAX(from - day, (int64_t)0));
		if (s >= 0)
			return day + s;
	}
	return -1;
}
