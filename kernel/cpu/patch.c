/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. One instruction of at least five bytes before a
 * `syscall`, with only movable ones between, becomes a jump to a stub; the rest
 * stays in place, so that jumps to it, and to the `syscall`, still work (they
 * trap). The stub does what was replaced and between, and enters the kernel
 * with the address after the `syscall` in rcx. Nobody can ever be inside the
 * replaced instruction, so no thread has to be moved; one interrupted in a stub
 * is mapped back to the equal place in the original (patch_map_back).
 *
 * A site is patched when it has trapped PATCH_AFTER times: patching costs as
 * much as a few traps. Traps of children that end before that count together
 * (the family): what becomes due there the parent patches in itself before it
 * forks again. Stubs live in pools within 2 GiB of their text, in the
 * program's own space, and are never freed before the mm's program is gone.
 */
#include "kernel/cpu/patch.h"

#include "abi/boot.h"
#include "kernel/cpu/entry.h"
#include "kernel/cpu/patch_decode.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/mman.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"

#define PATCH_AFTER 6
#define STUB_SIZE 64
#define POOL_STUBS 256u
#define POOL_SIZE ((u64)POOL_STUBS * STUB_SIZE)
#define SITES_SEEN 256 /* direct-mapped; a collision only delays */
#define REACH 0x7f000000UL
#define FAMILY_SEEN 64
#define FAMILY_HOT 32

struct stub {
	u64 site; /* address of the syscall instruction */
	u8 start; /* bytes before the site that the jump begins */
	u8 n;
	u8 moved[PATCH_INSNS_MAX];    /* offsets in the stub */
	u8 original[PATCH_INSNS_MAX]; /* offsets from the jump */
};

struct pool {
	struct pool *next;
	uaddr_t base; /* POOL_SIZE of stubs, then one page to build text in */
	u32 used;
	struct stub stubs[POOL_STUBS];
};

enum { SITE_DONE = 255 }; /* patched, or cannot be */

struct site_count {
	u32 site; /* low bits */
	u8 count;
};

/* Shared by a program and its forks, as long as they do not exec. */
struct family {
	struct ref ref;
	struct mutex lock;
	u32 nhot; /* only grows */
	struct {
		u64 site, nr;
	} hot[FAMILY_HOT]; /* sites that are due, and a call made there */
	struct site_count seen[FAMILY_SEEN];
};

struct patch_state {
	struct mutex lock;     /* before mm->lock */
	struct pool *pools;    /* published with release; only grows */
	struct family *family; /* from the first fork on */
	u32 nhot;	       /* of the family's are in this text */
	struct site_count seen[SITES_SEEN];
};

static u64 patched; /* sites, all processes */

u64 patch_count(void)
{
	return atomic_load(&patched);
}

/* --- Which sites -------------------------------------------------------------
 */

static struct patch_state *state_get(struct mm *mm)
{
	struct patch_state *s = atomic_load_acquire(&mm->patches);
	struct patch_state *none = NULL;

	if (s)
		return s;
	s = kzalloc(sizeof(*s));
	if (s && !atomic_cmpxchg(&mm->patches, &none, s)) {
		kfree(s);
		s = none;
	}
	return s;
}

static u32 site_slot(u64 site, u32 nslots)
{
	return (u32)(site ^ (site >> 8)) % nslots;
}

/* Count a trap; true if the site's time has come. Races only miscount. */
static bool site_is_due(struct site_count *seen, u32 nseen, u64 site)
{
	struct site_count *c = &seen[site_slot(site, nseen)];

	if (c->site != (u32)site) {
		c->site = (u32)site;
		c->count = 0;
	}
	if (c->count == SITE_DONE)
		return false;
	if (++c->count < PATCH_AFTER)
		return false;
	c->count = SITE_DONE;
	return true;
}

static void family_note(struct family *f, u64 site, u64 nr)
{
	if (!site_is_due(f->seen, FAMILY_SEEN, site))
		return;
	mutex_lock(&f->lock);
	if (f->nhot < FAMILY_HOT) {
		f->hot[f->nhot].site = site;
		f->hot[f->nhot].nr = nr;
		atomic_store_release(&f->nhot, f->nhot + 1);
	}
	mutex_unlock(&f->lock);
}

static struct family *family_new(void)
{
	struct family *f = kzalloc(sizeof(*f));

	if (f)
		ref_init(&f->ref);
	return f;
}

/* mm->lock held: the area of text that may be changed, or NULL. */
static struct area *text_area(struct mm *mm, u64 from, u64 to)
{
	struct area *a = mm_area_at(mm, from);

	if (!a || a->start > from || a->end < to || !(a->flags & AREA_EXEC) ||
	    (a->flags & (AREA_WRITE | AREA_SHARED | AREA_VDSO)))
		return NULL;
	return a;
}

/* --- Pools -------------------------------------------------------------------
 */

static bool in_reach(u64 a, u64 b)
{
	return (a > b ? a - b : b - a) < REACH;
}

static uaddr_t pool_map(uaddr_t hint, u64 site)
{
	struct map_request req = {
		.addr = hint,
		.len = POOL_SIZE + PAGE_SIZE,
		.prot = PROT_READ | PROT_EXEC,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS,
	};
	s64 at = mm_map(&req);

	if (at < 0)
		return 0;
	if (in_reach((u64)at, site))
		return (uaddr_t)at;
	mm_unmap((uaddr_t)at, req.len);
	return 0;
}

/* Memory near the site: where the mm puts it, or at fixed distances. */
static uaddr_t pool_place(u64 site)
{
	static const s64 distances[] = { 1L << 30,    -(1L << 30), 1L << 29,
					 -(1L << 29), 3L << 28,	   -(3L << 28),
					 1L << 28,    -(1L << 28) };
	uaddr_t at = pool_map(0, site);

	for (u32 i = 0; !at && i < ARRAY_SIZE(distances); i++) {
		u64 hint = PAGE_DOWN(site) + (u64)distances[i];

		if (hint >= USER_START && hint < USER_END - MIB(1))
			at = pool_map(hint, site);
	}
	return at;
}

static struct pool *pool_get(struct patch_state *s, u64 site)
{
	struct pool *p;

	for (p = s->pools; p; p = p->next) {
		if (p->used < POOL_STUBS && in_reach(p->base, site))
			return p;
	}
	p = kzalloc(sizeof(*p));
	if (!p)
		return NULL;
	p->base = pool_place(site);
	if (!p->base) {
		kfree(p);
		return NULL;
	}
	p->next = s->pools;
	/* Pairs with patch_map_back(), which takes no lock. */
	atomic_store_release(&s->pools, p);
	return p;
}

/* --- Writing -----------------------------------------------------------------
 */

/* The end of every stub: lea after(%rip),%rcx; movabs $fast_entry,%r11;
 * jmp *%r11. */
static size_t put_entry(u8 *out, u64 to, u64 after)
{
	s32 rel = (s32)(after - (to + 7));
	u64 entry = (u64)fast_entry;

	out[0] = 0x48;
	out[1] = 0x8d;
	out[2] = 0x0d;
	memcpy(out + 3, &rel, 4);
	out[7] = 0x49;
	out[8] = 0xbb;
	memcpy(out + 9, &entry, 8);
	out[17] = 0x41;
	out[18] = 0xff;
	out[19] = 0xe3;
	return 20;
}

/* Replace bytes of the program's text that lie in one page and one area. */
static int text_write_alone(const struct area *a, u64 at, const u8 *p, size_t n)
{
	int prot = (int)(a->flags & 7);
	u64 page = PAGE_DOWN(at);
	int err = plat_protect(page, PAGE_SIZE, prot | PLAT_WRITE);

	if (!err)
		err = user_copy_out_locked(at, p, n);
	(void)plat_protect(page, PAGE_SIZE, prot);
	return err;
}

/* The same while other threads may run there: a copy of the page is moved over
 * it, so that they see all or nothing. */
static int text_write_shared(const struct area *a, u64 at, const u8 *p,
			     size_t n, u64 scratch)
{
	u64 page = PAGE_DOWN(at);
	u8 *copy = kpages_alloc(1);
	int err;

	if (!copy)
		return -ENOMEM;
	err = user_copy_in_locked(copy, page, PAGE_SIZE);
	memcpy(copy + (at - page), p, n);
	if (!err)
		err = plat_map(scratch, PAGE_SIZE, PLAT_READ | PLAT_WRITE,
			       PLAT_ANON, 0);
	if (!err)
		err = user_copy_out_locked(scratch, copy, PAGE_SIZE);
	if (!err)
		err = plat_protect(scratch, PAGE_SIZE, (int)(a->flags & 7));
	if (!err)
		err = plat_move(scratch, PAGE_SIZE, page, PAGE_SIZE);
	kpages_free(copy, 1);
	if (!err)
		plat_sync_cores();
	return err;
}

static int stub_write(struct pool *p, u32 i, const u8 *code, size_t n)
{
	uaddr_t at = p->base + (u64)i * STUB_SIZE;
	u64 page = PAGE_DOWN(at);
	int err;

	/* Others may run stubs of this page: it stays executable. */
	err = plat_protect(page, PAGE_SIZE, PLAT_READ | PLAT_WRITE | PLAT_EXEC);
	if (!err)
		err = user_copy_out(at, code, n);
	(void)plat_protect(page, PAGE_SIZE, PLAT_READ | PLAT_EXEC);
	return err;
}

/* Make stub i for the block that ends at the site: 0 or -errno. */
static int stub_build(struct pool *p, u32 i, const u8 *text,
		      const struct insn_block *b, u64 site)
{
	struct stub *stub = &p->stubs[i];
	u64 to = p->base + (u64)i * STUB_SIZE;
	u8 code[STUB_SIZE];
	size_t n;
	u8 at = 0;

	n = insn_block_move(text, b, site - b->start, code, STUB_SIZE - 20, to,
			    stub->moved);
	if (!n)
		return -ERANGE;
	n += put_entry(code + n, to + n, site + 2);
	stub->site = site;
	stub->start = b->start;
	stub->n = b->n;
	for (u8 k = 0; k < b->n; k++) {
		stub->original[k] = at;
		at += b->insn[k].len;
	}
	return stub_write(p, i, code, n);
}

static int jump_write(struct mm *mm, struct pool *p, u32 i,
		      const struct insn_block *b, u64 site, const u8 *expect)
{
	u8 jump[PATCH_BLOCK_MAX], now[PATCH_BLOCK_MAX];
	u64 at = site - b->start;
	u8 len = b->insn[0].len;
	s32 rel = (s32)(p->base + (u64)i * STUB_SIZE - (at + JMP_SIZE));
	struct area *a;
	int err;

	jump[0] = 0xe9;
	memcpy(jump + 1, &rel, 4);
	memset(jump + JMP_SIZE, 0x90, (size_t)(len - JMP_SIZE));
	if (PAGE_DOWN(at) != PAGE_DOWN(at + len - 1))
		return -ERANGE;
	mutex_lock(&mm->lock);
	a = text_area(mm, at, site + 2);
	/* Another thread may have mapped something else meanwhile. */
	if (!a || user_copy_in_locked(now, at, b->start) ||
	    memcmp(now, expect, b->start) != 0)
		err = -EAGAIN;
	else if (atomic_load(&process_current()->nlive) == 1 &&
		 atomic_load(&mm->ref.count) == 1)
		err = text_write_alone(a, at, jump, len);
	else
		err = text_write_shared(a, at, jump, len, p->base + POOL_SIZE);
	if (!err)
		a->flags |= AREA_PATCHED;
	mutex_unlock(&mm->lock);
	return err;
}

static void site_patch(struct mm *mm, struct patch_state *s, u64 site, u64 nr)
{
	u8 text[PATCH_BLOCK_MAX + 2];
	struct insn_block block;
	struct pool *p;
	struct area *a;
	size_t n;

	mutex_lock(&mm->lock);
	a = text_area(mm, site, site + 2);
	n = a ? MIN(site - a->start, (u64)PATCH_BLOCK_MAX) : 0;
	mutex_unlock(&mm->lock);
	if (!n || user_copy_in(text, site - n, n + 2) || text[n] != 0x0f ||
	    text[n + 1] != 0x05 || !insn_block_find(text, n, nr, &block))
		return;
	p = pool_get(s, site);
	if (!p || stub_build(p, p->used, text + n - block.start, &block, site))
		return;
	/* The stub counts before anyone can run it. */
	atomic_store_release(&p->used, p->used + 1);
	if (!jump_write(mm, p, p->used - 1, &block, site,
			text + n - block.start))
		atomic_fetch_add(&patched, 1);
}

void patch_site(struct frame *f)
{
	struct mm *mm = process_current()->mm;
	u64 site = f->rip - 2;
	struct patch_state *s;
	struct family *family;

	if (unlikely(kernel.boot->flags & BOOT_NO_PATCH) || !mm ||
	    site >= USER_END)
		return;
	s = state_get(mm);
	if (!s)
		return;
	family = atomic_load_acquire(&s->family);
	if (family)
		family_note(family, site, f->orig_rax);
	if (!site_is_due(s->seen, SITES_SEEN, site))
		return;
	mutex_lock(&s->lock);
	site_patch(mm, s, site, f->orig_rax);
	mutex_unlock(&s->lock);
}

/* --- Interrupted in a stub
 * ----------------------------------------------------- */

static u64 stub_map_back(const struct stub *s, u64 offset)
{
	for (u8 k = 0; k < s->n; k++) {
		if (offset <= s->moved[k])
			return s->site - s->start + s->original[k];
	}
	/* All moved instructions are done: about to make the call. */
	return s->site;
}

void patch_map_back(struct frame *f)
{
	struct mm *mm = process_current()->mm;
	struct patch_state *s = mm ? atomic_load_acquire(&mm->patches) : NULL;

	if (!s)
		return;
	for (struct pool *p = atomic_load_acquire(&s->pools); p; p = p->next) {
		u64 offset = f->rip - p->base;

		if (offset >= atomic_load_acquire(&p->used) * STUB_SIZE)
			continue;
		f->rip = stub_map_back(&p->stubs[offset / STUB_SIZE],
				       offset % STUB_SIZE);
		return;
	}
}

/* --- Life of the mm
 * ------------------------------------------------------------ */

/* Patch what the family found due. from->lock held. */
static void family_join(struct mm *mm, struct patch_state *s)
{
	u32 n;

	if (!s->family)
		atomic_store_release(&s->family, family_new());
	if (!s->family)
		return;
	n = atomic_load_acquire(&s->family->nhot);
	for (; unlikely(s->nhot < n); s->nhot++) {
		u64 site = s->family->hot[s->nhot].site;
		u32 i = site_slot(site, SITES_SEEN);

		if (s->seen[i].site == (u32)site &&
		    s->seen[i].count == SITE_DONE)
			continue;
		s->seen[i].site = (u32)site;
		s->seen[i].count = SITE_DONE;
		site_patch(mm, s, site, s->family->hot[s->nhot].nr);
	}
}

static void family_put(struct family *f)
{
	if (f && ref_put(&f->ref))
		kfree(f);
}

int patch_fork(struct mm *parent, struct mm *child)
{
	bool alone = atomic_load(&process_current()->nlive) == 1 &&
		     atomic_load(&parent->ref.count) == 1;
	struct patch_state *from, *to;
	struct pool **link;
	int err = 0;

	if (unlikely(kernel.boot->flags & BOOT_NO_PATCH))
		return 0;
	from = state_get(parent);
	to = from ? kzalloc(sizeof(*to)) : NULL;
	if (!to)
		return -ENOMEM;
	mutex_lock(&from->lock);
	family_join(parent, from);
	if (from->family)
		ref_get(&from->family->ref);
	to->family = from->family;
	to->nhot = from->nhot;
	memcpy(to->seen, from->seen, sizeof(to->seen));
	link = &to->pools;
	for (struct pool *p = from->pools; p && !err; p = p->next) {
		*link = kmalloc(sizeof(*p));
		if (!*link) {
			err = -ENOMEM;
			break;
		}
		memcpy(*link, p,
		       alone ? offsetof(struct pool, stubs[p->used])
			     : sizeof(*p));
		(*link)->next = NULL;
		/* Another thread may add stubs before the pages are copied;
		 * the child must not use their places again. */
		if (!alone)
			(*link)->used = POOL_STUBS;
		link = &(*link)->next;
	}
	mutex_unlock(&from->lock);
	child->patches = to;
	if (err)
		patch_reset(child);
	return err;
}

void patch_reset(struct mm *mm)
{
	struct patch_state *s = mm->patches;
	struct pool *p, *next;

	mm->patches = NULL;
	if (!s)
		return;
	for (p = s->pools; p; p = next) {
		next = p->next;
		kfree(p);
	}
	family_put(s->family);
	kfree(s);
}
