/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second half of exec: the space is empty; map the program, its
 * interpreter and a stack with arguments, environment and auxiliary vector as
 * Linux lays them out, and point the frame at the entry.
 */

#include "kernel/cpu/entry.h"
#include "kernel/cpu/fpu.h"
#include "kernel/cpu/hwcap.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/cpu/vdso.h"
#include "kernel/dev/random.h"
#include "kernel/kernel.h"
#include "kernel/linux/elf.h"
#include "kernel/linux/mman.h"
#include "kernel/linux/resource.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/exec_int.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/file.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

#define DYN_BASE 0x0000555555554000UL /* lowest address of a PIE */
#define RANDOM_PAGES 0x0fffffffUL     /* 28 bits, as x86-64 Linux */
#define STACK_RANDOM GIB(16)
#define BRK_RANDOM MIB(32)
#define PERSONALITY_NO_RANDOM 0x0040000u
#define SIGNAL_FRAME_SIZE 440 /* without the FPU's part */
#define PLATFORM "x86_64"

static u64 random_below(u64 limit)
{
	u64 r;

	if (process_current()->personality & PERSONALITY_NO_RANDOM)
		return 0;
	random_bytes(&r, sizeof(r));
	return r % limit;
}

/* --- Images -------------------------------------------------------------- */

static int map_fixed(uaddr_t addr, u64 len, int prot, struct file *file,
		     u64 offset)
{
	struct map_request r = {
		.addr = addr,
		.len = len,
		.prot = prot,
		.flags = MAP_PRIVATE | MAP_FIXED_NOREPLACE |
			 (file ? 0 : MAP_ANONYMOUS),
		.file = file,
		.offset = offset,
	};
	s64 at = mm_map(&r);

	return at < 0 ? (int)at : 0;
}

/* From the end of the file's bytes to the end of the segment: zeros. */
static int map_bss(const struct elf_segment *s, u64 bias)
{
	u64 start = s->vaddr + s->filesz + bias;
	u64 end = PAGE_UP(s->vaddr + s->memsz + bias);
	u64 page = s->filesz ? PAGE_UP(start) : PAGE_DOWN(start);

	if (s->filesz && page > start && (s->prot & PROT_WRITE) &&
	    user_zero(start, page - start))
		return -EFAULT;
	if (end <= page)
		return 0;
	return map_fixed(page, end - page, s->prot, NULL, 0);
}

static int map_segment(struct exec_image *img, const struct elf_segment *s)
{
	u64 skew = s->vaddr & (PAGE_SIZE - 1);
	int err = 0;

	if (s->filesz)
		err = map_fixed(s->vaddr - skew + img->bias,
				PAGE_UP(s->filesz + skew), s->prot, img->file,
				s->offset - skew);
	if (!err && s->memsz > s->filesz)
		err = map_bss(s, img->bias);
	return err;
}

static int map_image(struct exec_image *img)
{
	struct elf_segment s;
	int err;

	for (u32 i = 0; i < img->elf.phnum; i++) {
		if (!elf_load_segment(img->phdrs, i, &s))
			continue;
		err = map_segment(img, &s);
		if (err)
			return err;
	}
	return 0;
}

/* Where a position-independent program goes. */
static void place_main(struct exec_image *img)
{
	u64 base;

	img->bias = 0;
	if (!img->elf.is_dyn)
		return;
	base = DYN_BASE + (random_below(RANDOM_PAGES) << PAGE_SHIFT);
	img->bias = ROUND_DOWN(base, img->elf.align) - img->elf.low;
}

/* The interpreter goes where the first mapping would: below the stack. */
static void place_interp(struct exec_image *img, const struct mm *mm)
{
	u64 size = img->elf.high - img->elf.low;

	img->bias = 0;
	if (img->elf.is_dyn)
		img->bias = ROUND_DOWN(mm->mmap_top - size, img->elf.align) -
			    img->elf.low;
}

static void place_brk(struct mm *mm, const struct exec_image *img)
{
	u64 brk = PAGE_UP(img->elf.brk + img->bias);

	brk += PAGE_DOWN(random_below(BRK_RANDOM));
	mm->brk_start = brk;
	mm->brk = brk;
}

/* --- The stack ----------------------------------------------------------- */

struct stack_layout {
	uaddr_t execfn, strings, platform, random, sp;
	u64 nwords;
};

static void auxv_add(struct process *p, u64 type, u64 value)
{
	p->auxv[p->nauxv++] = type;
	p->auxv[p->nauxv++] = value;
}

static void fill_auxv(struct exec_state *st, const struct stack_layout *l)
{
	struct process *p = process_current();
	const struct exec_image *m = &st->main;
	const struct cred *c = cred_current();

	p->nauxv = 0;
	if (vdso_base())
		auxv_add(p, AT_SYSINFO_EHDR, vdso_base());
	auxv_add(p, AT_MINSIGSTKSZ, SIGNAL_FRAME_SIZE + fpu_size() + 256);
	auxv_add(p, AT_HWCAP, cpu_hwcap());
	auxv_add(p, AT_PAGESZ, PAGE_SIZE);
	auxv_add(p, AT_CLKTCK, 100);
	auxv_add(p, AT_PHDR,
		 m->elf.phdr_vaddr ? m->elf.phdr_vaddr + m->bias : 0);
	auxv_add(p, AT_PHENT, ELF_PHDR_SIZE);
	auxv_add(p, AT_PHNUM, m->elf.phnum);
	auxv_add(p, AT_BASE,
		 st->interp.file ? st->interp.bias + st->interp.elf.low : 0);
	auxv_add(p, AT_FLAGS, 0);
	auxv_add(p, AT_ENTRY, m->elf.entry + m->bias);
	auxv_add(p, AT_UID, c->uid);
	auxv_add(p, AT_EUID, c->euid);
	auxv_add(p, AT_GID, c->gid);
	auxv_add(p, AT_EGID, c->egid);
	auxv_add(p, AT_SECURE, st->is_secure);
	auxv_add(p, AT_RANDOM, l->random);
	auxv_add(p, AT_HWCAP2, 0);
	auxv_add(p, AT_EXECFN, l->execfn);
	auxv_add(p, AT_PLATFORM, l->platform);
	auxv_add(p, AT_NULL, 0);
}

#define AUXV_WORDS (21 * 2)

static void lay_out(const struct exec_state *st, uaddr_t top,
		    struct stack_layout *l)
{
	const struct exec_args *a = &st->args;
	u64 p;

	l->execfn = top - sizeof(u64) - strlen(st->path) - 1;
	l->strings = l->execfn - a->len;
	p = ROUND_DOWN(l->strings, 16) - random_below(512) * 16;
	l->platform = p - sizeof(PLATFORM);
	l->random = ROUND_DOWN(l->platform, 16) - 16;
	l->nwords = 1 + a->argc + 1 + a->envc + 1 + AUXV_WORDS;
	l->sp = ROUND_DOWN(l->random - l->nwords * sizeof(u64), 16);
}

/* Pointers to the strings of one array; returns the word after the NULL. */
static u64 *put_pointers(u64 *w, u32 n, const char **s, uaddr_t *addr)
{
	for (u32 i = 0; i < n; i++) {
		size_t len = strlen(*s) + 1;

		*w++ = *addr;
		*s += len;
		*addr += len;
	}
	*w++ = 0;
	return w;
}

static int write_words(struct exec_state *st, const struct stack_layout *l)
{
	struct process *p = process_current();
	const char *s = st->args.data;
	uaddr_t addr = l->strings;
	u64 *words = kzalloc(l->nwords * sizeof(u64));
	u64 *w = words;
	int err;

	if (!words)
		return -ENOMEM;
	*w++ = st->args.argc;
	w = put_pointers(w, st->args.argc, &s, &addr);
	w = put_pointers(w, st->args.envc, &s, &addr);
	p->auxv_start = l->sp + (u64)(w - words) * sizeof(u64);
	memcpy(w, p->auxv, p->nauxv * sizeof(u64));
	err = user_copy_out(l->sp, words, l->nwords * sizeof(u64));
	kfree(words);
	return err;
}

static int write_stack(struct exec_state *st, const struct stack_layout *l)
{
	struct process *p = process_current();
	u8 random[16];
	int err;

	random_bytes(random, sizeof(random));
	err = user_copy_out(l->execfn, st->path, strlen(st->path) + 1);
	if (!err)
		err = user_copy_out(l->strings, st->args.data, st->args.len);
	if (!err)
		err = user_copy_out(l->platform, PLATFORM, sizeof(PLATFORM));
	if (!err)
		err = user_copy_out(l->random, random, sizeof(random));
	if (err)
		return err;
	fill_auxv(st, l);
	p->arg_start = l->strings;
	p->arg_end = l->strings + st->args.argv_len;
	p->env_start = p->arg_end;
	p->env_end = l->strings + st->args.len;
	p->stack_start = l->sp;
	return write_words(st, l);
}

int exec_load(struct exec_state *st, struct frame *f)
{
	struct mm *mm = process_current()->mm;
	struct stack_layout l;
	uaddr_t top =
		USER_END - PAGE_SIZE - PAGE_DOWN(random_below(STACK_RANDOM));
	u64 entry;
	int err;

	err = mm_map_stack(top, rlimit_current(RLIMIT_STACK),
			   st->main.elf.wants_exec_stack);
	if (err)
		return err;
	place_main(&st->main);
	err = map_image(&st->main);
	if (err)
		return err;
	entry = st->main.elf.entry + st->main.bias;
	if (st->interp.file) {
		place_interp(&st->interp, mm);
		err = map_image(&st->interp);
		if (err)
			return err;
		entry = st->interp.elf.entry + st->interp.bias;
	}
	place_brk(mm, &st->main);
	lay_out(st, top, &l);
	err = write_stack(st, &l);
	if (err)
		return err;
	memset(f, 0, sizeof(*f));
	f->orig_rax = FRAME_NO_SYSCALL;
	f->rip = entry;
	f->rsp = l.sp;
	f->cs = USER_CS | FRAME_FULL_RESTORE;
	f->ss = USER_SS;
	f->eflags = 0x202; /* interrupts on */
	return 0;
}
