/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's blocks on the device: where they are, reading, writing and
 * flushing them, checksums, and the superblock.
 */
#include "kernel/cpu/crc32c.h"
#include "kernel/fs/ext4/journal_int.h"
#include "kernel/mm/heap.h"

/* --- Where the log is ---------------------------------------------------- */

static int add_run(struct journal *j, u32 log, u64 block, u32 n, u32 *cap)
{
	if (j->nruns == *cap) {
		u32 more = *cap ? 2 * *cap : 4;
		struct log_run *runs =
			krealloc(j->runs, more * sizeof(*j->runs));

		if (!runs)
			return -ENOMEM;
		j->runs = runs;
		*cap = more;
	}
	j->runs[j->nruns++] =
		(struct log_run){ .log = log, .nblocks = n, .block = block };
	return 0;
}

int log_map(struct journal *j, u32 nblocks)
{
	const struct journal_config *c = &j->config;
	u64 end = block_size(c->device) / c->block_size;
	u32 cap = 0;
	u64 block, n;
	int err;

	kfree(j->runs);
	j->runs = NULL;
	j->nruns = 0;
	for (u32 at = 0; at < nblocks; at += (u32)n) {
		n = 1;
		block = c->map(c->arg, at, &n);
		n = MIN(n, nblocks - at);
		if (block == 0 || n == 0 || block >= end || n > end - block)
			return -EUCLEAN;
		err = add_run(j, at, block, (u32)n, &cap);
		if (err)
			return err;
	}
	return 0;
}

static const struct log_run *run_of(const struct journal *j, u32 pos)
{
	u32 low = 0, high = j->nruns;

	while (high - low > 1) {
		u32 middle = low + (high - low) / 2;

		if (j->runs[middle].log <= pos)
			low = middle;
		else
			high = middle;
	}
	return &j->runs[low];
}

u32 log_next(const struct journal *j, u32 pos, u32 n)
{
	pos += n;
	return pos >= j->last ? pos - (j->last - j->first) : pos;
}

static int log_rw(struct journal *j, enum plat_block_op op, u32 pos, u32 n,
		  void *buf)
{
	const u32 size = j->config.block_size;
	struct plat_iovec iov = { .base = (u64)buf };
	const struct log_run *r;
	u32 step;
	int err;

	while (n > 0) {
		r = run_of(j, pos);
		step = MIN(n, r->log + r->nblocks - pos);
		step = MIN(step, j->last - pos);
		iov.len = (u64)step * size;
		err = block_rw(j->config.device, op,
			       (r->block + (pos - r->log)) * size, &iov, 1);
		if (err)
			return err;
		iov.base += iov.len;
		n -= step;
		pos = log_next(j, pos, step);
	}
	return 0;
}

int log_read(struct journal *j, u32 pos, u32 n, void *buf)
{
	return log_rw(j, PLAT_BLOCK_READ, pos, n, buf);
}

int log_write(struct journal *j, u32 pos, u32 n, const void *buf)
{
	return log_rw(j, PLAT_BLOCK_WRITE, pos, n, (void *)(u64)buf);
}

int log_flush(struct journal *j)
{
	u64 mine;
	int err;

	mutex_lock(&j->lock);
	mine = ++j->flushes_begun;
	mutex_unlock(&j->lock);
	err = block_flush(j->config.device);
	if (err)
		return err;
	mutex_lock(&j->lock);
	j->flushes_done = MAX(j->flushes_done, mine);
	mutex_unlock(&j->lock);
	return 0;
}

/* --- Writing ahead -------------------------------------------------------- */

static bool is_zero(const u8 *block, u32 size)
{
	u64 any = 0;

	for (u32 i = 0; i < size; i += 8)
		any |= *(const u64 *)(block + i);
	return any == 0;
}

/* What lies ahead is dead until the log comes round: nothing of it is read by
 * recovery. A flush comes between these zeroes and the log, as there is a whole
 * piece between them. */
void log_ahead(struct journal *j)
{
	const u32 piece = j->buf_blocks, size = j->config.block_size;
	u32 n;

	if (j->head < j->ahead_head)
		j->ahead = j->last; /* round: never again */
	else if (j->head >= j->ahead && j->ahead < j->last)
		j->ahead = j->head + piece;
	j->ahead_head = j->head;
	if (j->ahead >= j->last || j->head + piece < j->ahead)
		return;
	n = MIN(piece, j->last - j->ahead);
	/* A piece whose last block was written was written as a whole. */
	if (log_read(j, j->ahead + n - 1, 1, j->log) == 0 &&
	    is_zero(j->log, size)) {
		memset(j->log, 0, (u64)n * size);
		(void)log_write(j, j->ahead, n, j->log);
	}
	j->ahead += n;
}

/* --- Checksums ----------------------------------------------------------- */

u32 log_tag_bytes(const struct journal *j)
{
	u32 n = 8;

	if (j->incompat & JBD_CSUM_V3)
		return sizeof(struct jbd_tag3);
	if (j->incompat & JBD_64BIT)
		n += 4;
	/* Nothing is there, but jbd2 has always left the room. */
	if (j->incompat & JBD_CSUM_V2)
		n += 2;
	return n;
}

u32 log_checksum(const struct journal *j, void *block, u32 *field)
{
	const u32 before = *field;
	u32 sum;

	*field = 0;
	sum = crc32c(j->seed, block, j->config.block_size);
	*field = before;
	return be32(sum);
}

u32 log_data_checksum(const struct journal *j, u32 tid, const void *data)
{
	const u32 sequence = be32(tid);
	u32 sum = crc32c(j->seed, (const u8 *)&sequence, sizeof(sequence));

	return crc32c(sum, data, j->config.block_size);
}

/* --- The superblock ------------------------------------------------------ */

static u32 super_checksum(const struct jbd_super *s)
{
	struct jbd_super copy = *s;

	copy.checksum = 0;
	return be32(crc32c(~0U, (const u8 *)&copy, sizeof(copy)));
}

static int super_invalid(const char *what)
{
	klog("ext4: the journal's superblock is invalid: %s", what);
	return -EUCLEAN;
}

static int super_check_features(const struct jbd_super *s)
{
	static const struct {
		u32 bit;
		const char *name;
	} known[] = { { JBD_FAST_COMMIT, "fast_commit" } };
	u32 strange = be32(s->incompat) &
		      ~(u32)(JBD_REVOKES | JBD_64BIT | JBD_ASYNC_COMMIT |
			     JBD_CSUM_V2 | JBD_CSUM_V3);
	u32 ro = be32(s->ro_compat);

	/* A clean log holds no fast commits: it goes on without. */
	if (s->start == 0)
		strange &= ~(u32)JBD_FAST_COMMIT;
	for (u32 i = 0; i < ARRAY_SIZE(known); i++) {
		if (!(strange & known[i].bit))
			continue;
		klog("ext4: the journal needs a recovery with %s, which e2fsck "
		     "can do",
		     known[i].name);
		return -EOPNOTSUPP;
	}
	if (!strange && !ro)
		return 0;
	klog("ext4: the journal has unknown features: incompat %#x, ro_compat "
	     "%#x",
	     strange, ro);
	return -EOPNOTSUPP;
}

static int super_check(struct journal *j, const struct jbd_super *s)
{
	u32 type = be32(s->header.type);
	u32 csum = be32(s->incompat) & (JBD_CSUM_V2 | JBD_CSUM_V3);
	u32 maxlen = be32(s->maxlen), first = be32(s->first);
	int err;

	if (be32(s->header.magic) != JBD_MAGIC)
		return super_invalid("no magic number");
	if (type == JBD_SUPER_V1) {
		klog("ext4: the journal is of version 1, which is not "
		     "supported");
		return -EOPNOTSUPP;
	}
	if (type != JBD_SUPER_V2)
		return super_invalid("its type");
	if (be32(s->block_size) != j->config.block_size)
		return super_invalid("its block size");
	err = super_check_features(s);
	if (err)
		return err;
	if (csum == (JBD_CSUM_V2 | JBD_CSUM_V3))
		return super_invalid("two kinds of checksums");
	if (csum && (be32(s->compat) & JBD_COMPAT_CHECKSUM))
		return super_invalid("two kinds of checksums");
	if (csum && s->checksum_type != JBD_CRC32C)
		return super_invalid("its kind of checksum");
	if (csum && s->checksum != super_checksum(s))
		return super_invalid("its checksum");
	if (maxlen < JBD_MIN_BLOCKS)
		return super_invalid("too short a log");
	if (first == 0 || first >= maxlen || maxlen - first < maxlen / 2)
		return super_invalid("where the log begins");
	if (s->start && (be32(s->start) < first || be32(s->start) >= maxlen))
		return super_invalid("where recovery begins");
	return 0;
}

int log_super_read(struct journal *j)
{
	u8 *block = kmalloc(j->config.block_size);
	int err;

	if (!block)
		return -ENOMEM;
	err = log_map(j, 1);
	if (err)
		(void)super_invalid("it is nowhere");
	j->last = 1;
	if (!err)
		err = log_read(j, 0, 1, block);
	if (!err) {
		memcpy(j->super, block, sizeof(*j->super));
		err = super_check(j, j->super);
	}
	kfree(block);
	if (err)
		return err;
	j->first = be32(j->super->first);
	j->last = be32(j->super->maxlen);
	j->incompat = be32(j->super->incompat);
	j->seed = crc32c(~0U, j->super->uuid, sizeof(j->super->uuid));
	j->saved_error = (s32)be32(j->super->error);
	err = log_map(j, j->last);
	if (err == -EUCLEAN)
		(void)super_invalid("the journal is shorter than it says");
	return err;
}

/* Under super_lock. What changes is in one sector: a power cut leaves it old or
 * new. */
static int super_write(struct journal *j)
{
	struct jbd_super *s = j->super;

	if (log_has_checksum(j))
		s->checksum = super_checksum(s);
	return block_write(j->config.device,
			   j->runs[0].block * j->config.block_size, s,
			   sizeof(*s));
}

int log_super_write(struct journal *j, u32 start, u32 sequence)
{
	int err;

	mutex_lock(&j->super_lock);
	j->super->start = be32(start);
	j->super->sequence = be32(sequence);
	err = super_write(j);
	mutex_unlock(&j->super_lock);
	return err;
}

void log_super_error(struct journal *j, int error)
{
	if (j->config.is_readonly)
		return;
	mutex_lock(&j->super_lock);
	j->super->error = be32((u32)error);
	(void)super_write(j);
	mutex_unlock(&j->super_lock);
}
