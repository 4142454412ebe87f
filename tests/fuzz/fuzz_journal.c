/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery of a journal that an attacker wrote: bounds, loops, numbers. The
 * input is the log, a block of 1 KiB of each 64 bytes: a kind, how far its
 * number is off, contents. Byte 0 picks the features and whether the checksums
 * are made right afterwards.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu/crc32c.h"
#include "kernel/fs/ext4/journal_int.h"
#include "tests/unit/stub_block.h"

#define BLOCK 1024
#define LOG_BLOCKS 1024
#define NBLOCKS (LOG_BLOCKS + 64)
#define PIECE 64
#define FIRST_TID 7

enum {
	FIX_SUMS = 1,
	WITH_V2 = 2,
	WITH_V3 = 4,
	WITH_64BIT = 8,
	ASYNC = 16,
	WITH_V1 = 32
};

static u64 map(void *arg, u64 n, u64 *nblocks)
{
	(void)arg;
	*nblocks = LOG_BLOCKS - n;
	return 1 + n;
}

static void make_super(struct jbd_super *s, u8 how)
{
	u32 incompat = JBD_REVOKES;

	if (how & WITH_V3)
		incompat |= JBD_CSUM_V3;
	else if (how & WITH_V2)
		incompat |= JBD_CSUM_V2;
	if (how & WITH_64BIT)
		incompat |= JBD_64BIT;
	if (how & ASYNC)
		incompat |= JBD_ASYNC_COMMIT;
	s->header.magic = be32(JBD_MAGIC);
	s->header.type = be32(JBD_SUPER_V2);
	s->block_size = be32(BLOCK);
	s->maxlen = be32(LOG_BLOCKS);
	s->first = be32(1);
	s->sequence = be32(FIRST_TID);
	s->start = be32(LOG_BLOCKS - 20); /* it wraps around soon */
	s->incompat = be32(incompat);
	if (!(how & (WITH_V2 | WITH_V3)) && (how & WITH_V1))
		s->compat = be32(JBD_COMPAT_CHECKSUM);
	if (how & (WITH_V2 | WITH_V3))
		s->checksum_type = JBD_CRC32C;
}

/* The sums of the headers in block p, as if it were what it says. */
static void fix_sums(struct journal *j, u8 *p)
{
	struct jbd_header *h = (struct jbd_header *)p;
	struct jbd_commit *c = (struct jbd_commit *)p;

	if (be32(h->magic) != JBD_MAGIC)
		return;
	if (be32(h->type) == JBD_COMMIT)
		c->checksum[0] = log_checksum(j, p, &c->checksum[0]);
	else
		*log_tail(j, p) = log_checksum(j, p, log_tail(j, p));
}

/* The sums of the blocks that a descriptor's tags name. */
static void fix_tags(struct journal *j, struct stub_disk *d, u32 pos)
{
	u8 *p = d->data + (u64)(1 + pos) * BLOCK;
	struct jbd_header *h = (struct jbd_header *)p;
	u32 at = sizeof(*h);

	if (be32(h->magic) != JBD_MAGIC || be32(h->type) != JBD_DESCRIPTOR)
		return;
	for (u32 i = 0; i < 8 && at + 32 < BLOCK; i++) {
		u32 sum, flags;

		pos = log_next(j, pos, 1);
		sum = log_data_checksum(j, be32(h->sequence),
					d->data + (u64)(1 + pos) * BLOCK);
		if (j->incompat & JBD_CSUM_V3) {
			((struct jbd_tag3 *)(p + at))->checksum = be32(sum);
			flags = be32(((struct jbd_tag3 *)(p + at))->flags);
		} else {
			((struct jbd_tag *)(p + at))->checksum = be16((u16)sum);
			flags = be16(((struct jbd_tag *)(p + at))->flags);
		}
		at += log_tag_bytes(j);
		if (!(flags & JBD_TAG_SAME_UUID))
			at += 16;
		if (flags & JBD_TAG_LAST)
			break;
	}
}

/* Tags that a sane journal could have: without luck nothing else would ever
 * reach the end of a transaction. */
static void put_tags(const struct journal *j, u8 *p, const u8 *piece)
{
	u32 n = piece[0] % 4 + 1;
	u8 *at = p;

	for (u32 i = 0; i < n; i++) {
		u32 block = be32((piece[2 * i + 1] * 5U) % NBLOCKS);
		u32 flags = piece[2 * i + 2] &
			    (JBD_TAG_ESCAPED | JBD_TAG_SAME_UUID);

		if (i == n - 1)
			flags |= JBD_TAG_LAST;
		memcpy(at, &block, sizeof(block));
		if (j->incompat & JBD_CSUM_V3)
			((struct jbd_tag3 *)at)->flags = be32(flags);
		else
			((struct jbd_tag *)at)->flags = be16((u16)flags);
		at += log_tag_bytes(j);
		if (!(flags & JBD_TAG_SAME_UUID))
			at += 16;
	}
}

/* A block of the log from one piece of input; *tid counts commits. */
static void put_block(const struct journal *j, u8 *p, const u8 *piece, u32 *tid)
{
	static const u32 types[] = { JBD_DESCRIPTOR, JBD_DESCRIPTOR,
				     JBD_COMMIT,     JBD_REVOKE,
				     JBD_REVOKE,     JBD_SUPER_V2 };
	struct jbd_header *h = (struct jbd_header *)p;
	u8 kind = piece[0] % 8;

	if (kind >= ARRAY_SIZE(types)) {
		memcpy(p, piece + 1, PIECE - 1);
		return;
	}
	h->magic = be32(JBD_MAGIC);
	h->type = be32(types[kind]);
	h->sequence = be32(*tid + (piece[1] == 0xff));
	memcpy(h + 1, piece + 2, PIECE - 2);
	if (kind == 1)
		put_tags(j, (u8 *)(h + 1), piece + 2);
	if (types[kind] == JBD_COMMIT)
		++*tid;
	if (kind == 3)
		((struct jbd_revoke *)p)->count = be32(piece[1]);
}

static void fill_log(struct stub_disk *d, u8 how, const u8 *data, size_t size)
{
	struct jbd_super *s = (struct jbd_super *)(d->data + BLOCK);
	struct journal j = { .super = s, .first = 1, .last = LOG_BLOCKS };
	u32 pos = be32(s->start);
	u32 n = (u32)(size / PIECE);
	u32 tid = FIRST_TID;

	n = MIN(n, LOG_BLOCKS - 1);
	j.config.block_size = BLOCK;
	j.incompat = be32(s->incompat);
	j.seed = crc32c(~0U, s->uuid, sizeof(s->uuid));
	for (u32 i = 0; i < n; i++, pos = log_next(&j, pos, 1))
		put_block(&j, d->data + (u64)(1 + pos) * BLOCK,
			  data + i * PIECE, &tid);
	if (!(how & FIX_SUMS) || !log_has_checksum(&j))
		return;
	for (pos = be32(s->start); n > 0; n--, pos = log_next(&j, pos, 1)) {
		fix_tags(&j, d, pos);
		fix_sums(&j, d->data + (u64)(1 + pos) * BLOCK);
	}
}

/* As journal_open() does it, without its memory. */
static int recover(struct stub_disk *d, struct buffer_cache *cache,
		   u32 *replayed)
{
	struct jbd_super super;
	struct journal j = {
		.config = {
			.device = &d->device,
			.buffers = cache,
			.block_size = BLOCK,
			.map = map,
		},
		.super = &super,
	};
	u32 sequence;
	int err;

	*replayed = 0;
	err = log_super_read(&j);
	if (!err && super.start)
		err = journal_recover(&j, &sequence, replayed);
	free(j.runs);
	return err;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct buffer_cache *cache;
	static struct stub_disk d;
	struct jbd_super *s;
	u8 before[BLOCK];
	u32 replayed;
	int err;

	if (size < 1)
		return 0;
	if (!cache) {
		stub_disk_init(&d, NBLOCKS * BLOCK);
		cache = buffer_cache_new(&d.device, BLOCK);
	}
	memset(d.data, 0, d.size);
	s = (struct jbd_super *)(d.data + BLOCK);
	make_super(s, data[0]);
	if (be32(s->incompat) & (JBD_CSUM_V2 | JBD_CSUM_V3))
		s->checksum = be32(crc32c(~0U, (u8 *)s, sizeof(*s)));
	fill_log(&d, data[0], data + 1, size - 1);
	memcpy(before, d.data + BLOCK, BLOCK);
	err = recover(&d, cache, &replayed);
	if (err && err != -EUCLEAN && err != -EIO)
		abort();
	/* Refused: as it was. Recovered: once and for all, unless a block of
	 * the log was where the log itself is. */
	if (err == -EUCLEAN && replayed == 0 &&
	    memcmp(before, d.data + BLOCK, BLOCK) != 0)
		abort();
	if (!err && recover(&d, cache, &replayed) == 0 && replayed != 0)
		abort();
	return 0;
}
