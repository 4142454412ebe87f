/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints: writing committed buffers to their places and moving the log's
 * tail. Done by the committer's thread when the log is half full, and by
 * whoever needs room that is not there. What a running transaction has changed
 * again cannot go home as it is: that transaction is committed first.
 */
#include "kernel/fs/ext4/journal_int.h"

/* --- Choosing ------------------------------------------------------------ */

/* Free blocks of the log when all transactions that have nothing left to write
 * are taken off its tail. */
static u64 free_soon(const struct journal *j)
{
	const struct transaction *t;
	u64 n = j->free;

	list_for_each (t, &j->checkpoints, node) {
		if (!list_empty(&t->checkpoint))
			break;
		n += t->nblocks;
	}
	return n;
}

/* Buffers of the oldest transactions, as many as fit and as needed for `want`
 * free blocks: false if there is enough. */
static bool choose(struct journal *j, u32 want, struct home_batch *batch)
{
	const u32 max = MIN(HOME_BATCH, j->buf_blocks);
	struct transaction *t;
	struct buffer *b;
	u64 nfree;

	batch->n = 0;
	batch->ncopied = 0;
	mutex_lock(&j->lock);
	nfree = free_soon(j);
	if (nfree < want) {
		nfree = j->free;
		list_for_each (t, &j->checkpoints, node) {
			list_for_each (b, &t->checkpoint, checkpoint_node) {
				if (batch->n == max)
					break;
				buffer_get(b);
				batch->b[batch->n] = b;
				batch->of[batch->n++] = t;
			}
			nfree += t->nblocks;
			if (nfree >= want || batch->n == max)
				break;
		}
	}
	mutex_unlock(&j->lock);
	return batch->n > 0;
}

/* By block (Shell's sort). */
static void sort(struct home_batch *batch)
{
	for (u32 gap = HOME_BATCH / 2; gap > 0; gap /= 2) {
		for (u32 i = gap; i < batch->n; i++) {
			struct buffer *b = batch->b[i];
			struct transaction *t = batch->of[i];
			u32 k = i;

			for (; k >= gap && batch->b[k - gap]->block > b->block;
			     k -= gap) {
				batch->b[k] = batch->b[k - gap];
				batch->of[k] = batch->of[k - gap];
			}
			batch->b[k] = b;
			batch->of[k] = t;
		}
	}
}

/* --- Writing ------------------------------------------------------------- */

/* Copy what may go home to j->home and to the front of the batch; of the rest,
 * let go. *tid: the last transaction that has changed one since; *is_busy:
 * there is one. */
static void copy_out(struct journal *j, struct home_batch *batch, u32 *tid,
		     bool *is_busy)
{
	const u32 size = j->config.block_size;

	for (u32 i = 0; i < batch->n; i++) {
		struct buffer *b = batch->b[i];
		struct transaction *newer;
		bool take;

		mutex_lock(&b->lock);
		newer = b->next ? b->next : b->txn;
		take = !newer && b->checkpoint == batch->of[i];
		if (newer && (!*is_busy || tid_after(newer->tid, *tid))) {
			*tid = newer->tid;
			*is_busy = true;
		}
		if (take) {
			memcpy(j->home + (u64)batch->ncopied * size, b->data,
			       size);
			atomic_fetch_or(&b->flags, BUFFER_GOING_HOME);
			batch->b[batch->ncopied] = b;
			batch->of[batch->ncopied++] = batch->of[i];
		}
		mutex_unlock(&b->lock);
		if (!take)
			buffer_put(b);
	}
}

/* Runs of blocks that follow each other, one request each. */
static int write_runs(struct journal *j, const struct home_batch *batch)
{
	const u32 size = j->config.block_size;
	u32 n;
	int err;

	for (u32 i = 0; i < batch->ncopied; i += n) {
		n = 1;
		while (i + n < batch->ncopied &&
		       batch->b[i + n]->block == batch->b[i]->block + n)
			n++;
		err = block_write(j->config.device, batch->b[i]->block * size,
				  j->home + (u64)i * size, (u64)n * size);
		if (err)
			return err;
	}
	return 0;
}

static void is_home(struct journal *j, struct home_batch *batch, bool ok)
{
	for (u32 i = 0; i < batch->ncopied; i++) {
		struct buffer *b = batch->b[i];

		mutex_lock(&b->lock);
		mutex_lock(&j->lock);
		/* A newer transaction may have taken it over. */
		if (ok && b->checkpoint == batch->of[i])
			journal_uncheckpoint(b);
		atomic_fetch_and(&b->flags, ~(u32)BUFFER_GOING_HOME);
		mutex_unlock(&j->lock);
		mutex_unlock(&b->lock);
		buffer_put(b);
	}
	mutex_lock(&j->lock);
	journal_changed(j);
	mutex_unlock(&j->lock);
}

static int write_batch(struct journal *j, struct home_batch *batch)
{
	bool is_busy = false;
	u32 tid = 0;
	int err;

	sort(batch);
	copy_out(j, batch, &tid, &is_busy);
	err = write_runs(j, batch);
	is_home(j, batch, err == 0);
	if (err) {
		journal_abort(j, err, "writing metadata");
		return err;
	}
	return is_busy ? journal_commit(j, tid, NULL) : 0;
}

/* --- The tail ------------------------------------------------------------ */

/* Take finished transactions off the list: how many blocks they have in the
 * log, and where it begins without them. */
static u32 cut_tail(struct journal *j, struct list *done, u32 *start, u32 *tid)
{
	struct transaction *t, *tmp;
	u32 n = 0;

	mutex_lock(&j->lock);
	list_for_each_safe (t, tmp, &j->checkpoints, node) {
		if (!list_empty(&t->checkpoint))
			break;
		*start = log_next(j, t->start, t->nblocks);
		*tid = t->tid + 1;
		n += t->nblocks;
		list_del(&t->node);
		list_append(done, &t->node);
	}
	mutex_unlock(&j->lock);
	return n;
}

static int move_tail(struct journal *j, bool is_end)
{
	struct transaction *t, *tmp;
	struct list done = LIST_INIT(done);
	u32 start = 0, tid = 0;
	u32 n = cut_tail(j, &done, &start, &tid);
	int err = 0;

	/* Their blocks are at home for good before recovery leaves them out;
	 * recovery leaves them out for good before they are overwritten. */
	if (n > 0)
		err = log_flush(j);
	if (n > 0 && !err && !is_end) {
		err = log_super_write(j, start, tid);
		if (!err)
			err = log_flush(j);
	}
	if (err)
		journal_abort(j, err, "flushing metadata");
	list_for_each_safe (t, tmp, &done, node)
		journal_free_txn(t);
	mutex_lock(&j->lock);
	if (!err)
		j->free += n;
	journal_changed(j);
	mutex_unlock(&j->lock);
	return err;
}

int journal_checkpoint(struct journal *j, u32 want)
{
	int err = 0;

	mutex_lock(&j->checkpoint_lock);
	while (!err && choose(j, want, &j->batch))
		err = write_batch(j, &j->batch);
	if (!err)
		err = move_tail(j, want == ~0U);
	mutex_unlock(&j->checkpoint_lock);
	return err;
}
