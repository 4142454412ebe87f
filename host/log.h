/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for people, on stderr: one line per event,
 * "jiffy: component: message key=value". The default level shows warnings and
 * errors; $JIFFY_LOG (error, warning, info, debug) changes it.
 */
#ifndef JIFFY_HOST_LOG_H
#define JIFFY_HOST_LOG_H

#include "lib/compiler.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Read $JIFFY_LOG once, before threads start. component is borrowed for ever.*/
void log_init(const char *component);

/* Write one line when level is shown. One write call, so that lines of several
 * processes do not mix. Never pass secrets, nor guest text unescaped. */
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
