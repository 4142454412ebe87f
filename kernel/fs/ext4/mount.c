/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounting, syncing and unmounting.
 */
#include "kernel/dev/random.h"
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/pager.h"

#define TREE_RESERVE_MAX 4096UL

/* --- Options -------------------------------------------------------------- */

static bool is_word(const char *s, size_t n, const char *word)
{
	return strlen(word) == n && memcmp(s, word, n) == 0;
}

/* What Linux knows and what makes no difference here is accepted. */
static int option(struct fs *fs, const char *s, size_t n)
{
	static const char *const ignored[] = {
		"rw",
		"defaults",
		"data=ordered",
		"errors=remount-ro",
		"barrier=1",
		"barrier",
		"delalloc",
		"user_xattr",
		"relatime",
		"nodiscard",
		"noatime",
		"auto_da_alloc",
		"errors=continue",
	};

	if (n == 0)
		return 0;
	if (is_word(s, n, "ro")) {
		fs->is_readonly = true;
		return 0;
	}
	for (u32 k = 0; k < ARRAY_SIZE(ignored); k++)
		if (is_word(s, n, ignored[k]))
			return 0;
	klog("ext4: unknown option %s", s);
	return -EINVAL;
}

static int parse_options(struct fs *fs, const char *s)
{
	while (s && *s) {
		const char *end = strchr(s, ',');
		size_t n = end ? (size_t)(end - s) : strlen(s);
		int err = option(fs, s, n);

		if (err)
			return err;
		s += n + (end ? 1 : 0);
	}
	return 0;
}

/* --- The superblock ------------------------------------------------------- */

/* Past the cache, as the size of blocks is not known yet. */
static int read_super(struct ext4_sb *sb, struct ext4_disk_sb *raw,
		      bool is_strict)
{
	int err;

	if (block_size(sb->device) < EXT4_SB_OFFSET + EXT4_SB_SIZE) {
		klog("ext4: %s is too small", sb->device->name);
		return -EINVAL;
	}
	err = block_read(sb->device, EXT4_SB_OFFSET, raw, sizeof(*raw));
	return err ? err
		   : ext4_super_check(sb, raw, sb->fs->is_readonly, is_strict);
}

static int open_buffers(struct ext4_sb *sb)
{
	int err;

	sb->buffers = buffer_cache_new(sb->device, sb->block_size);
	if (!sb->buffers)
		return -ENOMEM;
	err = buffer_read(sb->buffers, sb->block_size == 1024 ? 1 : 0,
			  &sb->super);
	if (!err)
		ext4_claim(sb->super, EXT4_KIND_SUPER, 0);
	return err;
}

/* --- Finding the journal ---------------------------------------------------
 */

/* Where the journal is, before it has been replayed: what is read here may be
 * out of date or torn, so it goes through a cache of its own, and checksums
 * are not looked at. The journal itself never moves. */
struct journal_map {
	u32 n;
	u64 nblocks;
	struct ext4_map *run;
};

#define RUNS_MAX 1024U

static int map_inode(struct inode *i, struct journal_map *map)
{
	u64 n = i->size >> ext4_sb(i)->block_bits;
	u32 block = 0;
	int err = 0;

	if (!inode_is(i, TYPE_REG) || n > EXT4_BLOCK_END)
		return ext4_corrupt(ext4_sb(i), "journal inode", i->ino);
	map->nblocks = n;
	map->run = kmalloc(RUNS_MAX * sizeof(*map->run));
	if (!map->run)
		return -ENOMEM;
	while (block < n && !err) {
		struct ext4_map *m = &map->run[map->n];

		if (map->n == RUNS_MAX)
			return ext4_corrupt(ext4_sb(i), "journal in pieces",
					    map->n);
		err = ext4_map(i, block, (u32)n - block, m);
		if (!err && m->state == EXT4_HOLE)
			err = ext4_corrupt(ext4_sb(i), "hole in the journal",
					   block);
		block += m->len;
		map->n++;
	}
	return err;
}

static int journal_find(struct ext4_sb *sb, u32 ino, struct journal_map *map)
{
	struct inode *i;
	int err;

	sb->is_lenient = true;
	err = open_buffers(sb);
	if (!err)
		err = ext4_groups_load(sb);
	if (!err)
		err = ext4_iget(sb->fs, ino, EXT4_IGET_SPECIAL, &i);
	if (!err) {
		err = map_inode(i, map);
		inode_put(i);
	}
	sb->is_lenient = false;
	return err;
}

static u64 map_journal(void *arg, u64 n, u64 *nblocks)
{
	const struct ext4_sb *sb = arg;
	const struct journal_map *map = sb->journal_map;

	for (u32 k = 0; k < map->n; k++) {
		const struct ext4_map *m = &map->run[k];

		if (n < m->block || n >= (u64)m->block + m->len)
			continue;
		*nblocks = m->block + m->len - n;
		return m->start + (n - m->block);
	}
	return 0;
}

/* --- Opening it ----------------------------------------------------------- */

static void journal_aborted(void *arg, int err, const char *what)
{
	struct ext4_sb *sb = arg;

	klog("ext4: %s: %s (error %d): read-only from now on", sb->device->name,
	     what, -err);
	atomic_fetch_add(&sb->nerrors, 1);
	atomic_store(&sb->fs->is_readonly, true);
}

static void journal_committed(void *arg, u32 tid)
{
	ext4_pending_commit(arg, tid);
}

/* What is written without being allocated first must have room on the host:
 * the log, and the superblock with the groups' descriptors. */
static int reserve_fixed(struct ext4_sb *sb)
{
	const struct journal_map *map = sb->journal_map;
	u64 len = MIN(MIB(4), block_size(sb->device)) >> sb->block_bits;
	int err = ext4_host_reserve(sb, 0, len);

	for (u32 k = 0; !err && k < map->n; k++)
		err = ext4_host_reserve(sb, map->run[k].start, map->run[k].len);
	return err;
}

static int journal_begin(struct ext4_sb *sb)
{
	struct journal_config c = {
		.device = sb->device,
		.buffers = sb->buffers,
		.block_size = sb->block_size,
		.map = map_journal,
		.arg = sb,
		.is_64bit = (sb->incompat & EXT4_64BIT) != 0,
		.has_checksum = sb->has_csum,
		.is_readonly = sb->device->is_readonly,
		.on_abort = journal_aborted,
		.on_commit = journal_committed,
#ifdef JIFFY_UNIT_TEST
		.no_thread = true,
#endif
	};
	u32 replayed = 0;
	int err = c.is_readonly ? 0 : reserve_fixed(sb);

	if (err)
		return err;
	err = journal_open(&c, &sb->journal, &replayed);

	if (replayed)
		klog("ext4: %s: journal replayed: %u blocks", sb->device->name,
		     replayed);
	if (err == -EROFS)
		klog("ext4: %s: the journal must be replayed, but the device "
		     "is read-only",
		     sb->device->name);
	return err;
}

/* Drop what was read so far: groups, buffers, what the superblock said. */
static void forget(struct ext4_sb *sb)
{
	ext4_groups_free(sb);
	sb->groups = NULL;
	sb->gdt = NULL;
	if (sb->super)
		buffer_put(sb->super);
	sb->super = NULL;
	buffer_cache_free(sb->buffers);
	sb->buffers = NULL;
	sb->free_blocks = 0;
	sb->free_inodes = 0;
	sb->nerrors = 0;
}

static int journal_load(struct ext4_sb *sb, u32 ino)
{
	struct journal_map map = { 0 };
	int err = journal_find(sb, ino, &map);

	forget(sb);
	if (!err) {
		sb->buffers = buffer_cache_new(sb->device, sb->block_size);
		err = sb->buffers ? 0 : -ENOMEM;
	}
	sb->journal_map = &map;
	if (!err)
		err = journal_begin(sb);
	sb->journal_map = NULL;
	kfree(map.run);
	return err;
}

/* --- The superblock of a mounted filesystem ------------------------------- */

/* Written in place: it must say that the journal counts before there is
 * anything in it. */
static int super_write(struct ext4_sb *sb, bool is_mounted)
{
	struct ext4_disk_sb *raw = ext4_super_raw(sb);
	int err;

	if (is_mounted) {
		raw->incompat |= EXT4_RECOVER;
		raw->state &= (u16)~EXT4_VALID_FS;
		raw->mnt_count++;
		raw->mtime = (u32)time_now().sec;
	} else {
		raw->incompat &= ~(u32)EXT4_RECOVER;
		raw->state |= EXT4_VALID_FS;
	}
	ext4_super_counts(sb, raw);
	err = block_write(sb->device, EXT4_SB_OFFSET, raw, sizeof(*raw));
	return err ? err : block_flush(sb->device);
}

static int load(struct ext4_sb *sb)
{
	int err;

	if (!sb->buffers)
		err = open_buffers(sb);
	else
		err = buffer_read(sb->buffers, sb->block_size == 1024 ? 1 : 0,
				  &sb->super);
	if (!err)
		ext4_claim(sb->super, EXT4_KIND_SUPER, 0);
	if (!err)
		err = ext4_groups_load(sb);
	if (err)
		return err;
	sb->tree_reserve = (u32)MIN(sb->blocks_count / 50, TREE_RESERVE_MAX);
	if (ext4_super_raw(sb)->state & EXT4_ERROR_FS)
		klog("ext4: %s has errors: run e2fsck", sb->device->name);
	return 0;
}

static void seed_generation(struct ext4_sb *sb)
{
	random_bytes(&sb->next_generation, sizeof(sb->next_generation));
}

/* Replay the journal if there is one that counts; afterwards the superblock is
 * another. */
static int bring_up(struct ext4_sb *sb)
{
	struct ext4_disk_sb raw;
	bool needed;
	int err = read_super(sb, &raw, false);

	if (err)
		return err;
	needed = (raw.incompat & EXT4_RECOVER) != 0;
	if (!(raw.compat & EXT4_HAS_JOURNAL) || raw.journal_inum == 0) {
		klog("ext4: %s has no journal: mounted read-only",
		     sb->device->name);
		sb->fs->is_readonly = true;
		needed = false;
	}
	if (needed || !sb->fs->is_readonly)
		err = journal_load(sb, raw.journal_inum);
	if (!err)
		err = read_super(sb, &raw, true);
	return err ? err : load(sb);
}

static int go_live(struct ext4_sb *sb)
{
	int err;

	if (ext4_super_raw(sb)->ro_compat & EXT4_READONLY)
		sb->fs->is_readonly = true;
	if (!(sb->incompat & EXT4_EXTENTS) && !sb->fs->is_readonly) {
		klog("ext4: %s has no extents: mounted read-only",
		     sb->device->name);
		sb->fs->is_readonly = true;
	}
	if (sb->journal && sb->fs->is_readonly) {
		err = journal_close(sb->journal);
		sb->journal = NULL;
		return err;
	}
	if (!sb->journal)
		return 0;
	if (journal_saved_error(sb->journal))
		atomic_fetch_add(&sb->nerrors, 1);
	seed_generation(sb);
	err = super_write(sb, true);
	return err ? err : ext4_orphans_process(sb);
}

static int mount_root_dir(struct ext4_sb *sb)
{
	struct inode *i;
	int err = ext4_iget(sb->fs, EXT4_ROOT_INO, 0, &i);

	if (err)
		return err == -ESTALE ? ext4_corrupt(sb, "root directory",
						     EXT4_ROOT_INO)
				      : err;
	if (!inode_is(i, TYPE_DIR)) {
		inode_put(i);
		return ext4_corrupt(sb, "type of the root", EXT4_ROOT_INO);
	}
	ext4_node(i)->is_named = true;
	sb->fs->root = dentry_new_root(i);
	if (!sb->fs->root) {
		inode_put(i);
		return -ENOMEM;
	}
	return 0;
}

static int sb_new(struct fs *fs, struct block_device *d)
{
	struct ext4_sb *sb = kzalloc(sizeof(*sb));

	int err = sb ? block_claim(d) : -ENOMEM;

	if (err) {
		kfree(sb);
		return err;
	}
	sb->fs = fs;
	sb->device = d;
	list_init(&sb->orphans);
	list_init(&sb->pending);
	waitq_init(&sb->evicted);
	fs->data = sb;
	return 0;
}

int ext4_mount_device(struct block_device *d, const char *options,
		      struct fs **out)
{
	struct fs *fs = fs_new(&ext4_type, EXT4_MAGIC);
	int err;

	if (!fs)
		return -ENOMEM;
	ext4_file_init();
	fs->is_readonly = d->is_readonly;
	err = parse_options(fs, options);
	if (!err)
		err = sb_new(fs, d);
	if (!err)
		err = bring_up(fs->data);
	if (!err)
		err = go_live(fs->data);
	if (!err)
		err = mount_root_dir(fs->data);
	if (err) {
		fs_put(fs);
		return err;
	}
	*out = fs;
	return 0;
}

static int ext4_mount(const char *source, const char *options, struct fs **fs)
{
	struct block_device *d = source ? block_find(source) : NULL;

	if (!d)
		return -ENOTBLK;
	return ext4_mount_device(d, options, fs);
}

/* --- Sync and unmount ----------------------------------------------------- */

static int store_super(struct ext4_sb *sb)
{
	struct handle h;
	int err = ext4_start(sb, 1, &h);

	if (err)
		return err;
	err = ext4_super_store(sb, &h, NULL, 0);
	journal_stop(&h);
	return err;
}

static int ext4_sync(struct fs *fs)
{
	struct ext4_sb *sb = fs->data;
	int err = pager_sync_fs(fs), ret;

	if (sb->journal && journal_error(sb->journal))
		return -EIO;
	if (!sb->journal || atomic_load(&fs->is_readonly))
		return err;
	ret = ext4_inodes_flush(sb);
	err = err ? err : ret;
	ret = store_super(sb);
	if (!ret)
		ret = journal_commit_all(sb->journal);
	err = err ? err : ret;
	ret = block_flush(sb->device);
	return err ? err : ret;
}

static void ext4_unmount(struct fs *fs)
{
	struct ext4_sb *sb = fs->data;
	bool was_live;
	int err = 0;

	if (!sb)
		return;
	was_live = sb->journal && sb->super && fs->root &&
		   !atomic_load(&fs->is_readonly);
	if (was_live)
		err = store_super(sb);
	if (sb->journal) {
		int ret = journal_close(sb->journal);

		err = err ? err : ret;
	}
	if (was_live && !err)
		err = super_write(sb, false);
	if (err && fs->root)
		klog("ext4: %s: error %d at unmount", sb->device->name, -err);
	ext4_pending_drop(sb);
	forget(sb);
	block_release(sb->device);
	kfree(sb);
}

const struct fs_type ext4_type = {
	.name = "ext4",
	.needs_device = true,
	.mount = ext4_mount,
	.unmount = ext4_unmount,
	.statfs = ext4_statfs,
	.sync = ext4_sync,
};
