/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line discipline: input editing, echo, signal characters, and output
 * post-processing. See ldisc.h for who calls it and under which lock.
 */
#include "kernel/dev/ldisc.h"

#include "kernel/linux/signal.h"
#include "lib/string.h"

#define RING(pos) ((pos) & (LDISC_SIZE - 1))
#define NO_CHAR 0 /* _POSIX_VDISABLE */

static bool is_canonical(const struct ldisc *l)
{
	return (l->tio.c_lflag & ICANON) != 0;
}

static bool has_lflag(const struct ldisc *l, u32 flag)
{
	return (l->tio.c_lflag & flag) != 0;
}

static bool is_char(const struct ldisc *l, int which, u8 c)
{
	return c != NO_CHAR && l->tio.c_cc[which] == c;
}

static void mark_end(struct ldisc *l, u32 pos, bool is_end)
{
	u64 bit = 1UL << (RING(pos) % 64);

	if (is_end)
		l->ends[RING(pos) / 64] |= bit;
	else
		l->ends[RING(pos) / 64] &= ~bit;
}

static bool is_end(const struct ldisc *l, u32 pos)
{
	return (l->ends[RING(pos) / 64] >> (RING(pos) % 64)) & 1;
}

void ldisc_init(struct ldisc *l, const struct ldisc_ops *ops)
{
	static const u8 chars[] = {
		[VINTR] = 3,	[VQUIT] = 28,  [VERASE] = 127,	[VKILL] = 21,
		[VEOF] = 4,	[VTIME] = 0,   [VMIN] = 1,	[VSTART] = 17,
		[VSTOP] = 19,	[VSUSP] = 26,  [VREPRINT] = 18, [VDISCARD] = 15,
		[VWERASE] = 23, [VLNEXT] = 22,
	};

	memset(l, 0, sizeof(*l));
	l->ops = ops;
	l->tio.c_iflag = ICRNL | IXON;
	l->tio.c_oflag = OPOST | ONLCR;
	l->tio.c_cflag = B38400 | CS8 | CREAD | HUPCL;
	l->tio.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL |
			 ECHOKE | IEXTEN;
	l->tio.c_ispeed = 38400;
	l->tio.c_ospeed = 38400;
	memcpy(l->tio.c_cc, chars, MIN(sizeof(chars), sizeof(l->tio.c_cc)));
}

void ldisc_set_termios(struct ldisc *l, const struct termios2 *tio)
{
	bool was_canonical = is_canonical(l);

	l->tio = *tio;
	if (was_canonical != is_canonical(l)) {
		/* What is there becomes readable; lines it held stay lines. */
		l->ready = l->head;
		if (is_canonical(l) && l->head != l->tail)
			mark_end(l, l->head - 1, true);
		l->is_literal = false;
		l->is_erasing = false;
	}
	if (l->is_stopped && !(tio->c_iflag & IXON)) {
		l->is_stopped = false;
		l->ops->flow(l, false);
	}
}

/* --- Echo ------------------------------------------------------------------
 */

static void echo_bytes(struct ldisc *l, const char *bytes, size_t n)
{
	l->ops->echo(l, (const u8 *)bytes, n);
}

/* Through output processing, as a program's own output. */
static void echo_raw(struct ldisc *l, u8 c)
{
	u8 out[16];
	size_t n;

	ldisc_output(l, &c, 1, out, sizeof(out), &n);
	l->ops->echo(l, out, n);
}

static bool is_shown_as_control(const struct ldisc *l, u8 c)
{
	return has_lflag(l, ECHOCTL) && (c < 32 || c == 127) && c != '\t' &&
	       c != '\n';
}

static void echo_char(struct ldisc *l, u8 c)
{
	char text[2] = { '^', (char)(c ^ 64) };

	if (!is_shown_as_control(l, c)) {
		echo_raw(l, c);
		return;
	}
	echo_bytes(l, text, 2);
	l->column += 2;
}

static void erase_finish(struct ldisc *l)
{
	if (l->is_erasing) {
		echo_raw(l, '/');
		l->is_erasing = false;
	}
}

static bool is_continuation(const struct ldisc *l, u8 c)
{
	return (l->tio.c_iflag & IUTF8) && (c & 0xc0) == 0x80;
}

/* The column a tab at the end of the edited line started from. */
static u32 column_of_edit_end(const struct ldisc *l)
{
	u32 column = l->line_column;

	for (u32 pos = l->ready; pos != l->head; pos++) {
		u8 c = l->buf[RING(pos)];

		if (c == '\t')
			column = (column | 7) + 1;
		else if (is_shown_as_control(l, c))
			column += 2;
		else if (c >= 32 && !is_continuation(l, c))
			column++;
	}
	return column;
}

/* Remove the picture of one erased character from the terminal. */
static void echo_rubout(struct ldisc *l, u8 c)
{
	if (c == '\t') {
		u32 column = column_of_edit_end(l);

		while (l->column > column) {
			echo_bytes(l, "\b", 1);
			l->column--;
		}
		return;
	}
	for (int i = is_shown_as_control(l, c) ? 2 : 1; i > 0; i--) {
		if (c < 32 && !has_lflag(l, ECHOCTL))
			return;
		echo_bytes(l, "\b \b", 3);
		if (l->column > 0)
			l->column--;
	}
}

/* Take the last character (all its bytes) off the edited line; false if there
 * is none. */
static bool erase_one(struct ldisc *l, bool with_echo)
{
	u32 end = l->head;
	u8 c;

	if (l->head == l->ready)
		return false;
	do {
		l->head--;
		c = l->buf[RING(l->head)];
	} while (is_continuation(l, c) && l->head != l->ready);
	if (!with_echo)
		return true;
	if (has_lflag(l, ECHOPRT)) {
		if (!l->is_erasing) {
			echo_raw(l, '\\');
			l->is_erasing = true;
		}
		for (u32 pos = l->head; pos != end; pos++)
			echo_char(l, l->buf[RING(pos)]);
	} else if (has_lflag(l, ECHOE)) {
		echo_rubout(l, c);
	} else {
		echo_char(l, l->tio.c_cc[VERASE]);
	}
	return true;
}

static void erase_word(struct ldisc *l)
{
	bool seen = false;

	while (l->head != l->ready) {
		u8 c = l->buf[RING(l->head - 1)];
		bool is_word = c == '_' || c >= 0x80 ||
			       (c >= '0' && c <= '9') ||
			       (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

		if (seen && !is_word)
			break;
		seen |= is_word;
		erase_one(l, has_lflag(l, ECHO));
	}
}

static void erase_line(struct ldisc *l)
{
	bool fancy = has_lflag(l, ECHO) && has_lflag(l, ECHOK) &&
		     has_lflag(l, ECHOKE) && has_lflag(l, ECHOE);

	if (fancy) {
		while (erase_one(l, true))
			;
		return;
	}
	l->head = l->ready;
	if (has_lflag(l, ECHO)) {
		echo_char(l, l->tio.c_cc[VKILL]);
		if (has_lflag(l, ECHOK))
			echo_raw(l, '\n');
	}
}

static void reprint_line(struct ldisc *l)
{
	erase_finish(l);
	echo_char(l, l->tio.c_cc[VREPRINT]);
	echo_raw(l, '\n');
	for (u32 pos = l->ready; pos != l->head; pos++)
		echo_char(l, l->buf[RING(pos)]);
}

/* --- Input -----------------------------------------------------------------
 */

bool ldisc_has_room(const struct ldisc *l)
{
	/* A canonical line always has room for its end; more is dropped. */
	return is_canonical(l) ? l->ready == l->tail ||
					 l->head - l->tail < LDISC_SIZE - 1
			       : l->head - l->tail < LDISC_SIZE;
}

static void store(struct ldisc *l, u8 c, bool ends_line)
{
	l->buf[RING(l->head)] = c;
	mark_end(l, l->head, ends_line);
	l->head++;
}

static void end_line(struct ldisc *l, u8 c)
{
	if (l->head - l->tail >= LDISC_SIZE)
		return;
	store(l, c, true);
	l->ready = l->head;
}

static bool input_signal(struct ldisc *l, u8 c)
{
	int sig = 0;

	if (is_char(l, VINTR, c))
		sig = LINUX_SIGINT;
	else if (is_char(l, VQUIT, c))
		sig = LINUX_SIGQUIT;
	else if (is_char(l, VSUSP, c))
		sig = LINUX_SIGTSTP;
	if (!sig)
		return false;
	if (!has_lflag(l, NOFLSH)) {
		ldisc_flush_input(l);
		l->ops->flush_output(l);
	}
	if (l->is_stopped) {
		l->is_stopped = false;
		l->ops->flow(l, false);
	}
	if (has_lflag(l, ECHO))
		echo_char(l, c);
	l->ops->signal(l, sig);
	return true;
}

static bool input_flow(struct ldisc *l, u8 c)
{
	bool is_start = is_char(l, VSTART, c), is_stop = is_char(l, VSTOP, c);

	if (!is_start && !is_stop) {
		if (l->is_stopped && (l->tio.c_iflag & IXANY)) {
			l->is_stopped = false;
			l->ops->flow(l, false);
		}
		return false;
	}
	if (l->is_stopped != (is_stop && !is_start)) {
		l->is_stopped = !l->is_stopped;
		l->ops->flow(l, l->is_stopped);
	}
	return true;
}

/* Editing characters of canonical mode; true if c was one. */
static bool input_edit(struct ldisc *l, u8 c)
{
	bool extended = has_lflag(l, IEXTEN);

	if (is_char(l, VERASE, c)) {
		erase_one(l, has_lflag(l, ECHO));
	} else if (is_char(l, VKILL, c)) {
		erase_finish(l);
		erase_line(l);
	} else if (extended && is_char(l, VWERASE, c)) {
		erase_word(l);
	} else if (extended && is_char(l, VLNEXT, c)) {
		l->is_literal = true;
		if (has_lflag(l, ECHO) && has_lflag(l, ECHOCTL))
			echo_bytes(l, "^\b", 2);
	} else if (extended && is_char(l, VREPRINT, c) && has_lflag(l, ECHO)) {
		reprint_line(l);
	} else if (c == '\n') {
		erase_finish(l);
		if (has_lflag(l, ECHO) || has_lflag(l, ECHONL))
			echo_raw(l, '\n');
		end_line(l, c);
		l->line_column = l->column;
	} else if (is_char(l, VEOF, c)) {
		erase_finish(l);
		end_line(l, NO_CHAR);
	} else if (is_char(l, VEOL, c) || (extended && is_char(l, VEOL2, c))) {
		erase_finish(l);
		if (has_lflag(l, ECHO))
			echo_char(l, c);
		end_line(l, c);
	} else {
		return false;
	}
	return true;
}

static void input_plain(struct ldisc *l, u8 c)
{
	/* One place stays free for the end of the line. */
	if (is_canonical(l) && l->head - l->tail >= LDISC_SIZE - 1) {
		if (l->tio.c_iflag & IMAXBEL)
			echo_bytes(l, "\a", 1);
		return;
	}
	if (has_lflag(l, ECHO)) {
		erase_finish(l);
		if (l->head == l->ready)
			l->line_column = l->column;
		if (c == '\n')
			echo_raw(l, c);
		else
			echo_char(l, c);
	}
	store(l, c, false);
}

static void input_char(struct ldisc *l, u8 c)
{
	u32 iflag = l->tio.c_iflag;

	if (iflag & ISTRIP)
		c &= 0x7f;
	if (l->is_literal) {
		l->is_literal = false;
		input_plain(l, c);
		return;
	}
	if ((iflag & IUCLC) && has_lflag(l, IEXTEN) && c >= 'A' && c <= 'Z')
		c += 'a' - 'A';
	if ((iflag & IXON) && input_flow(l, c))
		return;
	if (has_lflag(l, ISIG) && input_signal(l, c))
		return;
	if (c == '\r') {
		if (iflag & IGNCR)
			return;
		if (iflag & ICRNL)
			c = '\n';
	} else if (c == '\n' && (iflag & INLCR)) {
		c = '\r';
	}
	if (is_canonical(l) && input_edit(l, c))
		return;
	input_plain(l, c);
	if (!is_canonical(l))
		l->ready = l->head;
}

size_t ldisc_input(struct ldisc *l, const u8 *bytes, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!is_canonical(l) && !ldisc_has_room(l))
			break;
		input_char(l, bytes[i]);
	}
	return i;
}

/* --- Reading ---------------------------------------------------------------
 */

u32 ldisc_available(const struct ldisc *l)
{
	u32 n = l->ready - l->tail;

	if (!is_canonical(l))
		return n;
	for (u32 pos = l->tail; pos != l->ready; pos++)
		if (is_end(l, pos) && l->buf[RING(pos)] == NO_CHAR)
			n--;
	return n;
}

bool ldisc_is_readable(const struct ldisc *l)
{
	u32 min = l->tio.c_cc[VMIN];

	if (is_canonical(l))
		return l->ready != l->tail;
	if (l->tio.c_cc[VTIME] != 0 || min == 0)
		min = 1;
	return l->ready - l->tail >= min;
}

size_t ldisc_read(struct ldisc *l, u8 *dst, size_t n, bool *ended)
{
	size_t done = 0;

	*ended = false;
	while (l->tail != l->ready) {
		u8 c = l->buf[RING(l->tail)];
		bool ends = is_canonical(l) && is_end(l, l->tail);

		if (ends && c == NO_CHAR) {
			l->tail++;
			*ended = true;
			break;
		}
		if (done == n)
			break;
		dst[done++] = c;
		l->tail++;
		if (ends) {
			*ended = true;
			break;
		}
	}
	return done;
}

void ldisc_flush_input(struct ldisc *l)
{
	l->tail = l->head;
	l->ready = l->head;
	l->is_literal = false;
	l->is_erasing = false;
	l->line_column = l->column;
}

/* --- Output ----------------------------------------------------------------
 */

/* What one byte becomes: its length in out[9]; the column moves. */
static size_t output_char(struct ldisc *l, u8 c, u8 *out)
{
	u32 oflag = l->tio.c_oflag;
	size_t n;

	switch (c) {
	case '\n':
		if (oflag & (ONLCR | ONLRET))
			l->column = 0;
		if (oflag & ONLCR) {
			memcpy(out, "\r\n", 2);
			return 2;
		}
		break;
	case '\r':
		if ((oflag & ONOCR) && l->column == 0)
			return 0;
		if (oflag & OCRNL)
			c = '\n';
		if (c == '\r' || (oflag & ONLRET))
			l->column = 0;
		break;
	case '\t':
		n = 8 - (l->column & 7);
		l->column += (u32)n;
		if ((oflag & TABDLY) == XTABS) {
			memset(out, ' ', n);
			return n;
		}
		break;
	case '\b':
		if (l->column > 0)
			l->column--;
		break;
	default:
		if ((oflag & OLCUC) && c >= 'a' && c <= 'z')
			c -= 'a' - 'A';
		if (c >= 32 && c != 127 && !is_continuation(l, c))
			l->column++;
		break;
	}
	out[0] = c;
	return 1;
}

size_t ldisc_output(struct ldisc *l, const u8 *src, size_t n, u8 *out,
		    size_t size, size_t *out_len)
{
	size_t taken = 0, len = 0;

	if (!(l->tio.c_oflag & OPOST)) {
		len = MIN(n, size);
		memcpy(out, src, len);
		*out_len = len;
		return len;
	}
	/* The longest result of one byte is a tab's 8 spaces. */
	while (taken < n && len + 8 <= size) {
		len += output_char(l, src[taken], out + len);
		taken++;
	}
	*out_len = len;
	return taken;
}
