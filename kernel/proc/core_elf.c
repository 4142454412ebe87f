/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ELF file of a core dump: one PT_NOTE with registers and facts, one
 * PT_LOAD per area with what its kind and coredump_filter say. Pages that are
 * zero become holes of the file.
 */
#include "kernel/cpu/entry.h"
#include "kernel/cpu/fpu.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/elf.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/coredump.h"
#include "kernel/proc/proc_int.h"
#include "kernel/vfs/vfs.h"

#define NOTE_NAME_SIZE 8 /* "CORE" or "LINUX", padded */
#define FXSAVE_SIZE 512
#define BIG_AREA (64UL << 20) /* look which pages exist first */
#define LOOK_PAGES 16384UL

/* Linux's elf_prstatus and elf_prpsinfo (x86-64). */
struct prstatus {
	s32 signo, code, error;
	s16 cursig, pad;
	u64 sigpend, sighold;
	s32 pid, ppid, pgrp, sid;
	u64 times[8]; /* user, system, of children */
	u64 regs[27];
	s32 fpvalid, pad2;
};
_Static_assert(sizeof(struct prstatus) == 336, "Linux ABI");

struct prpsinfo {
	s8 state, sname, zomb, nice;
	s32 pad;
	u64 flag;
	u32 uid, gid;
	s32 pid, ppid, pgrp, sid;
	char fname[16];
	char psargs[80];
};
_Static_assert(sizeof(struct prpsinfo) == 136, "Linux ABI");

struct core_area {
	uaddr_t start, end;
	u32 flags;
	u64 offset;
	u64 size; /* bytes in the file */
	struct file *file;
	struct object *object;
};

struct core_file {
	struct core_sink sink; /* empty: only count */
	u64 pos, written, limit;
	int err;
	struct process *p;
	const struct core_dump *core;
	struct core_area *areas;
	u32 nareas;
	u8 *page;
};

/* --- Output -------------------------------------------------------------- */

static void put(struct core_file *c, const void *data, u64 n)
{
	struct uio u;
	s64 done = (s64)n;

	if ((!c->sink.file && !c->sink.outside) || c->err) {
		c->pos += n;
		return;
	}
	if (c->written + n > c->limit) {
		c->err = -EFBIG;
		return;
	}
	if (c->sink.file) {
		uio_init_kernel(&u, (void *)(uintptr_t)data, n);
		done = file_write(c->sink.file, &u, &c->pos);
	} else if (core_outside_write(c->sink.outside, data, n, c->pos)) {
		done = -EIO;
	} else {
		c->pos += n;
	}
	if (done != (s64)n)
		c->err = done < 0 ? (int)done : -ENOSPC;
	c->written += n;
	if (thread_work(current()) & WORK_EXIT)
		c->err = -EINTR;
}

static void pad_to(struct core_file *c, u64 align)
{
	const u8 zeros[8] = { 0 };

	if (c->pos % align)
		put(c, zeros, align - c->pos % align);
}

static void note(struct core_file *c, const char *name, u32 type,
		 const void *data, u64 n)
{
	struct elf64_note h = {
		.n_namesz = (u32)strlen(name) + 1,
		.n_descsz = (u32)n,
		.n_type = type,
	};
	char padded[NOTE_NAME_SIZE] = { 0 };

	memcpy(padded, name, strlen(name));
	put(c, &h, sizeof(h));
	put(c, padded, sizeof(padded));
	put(c, data, n);
	pad_to(c, 4);
}

/* --- Notes --------------------------------------------------------------- */

static void set_time(u64 *out, nsec_t t)
{
	out[0] = (u64)(t / NSEC_PER_SEC);
	out[1] = (u64)(t % NSEC_PER_SEC / NSEC_PER_USEC);
}

static s32 parent_pid(const struct process *p)
{
	s32 pid;

	process_tree_lock();
	pid = p->parent ? p->parent->pid : 0;
	process_tree_unlock();
	return pid;
}

static void note_status(struct core_file *c, const struct core_thread *t)
{
	struct process *p = c->p;
	struct prstatus s = {
		.signo = c->core->info->si_signo,
		.cursig = (s16)c->core->info->si_signo,
		.sigpend = t->sig_pending,
		.sighold = t->sig_blocked,
		.pid = t->tid,
		.ppid = parent_pid(p),
		.pgrp = p->pgid,
		.sid = p->sid,
		.fpvalid = 1,
	};

	set_time(s.times, process_cputime(p));
	memcpy(s.regs, &t->frame, sizeof(t->frame));
	s.regs[17] = USER_CS;
	s.regs[20] = USER_SS;
	s.regs[21] = t->fs_base;
	note(c, "CORE", NT_PRSTATUS, &s, sizeof(s));
}

static void note_process(struct core_file *c)
{
	struct process *p = c->p;
	const struct cred *cred = cred_current();
	struct prpsinfo s = {
		.sname = 'R',
		.nice = (s8)current()->nice,
		.uid = cred->uid,
		.gid = cred->gid,
		.pid = p->pid,
		.ppid = parent_pid(p),
		.pgrp = p->pgid,
		.sid = p->sid,
	};
	size_t n = MIN(p->cmdline_len, sizeof(s.psargs) - 1);

	process_comm(p, s.fname);
	memcpy(s.psargs, p->cmdline, n);
	for (size_t i = 0; i < n; i++)
		if (!s.psargs[i])
			s.psargs[i] = ' ';
	note(c, "CORE", NT_PRPSINFO, &s, sizeof(s));
}

/* The name of an area's file, in the page buffer; "" if there is none. */
static const char *area_name(struct core_file *c, const struct core_area *a)
{
	const char *name;
	struct path root;

	path_root(&root);
	name = path_name(&a->file->path, &root, (char *)c->page, PATH_MAX_LEN);
	path_put(&root);
	return name ? name : "";
}

/* Like note(), the size of whose data is not known before. */
static void note_files(struct core_file *c)
{
	struct elf64_note h = { .n_namesz = 5, .n_type = NT_FILE };
	u64 head[2] = { 0, PAGE_SIZE };
	u64 size = sizeof(head);

	for (u32 i = 0; i < c->nareas; i++) {
		if (!c->areas[i].file)
			continue;
		head[0]++;
		size += 3 * sizeof(u64) + strlen(area_name(c, &c->areas[i])) +
			1;
	}
	h.n_descsz = (u32)size;
	put(c, &h, sizeof(h));
	put(c, "CORE\0\0\0", NOTE_NAME_SIZE);
	put(c, head, sizeof(head));
	for (u32 i = 0; i < c->nareas; i++) {
		const struct core_area *a = &c->areas[i];
		u64 row[3] = { a->start, a->end, a->offset / PAGE_SIZE };

		if (a->file)
			put(c, row, sizeof(row));
	}
	for (u32 i = 0; i < c->nareas; i++) {
		const char *name;

		if (!c->areas[i].file)
			continue;
		name = area_name(c, &c->areas[i]);
		put(c, name, strlen(name) + 1);
	}
	pad_to(c, 4);
}

static void notes(struct core_file *c)
{
	const struct core_thread *t;
	bool first = true;

	list_for_each (t, &c->core->threads, node) {
		note_status(c, t);
		if (first) {
			note_process(c);
			note(c, "CORE", NT_SIGINFO, c->core->info,
			     sizeof(*c->core->info));
			note(c, "CORE", NT_AUXV, c->p->auxv,
			     c->p->nauxv * sizeof(u64));
			note_files(c);
		}
		note(c, "CORE", NT_PRFPREG, t->xstate, FXSAVE_SIZE);
		note(c, "LINUX", NT_X86_XSTATE, t->xstate, fpu_dump_size());
		first = false;
	}
}

/* --- Areas --------------------------------------------------------------- */

static bool add_area(struct core_file *c, const struct area *a, u32 max)
{
	struct core_area *out = &c->areas[c->nareas];

	if (c->nareas == max)
		return false;
	out->start = a->start;
	out->end = a->end;
	out->flags = a->flags;
	out->offset = a->offset;
	out->file = a->file;
	out->object = a->object;
	if (a->file)
		file_get(a->file);
	if (a->object)
		object_get(a->object);
	c->nareas++;
	return true;
}

/* Copies of all areas, so that user memory is read without the mm's lock. */
static int take_areas(struct core_file *c)
{
	struct mm *mm = c->p->mm;
	struct area *a;
	u32 max = atomic_load(&mm->nareas) + 16;

	c->areas = kzalloc(max * sizeof(c->areas[0]));
	if (!c->areas)
		return -ENOMEM;
	mutex_lock(&mm->lock);
	for (a = mm_area_at(mm, 0); a; a = mm_area_next(a))
		if (!add_area(c, a, max))
			break;
	mutex_unlock(&mm->lock);
	return 0;
}

static void drop_areas(struct core_file *c)
{
	for (u32 i = 0; i < c->nareas; i++) {
		if (c->areas[i].file)
			file_put(c->areas[i].file);
		if (c->areas[i].object)
			object_put(c->areas[i].object);
	}
	kfree(c->areas);
}

/* Has the program written to a private mapping of a file? */
static bool is_changed(struct core_file *c, const struct core_area *a)
{
	u64 len = a->end - a->start, run;

	if (a->flags & AREA_WRITE)
		return true;
	if ((a->flags & AREA_EXEC) || !a->object || !(a->flags & AREA_READ))
		return false;
	for (u64 at = 0; at < len; at += PAGE_SIZE) {
		u64 offset = a->offset + at;
		u64 n = MIN(PAGE_SIZE, atomic_load(&a->object->size) - offset);
		void *data;

		if (offset >= atomic_load(&a->object->size))
			break;
		data = object_address(a->object, offset, &run);
		if (data && user_copy_in(c->page, a->start + at, n) == 0 &&
		    memcmp(data, c->page, MIN(n, run)) != 0)
			return true;
	}
	return false;
}

static bool is_elf_start(const struct core_area *a)
{
	u32 magic;

	return a->offset == 0 && (a->flags & AREA_READ) &&
	       user_load_u32(&magic, a->start) == 0 &&
	       memcmp(&magic, ELFMAG, SELFMAG) == 0;
}

static u64 dump_size(struct core_file *c, const struct core_area *a)
{
	u32 filter = c->p->coredump_filter;
	u64 whole = a->end - a->start;

	if (a->flags & AREA_VDSO)
		return whole;
	if (a->flags & AREA_DONTDUMP)
		return 0;
	if (a->flags & AREA_SHARED)
		return filter & (a->file && a->file->inode->nlink
					 ? CORE_MAPPED_SHARED
					 : CORE_ANON_SHARED)
			       ? whole
			       : 0;
	if (!a->file)
		return filter & CORE_ANON_PRIVATE ? whole : 0;
	if ((filter & CORE_MAPPED_PRIVATE) ||
	    ((filter & CORE_ANON_PRIVATE) && is_changed(c, a)))
		return whole;
	return (filter & CORE_ELF_HEADERS) && is_elf_start(a) ? PAGE_SIZE : 0;
}

static bool is_zero(const u8 *page)
{
	const u64 *w = (const void *)page;

	for (u32 i = 0; i < PAGE_SIZE / sizeof(u64); i++)
		if (w[i])
			return false;
	return true;
}

/* npages from at on; vec says which of them exist, or NULL: all may. */
static void put_pages(struct core_file *c, uaddr_t at, u64 npages,
		      const u8 *vec)
{
	for (u64 i = 0; i < npages && !c->err; i++) {
		if ((vec && !(vec[i] & 1)) ||
		    user_copy_in(c->page, at + i * PAGE_SIZE, PAGE_SIZE) ||
		    is_zero(c->page))
			c->pos += PAGE_SIZE; /* a hole */
		else
			put(c, c->page, PAGE_SIZE);
	}
}

static void put_area(struct core_file *c, const struct core_area *a)
{
	u64 npages = a->size / PAGE_SIZE;
	u8 *vec = NULL;

	if (!(a->flags & AREA_READ)) {
		c->pos += a->size; /* cannot be read, and rarely holds data */
		return;
	}
	/* What a wake has left is not resident, but not empty. */
	if (a->size > BIG_AREA &&
	    !((a->flags & AREA_SHARED) && plat_cache_is_left()))
		vec = kmalloc(LOOK_PAGES);
	for (u64 i = 0; i < npages && !c->err; i += LOOK_PAGES) {
		u64 n = MIN(npages - i, LOOK_PAGES);
		uaddr_t at = a->start + i * PAGE_SIZE;
		bool known = vec && plat_resident(at, n, vec) == 0;

		put_pages(c, at, n, known ? vec : NULL);
	}
	kfree(vec);
}

/* --- The file ------------------------------------------------------------ */

static void put_header(struct core_file *c)
{
	struct elf64_hdr h = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
			     ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(h),
		.e_ehsize = sizeof(h),
		.e_phentsize = sizeof(struct elf64_phdr),
		.e_phnum = (u16)(c->nareas + 1),
	};

	put(c, &h, sizeof(h));
}

static void put_phdrs(struct core_file *c, u64 notes_at, u64 notes_size)
{
	struct elf64_phdr ph = {
		.p_type = PT_NOTE,
		.p_offset = notes_at,
		.p_filesz = notes_size,
		.p_align = 4,
	};
	u64 at = PAGE_UP(notes_at + notes_size);

	put(c, &ph, sizeof(ph));
	for (u32 i = 0; i < c->nareas; i++) {
		const struct core_area *a = &c->areas[i];

		memset(&ph, 0, sizeof(ph));
		ph.p_type = PT_LOAD;
		ph.p_flags = (a->flags & AREA_READ ? PF_R : 0) |
			     (a->flags & AREA_WRITE ? PF_W : 0) |
			     (a->flags & AREA_EXEC ? PF_X : 0);
		ph.p_offset = at;
		ph.p_vaddr = a->start;
		ph.p_filesz = a->size;
		ph.p_memsz = a->end - a->start;
		ph.p_align = PAGE_SIZE;
		put(c, &ph, sizeof(ph));
		at += a->size;
	}
}

static void write_all(struct core_file *c, const struct core_sink *sink)
{
	u64 notes_at = sizeof(struct elf64_hdr) +
		       (c->nareas + 1) * sizeof(struct elf64_phdr);
	u64 notes_size;

	for (u32 i = 0; i < c->nareas; i++)
		c->areas[i].size = dump_size(c, &c->areas[i]);
	c->pos = notes_at; /* as it will be: padding depends on it */
	notes(c);
	notes_size = c->pos - notes_at;
	c->sink = *sink;
	c->pos = 0;
	put_header(c);
	put_phdrs(c, notes_at, notes_size);
	notes(c);
	c->pos = PAGE_UP(c->pos);
	for (u32 i = 0; i < c->nareas && !c->err; i++)
		if (c->areas[i].size)
			put_area(c, &c->areas[i]);
	if (!c->err && sink->file)
		(void)inode_truncate(sink->file->inode, c->pos, sink->file);
}

int core_write(struct process *p, const struct core_dump *core,
	       const struct core_sink *sink, u64 limit)
{
	struct core_file c = { .p = p, .core = core, .limit = limit };
	int err = -ENOMEM;

	c.page = kpages_alloc(1);
	if (c.page)
		err = take_areas(&c);
	if (!err) {
		write_all(&c, sink);
		drop_areas(&c);
		err = c.err;
	}
	if (sink->outside)
		core_outside_close(sink->outside, c.pos);
	if (c.page)
		kpages_free(c.page, 1);
	return err;
}
