/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing of sizes, numbers and times.
 */
#include "cli/units.h"

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
