/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log and panics of unit tests.
 */
#include "tests/unit/stub_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/kernel.h"

struct kernel kernel;
char stub_log_last[256];

void klog(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(stub_log_last, sizeof(stub_log_last), fmt, ap);
	va_end(ap);
	if (getenv("UNIT_LOG"))
		fprintf(stderr, "%s\n", stub_log_last);
}

void kpanic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}
