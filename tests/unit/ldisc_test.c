/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal line discipline: editing, echo, signals, raw mode, output.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/dev/ldisc.h"
#include "kernel/linux/signal.h"

static struct {
	char echo[16384];
	size_t echo_len;
	int sig;
	int flow; /* last: 1 stopped, 0 started, -1 none */
	bool out_flushed;
} seen;

static void on_echo(struct ldisc *l, const u8 *bytes, size_t n)
{
	(void)l;
	assert_true(seen.echo_len + n < sizeof(seen.echo));
	memcpy(seen.echo + seen.echo_len, bytes, n);
	seen.echo_len += n;
	seen.echo[seen.echo_len] = '\0';
}

static void on_signal(struct ldisc *l, int sig)
{
	(void)l;
	seen.sig = sig;
}

static void on_flow(struct ldisc *l, bool is_stopped)
{
	(void)l;
	seen.flow = is_stopped;
}

static void on_flush(struct ldisc *l)
{
	(void)l;
	seen.out_flushed = true;
}

static const struct ldisc_ops ops = { on_echo, on_signal, on_flow, on_flush };
static struct ldisc ld;

static int setup(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	seen.flow = -1;
	ldisc_init(&ld, &ops);
	return 0;
}

static size_t type(const char *text)
{
	return ldisc_input(&ld, (const u8 *)text, strlen(text));
}

static void expect_line(const char *text, bool is_end)
{
	char buf[LDISC_SIZE + 1];
	bool ended;
	size_t n = ldisc_read(&ld, (u8 *)buf, LDISC_SIZE, &ended);

	buf[n] = '\0';
	assert_string_equal(buf, text);
	assert_int_equal(ended, is_end);
}

static void set_raw(u8 min, u8 time)
{
	struct termios2 tio = ld.tio;

	tio.c_lflag &= ~(u32)(ICANON | ECHO | ISIG);
	tio.c_iflag = 0;
	tio.c_oflag = 0;
	tio.c_cc[VMIN] = min;
	tio.c_cc[VTIME] = time;
	ldisc_set_termios(&ld, &tio);
}

static void lines_come_whole(void **state)
{
	(void)state;
	type("one");
	assert_false(ldisc_is_readable(&ld));
	assert_int_equal(ldisc_available(&ld), 0);
	type("\rtwo\n");
	assert_true(ldisc_is_readable(&ld));
	assert_int_equal(ldisc_available(&ld), 8);
	expect_line("one\n", true);
	expect_line("two\n", true);
	expect_line("", false);
	assert_string_equal(seen.echo, "one\r\ntwo\r\n");
}

static void a_short_read_leaves_the_rest(void **state)
{
	char buf[2];
	bool ended;

	(void)state;
	type("abc\n");
	assert_int_equal(ldisc_read(&ld, (u8 *)buf, 2, &ended), 2);
	assert_false(ended);
	expect_line("c\n", true);
}

static void end_of_file_is_an_empty_line(void **state)
{
	(void)state;
	type("\x04");
	assert_true(ldisc_is_readable(&ld));
	assert_int_equal(ldisc_available(&ld), 0);
	expect_line("", true);
	type("ab\x04");
	expect_line("ab", true);
	expect_line("", false);
}

static void erase_takes_characters_back(void **state)
{
	(void)state;
	type("abx\x7f\n");
	expect_line("ab\n", true);
	assert_string_equal(seen.echo, "abx\b \b\r\n");
	setup(NULL);
	type("\x7f\x7fz\n"); /* nothing to erase */
	expect_line("z\n", true);
	setup(NULL);
	type("a\x01\x7f\n"); /* shown as ^A: two columns */
	assert_string_equal(seen.echo, "a^A\b \b\b \b\r\n");
	expect_line("a\n", true);
}

static void erase_takes_whole_utf8_characters(void **state)
{
	struct termios2 tio;

	(void)state;
	tio = ld.tio;
	tio.c_iflag |= IUTF8;
	ldisc_set_termios(&ld, &tio);
	type("a\xc3\xa9\x7f\n");
	expect_line("a\n", true);
	assert_string_equal(seen.echo, "a\xc3\xa9\b \b\r\n");
}

static void erase_of_a_tab_goes_back_to_its_start(void **state)
{
	(void)state;
	type("ab\t\x7f");
	assert_string_equal(seen.echo, "ab\t\b\b\b\b\b\b");
	assert_int_equal(ld.column, 2);
}

static void words_and_lines_are_killed(void **state)
{
	(void)state;
	type("one two  \x17x\n");
	expect_line("one x\n", true);
	type("garbage\x15ok\n");
	expect_line("ok\n", true);
}

static void the_next_character_can_be_literal(void **state)
{
	(void)state;
	type("a\x16\x03\n");
	assert_int_equal(seen.sig, 0);
	expect_line("a\x03\n", true);
}

static void signal_characters_flush_and_signal(void **state)
{
	(void)state;
	type("typed\x03");
	assert_int_equal(seen.sig, LINUX_SIGINT);
	assert_true(seen.out_flushed);
	assert_string_equal(seen.echo, "typed^C");
	type("\n");
	expect_line("\n", true);
	type("\x1a");
	assert_int_equal(seen.sig, LINUX_SIGTSTP);
	type("\x1c");
	assert_int_equal(seen.sig, LINUX_SIGQUIT);
}

static void flow_characters_stop_and_start(void **state)
{
	(void)state;
	type("\x13");
	assert_int_equal(seen.flow, 1);
	assert_true(ld.is_stopped);
	type("\x11");
	assert_int_equal(seen.flow, 0);
	assert_false(ld.is_stopped);
	expect_line("", false);
	type("\x13\x03"); /* a signal starts the output again */
	assert_false(ld.is_stopped);
}

static void a_full_line_drops_but_can_end(void **state)
{
	struct termios2 tio = ld.tio;
	char big[LDISC_SIZE + 100];
	char buf[LDISC_SIZE];
	bool ended;

	(void)state;
	tio.c_lflag &= ~(u32)ECHO;
	ldisc_set_termios(&ld, &tio);
	memset(big, 'a', sizeof(big));
	assert_int_equal(ldisc_input(&ld, (u8 *)big, sizeof(big)), sizeof(big));
	type("\n");
	assert_int_equal(ldisc_read(&ld, (u8 *)buf, sizeof(buf), &ended),
			 LDISC_SIZE);
	assert_true(ended);
	assert_int_equal(buf[LDISC_SIZE - 1], '\n');
}

static void raw_mode_passes_everything(void **state)
{
	(void)state;
	set_raw(1, 0);
	type("\x03\r\x7f\x04");
	assert_int_equal(seen.sig, 0);
	assert_int_equal(seen.echo_len, 0);
	assert_int_equal(ldisc_available(&ld), 4);
	expect_line("\x03\r\x7f\x04", false);
}

static void raw_mode_waits_for_vmin(void **state)
{
	(void)state;
	set_raw(3, 0);
	type("ab");
	assert_false(ldisc_is_readable(&ld));
	type("c");
	assert_true(ldisc_is_readable(&ld));
}

static void raw_mode_takes_no_more_than_fits(void **state)
{
	char big[LDISC_SIZE + 100];

	(void)state;
	set_raw(1, 0);
	memset(big, 'a', sizeof(big));
	assert_int_equal(ldisc_input(&ld, (u8 *)big, sizeof(big)), LDISC_SIZE);
	assert_false(ldisc_has_room(&ld));
	ldisc_flush_input(&ld);
	assert_true(ldisc_has_room(&ld));
}

static void mode_changes_keep_what_was_typed(void **state)
{
	struct termios2 canonical = ld.tio;

	(void)state;
	type("half");
	set_raw(1, 0);
	expect_line("half", false);
	type("raw");
	ldisc_set_termios(&ld, &canonical);
	expect_line("raw", true);
}

static size_t output(const char *text, char *out, size_t size, size_t *taken)
{
	size_t len;

	*taken = ldisc_output(&ld, (const u8 *)text, strlen(text), (u8 *)out,
			      size - 1, &len);
	out[len] = '\0';
	return len;
}

static void output_is_processed(void **state)
{
	struct termios2 tio = ld.tio;
	char out[64];
	size_t taken;

	(void)state;
	output("a\nb", out, sizeof(out), &taken);
	assert_string_equal(out, "a\r\nb");
	assert_int_equal(taken, 3);
	assert_int_equal(ld.column, 1);
	tio.c_oflag |= XTABS;
	ldisc_set_termios(&ld, &tio);
	output("\t|", out, sizeof(out), &taken);
	assert_string_equal(out, "       |");
}

static void output_takes_what_fits(void **state)
{
	char out[12];
	size_t taken, len;

	(void)state;
	len = output("abcdefghijkl", out, sizeof(out), &taken);
	assert_int_equal(taken, len);
	assert_true(taken > 0 && taken < 12);
	set_raw(1, 0);
	output("0123456789ab", out, sizeof(out), &taken);
	assert_int_equal(taken, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lines_come_whole, setup),
		cmocka_unit_test_setup(a_short_read_leaves_the_rest, setup),
		cmocka_unit_test_setup(end_of_file_is_an_empty_line, setup),
		cmocka_unit_test_setup(erase_takes_characters_back, setup),
		cmocka_unit_test_setup(erase_takes_whole_utf8_characters,
				       setup),
		cmocka_unit_test_setup(erase_of_a_tab_goes_back_to_its_start,
				       setup),
		cmocka_unit_test_setup(words_and_lines_are_killed, setup),
		cmocka_unit_test_setup(the_next_character_can_be_literal,
				       setup),
		cmocka_unit_test_setup(signal_characters_flush_and_signal,
				       setup),
		cmocka_unit_test_setup(flow_characters_stop_and_start, setup),
		cmocka_unit_test_setup(a_full_line_drops_but_can_end, setup),
		cmocka_unit_test_setup(raw_mode_passes_everything, setup),
		cmocka_unit_test_setup(raw_mode_waits_for_vmin, setup),
		cmocka_unit_test_setup(raw_mode_takes_no_more_than_fits, setup),
		cmocka_unit_test_setup(mode_changes_keep_what_was_typed, setup),
		cmocka_unit_test_setup(output_is_processed, setup),
		cmocka_unit_test_setup(output_takes_what_fits, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
