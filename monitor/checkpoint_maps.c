/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host says of the memory of a frozen process: its mappings, and which
 * pages in them are its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "lib/compiler.h"
#include "monitor/checkpoint.h"

/* Linux 6.7; not in the headers of older ones. */
#ifndef PAGEMAP_SCAN
struct page_region {
	__u64 start, end, categories;
};
struct pm_scan_arg {
	__u64 size, flags, start, end, walk_end, vec, vec_len, max_pages,
		category_inverted, category_mask, category_anyof_mask,
		return_mask;
};
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_FILE (1 << 2)
#define PAGE_IS_PRESENT (1 << 3)
#define PAGE_IS_SWAPPED (1 << 4)
#define PAGE_IS_PFNZERO (1 << 5)
#endif

static uint64_t parse_number(const char **p, unsigned int base)
{
	uint64_t n = 0;

	for (;; (*p)++) {
		char c = **p;
		unsigned int digit = c >= '0' && c <= '9' ? (unsigned)c - '0'
				     : c >= 'a' && c <= 'f'
					     ? (unsigned)c - 'a' + 10
					     : 99;

		if (digit >= base)
			return n;
		n = n * base + digit;
	}
}

static uint64_t parse_field(const char **p, unsigned int base)
{
	uint64_t n = parse_number(p, base);

	if (**p)
		(*p)++;
	return n;
}

/* By number first: what the device of a file is called differs from place to
 * place on some filesystems. */
static bool is_file(const struct checkpoint_file *f, dev_t dev, ino_t ino,
		    bool exactly)
{
	return f->ino && f->ino == ino && (!exactly || f->dev == dev);
}

static int find_backing(const struct checkpoint_out *out, dev_t dev, ino_t ino,
			bool is_shared, struct checkpoint_vma *v)
{
	for (int exactly = 1; exactly >= 0; exactly--) {
		if (is_file(&out->cache, dev, ino, exactly)) {
			v->backing = is_shared ? CHECKPOINT_CACHE_SHARED
					       : CHECKPOINT_CACHE_COW;
			/* Past the end: what the wake has left. */
			v->offset %= CACHE_MEMORY_SIZE;
			return 0;
		}
		if (is_shared)
			continue;
		if (is_file(&out->image, dev, ino, exactly)) {
			v->backing = CHECKPOINT_IMAGE;
			return 0;
		}
		if (is_file(&out->older_file, dev, ino, exactly)) {
			v->older = v->offset;
			return 0;
		}
	}
	return err_set(out->e, ENOTSUP,
		       "memory at %#llx is of a file that is not the "
		       "instance's",
		       (unsigned long long)v->start);
}

/* "START-END rwxp OFFSET MAJOR:MINOR INODE   NAME". */
static int parse_line(const struct checkpoint_out *out, const char *p,
		      struct checkpoint_vma *v)
{
	unsigned int major_number, minor_number;
	bool is_shared;
	dev_t dev;
	ino_t ino;

	v->start = parse_field(&p, 16);
	v->len = parse_field(&p, 16) - v->start;
	if (strlen(p) < 5)
		return err_set(out->e, EIO,
			       "cannot read the host's list of "
			       "mappings");
	v->prot = (p[0] == 'r' ? PROT_READ : 0u) |
		  (p[1] == 'w' ? PROT_WRITE : 0u) |
		  (p[2] == 'x' ? PROT_EXEC : 0u);
	is_shared = p[3] == 's';
	p += 5;
	v->offset = parse_field(&p, 16);
	major_number = (unsigned int)parse_field(&p, 16);
	minor_number = (unsigned int)parse_field(&p, 16);
	dev = makedev(major_number, minor_number);
	ino = parse_field(&p, 10);
	v->older = 0;
	if (!ino && !is_shared) {
		v->backing = CHECKPOINT_ANON;
		v->offset = 0;
		return 0;
	}
	return find_backing(out, dev, ino, is_shared, v);
}

/* One line out of fd, by a buffer that the caller keeps. */
struct lines {
	int fd;
	size_t at, len;
	char buf[32768];
};

static char *next_line(struct lines *l)
{
	char *line, *end;

	for (;;) {
		ssize_t n;

		line = l->buf + l->at;
		end = memchr(line, '\n', l->len - l->at);
		if (end)
			break;
		memmove(l->buf, line, l->len - l->at);
		l->len -= l->at;
		l->at = 0;
		n = read(l->fd, l->buf + l->len, sizeof(l->buf) - l->len);
		if (n <= 0)
			return NULL;
		l->len += (size_t)n;
	}
	*end = '\0';
	l->at = (size_t)(end - l->buf) + 1;
	return line;
}

int checkpoint_read_maps(const struct checkpoint_out *out, pid_t pid,
			 struct checkpoint_array *vmas)
{
	cleanup_free struct lines *l = malloc(sizeof(*l));
	cleanup_close int fd = -1;
	char path[64], *line;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!l || fd < 0)
		return err_sys(out->e, l ? errno : ENOMEM, "%s", path);
	l->fd = fd;
	l->at = l->len = 0;
	while ((line = next_line(l))) {
		struct checkpoint_vma *v;
		const char *p = line;

		if (parse_number(&p, 16) >= CHECKPOINT_USER_END)
			return 0;
		v = checkpoint_add(vmas, sizeof(*v), 1);
		if (!v)
			return err_sys(out->e, ENOMEM, "mappings");
		if (parse_line(out, line, v))
			return -out->e->code;
	}
	return 0;
}

static int add_range(const struct checkpoint_out *out,
		     struct checkpoint_array *ranges, uint64_t start,
		     uint64_t end)
{
	struct checkpoint_range *last = ranges->items, *r;

	if (ranges->count && last[ranges->count - 1].end == start) {
		last[ranges->count - 1].end = end;
		return 0;
	}
	r = checkpoint_add(ranges, sizeof(*r), 1);
	if (!r)
		return err_sys(out->e, ENOMEM, "list of pages");
	*r = (struct checkpoint_range){ start, end };
	return 0;
}

#define BATCH 512

/* All at once. -ENOTTY: a host before Linux 6.7. */
static int scan(const struct checkpoint_out *out, int fd,
		struct checkpoint_array *ranges)
{
	cleanup_free struct page_region *vec = calloc(BATCH, sizeof(*vec));
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = CHECKPOINT_USER_START,
		.end = CHECKPOINT_USER_END,
		.vec = (__u64)(uintptr_t)vec,
		.vec_len = BATCH,
		.category_inverted = PAGE_IS_FILE | PAGE_IS_PFNZERO,
		.category_mask = PAGE_IS_FILE | PAGE_IS_PFNZERO,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
	};

	if (!vec)
		return err_sys(out->e, ENOMEM, "list of pages");
	while (arg.start < arg.end) {
		int n = ioctl(fd, PAGEMAP_SCAN, &arg);

		if (n < 0)
			return -errno;
		for (int i = 0; i < n; i++)
			if (add_range(out, ranges, vec[i].start, vec[i].end))
				return -out->e->code;
		arg.start = arg.walk_end;
	}
	return 0;
}

#define PAGEMAP_FILE (1ULL << 61)
#define PAGEMAP_SWAPPED (1ULL << 62)
#define PAGEMAP_PRESENT (1ULL << 63)

static int look_through(const struct checkpoint_out *out, int fd,
			const struct checkpoint_vma *v,
			struct checkpoint_array *ranges)
{
	uint64_t entries[BATCH], end = v->start + v->len;

	for (uint64_t at = v->start; at < end;) {
		size_t n = (end - at) / PAGE_SIZE < BATCH
				   ? (end - at) / PAGE_SIZE
				   : BATCH;

		if (pread(fd, entries, n * 8, (off_t)(at / PAGE_SIZE * 8)) !=
		    (ssize_t)(n * 8))
			return err_sys(out->e, EIO, "pagemap");
		for (size_t i = 0; i < n; i++, at += PAGE_SIZE) {
			if (!(entries[i] &
			      (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)) ||
			    entries[i] & PAGEMAP_FILE)
				continue;
			if (add_range(out, ranges, at, at + PAGE_SIZE))
				return -out->e->code;
		}
	}
	return 0;
}

int checkpoint_read_private(const struct checkpoint_out *out, pid_t pid,
			    const struct checkpoint_array *vmas,
			    struct checkpoint_array *ranges)
{
	const struct checkpoint_vma *v = vmas->items;
	cleanup_close int fd = -1;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(out->e, errno, "%s", path);
	r = scan(out, fd, ranges);
	if (r != -ENOTTY && r != -EINVAL)
		return r && !out->e->code ? err_sys(out->e, -r, "%s", path) : r;
	for (size_t i = 0; i < vmas->count; i++) {
		r = v[i].backing == CHECKPOINT_CACHE_SHARED
			    ? 0
			    : look_through(out, fd, &v[i], ranges);
		if (r)
			return r;
	}
	return 0;
}
