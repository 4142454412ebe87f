/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing a journal, handles, buffers in transactions, and the
 * committer's thread, which commits what nobody asks for and keeps room in the
 * log. Called by ext4 on any thread.
 */
#include "kernel/fs/ext4/journal_int.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"

#define COMMIT_INTERVAL (5 * NSEC_PER_SEC)
#define BUF_BYTES MIB(1)

/* --- Waiting ------------------------------------------------------------- */

void journal_wait(struct journal *j)
{
	const u32 seen = j->event;

	j->nwaiting++;
	mutex_unlock(&j->lock);
	(void)plat_wait(&j->event, seen, NSEC_MAX);
	mutex_lock(&j->lock);
	j->nwaiting--;
}

void journal_changed(struct journal *j)
{
	if (j->nwaiting == 0)
		return;
	atomic_fetch_add(&j->event, 1); /* pairs with plat_wait() */
	plat_wake(&j->event, ~0U);
}

void journal_kick(struct journal *j)
{
	if (!j->has_thread)
		return;
	j->is_thread_idle = false;
	atomic_fetch_add(&j->thread_event, 1); /* pairs with plat_wait() */
	plat_wake(&j->thread_event, 1);
}

/* --- Failing ------------------------------------------------------------- */

int journal_error(const struct journal *j)
{
	return atomic_load(&j->error);
}

int journal_saved_error(struct journal *j)
{
	int err;

	mutex_lock(&j->super_lock);
	err = j->saved_error;
	j->saved_error = 0;
	j->super->error = 0; /* on disk with the next change of the rest */
	mutex_unlock(&j->super_lock);
	return err;
}

void journal_abort(struct journal *j, int err, const char *what)
{
	bool is_first;

	mutex_lock(&j->lock);
	is_first = j->error == 0;
	if (is_first)
		atomic_store(&j->error, err);
	journal_changed(j);
	mutex_unlock(&j->lock);
	if (!is_first)
		return;
	klog("ext4: %s: the journal has failed (error %d), the file system is "
	     "read-only now",
	     what, -err);
	log_super_error(j, err);
	if (j->config.on_abort)
		j->config.on_abort(j->config.arg, err, what);
}

/* --- Transactions -------------------------------------------------------- */

u32 journal_cost(const struct journal *j, u32 nbuffers)
{
	const u32 size = j->config.block_size;
	u32 ntags = (size - 32) / log_tag_bytes(j);
	u32 nrevokes = (size - 20) / 8;

	/* A part of a descriptor and of a revoke block, the commit block, and
	 * one for a descriptor that the end of the committer's memory cuts. */
	return nbuffers + nbuffers / ntags + nbuffers / nrevokes + 4 +
	       nbuffers / (j->buf_blocks - 1);
}

void journal_free_txn(struct transaction *t)
{
	revoke_clear(&t->revoked);
	kfree(t);
}

static struct transaction *txn_new(struct journal *j)
{
	struct transaction *t = kzalloc(sizeof(*t));

	if (!t)
		return NULL;
	t->tid = j->next_tid++;
	t->begun = plat_clock(PLAT_MONOTONIC);
	list_init(&t->node);
	list_init(&t->buffers);
	list_init(&t->checkpoint);
	j->running = t;
	if (j->is_thread_idle)
		journal_kick(j);
	return t;
}

/* Make room in the log for a whole transaction. The lock is dropped and taken
 * again: look again. */
static int wait_for_room(struct journal *j, u32 want)
{
	int err;

	mutex_unlock(&j->lock);
	err = journal_checkpoint(j, want);
	mutex_lock(&j->lock);
	if (!err && j->free < want && j->committing)
		journal_wait(j); /* what is still to come home is in there */
	return err;
}

/* Get further towards a running transaction with room for `credits`: 0, it is
 * there; 1, look again; or -errno. */
static int start_step(struct journal *j, u32 credits)
{
	struct transaction *t = j->running;
	u32 want;

	if (j->error || j->config.is_readonly)
		return -EROFS;
	if (j->committing && j->committing->state == TXN_LOCKED) {
		journal_wait(j);
		return 1;
	}
	if (!t) {
		want = journal_cost(j, j->max_txn);
		if (j->committing)
			want += journal_cost(j, j->committing->nbuffers);
		if (j->free < want)
			return wait_for_room(j, want) ? -EROFS : 1;
		return txn_new(j) ? 0 : -ENOMEM;
	}
	if (t->nbuffers + t->ncredits + credits <= j->max_txn)
		return 0;
	if (j->committing)
		journal_wait(j);
	else
		journal_commit_running(j);
	return 1;
}

int journal_start(struct journal *j, u32 credits, struct handle *h)
{
	int err;

	if (credits > j->max_txn)
		return j->config.is_readonly ? -EROFS : -ENOSPC;
	mutex_lock(&j->lock);
	do {
		err = start_step(j, credits);
	} while (err > 0);
	if (!err) {
		h->journal = j;
		h->txn = j->running;
		h->credits = credits;
		h->is_sync = false;
		h->txn->nhandles++;
		h->txn->ncredits += credits;
	}
	mutex_unlock(&j->lock);
	return err;
}

static int extend_locked(struct handle *h, u32 credits)
{
	struct transaction *t = h->txn;

	if (t->nbuffers + t->ncredits + credits > h->journal->max_txn)
		return -EAGAIN;
	t->ncredits += credits;
	h->credits += credits;
	return 0;
}

int journal_extend(struct handle *h, u32 credits)
{
	struct journal *j = h->journal;
	int err;

	mutex_lock(&j->lock);
	/* A commit that waits for this handle should not wait for long. */
	err = h->txn->state == TXN_LOCKED ? -EAGAIN : extend_locked(h, credits);
	mutex_unlock(&j->lock);
	return err;
}

void journal_stop(struct handle *h)
{
	struct journal *j = h->journal;
	struct transaction *t = h->txn;
	const u32 tid = t->tid;

	mutex_lock(&j->lock);
	t->ncredits -= h->credits;
	if (--t->nhandles == 0 && t->state == TXN_LOCKED)
		journal_changed(j);
	/* The next handles should not have to wait for a commit. */
	if (t->state == TXN_RUNNING && t->nbuffers > j->max_txn / 2)
		journal_kick(j);
	mutex_unlock(&j->lock);
	h->txn = NULL;
	h->credits = 0;
	if (h->is_sync)
		(void)journal_commit(j, tid, NULL);
}

int journal_restart(struct handle *h, u32 credits)
{
	const bool is_sync = h->is_sync;
	int err;

	h->is_sync = false;
	journal_stop(h);
	err = journal_start(h->journal, credits, h);
	h->is_sync = is_sync;
	return err;
}

u32 handle_tid(const struct handle *h)
{
	return h->txn->tid;
}

/* --- Buffers ------------------------------------------------------------- */

/* One of h's credits is used. A handle that was promised too few takes from
 * what its transaction has left, if anything. */
static int use_credit(struct handle *h)
{
	if (h->credits == 0) {
		if (!h->journal->has_overdrawn)
			klog("ext4: a handle has run out of credits");
		h->journal->has_overdrawn = true;
		if (extend_locked(h, 1))
			return -ENOSPC;
	}
	h->credits--;
	h->txn->ncredits--;
	h->txn->nbuffers++;
	return 0;
}

/* b joins the transaction of h, which it is not in. Under b->lock. */
static int attach(struct handle *h, struct buffer *b)
{
	struct journal *j = h->journal;
	int err;

	mutex_lock(&j->lock);
	err = use_credit(h);
	if (!err && !b->txn) {
		buffer_get(b);
		b->txn = h->txn;
		list_append(&h->txn->buffers, &b->txn_node);
	} else if (!err) {
		b->next = h->txn; /* listed when the older one is done */
	}
	mutex_unlock(&j->lock);
	return err;
}

/* b, in a committing transaction that has not logged it yet, is about to
 * change: keep its contents. Without memory, wait until they are logged; b's
 * lock is dropped meanwhile: look again. */
static int freeze(struct journal *j, struct buffer *b)
{
	b->frozen = kmalloc(j->config.block_size);
	if (b->frozen) {
		memcpy(b->frozen, b->data, j->config.block_size);
		return 0;
	}
	mutex_unlock(&b->lock);
	mutex_lock(&j->lock);
	if (!j->error && !buffer_has(b, BUFFER_LOGGED))
		journal_wait(j);
	mutex_unlock(&j->lock);
	mutex_lock(&b->lock);
	return journal_error(j) ? -EROFS : -EAGAIN;
}

static bool is_in(const struct handle *h, const struct buffer *b)
{
	return b->txn == h->txn || b->next == h->txn;
}

static u32 flag_in(const struct handle *h, const struct buffer *b, u32 flag)
{
	/* The flags of `next` are those of txn, shifted. */
	return b->txn == h->txn ? flag : flag << 2;
}

static int get_write(struct handle *h, struct buffer *b)
{
	struct journal *j = h->journal;
	int err;

	if (!is_in(h, b)) {
		if (b->txn && buffer_has(b, BUFFER_DIRTY) &&
		    !buffer_has(b, BUFFER_LOGGED) && !b->frozen) {
			err = freeze(j, b);
			if (err)
				return err;
		}
		return attach(h, b);
	}
	if (buffer_has(b, flag_in(h, b, BUFFER_FORGOTTEN))) {
		/* Freed and used again by one transaction. */
		atomic_fetch_and(&b->flags, ~flag_in(h, b, BUFFER_FORGOTTEN));
		mutex_lock(&j->lock);
		revoke_cancel(&h->txn->revoked, b->block);
		mutex_unlock(&j->lock);
	}
	return 0;
}

int journal_get_write(struct handle *h, struct buffer *b)
{
	int err;

	if (unlikely(journal_error(h->journal)))
		return -EROFS;
	mutex_lock(&b->lock);
	do {
		err = get_write(h, b);
	} while (err == -EAGAIN);
	mutex_unlock(&b->lock);
	return err;
}

void journal_dirty(struct handle *h, struct buffer *b)
{
	mutex_lock(&b->lock);
	if (is_in(h, b))
		atomic_fetch_or(&b->flags, flag_in(h, b, BUFFER_DIRTY));
	else
		kassert(journal_error(h->journal));
	mutex_unlock(&b->lock);
}

static int forget(struct handle *h, struct buffer *b)
{
	int err = is_in(h, b) ? 0 : attach(h, b);

	if (err)
		return err;
	atomic_fetch_and(&b->flags, ~flag_in(h, b, BUFFER_DIRTY));
	atomic_fetch_or(&b->flags, flag_in(h, b, BUFFER_FORGOTTEN));
	return 0;
}

int journal_forget(struct handle *h, struct buffer *b, u64 block)
{
	struct journal *j = h->journal;
	int err;

	if (unlikely(journal_error(j)))
		return -EROFS;
	mutex_lock(&j->lock);
	err = revoke_set(&h->txn->revoked, block, h->txn->tid);
	if (!err && !b)
		err = use_credit(h); /* its place in a revoke block */
	mutex_unlock(&j->lock);
	if (err || !b)
		return err;
	mutex_lock(&b->lock);
	err = forget(h, b);
	mutex_unlock(&b->lock);
	return err;
}

/* --- The committer's thread ---------------------------------------------- */

static bool should_commit(const struct journal *j)
{
	const struct transaction *t = j->running;

	return t && (t->nbuffers > j->max_txn / 2 ||
		     plat_clock(PLAT_MONOTONIC) - t->begun >= COMMIT_INTERVAL);
}

static bool should_checkpoint(const struct journal *j)
{
	return j->free < (j->last - j->first) / 2 &&
	       !list_empty(&j->checkpoints);
}

/* Sleep until the running transaction is old enough, or a kick. */
static void thread_rest(struct journal *j)
{
	const u32 seen = j->thread_event;
	nsec_t deadline = NSEC_MAX;

	if (j->running && !j->error)
		deadline = j->running->begun + COMMIT_INTERVAL;
	j->is_thread_idle = deadline == NSEC_MAX;
	mutex_unlock(&j->lock);
	(void)plat_wait(&j->thread_event, seen, deadline);
	mutex_lock(&j->lock);
}

static void thread_main(void *arg)
{
	struct journal *j = arg;

	mutex_lock(&j->lock);
	while (!j->is_stopping) {
		if (!j->error && should_commit(j)) {
			if (j->committing)
				journal_wait(j);
			else
				journal_commit_running(j);
		} else if (!j->error && should_checkpoint(j)) {
			mutex_unlock(&j->lock);
			(void)journal_checkpoint(j,
						 (j->last - j->first) / 4 * 3);
			mutex_lock(&j->lock);
		} else {
			thread_rest(j);
		}
	}
	mutex_unlock(&j->lock);
	/* The last look at j; pairs with thread_stop(). */
	atomic_store_release(&j->thread_gone, 1);
	plat_wake(&j->thread_gone, 1);
}

static void thread_stop(struct journal *j)
{
	if (!j->has_thread)
		return;
	mutex_lock(&j->lock);
	j->is_stopping = true;
	journal_kick(j);
	mutex_unlock(&j->lock);
	/* Pairs with thread_main(). */
	while (!atomic_load_acquire(&j->thread_gone))
		(void)plat_wait(&j->thread_gone, 0, NSEC_MAX);
}

/* --- Opening and closing ------------------------------------------------- */

/* After the log has been found empty: what this journal writes. */
static void choose_features(struct journal *j)
{
	struct jbd_super *s = j->super;

	j->incompat &= ~(u32)(JBD_ASYNC_COMMIT | JBD_FAST_COMMIT | JBD_CSUM_V2 |
			      JBD_CSUM_V3);
	j->incompat |= JBD_REVOKES;
	if (j->config.is_64bit)
		j->incompat |= JBD_64BIT;
	s->compat &= ~be32(JBD_COMPAT_CHECKSUM);
	s->checksum_type = 0;
	s->checksum = 0;
	if (j->config.has_checksum) {
		j->incompat |= JBD_CSUM_V3;
		s->checksum_type = JBD_CRC32C;
	}
	s->incompat = be32(j->incompat);
}

static int open_log(struct journal *j, u32 *replayed)
{
	u32 sequence;
	int err;

	*replayed = 0;
	err = log_super_read(j);
	if (err)
		return err;
	/* One is left out, as after recovery: what was begun last may be in the
	 * log in part. */
	sequence = be32(j->super->sequence) + 1;
	if (j->super->start) {
		err = journal_recover(j, &sequence, replayed);
		if (err)
			return err;
	}
	if (sequence == 0)
		sequence = 1;
	j->next_tid = sequence;
	j->committed = sequence - 1;
	j->head = j->first;
	j->free = j->last - j->first;
	if (j->config.is_readonly)
		return 0;
	choose_features(j);
	/* A quarter of the log: two transactions and more always fit. */
	j->max_txn = j->free / 4;
	while (journal_cost(j, j->max_txn) > j->free / 3)
		j->max_txn -= 8;
	return 0;
}

static void journal_free(struct journal *j)
{
	const u32 npages = (u32)(BUF_BYTES / PAGE_SIZE);

	if (j->home)
		kpages_free(j->home, npages);
	if (j->log)
		kpages_free(j->log, npages);
	kfree(j->runs);
	kfree(j->super);
	kfree(j);
}

static struct journal *journal_alloc(const struct journal_config *c)
{
	const u32 npages = (u32)(BUF_BYTES / PAGE_SIZE);
	struct journal *j = kzalloc(sizeof(*j));

	if (!j)
		return NULL;
	j->config = *c;
	list_init(&j->checkpoints);
	list_init(&j->failed);
	j->buf_blocks = (u32)(BUF_BYTES / c->block_size);
	j->super = kzalloc(sizeof(*j->super));
	j->home = kpages_alloc(npages);
	j->log = kpages_alloc(npages);
	if (j->super && j->home && j->log)
		return j;
	journal_free(j);
	return NULL;
}

int journal_open(const struct journal_config *c, struct journal **out,
		 u32 *replayed)
{
	struct journal *j = journal_alloc(c);
	int err;

	if (!j)
		return -ENOMEM;
	err = open_log(j, replayed);
	if (!err && !c->is_readonly && !c->no_thread) {
		err = kernel_thread_start("jbd2", thread_main, j);
		j->has_thread = !err;
	}
	if (err)
		journal_free(j);
	else
		*out = j;
	return err;
}

/* Leave a transaction that never gets to the disk. */
static void txn_discard(struct transaction *t)
{
	struct buffer *b, *tmp;

	list_for_each_safe (b, tmp, &t->buffers, txn_node) {
		list_del(&b->txn_node);
		kfree(b->frozen);
		b->frozen = NULL;
		b->txn = NULL;
		b->next = NULL;
		/* What it holds was never true. */
		atomic_fetch_and(&b->flags, BUFFER_USED);
		buffer_put(b);
	}
	list_for_each_safe (b, tmp, &t->checkpoint, checkpoint_node)
		journal_uncheckpoint(b);
	journal_free_txn(t);
}

static void discard_all(struct journal *j)
{
	struct transaction *t, *tmp;

	if (j->running)
		txn_discard(j->running);
	list_for_each_safe (t, tmp, &j->failed, node)
		txn_discard(t);
	list_for_each_safe (t, tmp, &j->checkpoints, node)
		txn_discard(t);
}

int journal_close(struct journal *j)
{
	int err = 0;

	thread_stop(j);
	if (!j->config.is_readonly) {
		err = journal_commit_all(j);
		if (!err)
			err = journal_checkpoint(j, ~0U);
		if (!err)
			err = log_super_write(j, 0, j->next_tid);
		if (!err)
			err = log_flush(j);
	}
	discard_all(j);
	journal_free(j);
	return err;
}
