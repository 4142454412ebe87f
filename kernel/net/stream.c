/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of a stream socket. Its memory is contiguous, so that a message is
 * one or two copies; an empty ring starts again at its first byte, so that
 * short exchanges stay in the same cache lines.
 */
#include "kernel/net/stream.h"

#include "kernel/kernel.h"
#include "kernel/mm/heap.h"

#define STREAM_KEEP (64UL * 1024) /* an idle ring up to this size is kept */
#define MARK_BYTES (32UL * 1024)  /* files belong to one piece of this size */

void stream_init(struct stream *s)
{
	memset(s, 0, sizeof(*s));
	list_init(&s->marks);
}

static void mark_free(struct stream_mark *m, struct list *dead)
{
	list_del(&m->node);
	if (m->files)
		list_append(dead, &m->files->node);
	kfree(m);
}

void stream_fini(struct stream *s, struct list *dead)
{
	struct stream_mark *m, *tmp;

	list_for_each_safe (m, tmp, &s->marks, node)
		mark_free(m, dead);
	if (s->buf)
		kpages_free(s->buf, s->size >> PAGE_SHIFT);
	stream_init(s);
}

/* Where byte `pos` is, and how many follow it without a break. */
static u8 *stream_at(struct stream *s, u64 pos, u64 *run)
{
	u64 at = (pos - s->base) & (s->size - 1);

	*run = s->size - at;
	return s->buf + at;
}

static bool stream_grow(struct stream *s, u64 want)
{
	u64 size = s->size ? s->size : PAGE_SIZE;
	u64 used = stream_used(s), run, n;
	u8 *buf;

	while (size < want)
		size *= 2;
	if (size == s->size)
		return true;
	buf = kpages_alloc(size >> PAGE_SHIFT);
	if (!buf)
		return false;
	if (used) {
		u8 *p = stream_at(s, s->tail, &run);

		n = MIN(run, used);
		memcpy(buf, p, n);
		memcpy(buf + n, s->buf, used - n);
	}
	if (s->buf)
		kpages_free(s->buf, s->size >> PAGE_SHIFT);
	s->buf = buf;
	s->size = size;
	s->base = s->tail;
	return true;
}

static bool same_cred(const struct stream_mark *m, const struct scm *scm)
{
	return m->has_cred == scm->has_cred && !m->files && !scm->files &&
	       m->cred.pid == scm->cred.pid && m->cred.uid == scm->cred.uid &&
	       m->cred.gid == scm->cred.gid;
}

/* A mark for what is about to be put, or NULL if the last one can be extended
 * (*extend) or none is needed. -ENOMEM. */
static int mark_prepare(struct stream *s, struct scm *scm,
			struct stream_mark **mark, struct stream_mark **extend)
{
	struct stream_mark *last;

	*mark = *extend = NULL;
	if (!scm || (!scm->files && !scm->has_cred))
		return 0;
	if (!list_empty(&s->marks)) {
		last = list_last(&s->marks, struct stream_mark, node);
		if (last->end == s->head && same_cred(last, scm)) {
			*extend = last;
			return 0;
		}
	}
	*mark = kzalloc(sizeof(**mark));
	if (!*mark)
		return -ENOMEM;
	list_init(&(*mark)->node);
	return 0;
}

static void mark_commit(struct stream *s, struct stream_mark *m,
			struct scm *scm, u64 n)
{
	m->start = s->head;
	m->end = s->head + n;
	m->cred = scm->cred;
	m->has_cred = scm->has_cred;
	m->files = scm->files;
	scm->files = NULL;
	list_append(&s->marks, &m->node);
}

s64 stream_put(struct stream *s, struct uio *u, u64 max, struct scm *scm)
{
	u64 n = MIN(u->left, max), done = 0;
	struct stream_mark *mark, *extend;
	int err;

	if (scm && scm->files)
		n = MIN(n, MARK_BYTES);
	if (stream_used(s) + n > s->size && !stream_grow(s, stream_used(s) + n))
		return -ENOMEM;
	err = mark_prepare(s, scm, &mark, &extend);
	if (err)
		return err;
	while (done < n) {
		u64 run, step;
		u8 *p = stream_at(s, s->head + done, &run);
		s64 got;

		step = MIN(run, n - done);
		got = uio_get(u, p, step);
		if (got <= 0)
			break;
		done += (u64)got;
		if ((u64)got < step)
			break;
	}
	if (done == 0 && n) {
		kfree(mark);
		return -EFAULT;
	}
	if (mark)
		mark_commit(s, mark, scm, done);
	else if (extend)
		extend->end += done;
	s->head += done;
	s->peak = MAX(s->peak, stream_used(s));
	return (s64)done;
}

static struct stream_mark *mark_at(struct stream *s, u64 pos, u64 *limit)
{
	struct stream_mark *m;

	*limit = s->head - pos;
	list_for_each (m, &s->marks, node) {
		if (m->end <= pos)
			continue;
		if (m->start <= pos) {
			*limit = m->end - pos;
			return m;
		}
		*limit = m->start - pos;
		return NULL;
	}
	return NULL;
}

/* What the receiver sees of the credentials at this place; false: another
 * sender's, the call must end before. */
static bool take_cred(struct stream_take *t, const struct stream_mark *m)
{
	struct linux_ucred none = { 0, 65534, 65534 };
	const struct linux_ucred *c = m && m->has_cred ? &m->cred : &none;

	if (!t->scm)
		return true;
	if (t->is_first || !t->with_creds) {
		t->scm->cred = *c;
		t->scm->has_cred = true;
		return true;
	}
	return t->scm->cred.pid == c->pid && t->scm->cred.uid == c->uid &&
	       t->scm->cred.gid == c->gid;
}

static void take_files(struct stream_take *t, struct stream_mark *m)
{
	t->is_stopped = true;
	if (t->is_peek) {
		if (t->scm && !t->scm->files)
			t->scm->files = scm_dup(m->files);
		return;
	}
	if (t->scm && !t->scm->files)
		t->scm->files = m->files;
	else
		list_append(t->dead, &m->files->node);
	m->files = NULL;
}

/* The ring is empty: begin anew, and give back what was only a peak. */
static void stream_emptied(struct stream *s)
{
	if (s->size > STREAM_KEEP && s->peak <= s->size / 4) {
		kpages_free(s->buf, s->size >> PAGE_SHIFT);
		s->buf = NULL;
		s->size = 0;
	}
	s->base = s->tail;
	s->peak = 0;
}

static u64 copy_out(struct stream *s, struct uio *u, u64 pos, u64 n)
{
	u64 done = 0;

	while (done < n) {
		u64 run, step;
		u8 *p = stream_at(s, pos + done, &run);
		s64 put;

		step = MIN(run, n - done);
		put = uio_put(u, p, step);
		if (put <= 0)
			break;
		done += (u64)put;
		if ((u64)put < step)
			break;
	}
	return done;
}

u8 stream_byte(struct stream *s, u64 pos)
{
	u64 run;

	return *stream_at(s, pos, &run);
}

s64 stream_take(struct stream *s, struct stream_take *t)
{
	u64 pos = s->tail + (t->is_peek ? t->offset : 0);
	struct stream_mark *m = NULL;
	u64 n, done;

	if (pos >= s->head || t->is_stopped)
		return 0;
	n = s->head - pos;
	if (!list_empty(&s->marks))
		m = mark_at(s, pos, &n);
	if ((m || t->with_creds) && !take_cred(t, m)) {
		t->is_stopped = true;
		return 0;
	}
	n = MIN(n, t->uio->left);
	if (unlikely(t->max))
		n = MIN(n, t->max);
	if (unlikely(t->is_discard)) {
		uio_advance(t->uio, n);
		done = n;
	} else {
		done = copy_out(s, t->uio, pos, n);
	}
	if (done == 0 && n)
		return -EFAULT;
	if (m && m->files && done)
		take_files(t, m);
	if (t->is_peek)
		return (s64)done;
	s->tail += done;
	if (m && m->end <= s->tail)
		mark_free(m, t->dead);
	if (s->tail == s->head)
		stream_emptied(s);
	return (s64)done;
}
