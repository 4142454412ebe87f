/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames to and from the monitor (abi/channel.h): requests and their replies,
 * events, and streams of bytes. Nothing waits for the monitor but whoever asks
 * it, and the writer of a stream that has no room.
 */
#include "kernel/plat/pc/channel.h"

#include "abi/boot.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/pc/hfd.h"

/* A ring of what came and was not read: a power of two. */
#define RING ((u32)KIB(16))
/* One write of so much is not cut (PIPE_BUF). */
#define WRITE_MIN 4096u
#define MESSAGE_MAX ((u32)KIB(32)) /* a reply */
#define EVENTS 64u
#define FDS_MAX 3u /* of a reply */

struct stream {
	u16 number;
	u32 changes; /* atomic; waited for */
	int hfd;
	/* From the monitor: the thread writes at head, readers read at tail. */
	struct mutex read_lock;
	u8 *ring;
	u32 head, tail, told; /* so many bytes may have come */
	bool is_wanted;	      /* somebody has asked for them */
	bool has_ended;	      /* no more comes */
	/* To the monitor. */
	struct mutex write_lock;
	u32 room;     /* atomic */
	bool is_gone; /* the monitor takes no more */
	bool is_shut;
	u32 closed; /* CLOSED_...; atomic */
};
/* Its number may be used again when both ends have closed it. Its memory stays
 * for the next one: somebody may still look at it. */
enum { CLOSED_HERE = 1, CLOSED_THERE = 2, CLOSED = 3 };

static bool is_up;
static struct stream *streams[CHANNEL_STREAMS];

static struct {
	struct mutex lock; /* of calls */
	u32 state;	   /* CALL_...; atomic, waited for */
	u32 len;	   /* of the reply */
	u8 *reply;	   /* MESSAGE_MAX */
	int hfds[FDS_MAX]; /* what came with it */
} call;
enum { CALL_NONE, CALL_WAITS, CALL_DONE };

static struct {
	struct spin lock;
	struct broker_event ring[EVENTS];
	u32 head, tail;
} events;

/* What is being received. */
static struct {
	struct channel_frame frame;
	u32 nhead, done; /* bytes of the head, of what follows */
	u8 small[64];
} in;

NORETURN static void broken(const char *what)
{
	char text[128];

	fmt_format(text, sizeof(text), "the monitor: %s", what);
	plat_crash(text, NULL);
}

bool channel_is_up(void)
{
	return is_up;
}

/* --- Sending
 * ------------------------------------------------------------------- */

#define ROOM_IN_BUFFER (PORT_BUFFER - (u32)sizeof(struct channel_frame))

static u8 *frame_begin(u16 kind, u16 stream, u32 len)
{
	struct channel_frame f = { kind, stream, len };
	u8 *buffer = port_get(kind == CHANNEL_DATA);

	memcpy(buffer, &f, sizeof(f));
	return buffer;
}

static void send(u16 kind, u16 stream, const void *p, u32 len)
{
	u8 *buffer = frame_begin(kind, stream, len);

	memcpy(buffer + sizeof(struct channel_frame), p, len);
	port_put(buffer, (u32)sizeof(struct channel_frame) + len);
}

/* These bytes of the boot block, for the monitor. */
static void publish(const void *at, size_t n)
{
	const u8 *p = at;
	u32 offset = (u32)(p - (const u8 *)KERNEL_BOOT_BASE);

	while (n) {
		u32 len = (u32)MIN(n, ROOM_IN_BUFFER - sizeof(offset));
		u8 *buffer = frame_begin(CHANNEL_BLOCK, 0,
					 len + (u32)sizeof(offset));
		u8 *to = buffer + sizeof(struct channel_frame);

		memcpy(to, &offset, sizeof(offset));
		memcpy(to + sizeof(offset), p, len);
		port_put(buffer, (u32)(to + sizeof(offset) + len - buffer));
		p += len;
		offset += len;
		n -= len;
	}
}

#define BLOCK ((const struct boot_block *)KERNEL_BOOT_BASE)

void channel_publish_phases(void)
{
	publish(BLOCK->phase_ns, sizeof(BLOCK->phase_ns));
}

void channel_publish_stats(void)
{
	publish(&BLOCK->stats, sizeof(BLOCK->stats));
}

void channel_publish_crash(void)
{
	const u32 buffers = sizeof(BLOCK->crash) / ROOM_IN_BUFFER + 1;

	if (is_up && port_spare() >= buffers)
		publish(&BLOCK->crash, sizeof(BLOCK->crash));
}

/* --- Streams -----------------------------------------------------------------
 */

static void changed(struct stream *s)
{
	atomic_fetch_add(&s->changes, 1);
	plat_wake(&s->changes, ~0u);
	hfd_changed(s->hfd);
}

/* A new one, or the memory of one that both ends have closed. */
static struct stream *stream_get(u32 number)
{
	struct stream *s = streams[number];

	if (!s)
		s = streams[number] = kzalloc(sizeof(*s));
	else if (atomic_load_acquire(&s->closed) != CLOSED)
		return NULL;
	if (!s)
		return NULL;
	s->number = (u16)number;
	s->head = s->tail = s->told = s->room = 0;
	s->has_ended = s->is_gone = s->is_shut = s->is_wanted = false;
	return s;
}

/* Its hfd, or -errno. */
static int stream_new(u32 number, int hfd)
{
	struct stream *s = stream_get(number);

	if (!s)
		return -ENOMEM;
	s->hfd = hfd >= 0 ? hfd_place(hfd, HFD_STREAM, s)
			  : hfd_new(HFD_STREAM, s);
	if (s->hfd >= 0)
		atomic_store_release(&s->closed, 0);
	return s->hfd;
}

static void tell_room(struct stream *s, u32 n)
{
	s->told += n;
	send(CHANNEL_ROOM, s->number, &n, sizeof(n));
}

/* Somebody wants to read: from now on bytes may come. */
static void begin_reading(struct stream *s)
{
	mutex_lock(&s->read_lock);
	if (!s->ring)
		s->ring = kpages_alloc(RING / PAGE_SIZE);
	if (s->ring && !s->is_wanted && !s->has_ended) {
		atomic_store_release(&s->is_wanted, true);
		tell_room(s, RING);
	}
	mutex_unlock(&s->read_lock);
}

u32 stream_readable_bytes(struct stream *s)
{
	return atomic_load_acquire(&s->head) - atomic_load(&s->tail);
}

u32 stream_ready(struct stream *s, u32 wanted)
{
	u32 ready = 0;

	if (wanted & READY_IN && !atomic_load(&s->is_wanted))
		begin_reading(s);
	/* In this order: what came before the end is there. */
	if (atomic_load_acquire(&s->has_ended))
		ready |= READY_IN | READY_RDHUP | READY_HUP;
	if (stream_readable_bytes(s))
		ready |= READY_IN;
	if (atomic_load(&s->is_gone))
		ready |= READY_OUT | READY_ERR;
	if (atomic_load(&s->room) >= WRITE_MIN)
		ready |= READY_OUT;
	return ready;
}

static s64 copy_out(u64 to, const u8 *from, u64 n)
{
	if (to < USER_END)
		return user_copy_out(to, from, n);
	memcpy((void *)to, from, n);
	return 0;
}

/* Up to n bytes to `to`: how many, or -EFAULT. */
static s64 read_some(struct stream *s, u64 to, u64 n)
{
	u64 done = 0;

	while (done < n) {
		u32 at = s->tail % RING;
		u64 len =
			MIN(MIN(n - done, stream_readable_bytes(s)), RING - at);

		if (!len)
			break;
		if (copy_out(to + done, s->ring + at, len))
			return done ? (s64)done : -EFAULT;
		atomic_store_release(&s->tail, s->tail + (u32)len);
		done += len;
	}
	return (s64)done;
}

static u32 room_untold(const struct stream *s)
{
	return RING - (s->told - s->tail);
}

s64 stream_read(struct stream *s, const struct plat_iovec *iov, int n)
{
	bool has_ended = atomic_load_acquire(&s->has_ended);
	s64 total = 0, got = 0;

	if (!atomic_load(&s->is_wanted))
		begin_reading(s);
	mutex_lock(&s->read_lock);
	for (int i = 0; i < n; i++) {
		got = read_some(s, iov[i].base, iov[i].len);
		total += MAX(got, 0);
		if (got != (s64)iov[i].len)
			break;
	}
	if (s->is_wanted && !has_ended && room_untold(s) >= RING / 2)
		tell_room(s, room_untold(s));
	mutex_unlock(&s->read_lock);
	if (total || got < 0)
		return total ? total : got;
	return has_ended ? 0 : -EAGAIN;
}

/* Until it has room for min: 0; or -EAGAIN, -EINTR, -EPIPE. */
static int wait_room(struct stream *s, u32 min, bool may_wait)
{
	for (;;) {
		u32 seen = atomic_load_acquire(&s->changes);

		if (atomic_load(&s->is_gone) || s->is_shut)
			return -EPIPE;
		if (atomic_load(&s->room) >= min)
			return 0;
		if (!may_wait)
			return -EAGAIN;
		plat_wait(&s->changes, seen, NSEC_MAX);
		if (atomic_load(&s->changes) == seen)
			return -EINTR;
	}
}

static int copy_in(u8 *to, u64 from, u64 n)
{
	if (from < USER_END)
		return user_copy_in(to, from, n);
	memcpy(to, (const void *)from, n);
	return 0;
}

/* One frame: how many bytes, or -errno. */
static s64 write_some(struct stream *s, u64 from, u64 n)
{
	u32 len = (u32)MIN(MIN(n, atomic_load(&s->room)), ROOM_IN_BUFFER);
	u8 *buffer = frame_begin(CHANNEL_DATA, s->number, len);

	/* A frame of nothing, if the program's memory is not there. */
	if (copy_in(buffer + sizeof(struct channel_frame), from, len)) {
		memset(buffer + 4, 0, 4);
		port_put(buffer, sizeof(struct channel_frame));
		return -EFAULT;
	}
	atomic_fetch_sub(&s->room, len);
	port_put(buffer, (u32)sizeof(struct channel_frame) + len);
	return len;
}

static s64 write_one(struct stream *s, u64 from, u64 n, bool may_wait)
{
	u64 done = 0;
	s64 err = 0;

	while (done < n && !err) {
		err = wait_room(s, (u32)MIN(n - done, WRITE_MIN), may_wait);
		if (!err) {
			s64 len = write_some(s, from + done, n - done);

			done += (u64)MAX(len, 0);
			err = MIN(len, 0);
		}
	}
	return done ? (s64)done : err;
}

s64 stream_write(struct stream *s, const struct plat_iovec *iov, int n,
		 bool may_wait)
{
	s64 total = 0, done = 0;

	mutex_lock(&s->write_lock);
	for (int i = 0; i < n; i++) {
		done = write_one(s, iov[i].base, iov[i].len, may_wait);
		total += MAX(done, 0);
		if (done != (s64)iov[i].len)
			break;
	}
	mutex_unlock(&s->write_lock);
	return total ? total : done;
}

void channel_trace(const char *text, size_t n)
{
	struct plat_iovec iov = { (u64)text, n };

	while (iov.len) {
		s64 done = stream_write(streams[CHANNEL_TRACE], &iov, 1, true);

		if (done == -EINTR)
			plat_yield();
		else if (done < 0)
			return;
		iov.base += (u64)MAX(done, 0);
		iov.len -= (u64)MAX(done, 0);
	}
}

void stream_shutdown(struct stream *s)
{
	mutex_lock(&s->write_lock);
	if (!s->is_shut)
		send(CHANNEL_END, s->number, NULL, 0);
	s->is_shut = true;
	mutex_unlock(&s->write_lock);
}

void stream_close(struct stream *s)
{
	u16 number = s->number;

	if (!(atomic_fetch_or(&s->closed, CLOSED_HERE) & CLOSED_HERE))
		send(CHANNEL_CLOSE, number, NULL, 0);
}

/* --- Calls -------------------------------------------------------------------
 */

static void send_request(const void *request, size_t n)
{
	send(CHANNEL_REQUEST, 0, request, (u32)n);
}

/* The i-th that came to the caller, if he has room for it. */
static void give_hfd(u32 i, int *hfds, int max)
{
	int hfd = i < FDS_MAX ? call.hfds[i] : -1;

	if ((int)i < max)
		hfds[i] = hfd;
	else if (hfd >= 0)
		plat_hfd_close(hfd);
}

int channel_call(const void *request, size_t n, void *reply, size_t size,
		 int *hfds, int max_hfds)
{
	int len;

	if (n > ROOM_IN_BUFFER)
		return -EMSGSIZE;
	mutex_lock(&call.lock);
	if (!call.reply)
		call.reply = kpages_alloc(MESSAGE_MAX / PAGE_SIZE);
	if (!call.reply) {
		mutex_unlock(&call.lock);
		return -ENOMEM;
	}
	atomic_store_release(&call.state, CALL_WAITS);
	send_request(request, n);
	while (atomic_load_acquire(&call.state) == CALL_WAITS)
		plat_wait(&call.state, CALL_WAITS, NSEC_MAX);
	len = (int)MIN((size_t)call.len, size);
	memcpy(reply, call.reply, (size_t)len);
	for (u32 i = 0; i < MAX(FDS_MAX, (u32)max_hfds); i++)
		give_hfd(i, hfds, max_hfds);
	mutex_unlock(&call.lock);
	return len;
}

void channel_tell(const void *request, size_t n)
{
	send_request(request, n);
}

void channel_ack(void)
{
	struct broker_event e = { .type = EVENT_ACK };

	send(CHANNEL_EVENT, 0, &e, sizeof(e));
}

bool channel_event(struct broker_event *e)
{
	u64 flags = spin_lock(&events.lock);
	bool any = events.tail != events.head;

	if (any)
		*e = events.ring[events.tail++ % EVENTS];
	spin_unlock(&events.lock, flags);
	return any;
}

/* --- Receiving
 * ------------------------------------------------------------------ */

/* As a socket would: what does not fit is lost. */
static void take_event(const struct broker_event *e)
{
	u64 flags = spin_lock(&events.lock);

	if (events.head - events.tail < EVENTS)
		events.ring[events.head++ % EVENTS] = *e;
	spin_unlock(&events.lock, flags);
	broker_look();
}

static void take_data(struct stream *s, const u8 *p, u32 n)
{
	if (!s || s->closed || s->has_ended)
		return; /* it was under way */
	if (!s->is_wanted || n > RING - stream_readable_bytes(s))
		broken("sends more than there is room for");
	while (n) {
		u32 at = s->head % RING, len = MIN(n, RING - at);

		memcpy(s->ring + at, p, len);
		atomic_store_release(&s->head, s->head + len);
		p += len;
		n -= len;
	}
	changed(s);
}

static void take_room(struct stream *s)
{
	u32 n;

	memcpy(&n, in.small, sizeof(n));
	if (!s || s->closed)
		return;
	if (n > CHANNEL_ROOM_MAX || s->room + n > CHANNEL_ROOM_MAX)
		broken("has too much room");
	atomic_fetch_add(&s->room, n);
	changed(s);
}

static void take_end(struct stream *s)
{
	if (!s)
		return;
	atomic_store_release(&s->has_ended, true);
	if (in.frame.kind == CHANNEL_CLOSE)
		atomic_store(&s->is_gone, true);
	if (!(s->closed & CLOSED_HERE))
		changed(s);
	if (in.frame.kind == CHANNEL_CLOSE)
		atomic_fetch_or(&s->closed, CLOSED_THERE);
}

static const struct {
	u32 min, max; /* of what follows */
} lengths[] = {
	[CHANNEL_REPLY] = { sizeof(struct broker_reply), MESSAGE_MAX },
	[CHANNEL_EVENT] = { sizeof(struct broker_event),
			    sizeof(struct broker_event) },
	[CHANNEL_DATA] = { 0, RING },
	[CHANNEL_ROOM] = { sizeof(u32), sizeof(u32) },
	[CHANNEL_END] = { 0, 0 },
	[CHANNEL_CLOSE] = { 0, 0 },
};

static void check_head(void)
{
	const struct channel_frame *f = &in.frame;

	if (f->kind >= ARRAY_SIZE(lengths) || f->stream >= CHANNEL_STREAMS ||
	    f->len < lengths[f->kind].min || f->len > lengths[f->kind].max)
		broken("sends a frame that there is not");
	if (f->kind == CHANNEL_REPLY && atomic_load(&call.state) != CALL_WAITS)
		broken("replies to nobody");
}

/* What follows the head, as far as it came; `done` is how much was before. */
static void take_part(const u8 *p, u32 n)
{
	if (in.frame.kind == CHANNEL_DATA)
		take_data(streams[in.frame.stream], p, n);
	else if (in.frame.kind == CHANNEL_REPLY)
		memcpy(call.reply + in.done, p, n);
	else
		memcpy(in.small + in.done, p, n);
	in.done += n;
}

/* The descriptors that a reply came with are streams, before anything else is
 * said of them. */
static void take_streams(void)
{
	const struct broker_reply *r = (const void *)call.reply;
	u32 first = in.frame.stream;

	for (u32 i = 0; i < FDS_MAX; i++)
		call.hfds[i] = -1;
	if (first < CHANNEL_FIRST)
		return;
	if (r->nfds > FDS_MAX || first + r->nfds > CHANNEL_STREAMS)
		broken("hands in what there is not");
	for (u32 i = 0; i < r->nfds; i++) {
		call.hfds[i] = stream_new(first + i, -1);
		if (call.hfds[i] < 0)
			send(CHANNEL_CLOSE, (u16)(first + i), NULL, 0);
	}
}

static void take_whole(void)
{
	struct stream *s = streams[in.frame.stream];

	switch ((enum channel_kind)in.frame.kind) {
	case CHANNEL_REPLY:
		call.len = in.frame.len;
		take_streams();
		atomic_store_release(&call.state, CALL_DONE);
		plat_wake(&call.state, 1);
		break;
	case CHANNEL_EVENT:
		take_event((const struct broker_event *)in.small);
		break;
	case CHANNEL_ROOM:
		take_room(s);
		break;
	case CHANNEL_END:
	case CHANNEL_CLOSE:
		take_end(s);
		break;
	case CHANNEL_DATA:
	case CHANNEL_REQUEST:
	case CHANNEL_BLOCK:
		break;
	}
}

void channel_take(const u8 *p, u32 n)
{
	while (n) {
		u32 len;

		if (in.nhead < sizeof(in.frame)) {
			len = MIN(n, (u32)sizeof(in.frame) - in.nhead);
			memcpy((u8 *)&in.frame + in.nhead, p, len);
			in.nhead += len;
			if (in.nhead == sizeof(in.frame))
				check_head();
		} else {
			len = MIN(n, in.frame.len - in.done);
			take_part(p, len);
		}
		p += len;
		n -= len;
		if (in.nhead == sizeof(in.frame) && in.done == in.frame.len) {
			take_whole();
			in.nhead = in.done = 0;
		}
	}
}

void channel_begin(void)
{
	for (u32 i = CHANNEL_STDIN; i < CHANNEL_FIRST; i++)
		if (stream_new(i, (int)i) < 0)
			kpanic("no memory for standard input and output");
	is_up = true;
}
