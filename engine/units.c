/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing of sizes, numbers and times.
 */
#include "engine/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ckd.h"
#include "lib/compiler.h"

static int shift_of(const char *suffix)
{
	static const char letters[] = "bkmgt";
	const char *found;

	if (!*suffix)
		return 0;
	found = strchr(letters, suffix[0] | 0x20);
	if (!found || suffix[0] == ' ')
		return -1;
	suffix++;
	/* "128MB" and "128MiB" mean the same here */
	if (*suffix == 'i')
		suffix++;
	if (*suffix == 'B' || *suffix == 'b')
		suffix++;
	return *suffix ? -1 : (int)(found - letters) * 10;
}

int units_parse_size(const char *text, uint64_t *bytes, struct err *e)
{
	uint64_t n = 0;
	char *end;
	int shift = -1;

	if (text[0] >= '0' && text[0] <= '9') {
		errno = 0;
		n = strtoull(text, &end, 10);
		shift = errno ? -1 : shift_of(end);
	}
	if (shift < 0 || ckd_mul(bytes, n, UINT64_C(1) << shift) ||
	    *bytes > INT64_MAX)
		return err_set(e, EINVAL, "'%.40s' is not a size like 128M",
			       text);
	return 0;
}

int units_parse_number(const char *text, const char *what, long min, long max,
		       long *out, struct err *e)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || !*text || *end || n < min || n > max)
		return err_set(e, EINVAL,
			       "%s: '%.40s' is not a number from %ld to %ld",
			       what, text, min, max);
	*out = n;
	return 0;
}

/* "1h30m" in seconds, or -1. */
static long parse_duration(const char *text)
{
	static const struct {
		char letter;
		long seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	long sum = 0;
	char *end;

	do {
		long n = strtol(text, &end, 10);
		size_t i = 0;

		while (i < ARRAY_SIZE(units) && units[i].letter != *end)
			i++;
		if (end == text || *text < '0' || *text > '9' ||
		    i == ARRAY_SIZE(units) || n > 1000000)
			return -1;
		sum += n * units[i].seconds;
		text = end + 1;
	} while (*text);
	return sum;
}

/* ".5" in ms; *p goes on behind it. */
static long parse_fraction(const char **p)
{
	long ms = 0;

	if (**p != '.')
		return 0;
	(*p)++;
	for (long scale = 100; **p >= '0' && **p <= '9'; (*p)++, scale /= 10)
		ms += (**p - '0') * scale;
	return ms;
}

/* "", "Z", "+01:00": seconds east, or -1. */
static long parse_zone(const char *p)
{
	int hours, minutes, n = 0;

	if (!*p || !strcmp(p, "Z"))
		return 0;
	if ((*p != '+' && *p != '-') ||
	    sscanf(p + 1, "%2d:%2d%n", &hours, &minutes, &n) != 2 || n != 5 ||
	    p[6] || hours < 0 || minutes < 0)
		return -1;
	return (hours * 3600L + minutes * 60L) * (*p == '-' ? -1 : 1);
}

/* False: it is none. */
static bool parse_date(const char *text, uint64_t *ms)
{
	struct tm tm = { 0 };
	const char *p = strptime(text, "%Y-%m-%d", &tm);
	long fraction = 0, zone;

	if (p && (*p == 'T' || *p == ' ')) {
		p = strptime(p + 1, "%H:%M:%S", &tm);
		fraction = p ? parse_fraction(&p) : 0;
	}
	zone = p ? parse_zone(p) : -1;
	if (zone == -1)
		return false;
	*ms = (uint64_t)(timegm(&tm) - zone) * 1000 + (uint64_t)fraction;
	return true;
}

int units_parse_time(const char *text, const char *what, uint64_t *ms,
		     struct err *e)
{
	long ago = parse_duration(text);
	const char *p = text;
	char *end;

	if (ago >= 0) {
		*ms = (uint64_t)(time(NULL) - ago) * 1000;
		return 0;
	}
	if (parse_date(text, ms))
		return 0;
	*ms = strtoull(text, &end, 10) * 1000;
	p = end;
	*ms += (uint64_t)parse_fraction(&p);
	if (*text < '0' || *text > '9' || *p)
		return err_set(e, EINVAL,
			       "%s: '%.40s' is not a time like 10m, "
			       "2026-11-22T17:15:22Z or 1795367722",
			       what, text);
	return 0;
}

const char *units_time(uint64_t ms, char buf[UNITS_SIZE])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(buf, UNITS_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, UNITS_SIZE - n, ".%03dZ", (int)(ms % 1000));
	return buf;
}

const char *units_size(uint64_t bytes, char buf[UNITS_SIZE])
{
	static const char *const names[] = { "B", "kB", "MB", "GB", "TB" };
	double value = (double)bytes;
	size_t i = 0;

	while (value >= 1000 && i < ARRAY_SIZE(names) - 1) {
		value /= 1000;
		i++;
	}
	snprintf(buf, UNITS_SIZE, value < 10 && i ? "%.1f %s" : "%.0f %s",
		 value, names[i]);
	return buf;
}

const char *units_age(time_t since, char buf[UNITS_SIZE])
{
	static const struct {
		long seconds;
		const char *name;
	} steps[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" } };
	long age = (long)(time(NULL) - since);
	const char *name = "second";
	long n = age > 0 ? age : 0;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (age < steps[i].seconds)
			continue;
		n = age / steps[i].seconds;
		name = steps[i].name;
		break;
	}
	snprintf(buf, UNITS_SIZE, "%ld %s%s", n, name, n == 1 ? "" : "s");
	return buf;
}
