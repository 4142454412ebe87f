/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signal names to Linux x86-64 numbers. The table is our own because the
 * numbers are the guest's ABI, whatever libc this program is built with.
 */
#include "host/signame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/compiler.h"

#define SIGNAL_RTMIN 34
#define SIGNAL_MAX 64

static const char *const names[] = {
	[1] = "HUP",   [2] = "INT",	[3] = "QUIT",  [4] = "ILL",
	[5] = "TRAP",  [6] = "ABRT",	[7] = "BUS",   [8] = "FPE",
	[9] = "KILL",  [10] = "USR1",	[11] = "SEGV", [12] = "USR2",
	[13] = "PIPE", [14] = "ALRM",	[15] = "TERM", [16] = "STKFLT",
	[17] = "CHLD", [18] = "CONT",	[19] = "STOP", [20] = "TSTP",
	[21] = "TTIN", [22] = "TTOU",	[23] = "URG",  [24] = "XCPU",
	[25] = "XFSZ", [26] = "VTALRM", [27] = "PROF", [28] = "WINCH",
	[29] = "IO",   [30] = "PWR",	[31] = "SYS",
};

static int in_range(long n, long min, long max)
{
	return n >= min && n <= max ? (int)n : -EINVAL;
}

static int parse_realtime(const char *offset, long base)
{
	char *end;
	long n = 0;

	if (*offset) {
		n = strtol(offset, &end, 10);
		if (*end || (*offset != '+' && *offset != '-'))
			return -EINVAL;
	}
	return in_range(base + n, SIGNAL_RTMIN, SIGNAL_MAX);
}

int signame_parse(const char *name)
{
	char *end;
	long n;

	if (name[0] >= '0' && name[0] <= '9') {
		n = strtol(name, &end, 10);
		return *end ? -EINVAL : in_range(n, 1, SIGNAL_MAX);
	}
	if (!strncasecmp(name, "SIG", 3))
		name += 3;
	for (size_t i = 1; i < ARRAY_SIZE(names); i++)
		if (!strcasecmp(name, names[i]))
			return (int)i;
	if (!strncasecmp(name, "RTMIN", 5))
		return parse_realtime(name + 5, SIGNAL_RTMIN);
	if (!strncasecmp(name, "RTMAX", 5))
		return parse_realtime(name + 5, SIGNAL_MAX);
	return -EINVAL;
}
