/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery: replaying what is committed in the log of an unclean journal. The
 * log is untrusted: it may be torn, stale or made by an attacker.
 *
 * Theory of operation: three walks over the log, from its tail on. The first
 * one finds its end: a transaction counts if its commit block is valid, and
 * then each of its blocks must have the right checksum, or the log is corrupt
 * and nothing at all is written. (With asynchronous commits, the last one may
 * be torn.) The second walk collects revoked blocks, the third writes. A power
 * cut during recovery is harmless: it changes nothing that it reads.
 */
#include "kernel/fs/ext4/journal_int.h"
#include "kernel/mm/heap.h"

enum pass { PASS_SCAN, PASS_REVOKE, PASS_REPLAY };

struct recovery {
	struct journal *j;
	enum pass pass;
	u32 pos;      /* block of the log to look at next */
	u32 sequence; /* of the transaction there */
	u32 end;      /* first transaction that does not count */
	u32 budget;   /* blocks left to look at: no loops */
	struct revoke_table revoked;
	u8 *block; /* descriptor, commit or revoke block */
	u8 *data;  /* one block of metadata */
	u32 nreplayed;

	/* PASS_SCAN, of the transaction looked at. */
	bool is_bad;	  /* a checksum is wrong, a number out of range */
	u32 crc;	  /* checksum v1 */
	u64 commit_time;  /* of the last transaction, seconds */
	bool is_any_done; /* there is one */
};

/* --- Checksum v1: CRC-32, most significant bit first --------------------- */

static u32 crc32_be(u32 crc, const u8 *p, u64 n)
{
	while (n-- > 0) {
		crc ^= (u32)*p++ << 24;
		for (int i = 0; i < 8; i++)
			crc = (crc << 1) ^ (crc >> 31 ? 0x04c11db7U : 0);
	}
	return crc;
}

static bool has_v1(const struct journal *j)
{
	return (be32(j->super->compat) & JBD_COMPAT_CHECKSUM) != 0;
}

/* --- Walking ------------------------------------------------------------- */

/* Read the block at r->pos and step past it: 0, 1 (the log has been walked
 * around once), -EIO. */
static int read_next(struct recovery *r, u8 *to)
{
	int err;

	if (r->budget == 0)
		return 1;
	r->budget--;
	err = log_read(r->j, r->pos, 1, to);
	r->pos = log_next(r->j, r->pos, 1);
	return err;
}

struct tag {
	u64 block;
	u32 flags;
	u32 checksum;
};

/* The tag at offset *at of a descriptor; false if there is none. */
static bool tag_read(struct recovery *r, u32 *at, struct tag *tag)
{
	const struct journal *j = r->j;
	const u32 bytes = log_tag_bytes(j);
	u32 end = j->config.block_size;
	const u8 *p = r->block + *at;

	if (log_has_checksum(j))
		end -= sizeof(u32);
	if (*at + bytes > end)
		return false;
	if (j->incompat & JBD_CSUM_V3) {
		const struct jbd_tag3 *t = (const struct jbd_tag3 *)p;

		tag->block = be32(t->block);
		tag->flags = be32(t->flags);
		tag->checksum = be32(t->checksum);
		if (j->incompat & JBD_64BIT)
			tag->block |= (u64)be32(t->block_high) << 32;
	} else {
		const struct jbd_tag *t = (const struct jbd_tag *)p;

		tag->block = be32(t->block);
		tag->flags = be16(t->flags);
		tag->checksum = be16(t->checksum);
		if (j->incompat & JBD_64BIT)
			tag->block |= (u64)be32(t->block_high) << 32;
	}
	*at += bytes;
	if (!(tag->flags & JBD_TAG_SAME_UUID))
		*at += 16;
	return true;
}

static bool data_is_valid(const struct recovery *r, const struct tag *tag)
{
	u32 sum;

	if (!log_has_checksum(r->j))
		return true;
	sum = log_data_checksum(r->j, r->sequence, r->data);
	if (r->j->incompat & JBD_CSUM_V3)
		return sum == tag->checksum;
	return (sum & 0xffff) == tag->checksum;
}

static int replay(struct recovery *r, const struct tag *tag)
{
	const u32 size = r->j->config.block_size;
	struct buffer *b;
	u32 sequence;
	int err;

	if (revoke_get(&r->revoked, tag->block, &sequence) &&
	    !tid_after(r->sequence, sequence))
		return 0;
	if (tag->flags & JBD_TAG_ESCAPED)
		*(u32 *)r->data = be32(JBD_MAGIC);
	err = block_write(r->j->config.device, tag->block * size, r->data,
			  size);
	if (err)
		return err;
	r->nreplayed++;
	b = buffer_find(r->j->config.buffers, tag->block);
	if (!b)
		return 0;
	mutex_lock(&b->lock);
	memcpy(b->data, r->data, size);
	b->checked = 0;
	mutex_unlock(&b->lock);
	buffer_put(b);
	return 0;
}

/* One block of metadata, of which r->block has the tag. */
static int walk_data(struct recovery *r, const struct tag *tag)
{
	const struct journal_config *c = &r->j->config;
	int err;

	if (r->pass == PASS_REVOKE) {
		if (r->budget == 0)
			return 1;
		r->budget--;
		r->pos = log_next(r->j, r->pos, 1);
		return 0;
	}
	err = read_next(r, r->data);
	if (err)
		return err;
	if (!data_is_valid(r, tag) ||
	    tag->block >= block_size(c->device) / c->block_size)
		r->is_bad = true;
	if (r->pass == PASS_REPLAY)
		return r->is_bad ? -EUCLEAN : replay(r, tag);
	if (has_v1(r->j))
		r->crc = crc32_be(r->crc, r->data, c->block_size);
	return 0;
}

static bool tail_is_valid(struct recovery *r)
{
	u32 *tail = log_tail(r->j, r->block);

	return !log_has_checksum(r->j) ||
	       *tail == log_checksum(r->j, r->block, tail);
}

static int walk_descriptor(struct recovery *r)
{
	u32 at = sizeof(struct jbd_header);
	struct tag tag;
	int err;

	if (!tail_is_valid(r))
		r->is_bad = true;
	if (r->pass == PASS_SCAN && has_v1(r->j))
		r->crc = crc32_be(r->crc, r->block, r->j->config.block_size);
	while (tag_read(r, &at, &tag)) {
		err = walk_data(r, &tag);
		if (err || (tag.flags & JBD_TAG_LAST))
			return err;
	}
	return 0;
}

static int walk_revokes(struct recovery *r)
{
	const struct jbd_revoke *h = (const struct jbd_revoke *)r->block;
	const u32 width = r->j->incompat & JBD_64BIT ? 8 : 4;
	u32 end = be32(h->count);
	u32 room = r->j->config.block_size;
	u64 block;
	int err;

	if (log_has_checksum(r->j))
		room -= sizeof(u32);
	if (!tail_is_valid(r) || end > room || end < sizeof(*h))
		r->is_bad = true;
	if (r->pass != PASS_REVOKE)
		return 0;
	if (r->is_bad)
		return -EUCLEAN;
	for (u32 at = sizeof(*h); at + width <= end; at += width) {
		if (width == 8)
			block = be64(*(const u64 *)(r->block + at));
		else
			block = be32(*(const u32 *)(r->block + at));
		err = revoke_set(&r->revoked, block, r->sequence);
		if (err)
			return err;
	}
	return 0;
}

/* --- Commit blocks ------------------------------------------------------- */

/* The sum is right, or it is when only the first sector was written: the rest
 * of a commit block is zero. */
static bool commit_is_valid(struct recovery *r)
{
	struct jbd_commit *c = (struct jbd_commit *)r->block;
	const u32 size = r->j->config.block_size;

	if (!log_has_checksum(r->j))
		return true;
	if (c->checksum[0] == log_checksum(r->j, r->block, &c->checksum[0]))
		return true;
	memset(r->block + 512, 0, size - 512);
	return c->checksum[0] == log_checksum(r->j, r->block, &c->checksum[0]);
}

static bool v1_is_valid(const struct recovery *r)
{
	const struct jbd_commit *c = (const struct jbd_commit *)r->block;

	if (!has_v1(r->j))
		return true;
	if (c->checksum_type == JBD_CRC32 && c->checksum_size == 4)
		return be32(c->checksum[0]) == r->crc;
	/* Written while the feature was off. */
	return c->checksum_type == 0 && c->checksum_size == 0 &&
	       c->checksum[0] == 0;
}

/* Nothing of the transaction after this one has been begun: its own blocks may
 * not all have been flushed, if it was committed asynchronously. */
static bool is_last(struct recovery *r)
{
	const struct jbd_header *h = (const struct jbd_header *)r->data;

	return !(log_read(r->j, r->pos, 1, r->data) == 0 &&
		 be32(h->magic) == JBD_MAGIC &&
		 be32(h->sequence) == r->sequence + 1);
}

/* PASS_SCAN: 0, the transaction counts; 1, the log ends before it. */
static int scan_commit(struct recovery *r)
{
	const struct jbd_commit *c = (const struct jbd_commit *)r->block;
	const u64 time = be64(c->sec);
	const bool is_valid = commit_is_valid(r) && v1_is_valid(r);

	if (is_valid && !r->is_bad) {
		r->commit_time = time;
		r->is_any_done = true;
		return 0;
	}
	/* What the disk had before the journal was made, unlikely as it is. */
	if (!is_valid && r->is_any_done && time < r->commit_time)
		return 1;
	if ((r->j->incompat & JBD_ASYNC_COMMIT) && is_last(r))
		return 1;
	klog("ext4: the journal is corrupt in transaction %u (run e2fsck)",
	     r->sequence);
	return -EUCLEAN;
}

static int walk_commit(struct recovery *r)
{
	int err = r->pass == PASS_SCAN ? scan_commit(r) : 0;

	if (err)
		return err;
	r->sequence++;
	r->is_bad = false;
	r->crc = ~0U;
	return 0;
}

/* --- Passes -------------------------------------------------------------- */

/* One block with a header and what belongs to it: 0, 1 at the end, -errno. */
static int walk_step(struct recovery *r)
{
	const struct jbd_header *h = (const struct jbd_header *)r->block;
	int err;

	if (r->pass != PASS_SCAN && r->sequence == r->end)
		return 1;
	err = read_next(r, r->block);
	if (err)
		return err;
	if (be32(h->magic) != JBD_MAGIC || be32(h->sequence) != r->sequence)
		return 1;
	switch (be32(h->type)) {
	case JBD_DESCRIPTOR:
		return walk_descriptor(r);
	case JBD_REVOKE:
		return walk_revokes(r);
	case JBD_COMMIT:
		return walk_commit(r);
	default:
		return 1;
	}
}

static int walk(struct recovery *r, enum pass pass)
{
	struct journal *j = r->j;
	int err;

	r->pass = pass;
	r->pos = be32(j->super->start);
	r->sequence = be32(j->super->sequence);
	r->budget = j->last - j->first;
	r->is_bad = false;
	r->crc = ~0U;
	do {
		err = walk_step(r);
	} while (err == 0);
	if (err < 0)
		return err;
	if (pass == PASS_SCAN)
		r->end = r->sequence;
	else if (r->sequence != r->end)
		return -EIO; /* it reads differently the second time */
	return 0;
}

static int recover(struct recovery *r)
{
	struct journal *j = r->j;
	const u32 begin = be32(j->super->sequence);
	int err = walk(r, PASS_SCAN);

	if (err)
		return err;
	if (j->config.is_readonly)
		return r->end == begin ? 0 : -EROFS;
	if (r->end != begin) {
		err = walk(r, PASS_REVOKE);
		if (!err)
			err = walk(r, PASS_REPLAY);
		/* Home before the log is forgotten. */
		if (!err)
			err = log_flush(j);
		if (err)
			return err;
	}
	/* One number is left out: what was begun last may be there in part. */
	err = log_super_write(j, 0, r->end + 1);
	return err ? err : log_flush(j);
}

int journal_recover(struct journal *j, u32 *sequence, u32 *replayed)
{
	struct recovery r = { .j = j };
	int err = -ENOMEM;

	r.block = kmalloc(j->config.block_size);
	r.data = kmalloc(j->config.block_size);
	if (r.block && r.data)
		err = recover(&r);
	*sequence = r.end + 1;
	*replayed = r.nreplayed;
	revoke_clear(&r.revoked);
	kfree(r.block);
	kfree(r.data);
	return err;
}
