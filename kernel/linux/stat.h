/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stat, statx, statfs and getdents give to programs (x86-64), in our own
 * names, and the mode and statx bits.
 */
#ifndef JIFFY_KERNEL_LINUX_STAT_H
#define JIFFY_KERNEL_LINUX_STAT_H

#include "lib/compiler.h"

enum {
	MODE_SUID = 04000,
	MODE_SGID = 02000,
	MODE_STICKY = 01000,
	MODE_PERM = 07777,
	MODE_XGRP = 00010,
	MODE_XANY = 00111,
};

struct linux_stat {
	u64 st_dev, st_ino, st_nlink;
	u32 st_mode, st_uid, st_gid, pad0;
	u64 st_rdev;
	s64 st_size, st_blksize, st_blocks;
	s64 st_atime_sec, st_atime_nsec, st_mtime_sec, st_mtime_nsec,
		st_ctime_sec, st_ctime_nsec;
	s64 unused[3];
};
_Static_assert(sizeof(struct linux_stat) == 144, "Linux ABI");

struct linux_statx_time {
	s64 sec;
	u32 nsec;
	s32 pad;
};
struct linux_statx {
	u32 mask, blksize;
	u64 attributes;
	u32 nlink, uid, gid;
	u16 mode, pad0;
	u64 ino, size, blocks, attributes_mask;
	struct linux_statx_time atime, btime, ctime, mtime;
	u32 rdev_major, rdev_minor, dev_major, dev_minor;
	u64 mnt_id, pad1[13];
};
_Static_assert(sizeof(struct linux_statx) == 256, "Linux ABI");

enum {
	LINUX_STATX_BASIC = 0x7ff,
	LINUX_STATX_BTIME = 0x800,
	LINUX_STATX_MNT_ID = 0x1000,
	LINUX_STATX_ATTR_MOUNT_ROOT = 0x2000,
};

struct linux_statfs {
	s64 type, bsize;
	u64 blocks, bfree, bavail, files, ffree;
	s32 fsid[2];
	s64 namelen, frsize, flags, spare[4];
};
_Static_assert(sizeof(struct linux_statfs) == 120, "Linux ABI");

struct linux_dirent64 {
	u64 ino;
	s64 off;
	u16 reclen;
	u8 type;
	char name[];
} PACKED;

/* makedev() as the kernel passes 32-bit device numbers. */
static inline u32 dev_make(u32 major, u32 minor)
{
	return (minor & 0xff) | (major << 8) | ((minor & ~0xffU) << 12);
}
static inline u32 dev_major(u32 dev)
{
	return (dev >> 8) & 0xfff;
}
static inline u32 dev_minor(u32 dev)
{
	return (dev & 0xff) | ((dev >> 12) & 0xfff00);
}

#endif
