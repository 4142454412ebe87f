/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of host programs: one line per event on stderr.
 */
#include "host/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	const char *component;
	enum log_level level;
} log_state = { .component = "jiffy", .level = LOG_WARNING };

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARNING] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

void log_init(const char *component)
{
	const char *wanted = getenv("JIFFY_LOG");

	log_state.component = component;
	if (!wanted)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
		if (!strcmp(wanted, level_names[i]))
			log_state.level = (enum log_level)i;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	int saved = errno;
	size_t len;
	va_list ap;

	if (level > log_state.level)
		return;
	snprintf(line, sizeof(line), "%s: %s: ", log_state.component,
		 level_names[level]);
	len = strlen(line);
	va_start(ap, fmt);
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	len = strlen(line);
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		errno = 0; /* nobody is left to tell */
	errno = saved;
}
