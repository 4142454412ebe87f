/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The progress line of builds. Main thread only.
 */
#include "image/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/io.h"

#define QUIET_NS (NSEC_PER_SEC / 2)
#define REDRAW_NS (NSEC_PER_SEC / 10)

static struct {
	bool is_on;
	bool is_drawn;
	char title[80];
	char step[160];
	nsec_t started;
	nsec_t drawn;
} progress;

static void draw(void)
{
	struct winsize size = { .ws_col = 80 };
	nsec_t now = monotonic_ns();
	char line[320];
	int width;

	if (now - progress.started < QUIET_NS)
		return;
	ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
	width = size.ws_col > 20 ? size.ws_col - 1 : 79;
	snprintf(line, sizeof(line), "%s %4.1f s  %s", progress.title,
		 (double)(now - progress.started) / 1e9, progress.step);
	if ((int)strlen(line) > width)
		line[width] = '\0';
	dprintf(STDERR_FILENO, "\r%s\033[K", line);
	progress.is_drawn = true;
	progress.drawn = now;
}

void progress_start(const char *title)
{
	progress.is_on = isatty(STDERR_FILENO);
	progress.started = monotonic_ns();
	progress.step[0] = '\0';
	snprintf(progress.title, sizeof(progress.title), "%s", title);
}

void progress_stop(void)
{
	if (progress.is_drawn)
		dprintf(STDERR_FILENO, "\r\033[K");
	progress.is_on = false;
	progress.is_drawn = false;
}

void progress_step(const char *fmt, ...)
{
	va_list ap;

	if (!progress.is_on)
		return;
	va_start(ap, fmt);
	vsnprintf(progress.step, sizeof(progress.step), fmt, ap);
	va_end(ap);
	draw();
}

void progress_tick(void)
{
	if (progress.is_on && monotonic_ns() - progress.drawn >= REDRAW_NS)
		draw();
}
