/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes on their way to a stream socket: a ring that grows as it fills, up
 * to a limit, and marks on byte ranges that carry ancillary data (descriptors,
 * credentials). Used by AF_UNIX and by TCP inside the instance. No locking: the
 * owner's receive lock covers it.
 */
#ifndef JIFFY_KERNEL_NET_STREAM_H
#define JIFFY_KERNEL_NET_STREAM_H

#include "kernel/net/scm.h"
#include "kernel/vfs/uio.h"
#include "lib/list.h"

struct stream {
	u8 *buf; /* whole pages, a power of two; NULL while never filled */
	u64 size;
	u64 head, tail;	   /* bytes ever put, taken */
	u64 base;	   /* stream position of buf[0] */
	u64 peak;	   /* most bytes inside since it was empty */
	struct list marks; /* struct stream_mark, by position */
};

void stream_init(struct stream *s);
/* Free everything; descriptors inside are given to `dead`. */
void stream_fini(struct stream *s, struct list *dead);

static inline u64 stream_used(const struct stream *s)
{
	return s->head - s->tail;
}

/* Append up to max bytes of u. scm (may be NULL) is attached to the first of
 * them and taken over (scm->files becomes NULL). Bytes, or -EFAULT, -ENOMEM if
 * none. */
s64 stream_put(struct stream *s, struct uio *u, u64 max, struct scm *scm);

/* Move bytes out to u, up to where ancillary data changes. first: this is the
 * first piece of the call, whatever is attached to it goes to scm; later pieces
 * stop in front of other credentials. with_creds: credentials matter. peek:
 * look at `offset` bytes past the tail and leave all in place. Bytes; 0: stop
 * here; -EFAULT if none could be moved. */
struct stream_take {
	struct uio *uio;
	struct scm *scm; /* NULL: drop descriptors to `dead` */
	struct list *dead;
	u64 offset; /* with is_peek */
	u64 max;    /* no more than that; 0: no limit */
	bool is_first, with_creds, is_peek;
	bool is_discard; /* count the bytes, copy none */
	bool is_stopped; /* out: descriptors were met, the call ends here */
};
s64 stream_take(struct stream *s, struct stream_take *t);
/* The byte at a position that is inside. */
u8 stream_byte(struct stream *s, u64 pos);

#endif
