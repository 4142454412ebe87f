/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs by place and time (engine/logfile.c), and times that users write.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#include "engine/logfile.h"
#include "engine/units.h"
#include "lib/compiler.h"

#define PAGE 4096

/* A log of that text whose times are noted. */
static struct logfile make(const char *text, const struct log_time *times,
			   size_t n)
{
	struct logfile l = LOGFILE_INIT;

	l.fd = memfd_create("log", MFD_CLOEXEC);
	l.times_fd = memfd_create("times", MFD_CLOEXEC);
	assert_int_equal(write(l.fd, text, strlen(text)), strlen(text));
	assert_int_equal(write(l.times_fd, times, n * sizeof(*times)),
			 n * sizeof(*times));
	return l;
}

static void places(void **state)
{
	static const struct log_time times[] = { { 4, 100 }, { 8, 200 } };
	cleanup_logfile struct logfile l = make("one\ntwo\nthree\n", times, 2);
	size_t cursor = 0;
	uint64_t end;

	(void)state;
	assert_int_equal(logfile_first(&l, 0, &end), 0);
	assert_int_equal(end, 14);
	assert_int_equal(logfile_first(&l, 20, NULL), 14);
	assert_int_equal(logfile_line(&l, 0), 0);
	assert_int_equal(logfile_line(&l, 1), 4);
	assert_int_equal(logfile_line(&l, 4), 4);
	assert_int_equal(logfile_line(&l, 9), 14);
	assert_int_equal(logfile_ms(&l, 0, &cursor), 100);
	assert_int_equal(logfile_ms(&l, 3, &cursor), 100);
	assert_int_equal(logfile_ms(&l, 4, &cursor), 200);
	/* Not noted yet: now. */
	assert_true(logfile_ms(&l, 8, &cursor) / 1000 >
		    (uint64_t)time(NULL) - 60);
	assert_int_equal(logfile_before(&l, 100), 0);
	assert_int_equal(logfile_before(&l, 101), 4);
	assert_int_equal(logfile_before(&l, 200), 4);
	assert_int_equal(logfile_before(&l, 300), 8);
	assert_int_equal(logfile_before(&l, UINT64_MAX), 14);
}

static void grows(void **state)
{
	struct log_time more = { 14, 300 };
	cleanup_logfile struct logfile l = make("one\ntwo\nthree\n", NULL, 0);
	size_t cursor = 0;

	(void)state;
	(void)logfile_ms(&l, 0, &cursor);
	assert_int_equal(cursor, 0);
	assert_int_equal(write(l.times_fd, &more, sizeof(more)), sizeof(more));
	assert_int_equal(logfile_ms(&l, 0, &cursor), 300);
	/* A piece of an entry is none. */
	assert_int_equal(write(l.times_fd, &more, 7), 7);
	assert_true(logfile_ms(&l, 14, &cursor) > 300);
	assert_int_equal(l.ntimes, 1);
}

static void cut(void **state)
{
	cleanup_logfile struct logfile l = make("", NULL, 0);
	char page[PAGE];
	uint64_t end;

	(void)state;
	memset(page, 'x', sizeof(page));
	page[PAGE - 1] = page[10] = '\n';
	for (int i = 0; i < 3; i++)
		assert_int_equal(write(l.fd, page, PAGE), PAGE);
	assert_int_equal(fallocate(l.fd,
				   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   0, 2L * PAGE),
			 0);
	assert_int_equal(logfile_first(&l, 5, &end), 2 * PAGE);
	assert_int_equal(end, 3 * PAGE);
	assert_int_equal(logfile_line(&l, 2 * PAGE), 2 * PAGE + 11);
	assert_int_equal(fallocate(l.fd,
				   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   0, 3L * PAGE),
			 0);
	assert_int_equal(logfile_first(&l, 0, NULL), 3 * PAGE);
}

static uint64_t parse(const char *text)
{
	struct err e = ERR_INIT;
	uint64_t ms;

	return units_parse_time(text, "--since", &ms, &e) ? UINT64_MAX : ms;
}

static void times(void **state)
{
	static const char *const wrong[] = {
		"",
		"x",
		"10y",
		"m",
		"1h-3m",
		"-5m",
		"2026-13-01",
		"2026-11-22T25:00:00",
		"2026-11-22T17:15:22+1",
		"2026-11-22T17:15:22Zx",
		"1h 5m",
	};
	uint64_t now = (uint64_t)time(NULL) * 1000;
	char buf[UNITS_SIZE];

	(void)state;
	assert_int_equal(parse("1795367722"), 1795367722000);
	assert_int_equal(parse("1795367722.25"), 1795367722250);
	assert_int_equal(parse("2026-11-22T17:15:22Z"), 1795367722000);
	assert_int_equal(parse("2026-11-22 17:15:22"), 1795367722000);
	assert_int_equal(parse("2026-11-22T17:15:22.5+01:30"),
			 1795367722500 - 5400000);
	assert_int_equal(parse("2026-11-22T17:15:22-01:00"),
			 1795367722000 + 3600000);
	assert_int_equal(parse("1970-01-02"), 86400000);
	assert_in_range(parse("1h30m"), now - 5400000, now - 5400000 + 60000);
	assert_in_range(parse("2d"), now - 172800000, now - 172740000);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(parse(wrong[i]), UINT64_MAX);
	assert_string_equal(units_time(1795367722050, buf),
			    "2026-11-22T17:15:22.050Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),
		cmocka_unit_test(grows),
		cmocka_unit_test(cut),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
