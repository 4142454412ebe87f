/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal line discipline (Linux's N_TTY): what happens between the bytes
 * of a line and the bytes programs read and write. Pure state machine; the tty
 * that embeds one holds its lock around every call and gives the callbacks.
 */
#ifndef JIFFY_KERNEL_DEV_LDISC_H
#define JIFFY_KERNEL_DEV_LDISC_H

#include "kernel/linux/termios.h"
#include "lib/compiler.h"

#define LDISC_SIZE 4096U /* of the input ring, a power of two */

struct ldisc;

struct ldisc_ops {
	/* Bytes for the line that the discipline makes itself (echo): take all
	 * or drop. */
	void (*echo)(struct ldisc *l, const u8 *bytes, size_t n);
	/* ^C, ^\, ^Z: to the foreground group. */
	void (*signal)(struct ldisc *l, int sig);
	/* Output was stopped (^S) or started (^Q). */
	void (*flow)(struct ldisc *l, bool is_stopped);
	/* NOFLSH is off and a signal character came: drop pending output. */
	void (*flush_output)(struct ldisc *l);
};

struct ldisc {
	const struct ldisc_ops *ops;
	struct termios2 tio;
	/* Input ring; positions run freely. [tail, ready) may be read in
	 * canonical mode, [tail, head) otherwise. */
	u8 buf[LDISC_SIZE];
	u64 ends[LDISC_SIZE / 64]; /* bit: byte at this place ends a line */
	u32 tail, ready, head;
	u32 column;	 /* of output, for tabs and CR */
	u32 line_column; /* column where the edited line began */
	bool is_stopped; /* by ^S */
	bool is_literal; /* after ^V */
	bool is_erasing; /* in a \ ... / sequence of ECHOPRT */
};

void ldisc_init(struct ldisc *l, const struct ldisc_ops *ops);
/* The settings changed: what is in the ring is sorted anew. */
void ldisc_set_termios(struct ldisc *l, const struct termios2 *tio);

/* Bytes arrived from the line: how many were taken. Fewer than n only when the
 * ring is full and the discipline is not canonical. */
size_t ldisc_input(struct ldisc *l, const u8 *bytes, size_t n);
/* Room for at least one more byte of input. */
bool ldisc_has_room(const struct ldisc *l);

/* Bytes a read could return now: whole lines in canonical mode. */
u32 ldisc_available(const struct ldisc *l);
/* A read would return at once (an end-of-file mark counts). */
bool ldisc_is_readable(const struct ldisc *l);
/* Take up to n bytes, at most one line in canonical mode; *ended: the line's
 * end was taken, too (an end-of-file mark alone is an empty line). Bytes
 * taken. */
size_t ldisc_read(struct ldisc *l, u8 *dst, size_t n, bool *ended);
void ldisc_flush_input(struct ldisc *l);

/* Post-process output: take bytes from src while their result fits out.
 * *out_len is set; the count of bytes taken. */
size_t ldisc_output(struct ldisc *l, const u8 *src, size_t n, u8 *out,
		    size_t size, size_t *out_len);

#endif
