/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outside descriptors: plat.h group 6, but for sockets (socket.c). The others
 * are the serial line (0 to 2), bells, and sets of descriptors. Who waits for
 * any of them waits for one count of changes and looks again.
 */
#include "kernel/plat/pc/hfd.h"

#include "kernel/cpu/usercopy.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/pc/channel.h"

#define HFDS_MAX 65536
#define FIRST CHANNEL_FIRST /* before: standard input and output, the trace */
#define EVENT_ONESHOT (1u << 30)
#define EVENT_EDGE (1u << 31)
#define EVENT_BITS 0xffffu

static struct hfd {
	u8 kind;
	bool is_rung;
	u32 changes; /* atomic */
	void *object;
} * hfds;
static u32 hfds_size;
static struct mutex table_lock;
static u32 changes; /* of all; atomic, waited for */

struct entry {
	struct list node;
	int hfd;
	u32 events;
	u64 data;
	u32 seen; /* changes of hfd when it was told */
	bool is_told, is_off;
};
struct set {
	struct mutex lock;
	struct list entries;
};

static struct hfd *at(int hfd)
{
	return hfd >= 0 && (u32)hfd < atomic_load_acquire(&hfds_size)
		       ? &hfds[hfd]
		       : NULL;
}

void *hfd_object(int hfd, enum hfd_kind kind)
{
	struct hfd *h = at(hfd);

	return h && h->kind == kind ? h->object : NULL;
}

/* Standard input and output where there is no monitor. */
static bool is_serial(int hfd)
{
	return hfd >= 0 && hfd <= 2 && !channel_is_up();
}

/* The table has its final place in the sparse heap from the start. */
static int table_begin(void)
{
	hfds = kpages_alloc(HFDS_MAX * sizeof(*hfds) / PAGE_SIZE);
	if (!hfds)
		return -ENOMEM;
	for (u32 i = 0; i < FIRST; i++)
		hfds[i] = (struct hfd){ .kind = HFD_SERIAL };
	atomic_store_release(&hfds_size, FIRST);
	return 0;
}

int hfd_new(enum hfd_kind kind, void *object)
{
	int found = -EMFILE;

	mutex_lock(&table_lock);
	if (!hfds && table_begin())
		found = -ENOMEM;
	for (u32 i = FIRST; hfds && i < HFDS_MAX && found < 0; i++) {
		if (i == hfds_size) {
			hfds[i].kind = HFD_FREE;
			atomic_store_release(&hfds_size, i + 1);
		}
		if (hfds[i].kind == HFD_FREE) {
			hfds[i] = (struct hfd){ .kind = (u8)kind,
						.object = object };
			found = (int)i;
		}
	}
	mutex_unlock(&table_lock);
	return found;
}

int hfd_place(int hfd, enum hfd_kind kind, void *object)
{
	int err = 0;

	mutex_lock(&table_lock);
	if (!hfds)
		err = table_begin();
	if (!err)
		hfds[hfd] = (struct hfd){ .kind = (u8)kind, .object = object };
	mutex_unlock(&table_lock);
	return err ? err : hfd;
}

void hfd_changed(int hfd)
{
	struct hfd *h = at(hfd);

	if (h)
		atomic_fetch_add(&h->changes, 1);
	atomic_fetch_add(&changes, 1);
	plat_wake(&changes, ~0u);
}

/* --- Readiness ---------------------------------------------------------------
 */

static u32 ready_now(int hfd, u32 wanted);

static u32 changes_of(int hfd)
{
	const struct hfd *h = at(hfd);
	struct set *set = hfd_object(hfd, HFD_SET);
	u32 sum = h ? atomic_load(&h->changes) : 0;
	struct entry *e;

	if (!set)
		return sum;
	mutex_lock(&set->lock);
	list_for_each (e, &set->entries, node)
		sum += changes_of(e->hfd);
	mutex_unlock(&set->lock);
	return sum;
}

/* What e is to tell now. */
static u32 entry_ready(const struct entry *e)
{
	u32 wanted = (e->events & EVENT_BITS) | READY_ERR | READY_HUP;

	if (e->is_off)
		return 0;
	if (e->events & EVENT_EDGE && e->is_told &&
	    e->seen == changes_of(e->hfd))
		return 0;
	return ready_now(e->hfd, wanted) & wanted;
}

static u32 set_ready(struct set *set)
{
	struct entry *e;
	u32 ready = 0;

	mutex_lock(&set->lock);
	list_for_each (e, &set->entries, node)
		if (!ready && entry_ready(e))
			ready = READY_IN;
	mutex_unlock(&set->lock);
	return ready;
}

static u32 ready_now(int hfd, u32 wanted)
{
	struct hfd *h = at(hfd);

	if (is_serial(hfd))
		return READY_OUT;
	switch (h ? (enum hfd_kind)h->kind : HFD_FREE) {
	case HFD_BELL:
		return h->is_rung ? READY_IN : 0;
	case HFD_SET:
		return set_ready(h->object);
	case HFD_SOCKET:
		return socket_ready(h->object);
	case HFD_STREAM:
		return stream_ready(h->object, wanted);
	case HFD_SERIAL:
	case HFD_ENDED:
		return READY_HUP;
	case HFD_FREE:
		break;
	}
	return READY_NVAL;
}

static u32 poll_ready(const struct plat_pollfd *p)
{
	u32 wanted = (u16)p->events | READY_ERR | READY_HUP | READY_NVAL;

	return p->hfd < 0 ? 0 : ready_now(p->hfd, wanted) & wanted;
}

/* Wait for the next change after `seen`: 0, -ETIMEDOUT, or -EINTR: a kick. */
static int wait_change(u32 seen, nsec_t deadline)
{
	int err;

	if (deadline <= 0)
		return -ETIMEDOUT;
	err = plat_wait(&changes, seen, deadline);
	if (err)
		return err;
	return atomic_load(&changes) == seen ? -EINTR : 0;
}

int plat_hfd_poll(struct plat_pollfd *fds, int n, nsec_t deadline)
{
	for (;;) {
		u32 seen = atomic_load_acquire(&changes);
		int nready = 0, err;

		for (int i = 0; i < n; i++) {
			fds[i].revents = (s16)poll_ready(&fds[i]);
			nready += fds[i].revents != 0;
		}
		if (nready)
			return nready;
		err = wait_change(seen, deadline);
		if (err)
			return err == -ETIMEDOUT ? 0 : err;
	}
}

/* --- Sets --------------------------------------------------------------------
 */

int plat_hset_new(void)
{
	struct set *set = kzalloc(sizeof(*set));
	int hfd;

	if (!set)
		return -ENOMEM;
	list_init(&set->entries);
	hfd = hfd_new(HFD_SET, set);
	if (hfd < 0)
		kfree(set);
	return hfd;
}

static struct entry *find(struct set *set, int hfd)
{
	struct entry *e;

	list_for_each (e, &set->entries, node)
		if (e->hfd == hfd)
			return e;
	return NULL;
}

static int add(struct set *set, int hfd, u32 events, u64 data)
{
	struct entry *e;

	if (find(set, hfd))
		return -EEXIST;
	if (!at(hfd) && !is_serial(hfd))
		return -EBADF;
	e = kzalloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->hfd = hfd;
	e->events = events;
	e->data = data;
	list_append(&set->entries, &e->node);
	return 0;
}

int plat_hset_add(int hset, int hfd, u32 events, u64 data)
{
	struct set *set = hfd_object(hset, HFD_SET);
	int err;

	if (!set)
		return -EBADF;
	mutex_lock(&set->lock);
	err = add(set, hfd, events, data);
	mutex_unlock(&set->lock);
	hfd_changed(hset);
	return err;
}

int plat_hset_mod(int hset, int hfd, u32 events, u64 data)
{
	struct set *set = hfd_object(hset, HFD_SET);
	struct entry *e;

	if (!set)
		return -EBADF;
	mutex_lock(&set->lock);
	e = find(set, hfd);
	if (e) {
		e->events = events;
		e->data = data;
		e->is_told = e->is_off = false;
	}
	mutex_unlock(&set->lock);
	hfd_changed(hset);
	return e ? 0 : -ENOENT;
}

int plat_hset_del(int hset, int hfd)
{
	struct set *set = hfd_object(hset, HFD_SET);
	struct entry *e;

	if (!set)
		return -EBADF;
	mutex_lock(&set->lock);
	e = find(set, hfd);
	if (e)
		list_del(&e->node);
	mutex_unlock(&set->lock);
	kfree(e);
	return e ? 0 : -ENOENT;
}

static int collect(struct set *set, struct plat_event *ev, int max)
{
	struct entry *e, *next;
	struct list told = LIST_INIT(told);
	int n = 0;

	list_for_each_safe (e, next, &set->entries, node) {
		u32 seen = changes_of(e->hfd), events;

		if (n == max)
			break;
		events = entry_ready(e);
		if (!events)
			continue;
		ev[n++] = (struct plat_event){ events, e->data };
		e->seen = seen;
		e->is_told = true;
		e->is_off = (e->events & EVENT_ONESHOT) != 0;
		/* Others first the next time. */
		list_del(&e->node);
		list_append(&told, &e->node);
	}
	list_splice(&set->entries, &told);
	return n;
}

int plat_hset_wait(int hset, struct plat_event *ev, int max, nsec_t deadline)
{
	struct set *set = hfd_object(hset, HFD_SET);

	for (;;) {
		u32 seen = atomic_load_acquire(&changes);
		int n, err;

		if (!set)
			return -EBADF;
		mutex_lock(&set->lock);
		n = collect(set, ev, max);
		mutex_unlock(&set->lock);
		if (n)
			return n;
		err = wait_change(seen, deadline);
		if (err)
			return err == -ETIMEDOUT ? 0 : err;
	}
}

/* --- Bells, the serial line
 * ---------------------------------------------------- */

int plat_bell_new(void)
{
	return hfd_new(HFD_BELL, NULL);
}

void plat_bell_ring(int bell)
{
	struct hfd *h = at(bell);

	if (h && h->kind == HFD_BELL && !atomic_xchg(&h->is_rung, true))
		hfd_changed(bell);
}

void plat_bell_hush(int bell)
{
	struct hfd *h = at(bell);

	/* Whatever is looked at next is looked at after this. */
	if (h && h->kind == HFD_BELL)
		(void)atomic_xchg(&h->is_rung, false);
}

static s64 write_serial(const struct plat_iovec *iov, int n)
{
	char buf[512];
	s64 done = 0;

	for (int i = 0; i < n; i++) {
		for (u64 pos = 0; pos < iov[i].len;) {
			size_t len = MIN(sizeof(buf), iov[i].len - pos);

			if (iov[i].base >= USER_END)
				memcpy(buf, (void *)(iov[i].base + pos), len);
			else if (user_copy_in(buf, iov[i].base + pos, len))
				return done ? done : -EFAULT;
			serial_write(buf, len);
			pos += len;
			done += (s64)len;
		}
	}
	return done;
}

s64 plat_hfd_readv(int hfd, const struct plat_iovec *iov, int n)
{
	struct stream *s = hfd_object(hfd, HFD_STREAM);

	if (s)
		return stream_read(s, iov, n);
	return is_serial(hfd) ? 0 : plat_hfd_recv(hfd, iov, n, 0, NULL, NULL);
}

static s64 writev(int hfd, const struct plat_iovec *iov, int n, bool may_wait)
{
	struct stream *s = hfd_object(hfd, HFD_STREAM);

	if (s)
		return stream_write(s, iov, n, may_wait);
	return is_serial(hfd) ? write_serial(iov, n)
			      : plat_hfd_send(hfd, iov, n, 0);
}

s64 plat_hfd_writev(int hfd, const struct plat_iovec *iov, int n)
{
	return writev(hfd, iov, n, false);
}

/* Readers have found it ready. */
s64 plat_hfd_readv_blocking(int hfd, const struct plat_iovec *iov, int n)
{
	s64 got = plat_hfd_readv(hfd, iov, n);

	return got == -EAGAIN ? -EINTR : got;
}

s64 plat_hfd_writev_blocking(int hfd, const struct plat_iovec *iov, int n)
{
	return writev(hfd, iov, n, true);
}

/* --- The end
 * ------------------------------------------------------------------- */

static void set_free(struct set *set)
{
	struct entry *e, *next;

	list_for_each_safe (e, next, &set->entries, node)
		kfree(e);
	kfree(set);
}

static void object_free(struct hfd *h)
{
	if (h->kind == HFD_SET)
		set_free(h->object);
	else if (h->kind == HFD_SOCKET)
		socket_close(h->object);
	else if (h->kind == HFD_STREAM)
		stream_close(h->object);
}

void plat_hfd_close(int hfd)
{
	struct hfd *h = at(hfd);

	if (!h || is_serial(hfd))
		return;
	object_free(h);
	mutex_lock(&table_lock);
	h->kind = HFD_FREE;
	mutex_unlock(&table_lock);
	hfd_changed(hfd);
}

void plat_hfd_end(int hfd)
{
	struct hfd *h = at(hfd);

	if (!h || is_serial(hfd))
		return;
	object_free(h);
	h->kind = HFD_ENDED;
	hfd_changed(hfd);
}
