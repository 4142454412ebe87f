/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits: writing a transaction to the log, and waiting for one. The thread
 * that needs a commit makes it; others that need the same, or the next, wait.
 */
#include "kernel/fs/ext4/journal_int.h"
#include "kernel/mm/heap.h"

/* Blocks of a transaction on their way to the log, in j->log. A descriptor's
 * blocks are all in there with it. */
struct writer {
	struct journal *j;
	struct transaction *t;
	u32 pos;	/* of the first block in j->log */
	u32 nblocks;	/* there */
	u32 room;	/* blocks of the log that are left */
	u8 *descriptor; /* being filled, or NULL */
	u8 *tag;	/* the next one */
	u8 *last_tag;	/* the last one filled in */
};

/* --- Descriptors and contents -------------------------------------------- */

static int writer_out(struct writer *w)
{
	int err;

	if (w->nblocks == 0)
		return 0;
	err = log_write(w->j, w->pos, w->nblocks, w->j->log);
	w->pos = log_next(w->j, w->pos, w->nblocks);
	w->nblocks = 0;
	return err;
}

static int writer_block(struct writer *w, u8 **block)
{
	if (w->room == 0)
		return -ENOSPC; /* journal_cost() is wrong */
	w->room--;
	*block = w->j->log + (u64)w->nblocks * w->j->config.block_size;
	w->nblocks++;
	return 0;
}

static int writer_header(struct writer *w, enum jbd_type type, u8 **block)
{
	struct jbd_header *h;
	int err = writer_block(w, block);

	if (err)
		return err;
	memset(*block, 0, w->j->config.block_size);
	h = (struct jbd_header *)*block;
	h->magic = be32(JBD_MAGIC);
	h->type = be32((u32)type);
	h->sequence = be32(w->t->tid);
	return 0;
}

static void seal(struct writer *w, u8 *block)
{
	u32 *tail = log_tail(w->j, block);

	if (log_has_checksum(w->j))
		*tail = log_checksum(w->j, block, tail);
}

static void tag_add_flags(struct writer *w, u8 *tag, u32 flags)
{
	if (w->j->incompat & JBD_CSUM_V3)
		((struct jbd_tag3 *)tag)->flags |= be32(flags);
	else
		((struct jbd_tag *)tag)->flags |= be16((u16)flags);
}

static void descriptor_close(struct writer *w)
{
	if (!w->descriptor)
		return;
	tag_add_flags(w, w->last_tag, JBD_TAG_LAST);
	seal(w, w->descriptor);
	w->descriptor = NULL;
}

/* A descriptor with room for one more tag, and room for its block. */
static int descriptor_open(struct writer *w)
{
	struct journal *j = w->j;
	u64 end = j->config.block_size - sizeof(u32);
	int err;

	if (w->descriptor && (w->nblocks == j->buf_blocks ||
			      w->tag + log_tag_bytes(j) > w->descriptor + end))
		descriptor_close(w);
	if (w->descriptor)
		return 0;
	if (w->nblocks + 2 > j->buf_blocks) {
		err = writer_out(w);
		if (err)
			return err;
	}
	err = writer_header(w, JBD_DESCRIPTOR, &w->descriptor);
	if (err)
		w->descriptor = NULL;
	else
		w->tag = w->descriptor + sizeof(struct jbd_header);
	return err;
}

static void tag_fill(struct writer *w, u64 number, const u8 *data, u32 flags)
{
	struct journal *j = w->j;
	const bool is_first = w->tag ==
			      w->descriptor + sizeof(struct jbd_header);
	struct jbd_tag3 *t3 = (struct jbd_tag3 *)w->tag;
	struct jbd_tag *t = (struct jbd_tag *)w->tag;
	u32 sum = log_has_checksum(j) ? log_data_checksum(j, w->t->tid, data)
				      : 0;

	if (!is_first)
		flags |= JBD_TAG_SAME_UUID;
	if (j->incompat & JBD_CSUM_V3) {
		t3->block = be32((u32)number);
		t3->flags = be32(flags);
		t3->block_high = be32((u32)(number >> 32));
		t3->checksum = be32(sum);
	} else {
		t->block = be32((u32)number);
		t->flags = be16((u16)flags);
		t->checksum = be16((u16)sum);
		if (j->incompat & JBD_64BIT)
			t->block_high = be32((u32)(number >> 32));
	}
	w->last_tag = w->tag;
	w->tag += log_tag_bytes(j);
	if (is_first) {
		memcpy(w->tag, j->super->uuid, sizeof(j->super->uuid));
		w->tag += sizeof(j->super->uuid);
	}
}

/* Take b's contents as of this transaction. */
static int log_buffer(struct writer *w, struct buffer *b)
{
	struct journal *j = w->j;
	u32 flags = 0;
	u8 *block;
	int err;

	err = descriptor_open(w);
	if (!err)
		err = writer_block(w, &block);
	if (err)
		return err;
	mutex_lock(&b->lock);
	memcpy(block, b->frozen ? b->frozen : b->data, j->config.block_size);
	kfree(b->frozen);
	b->frozen = NULL;
	atomic_fetch_or(&b->flags, BUFFER_LOGGED);
	mutex_unlock(&b->lock);
	if (*(u32 *)block == be32(JBD_MAGIC)) {
		*(u32 *)block = 0;
		flags |= JBD_TAG_ESCAPED;
	}
	tag_fill(w, b->block, block, flags);
	return 0;
}

/* --- Revoke and commit blocks -------------------------------------------- */

static int write_revokes(struct writer *w)
{
	struct journal *j = w->j;
	const struct revoke_table *r = &w->t->revoked;
	const u32 width = j->incompat & JBD_64BIT ? 8 : 4;
	const u32 end = j->config.block_size - sizeof(u32);
	struct jbd_revoke *block = NULL;
	u32 used = end;
	u8 *p;
	int err;

	for (u32 i = 0; r->nlive && i < r->nslots; i++) {
		if (r->slots[i].state != REVOKE_LIVE)
			continue;
		if (used + width > end) {
			if (block)
				seal(w, (u8 *)block);
			if (w->nblocks == j->buf_blocks)
				err = writer_out(w);
			else
				err = 0;
			if (!err)
				err = writer_header(w, JBD_REVOKE, &p);
			if (err)
				return err;
			block = (struct jbd_revoke *)p;
			used = sizeof(*block);
		}
		p = (u8 *)block + used;
		if (width == 8)
			*(u64 *)p = be64(r->slots[i].block);
		else
			*(u32 *)p = be32((u32)r->slots[i].block);
		used += width;
		block->count = be32(used);
	}
	if (block)
		seal(w, (u8 *)block);
	return 0;
}

/* The commit block's place is written as zeroes with the log, so that the
 * commit block, of which only the first sector is not zero, is there whole or
 * not at all. */
static int reserve_commit(struct writer *w)
{
	u8 *p;
	int err = 0;

	if (w->nblocks == w->j->buf_blocks)
		err = writer_out(w);
	if (!err)
		err = writer_block(w, &p);
	if (!err)
		memset(p, 0, w->j->config.block_size);
	return err;
}

static int write_commit(struct writer *w, u32 pos)
{
	nsec_t now = plat_clock(PLAT_REALTIME);
	struct jbd_commit *c;
	u8 *block;
	int err;

	w->room++; /* its place is taken already */
	err = writer_header(w, JBD_COMMIT, &block);
	if (err)
		return err;
	c = (struct jbd_commit *)block;
	c->sec = be64((u64)(now / NSEC_PER_SEC));
	c->nsec = be32((u32)(now % NSEC_PER_SEC));
	if (log_has_checksum(w->j))
		c->checksum[0] = log_checksum(w->j, block, &c->checksum[0]);
	w->pos = pos;
	return writer_out(w);
}

static int write_contents(struct writer *w)
{
	struct buffer *b;
	int err = write_revokes(w);

	list_for_each (b, &w->t->buffers, txn_node) {
		if (err)
			break;
		if (buffer_has(b, BUFFER_DIRTY))
			err = log_buffer(w, b);
	}
	descriptor_close(w);
	return err;
}

/* The whole of a transaction, durable when it returns 0. */
static int write_log(struct journal *j, struct transaction *t, u32 room)
{
	struct writer w = { .j = j, .t = t, .pos = j->head, .room = room };
	u32 pos;
	int err = 0;

	t->start = j->head;
	log_ahead(j);
	/* The log was empty: from now on recovery has to look. */
	if (!j->is_super_live)
		err = log_super_write(j, t->start, t->tid);
	if (err)
		return err;
	j->is_super_live = true;
	err = write_contents(&w);
	if (!err)
		err = reserve_commit(&w);
	if (!err)
		err = writer_out(&w);
	if (err)
		return err;
	t->nblocks = room - w.room;
	pos = log_next(j, t->start, t->nblocks - 1);
	err = log_flush(j);
	if (!err)
		err = write_commit(&w, pos);
	if (!err)
		err = log_flush(j);
	if (!err)
		j->head = log_next(j, pos, 1);
	return err;
}

/* --- After it ------------------------------------------------------------ */

void journal_uncheckpoint(struct buffer *b)
{
	if (!b->checkpoint)
		return;
	b->checkpoint = NULL;
	list_del(&b->checkpoint_node);
	buffer_put(b);
}

static void wait_home(struct journal *j, struct buffer *b)
{
	mutex_lock(&j->lock);
	while (buffer_has(b, BUFFER_GOING_HOME))
		journal_wait(j);
	mutex_unlock(&j->lock);
}

#define TXN_FLAGS                                              \
	(BUFFER_DIRTY | BUFFER_FORGOTTEN | BUFFER_NEXT_DIRTY | \
	 BUFFER_NEXT_FORGOTTEN | BUFFER_LOGGED)

/* b's transaction t is on disk: b is of the next one now, if of any. */
static void release(struct journal *j, struct transaction *t, struct buffer *b)
{
	const u32 flags = atomic_load(&b->flags);
	u32 drop = TXN_FLAGS;
	u32 set = 0;

	mutex_lock(&j->lock);
	list_del(&b->txn_node);
	if (flags & (BUFFER_DIRTY | BUFFER_FORGOTTEN))
		journal_uncheckpoint(b);
	if (flags & BUFFER_DIRTY) {
		buffer_get(b);
		b->checkpoint = t;
		list_append(&t->checkpoint, &b->checkpoint_node);
	}
	/* Its block is free, and may become a file's. */
	if ((flags & BUFFER_FORGOTTEN) && !b->next)
		drop |= BUFFER_UPTODATE;
	if (flags & BUFFER_NEXT_DIRTY)
		set |= BUFFER_DIRTY;
	if (flags & BUFFER_NEXT_FORGOTTEN)
		set |= BUFFER_FORGOTTEN;
	b->txn = b->next;
	b->next = NULL;
	if (b->txn)
		list_append(&b->txn->buffers, &b->txn_node);
	mutex_unlock(&j->lock);
	atomic_fetch_and(&b->flags, ~drop);
	atomic_fetch_or(&b->flags, set);
	if (!b->txn)
		buffer_put(b);
}

static void release_all(struct journal *j, struct transaction *t)
{
	struct buffer *b, *tmp;

	list_for_each_safe (b, tmp, &t->buffers, txn_node) {
		/* An older write to its place must not come after those of the
		 * block's next user. */
		if (buffer_has(b, BUFFER_FORGOTTEN))
			wait_home(j, b);
		mutex_lock(&b->lock);
		release(j, t, b);
		mutex_unlock(&b->lock);
	}
}

void journal_commit_running(struct journal *j)
{
	struct transaction *t = j->running;
	u32 room;
	int err;

	t->state = TXN_LOCKED;
	j->committing = t;
	j->running = NULL;
	while (t->nhandles > 0)
		journal_wait(j);
	t->state = TXN_COMMITTING;
	room = j->free;
	err = j->error;
	journal_changed(j);
	mutex_unlock(&j->lock);

	if (!err)
		err = write_log(j, t, room);
	if (err) {
		journal_abort(j, err, "writing the log");
	} else {
		release_all(j, t);
		if (j->config.on_commit)
			j->config.on_commit(j->config.arg, t->tid);
	}

	mutex_lock(&j->lock);
	j->committing = NULL;
	if (err) {
		list_append(&j->failed, &t->node);
	} else {
		t->state = TXN_COMMITTED;
		j->free -= t->nblocks;
		j->committed = t->tid;
		list_append(&j->checkpoints, &t->node);
		revoke_clear(&t->revoked);
		if (j->free < (j->last - j->first) / 2)
			journal_kick(j);
	}
	journal_changed(j);
}

/* --- Waiting for one ----------------------------------------------------- */

int journal_commit(struct journal *j, u32 tid, bool *flushed)
{
	u64 seen;
	int err = 0;

	mutex_lock(&j->lock);
	seen = j->flushes_begun;
	while (!j->error && tid_after(tid, j->committed)) {
		if (j->committing)
			journal_wait(j);
		else if (j->running && !tid_after(tid, j->running->tid))
			journal_commit_running(j);
		else
			break; /* nothing was ever in it */
	}
	if (j->error && tid_after(tid, j->committed))
		err = -EIO;
	if (flushed)
		*flushed = j->flushes_done > seen;
	mutex_unlock(&j->lock);
	return err;
}

int journal_commit_all(struct journal *j)
{
	bool is_any;
	u32 tid = 0;

	mutex_lock(&j->lock);
	is_any = j->running || j->committing;
	if (j->running)
		tid = j->running->tid;
	else if (j->committing)
		tid = j->committing->tid;
	mutex_unlock(&j->lock);
	if (is_any)
		return journal_commit(j, tid, NULL);
	return journal_error(j) ? -EIO : 0;
}
