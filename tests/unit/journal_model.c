/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's model file system: see journal_model.h. Each block's versions
 * are remembered with the transaction that made them, so that after a crash one
 * transaction can be looked for up to which everything is there and nothing
 * later is.
 */
#include "tests/unit/journal_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu/crc32c.h"

u64 model_random(u64 *state, u64 n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (*state * 0x2545f4914f6cdd1dUL >> 16) % n;
}

static void die(const char *what, u64 a, u64 b)
{
	fprintf(stderr, "%s (%llu, %llu)\n", what, (unsigned long long)a,
		(unsigned long long)b);
	abort();
}

/* --- Contents ------------------------------------------------------------ */

/* Some contents begin with the journal's magic number. */
static void fill(const struct model *m, u8 *p, u32 block, u32 id)
{
	u32 *w = (u32 *)p;

	for (u32 i = 0; i < m->block_size / 4; i++)
		w[i] = (id * 0x9e3779b9U) ^ (block << 20) ^ (i * 0x85ebca6bU);
	w[1] = id;
	if (id % 5 == 0)
		w[0] = be32(JBD_MAGIC);
}

static bool is_filled(const struct model *m, const u8 *p, u32 block, u32 id)
{
	u8 want[4096];

	fill(m, want, block, id);
	return memcmp(p, want, m->block_size) == 0;
}

static void add_version(struct life *l, u32 tid, enum kind kind, u32 id)
{
	if (l->n > 0 && l->v[l->n - 1].tid == tid &&
	    l->v[l->n - 1].kind != DATA) {
		l->v[l->n - 1].kind = kind;
		l->v[l->n - 1].id = id;
		return;
	}
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 8;
		l->v = realloc(l->v, l->room * sizeof(*l->v));
	}
	l->v[l->n++] = (struct version){ tid, kind, id };
}

static const struct version *now(const struct life *l)
{
	return &l->v[l->n - 1];
}

/* --- Making and mounting ------------------------------------------------- */

static u64 map(void *arg, u64 n, u64 *nblocks)
{
	(void)arg;
	/* In two pieces that are not where one would think. */
	*nblocks = n < 700 ? 700 - n : MODEL_LOG_BLOCKS - n;
	return n < 700 ? MODEL_LOG + 324 + n : MODEL_LOG + n - 700;
}

void model_mkfs(struct model *m, u32 block_size, u32 incompat, u32 sequence,
		u64 seed)
{
	struct jbd_super *s;

	memset(m, 0, sizeof(*m));
	m->block_size = block_size;
	m->has_checksum = incompat & JBD_CSUM_V3;
	m->is_64bit = incompat & JBD_64BIT;
	stub_disk_init(&m->disk, (u64)MODEL_TOTAL * block_size);
	powercut_init(&m->cut, &m->disk.device, seed);
	s = (struct jbd_super *)(m->disk.data +
				 (u64)(MODEL_LOG + 324) * block_size);
	s->header.magic = be32(JBD_MAGIC);
	s->header.type = be32(JBD_SUPER_V2);
	s->block_size = be32(block_size);
	s->maxlen = be32(MODEL_LOG_BLOCKS);
	s->first = be32(1);
	s->sequence = be32(sequence);
	memcpy(s->uuid, "0123456789abcdef", 16);
	m->next_id = 1;
	for (u32 i = 0; i < MODEL_BLOCKS; i++) {
		u32 id = m->next_id++;

		fill(m, m->disk.data + (u64)(MODEL_FIRST + i) * block_size, i,
		     id);
		add_version(&m->life[i], sequence - 1, META, id);
	}
	m->acked = sequence - 1;
}

static void on_abort(void *arg, int err, const char *what)
{
	struct model *m = arg;

	(void)err;
	(void)what;
	m->naborts++;
}

static void on_commit(void *arg, u32 tid)
{
	struct model *m = arg;

	atomic_store_release(&m->on_commit, tid); /* model_write_data() */
}

/* A commit is being written: change more of the same blocks, if that needs no
 * waiting. */
static void on_write(struct powercut *p)
{
	struct model *m = p->data;
	struct journal *j = m->j;
	u32 tid;

	if (!j || m->is_inside || !j->committing || j->error ||
	    j->free < 2 * journal_cost(j, j->max_txn) ||
	    (j->running && j->running->nbuffers + 8 > j->max_txn))
		return;
	m->is_inside = true;
	(void)model_step(m, &p->random, 0, MODEL_BLOCKS, 8, &tid);
	for (u32 i = 0; i < MODEL_BLOCKS; i++) {
		struct buffer *b = buffer_find(m->cache, MODEL_FIRST + i);

		if (b && b->frozen)
			m->nfrozen++;
		if (b)
			buffer_put(b);
	}
	m->is_inside = false;
}

int model_mount(struct model *m, bool has_thread)
{
	struct journal_config c = {
		.device = &m->cut.device,
		.block_size = m->block_size,
		.map = map,
		.arg = m,
		.is_64bit = m->is_64bit,
		.has_checksum = m->has_checksum,
		.on_abort = on_abort,
		.on_commit = on_commit,
		.no_thread = !has_thread,
	};
	int err;

	m->cache = buffer_cache_new(&m->cut.device, m->block_size);
	c.buffers = m->cache;
	err = journal_open(&c, &m->j, &m->nreplayed);
	if (err) {
		buffer_cache_free(m->cache);
		m->j = NULL;
		return err;
	}
	m->on_commit = m->j->committed;
	m->cut.data = m;
	m->cut.on_write = m->is_nosy ? on_write : NULL;
	if (m->is_nosy)
		m->j->buf_blocks = 5;
	return 0;
}

int model_umount(struct model *m)
{
	int err = journal_close(m->j);

	buffer_cache_free(m->cache);
	m->j = NULL;
	return err;
}

void model_fini(struct model *m)
{
	powercut_fini(&m->cut);
	stub_disk_fini(&m->disk);
	for (u32 i = 0; i < MODEL_BLOCKS; i++)
		free(m->life[i].v);
}

/* --- Changing ------------------------------------------------------------ */

/* Blocks are freed for good when the transaction is committed. */
static bool is_reusable(struct model *m, const struct life *l)
{
	/* Pairs with on_commit(). */
	return now(l)->kind == FREE &&
	       !tid_after(now(l)->tid, atomic_load_acquire(&m->on_commit));
}

static int change(struct model *m, struct handle *h, u32 i, bool is_new)
{
	struct buffer *b;
	u32 id = atomic_fetch_add(&m->next_id, 1);
	int err = is_new ? buffer_new(m->cache, MODEL_FIRST + i, &b)
			 : buffer_read(m->cache, MODEL_FIRST + i, &b);

	if (err)
		return err;
	err = journal_get_write(h, b);
	if (!err) {
		fill(m, b->data, i, id);
		journal_dirty(h, b);
		add_version(&m->life[i], handle_tid(h), META, id);
	}
	buffer_put(b);
	return err;
}

static int release(struct model *m, struct handle *h, u32 i)
{
	struct buffer *b = buffer_find(m->cache, MODEL_FIRST + i);
	int err = journal_forget(h, b, MODEL_FIRST + i);

	if (b)
		buffer_put(b);
	if (!err)
		add_version(&m->life[i], handle_tid(h), FREE, 0);
	return err;
}

static int change_some(struct model *m, u64 *rand, struct handle *h, u32 i)
{
	const struct life *l = &m->life[i];

	if (now(l)->kind == META && model_random(rand, 4) == 0)
		return release(m, h, i);
	if (now(l)->kind == META)
		return change(m, h, i, false);
	/* A file's block becomes metadata, as if freed and committed between */
	if (now(l)->kind == DATA || is_reusable(m, l))
		return change(m, h, i, true);
	return 0;
}

int model_step(struct model *m, u64 *rand, u32 from, u32 to, u32 n, u32 *tid)
{
	struct handle h;
	int err = journal_start(m->j, n, &h);

	if (err)
		return err;
	*tid = handle_tid(&h);
	for (u32 k = 0; !err && k < n; k++) {
		u32 i = from + (u32)model_random(rand, to - from);

		err = change_some(m, rand, &h, i);
	}
	journal_stop(&h);
	return err;
}

int model_write_data(struct model *m, u64 *rand, u32 from, u32 to)
{
	u32 i = from + (u32)model_random(rand, to - from);
	struct life *l = &m->life[i];
	u8 buf[4096];
	u32 id;
	int err;

	if (now(l)->kind != DATA && !is_reusable(m, l))
		return 0;
	id = atomic_fetch_add(&m->next_id, 1);
	fill(m, buf, i, id);
	l->is_data_flushed = false;
	add_version(l, now(l)->tid, DATA, id);
	err = block_write(&m->cut.device,
			  (u64)(MODEL_FIRST + i) * m->block_size, buf,
			  m->block_size);
	if (err)
		return err;
	if (model_random(rand, 2))
		return 0;
	err = block_flush(&m->cut.device);
	if (!err)
		l->is_data_flushed = true;
	return err;
}

int model_fsync(struct model *m, u32 tid)
{
	u32 acked;
	int err = journal_commit(m->j, tid, NULL);

	if (err)
		return err;
	acked = atomic_load(&m->acked);
	while (tid_after(tid, acked) && !atomic_cmpxchg(&m->acked, &acked, tid))
		;
	return 0;
}

/* --- Checking ------------------------------------------------------------ */

/* Block i as of transaction tid. */
static const struct version *version_at(const struct life *l, u32 tid)
{
	u32 k = l->n;

	while (k > 1 && tid_after(l->v[k - 1].tid, tid))
		k--;
	return &l->v[k - 1];
}

static bool is_as_of(struct model *m, u32 i, u32 tid)
{
	const struct life *l = &m->life[i];
	const struct version *v = version_at(l, tid);
	const u8 *p = m->disk.data + (u64)(MODEL_FIRST + i) * m->block_size;

	if (v->kind == FREE)
		return true;
	if (v->kind == DATA) {
		/* Overwritten since, or not flushed: anything may be there. */
		for (const struct version *w = v + 1; w < l->v + l->n; w++)
			if (w->kind == DATA)
				return true;
		return !l->is_data_flushed || is_filled(m, p, i, v->id);
	}
	/* Freed later, and the block used by a file: then it was committed. */
	return is_filled(m, p, i, v->id);
}

static bool all_as_of(struct model *m, u32 tid)
{
	for (u32 i = 0; i < MODEL_BLOCKS; i++)
		if (!is_as_of(m, i, tid))
			return false;
	return true;
}

/* What has not survived never was. */
static void go_back(struct model *m, u32 tid)
{
	for (u32 i = 0; i < MODEL_BLOCKS; i++) {
		struct life *l = &m->life[i];
		struct version v = *version_at(l, tid);

		if (v.kind == DATA &&
		    (!l->is_data_flushed || version_at(l, tid) != now(l)))
			v.kind = FREE;
		if (tid_after(v.tid, tid))
			die("a block has no past", i, tid);
		l->v[0] = v;
		l->n = 1;
	}
	m->acked = tid;
}

static void check(struct model *m)
{
	u32 last = m->acked;
	u32 tid;

	for (u32 i = 0; i < MODEL_BLOCKS; i++)
		if (tid_after(now(&m->life[i])->tid, last))
			last = now(&m->life[i])->tid;
	for (tid = m->acked; !tid_after(tid, last); tid++)
		if (all_as_of(m, tid))
			break;
	if (tid_after(tid, last)) {
		for (u32 i = 0; i < MODEL_BLOCKS; i++)
			if (!is_as_of(m, i, m->acked))
				fprintf(stderr, "block %u kind %d not of %u\n",
					i, (int)now(&m->life[i])->kind,
					m->acked);
		die("no transaction matches what is on disk", m->acked, last);
	}
	go_back(m, tid);
}

void model_crash(struct model *m)
{
	u64 nops = 1 + powercut_random(&m->cut, 300);
	int err = -EIO;

	powercut_cut(&m->cut);
	m->is_nosy = false;
	if (m->j)
		(void)model_umount(m);
	m->naborts = 0;
	/* Each time a bit more of the recovery gets done. */
	for (; err == -EIO; nops *= 2) {
		powercut_cut(&m->cut);
		powercut_restore(&m->cut, nops);
		err = model_mount(m, false);
		if (!err && m->cut.cut_at)
			(void)model_umount(m);
		if (!err && m->cut.is_dead)
			err = -EIO;
	}
	if (err)
		die("recovery failed", (u64)-err, 0);
	powercut_restore(&m->cut, 0);
	if (!m->j && model_mount(m, false))
		die("mounting after a clean unmount failed", 0, 0);
	check(m);
	if (model_umount(m))
		die("unmounting after recovery failed", 0, 0);
}
