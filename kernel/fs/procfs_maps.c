/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/{maps,smaps,smaps_rollup,mem}: address spaces as text, and the
 * reader's own memory as a file.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/fs/procfs_int.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm.h"
#include "kernel/vfs/vfs.h"

#define NAME_COLUMN 73
#define RESIDENT_CHUNK 65536UL /* pages asked for at once */

/* --- maps
 * ------------------------------------------------------------------------- */

/* An area, copied so that names are made without the mm's lock. */
struct area_view {
	uaddr_t start, end;
	u32 flags;
	u64 offset;
	struct file *file; /* reference, or NULL */
};

/* The first area that ends above `at`; a file reference is taken. */
static bool area_view_at(struct mm *mm, uaddr_t at, struct area_view *v)
{
	struct area *a;

	mutex_lock(&mm->lock);
	a = mm_area_at(mm, at);
	if (a) {
		v->start = a->start;
		v->end = a->end;
		v->flags = a->flags;
		v->offset = a->offset;
		v->file = a->file;
		if (v->file)
			file_get(v->file);
	}
	mutex_unlock(&mm->lock);
	return a != NULL;
}

static const char *area_label(const struct area_view *v)
{
	if (v->flags & AREA_VDSO)
		return "[vdso]";
	if (v->flags & AREA_STACK)
		return "[stack]";
	if (v->flags & AREA_HEAP)
		return "[heap]";
	return NULL;
}

static void put_area(struct fmt_buf *out, const struct area_view *v)
{
	const char *label = area_label(v);
	size_t start = out->len;
	u32 dev = v->file ? v->file->inode->fs->dev : 0;
	u64 ino = v->file ? v->file->inode->ino : 0;

	fmt_buf_add(out, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", v->start,
		    v->end, v->flags & AREA_READ ? 'r' : '-',
		    v->flags & AREA_WRITE ? 'w' : '-',
		    v->flags & AREA_EXEC ? 'x' : '-',
		    v->flags & AREA_SHARED ? 's' : 'p', v->file ? v->offset : 0,
		    (dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00),
		    ino);
	if (v->file || label)
		while (out->len - start < NAME_COLUMN && !out->is_cut)
			fmt_buf_put(out, " ", 1);
	if (v->file)
		procfs_put_path(out, &v->file->path, "\n", "");
	else if (label)
		fmt_buf_add(out, "%s", label);
	fmt_buf_add(out, "\n");
}

static int show_areas(struct fmt_buf *out, struct mm *mm,
		      void (*more)(struct fmt_buf *out, struct mm *mm,
				   const struct area_view *v))
{
	struct area_view v;
	uaddr_t at = 0;

	while (!out->is_cut && area_view_at(mm, at, &v)) {
		put_area(out, &v);
		if (more)
			more(out, mm, &v);
		if (v.file)
			file_put(v.file);
		at = v.end;
	}
	return 0;
}

int procfs_show_maps(struct fmt_buf *out, const struct pseudo_node *n)
{
	int err = procfs_may_inspect(n->proc);
	struct mm *mm;

	if (err)
		return err;
	mm = procfs_mm(n->proc);
	if (!mm)
		return 0;
	err = show_areas(out, mm, NULL);
	mm_put(mm);
	return err;
}

/* --- smaps
 * ---------------------------------------------------------------------------
 */

/* Which of n pages are there; of another space, one of its threads says. */
static int resident_pages(struct mm *mm, uaddr_t at, u64 n, u8 *vec)
{
	if (mm == process_current()->mm)
		return plat_resident(at, n, vec);
	for (u64 i = 0; i < n; i += MM_REMOTE_MAX) {
		u32 some = (u32)MIN(n - i, (u64)MM_REMOTE_MAX);

		if (mm_remote(mm, MM_REMOTE_RESIDENT, at + i * PAGE_SIZE,
			      vec + i, some) != (int)some)
			return -EIO;
	}
	return 0;
}

/* Resident bytes of an area of mm; vec is RESIDENT_CHUNK bytes. */
static u64 resident_bytes(struct mm *mm, const struct area_view *v, u8 *vec)
{
	u64 npages = (v->end - v->start) / PAGE_SIZE, resident = 0;

	if (!(v->flags & (AREA_READ | AREA_WRITE | AREA_EXEC)))
		return 0; /* reservations may be huge, and nothing is there */
	for (u64 i = 0; i < npages; i += RESIDENT_CHUNK) {
		u64 n = MIN(npages - i, RESIDENT_CHUNK);

		if (resident_pages(mm, v->start + i * PAGE_SIZE, n, vec))
			continue;
		for (u64 k = 0; k < n; k++)
			resident += vec[k] & 1;
	}
	return resident * PAGE_SIZE;
}

static bool is_private_dirty(const struct area_view *v)
{
	return !(v->flags & AREA_SHARED) &&
	       (!v->file || (v->flags & AREA_WRITE));
}

static void measure_own(struct mm *mm, struct mm_usage *u)
{
	u8 *vec = kmalloc(RESIDENT_CHUNK);
	struct area_view v;
	uaddr_t at = 0;

	while (vec && area_view_at(mm, at, &v)) {
		u64 rss = resident_bytes(mm, &v, vec);

		u->rss += rss;
		if (!is_private_dirty(&v))
			u->shared += rss;
		if (v.file)
			file_put(v.file);
		at = v.end;
	}
	kfree(vec);
}

/* A platform that cannot tell the size of a space leaves the current one to be
 * measured here, and for others what they measured of themselves at most. */
void procfs_usage(struct mm *mm, struct mm_usage *u)
{
	mm_usage(mm, u);
	if (u->rss > 0)
		return;
	u->shared = 0;
	if (mm == process_current()->mm)
		measure_own(mm, u);
	else
		u->rss = mm->peak_rss;
	mm->peak_rss = MAX(mm->peak_rss, u->rss);
}

static void put_field(struct fmt_buf *out, const char *name, u64 bytes)
{
	fmt_buf_add(out, "%-15s %8lu kB\n", name, bytes >> 10);
}

/* Fields in Linux's order. What is private counts as dirty, what is shared as
 * clean: the platform does not tell more. */
static void put_fields(struct fmt_buf *out, u64 rss, u64 private_bytes,
		       u64 locked)
{
	u64 shared = rss - private_bytes;

	put_field(out, "Rss:", rss);
	put_field(out, "Pss:", rss);
	put_field(out, "Pss_Dirty:", private_bytes);
	put_field(out, "Shared_Clean:", shared);
	put_field(out, "Shared_Dirty:", 0);
	put_field(out, "Private_Clean:", 0);
	put_field(out, "Private_Dirty:", private_bytes);
	put_field(out, "Referenced:", rss);
	put_field(out, "Anonymous:", private_bytes);
	put_field(out, "LazyFree:", 0);
	put_field(out, "AnonHugePages:", 0);
	put_field(out, "ShmemPmdMapped:", 0);
	put_field(out, "FilePmdMapped:", 0);
	put_field(out, "Shared_Hugetlb:", 0);
	put_field(out, "Private_Hugetlb:", 0);
	put_field(out, "Swap:", 0);
	put_field(out, "SwapPss:", 0);
	put_field(out, "Locked:", locked);
}

static void put_vm_flags(struct fmt_buf *out, u32 flags)
{
	static const struct {
		u32 flag;
		const char *name;
	} names[] = {
		{ AREA_READ, "rd " },	    { AREA_WRITE, "wr " },
		{ AREA_EXEC, "ex " },	    { AREA_SHARED, "sh " },
		{ AREA_GROWSDOWN, "gd " },  { AREA_LOCKED, "lo " },
		{ AREA_DONTFORK, "dc " },   { AREA_NORESERVE, "nr " },
		{ AREA_WIPEONFORK, "wf " }, { AREA_DONTDUMP, "dd " },
	};

	fmt_buf_add(out, "VmFlags: ");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].flag)
			fmt_buf_add(out, "%s", names[i].name);
	fmt_buf_add(out, "mr mw me \n");
}

static void put_smaps(struct fmt_buf *out, struct mm *mm,
		      const struct area_view *v)
{
	u8 *vec = kmalloc(RESIDENT_CHUNK);
	u64 rss = vec ? resident_bytes(mm, v, vec) : 0;
	bool is_private = is_private_dirty(v);

	put_field(out, "Size:", v->end - v->start);
	put_field(out, "KernelPageSize:", PAGE_SIZE);
	put_field(out, "MMUPageSize:", PAGE_SIZE);
	put_fields(out, rss, is_private ? rss : 0,
		   v->flags & AREA_LOCKED ? rss : 0);
	fmt_buf_add(out, "THPeligible:    0\n");
	put_vm_flags(out, v->flags);
	kfree(vec);
}

int procfs_show_smaps(struct fmt_buf *out, const struct pseudo_node *n)
{
	struct mm *mm;
	int err = procfs_may_inspect(n->proc);

	if (err)
		return err;
	mm = procfs_mm(n->proc);
	if (!mm)
		return 0;
	err = show_areas(out, mm, put_smaps);
	mm_put(mm);
	return err;
}

int procfs_show_smaps_rollup(struct fmt_buf *out, const struct pseudo_node *n)
{
	struct mm_usage u = { 0 };
	struct mm *mm;
	int err = procfs_may_inspect(n->proc);

	if (err)
		return err;
	mm = procfs_mm(n->proc);
	if (!mm)
		return -ESRCH;
	procfs_usage(mm, &u);
	mm_put(mm);
	fmt_buf_add(out, "%08lx-%08lx ---p 00000000 00:00 0 %*s[rollup]\n",
		    0x10000UL, USER_END, 20, "");
	put_fields(out, u.rss, u.rss - MIN(u.shared, u.rss), u.locked);
	return 0;
}

/* --- mem
 * -------------------------------------------------------------------------------
 */

static s64 mem_transfer_remote(struct process *p, struct uio *u, u64 *pos,
			       bool is_write)
{
	struct mm *mm = procfs_mm(p);
	u8 *buf = mm ? kmalloc(MM_REMOTE_MAX) : NULL;
	s64 total = 0, n = 0;

	while (buf && u->left > 0) {
		u32 want = (u32)MIN(u->left, (u64)MM_REMOTE_MAX);

		if (!user_range_ok(*pos, want))
			break;
		if (is_write && (n = uio_get(u, buf, want)) <= 0)
			break;
		n = mm_remote(mm, is_write ? MM_REMOTE_WRITE : MM_REMOTE_READ,
			      *pos, buf, want);
		if (n > 0 && !is_write)
			n = uio_put(u, buf, (u64)n);
		if (n <= 0)
			break;
		*pos += (u64)n;
		total += n;
		if (n < want)
			break;
	}
	kfree(buf);
	if (mm)
		mm_put(mm);
	return total ? total : n == -EFAULT ? n : -EIO;
}

static s64 mem_transfer(struct file *f, struct uio *u, u64 *pos, bool is_write)
{
	u8 buf[512];
	s64 total = 0;

	if (pseudo_file_node(f)->proc != process_current())
		return mem_transfer_remote(pseudo_file_node(f)->proc, u, pos,
					   is_write);
	while (u->left > 0) {
		size_t want = MIN(u->left, sizeof(buf)), n;
		s64 moved;

		if (!user_range_ok(*pos, want))
			break;
		if (is_write) {
			moved = uio_get(u, buf, want);
			if (moved <= 0)
				return total ? total : moved;
			n = user_copy_out_some(*pos, buf, (size_t)moved);
		} else {
			n = user_copy_in_some(buf, *pos, want);
			moved = n ? uio_put(u, buf, n) : 0;
			if (moved < 0)
				return total ? total : moved;
			n = (size_t)moved;
		}
		*pos += n;
		total += (s64)n;
		if (n < want)
			break;
	}
	return total ? total : -EIO;
}

static s64 mem_read(struct file *f, struct uio *u, u64 *pos)
{
	return mem_transfer(f, u, pos, false);
}

static s64 mem_write(struct file *f, struct uio *u, u64 *pos)
{
	return mem_transfer(f, u, pos, true);
}

static s64 mem_lseek(struct file *f, s64 offset, int whence)
{
	if (whence == 1) /* SEEK_CUR */
		offset += (s64)f->pos;
	else if (whence != 0)
		return -EINVAL;
	f->pos = (u64)offset;
	return offset;
}

const struct file_ops procfs_mem_fops = {
	.name = "mem",
	.read = mem_read,
	.write = mem_write,
	.lseek = mem_lseek,
};
