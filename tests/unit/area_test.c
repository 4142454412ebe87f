/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of address spaces: random mmap, munmap, mprotect, mremap and
 * madvise over real host mappings, compared page by page with an array; then
 * Linux's rules one by one.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/resource.h"
#include "kernel/mm/area.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/inode.h"
#include "tests/unit/stub_plat.h"
#include "tests/unit/stub_process.h"

static struct mm *mm;

/* --- The oracle
 * -------------------------------------------------------------------- */

#define BASE 0x200000000000UL
#define NPAGES 160UL
#define FILE_PAGES 24UL

struct page {
	bool mapped;
	u8 prot;
	bool shared, has_object;
	u64 offset; /* page in the object */
	u64 value;  /* its first word, if private */
};

static struct page pages[NPAGES];
static struct object *object;
static struct file file;
static struct fs fs;
static struct inode inode = { .fs = &fs };
static struct file_ops file_ops;
static u64 file_words[FILE_PAGES + NPAGES]; /* the object's first words */

static uaddr_t at(u64 page)
{
	return BASE + page * PAGE_SIZE;
}

static bool in_file(const struct page *p)
{
	return p->offset < object->size / PAGE_SIZE;
}

static s64 map_pages(u64 page, u64 n, int prot, int flags, struct file *f,
		     u64 offset)
{
	struct map_request r = {
		.addr = at(page),
		.len = n * PAGE_SIZE,
		.prot = prot,
		.flags = flags | MAP_FIXED,
		.file = f,
		.offset = offset * PAGE_SIZE,
	};

	return mm_map(&r);
}

static int random_prot(void)
{
	static const int prots[] = { PROT_NONE, PROT_READ,
				     PROT_READ | PROT_WRITE };

	return prots[rand() % 3];
}

static void do_map(u64 page, u64 n)
{
	int prot = random_prot();
	bool shared = rand() % 2;
	bool has_object = rand() % 2;
	u64 offset = (u64)rand() % FILE_PAGES;

	if (!has_object)
		shared = false;
	assert_int_equal(map_pages(page, n, prot,
				   shared ? MAP_SHARED : MAP_PRIVATE,
				   has_object ? &file : NULL, offset),
			 at(page));
	for (u64 i = 0; i < n; i++) {
		struct page *p = &pages[page + i];

		*p = (struct page){ .mapped = true,
				    .prot = (u8)prot,
				    .shared = shared,
				    .has_object = has_object,
				    .offset = offset + i };
		if (has_object)
			p->value = file_words[p->offset];
	}
}

static void do_unmap(u64 page, u64 n)
{
	assert_int_equal(mm_unmap(at(page), n * PAGE_SIZE), 0);
	memset(&pages[page], 0, n * sizeof(*pages));
}

static void do_protect(u64 page, u64 n)
{
	int prot = random_prot();
	int want = 0;

	for (u64 i = 0; i < n && !want; i++)
		want = pages[page + i].mapped ? 0 : -ENOMEM;
	assert_int_equal(mm_protect(at(page), n * PAGE_SIZE, prot), want);
	for (u64 i = 0; i < n && pages[page + i].mapped; i++)
		pages[page + i].prot = (u8)prot;
}

/* A private mapping of a page that nobody has written follows the file. */
static u64 value_of(const struct page *p)
{
	return p->shared ? file_words[p->offset] : p->value;
}

static bool is_accessible(const struct page *p, int prot)
{
	return p->mapped && (p->prot & prot) && (!p->has_object || in_file(p));
}

static void do_write(u64 page, u64 n)
{
	u64 v = (u64)rand();

	(void)n;
	if (pages[page].has_object && !pages[page].shared && rand() % 2)
		return;
	if (user_copy_out(at(page), &v, 8)) {
		assert_false(is_accessible(&pages[page], 2));
		return;
	}
	assert_true(is_accessible(&pages[page], 2));
	if (pages[page].shared)
		file_words[pages[page].offset] = v;
	else
		pages[page].value = v;
}

static void do_drop(u64 page, u64 n)
{
	bool hole = false;

	for (u64 i = 0; i < n; i++)
		hole |= !pages[page + i].mapped;
	assert_int_equal(mm_advise(at(page), n * PAGE_SIZE, MADV_DONTNEED),
			 hole ? -ENOMEM : 0);
	for (u64 i = 0; i < n; i++) {
		struct page *p = &pages[page + i];

		if (p->mapped && !p->shared)
			p->value = p->has_object ? file_words[p->offset] : 0;
	}
}

static void do_remap(u64 page, u64 n)
{
	u64 to = (u64)rand() % (NPAGES - 20);
	u64 new_n = 1 + (u64)rand() % 12;
	struct page moved[20];
	bool one = true;
	struct area *a;
	s64 ret;

	if (to + new_n > page && page + n > to)
		return;
	/* Which pages are one area is our own business: ask. */
	a = area_find(mm, at(page));
	one = a && a->end >= at(page + n);
	if (new_n > n && one && a->end != at(page + n) && rand() % 2)
		return;
	ret = mm_remap(at(page), n * PAGE_SIZE, new_n * PAGE_SIZE,
		       MREMAP_MAYMOVE | MREMAP_FIXED, at(to));
	if (!one) {
		assert_int_equal(ret, -EFAULT);
		/* Linux, too, has unmapped the target by then only after the
		 * check. */
		return;
	}
	assert_int_equal(ret, at(to));
	for (u64 i = 0; i < new_n; i++) {
		moved[i] = pages[page + MIN(i, n - 1)];
		if (i >= n) {
			moved[i].offset += i - (n - 1);
			moved[i].value = moved[i].has_object
						 ? file_words[moved[i].offset]
						 : 0;
		}
	}
	memset(&pages[page], 0, n * sizeof(*pages));
	memcpy(&pages[to], moved, new_n * sizeof(*pages));
}

/* Private pages of the file that were never written change with it: keep the
 * oracle simple by writing the file only where no private page looks. */
static bool is_watched(u64 offset)
{
	for (u64 i = 0; i < NPAGES; i++) {
		if (pages[i].mapped && pages[i].has_object &&
		    !pages[i].shared && pages[i].offset == offset)
			return true;
	}
	return false;
}

static void check_page(u64 i)
{
	const struct page *p = &pages[i];
	struct area *a = area_find(mm, at(i));
	u64 v = 0;
	bool ok = user_copy_in(&v, at(i), 8) == 0;

	assert_int_equal(a != NULL, p->mapped);
	if (a) {
		assert_int_equal(a->flags & AREA_PROT, p->prot);
		assert_int_equal((a->flags & AREA_SHARED) != 0, p->shared);
		assert_int_equal(a->object != NULL, p->has_object);
		if (a->object)
			assert_int_equal(a->offset / PAGE_SIZE +
						 (at(i) - a->start) / PAGE_SIZE,
					 p->offset);
	}
	if (ok != is_accessible(p, 1))
		fail_msg("page %lu: readable %d, prot %d object %d", i, ok,
			 p->prot, p->has_object);
	if (ok && v != value_of(p))
		fail_msg("page %lu holds %lx, not %lx (shared %d object %d)", i,
			 v, value_of(p), p->shared, p->has_object);
}

static void check_all(void)
{
	u64 total = 0, data = 0;
	struct area *last = NULL;
	u32 n = 0;

	for (u64 i = 0; i < NPAGES; i++)
		check_page(i);
	for (struct rb_node *x = rb_first(&mm->areas); x; x = rb_next(x)) {
		struct area *a = rb_entry(x, struct area, node);

		assert_true(a->start < a->end);
		assert_true(!last || last->end <= a->start);
		last = a;
		n++;
		total += area_pages(a);
		if ((a->flags & (AREA_WRITE | AREA_SHARED)) == AREA_WRITE)
			data += area_pages(a);
	}
	assert_int_equal(n, mm->nareas);
	assert_int_equal(total, mm->total_pages);
	assert_int_equal(data, mm->data_pages);
}

static void file_setup(void)
{
	assert_int_equal(object_new_cache(FILE_PAGES * PAGE_SIZE, &object), 0);
	inode.mode = TYPE_REG;
	inode.object = object;
	ref_init(&file.ref);
	file.ops = &file_ops;
	file.inode = &inode;
	file.can_read = file.can_write = true;
	memset(file_words, 0, sizeof(file_words));
}

static void areas_agree_with_array(void **state)
{
	struct heap_stats before, after;

	(void)state;
	srand(11);
	heap_stats(&before);
	file_setup();
	for (int round = 0; round < 6000; round++) {
		u64 page = (u64)rand() % (NPAGES - 20);
		u64 n = 1 + (u64)rand() % 12;

		switch (rand() % 10) {
		case 0:
		case 1:
			do_map(page, n);
			break;
		case 2:
			do_unmap(page, n);
			break;
		case 3:
			do_protect(page, n);
			break;
		case 4:
			do_drop(page, n);
			break;
		case 5:
			do_remap(page, n);
			break;
		default:
			if (!pages[page].shared ||
			    !is_watched(pages[page].offset))
				do_write(page, n);
		}
		if (round % 8 == 0)
			check_all();
	}
	check_all();
	do_unmap(0, NPAGES);
	assert_int_equal(mm->nareas, 0);
	assert_int_equal(mm->total_pages, 0);
	assert_int_equal(file.ref.count, 1);
	object_put(object);
	heap_stats(&after);
	assert_int_equal(after.nobjects, before.nobjects);
}

/* --- Rules
 * ------------------------------------------------------------------------------
 */

static s64 map_anon(uaddr_t addr, u64 len, int prot, int flags)
{
	struct map_request r = {
		.addr = addr, .len = len, .prot = prot, .flags = flags
	};

	return mm_map(&r);
}

#define RW (PROT_READ | PROT_WRITE)

static void map_checks_arguments(void **state)
{
	(void)state;
	assert_int_equal(map_anon(0, 0, RW, MAP_PRIVATE), -EINVAL);
	assert_int_equal(map_anon(0, 4096, RW, 0), -EINVAL);
	assert_int_equal(map_anon(0, 4096, RW, MAP_SHARED_VALIDATE), -EINVAL);
	assert_int_equal(map_anon(0, ~0UL, RW, MAP_PRIVATE), -ENOMEM);
	assert_int_equal(map_anon(BASE + 1, 1, RW, MAP_PRIVATE | MAP_FIXED),
			 -EINVAL);
	assert_int_equal(map_anon(0, 4096, RW, MAP_PRIVATE | MAP_FIXED),
			 -EPERM);
	assert_int_equal(
		map_anon(USER_END - 4096, 8192, RW, MAP_PRIVATE | MAP_FIXED),
		-ENOMEM);
	assert_int_equal(map_anon(0, 4096, RW, MAP_PRIVATE | MAP_HUGETLB),
			 -ENOMEM);
	assert_int_equal(mm_unmap(BASE + 1, 4096), -EINVAL);
	assert_int_equal(mm_unmap(BASE, 0), -EINVAL);
	assert_int_equal(mm_unmap(BASE, 4096), 0);
	assert_int_equal(mm_protect(BASE, 4096, PROT_READ), -ENOMEM);
	assert_int_equal(mm_advise(BASE, 4096, MADV_DONTNEED), -ENOMEM);
	assert_int_equal(mm_advise(BASE, 4096, 12345), -EINVAL);
	assert_int_equal(mm_advise(BASE, 0, MADV_MERGEABLE), -EINVAL);
	assert_int_equal(mm_sync(BASE, 4096, MS_SYNC | MS_ASYNC), -EINVAL);
	assert_int_equal(mm_sync(BASE, 4096, MS_SYNC), -ENOMEM);
}

static void map_places_areas(void **state)
{
	s64 a, b, c;

	(void)state;
	a = map_anon(0, 3 << 12, RW, MAP_PRIVATE);
	b = map_anon(0, 3 << 12, RW, MAP_PRIVATE);
	assert_true(a > 0 && b == a - (3 << 12));
	assert_int_equal(mm->nareas, 1); /* joined */
	assert_int_equal(mm_unmap((uaddr_t)a, 4096), 0);
	c = map_anon(0, 4096, RW, MAP_PRIVATE); /* the hole is used again */
	assert_int_equal(c, a);
	assert_int_equal(map_anon((uaddr_t)a, 4096, RW,
				  MAP_PRIVATE | MAP_FIXED_NOREPLACE),
			 -EEXIST);
	assert_int_equal(map_anon(BASE, 4096, RW, MAP_PRIVATE), BASE);
	c = map_anon(BASE, 4096, RW, MAP_PRIVATE);
	assert_true(c != (s64)BASE && c > 0);
	assert_int_equal(mm_unmap((uaddr_t)c, 4096), 0);
	c = map_anon(0, 4096, RW, MAP_PRIVATE | MAP_32BIT);
	assert_true(c > 0 && c < 0x80000000L);
	assert_int_equal(mm_unmap((uaddr_t)c, 4096), 0);
	c = map_anon(0, 4UL << 20, RW, MAP_PRIVATE);
	assert_true(IS_ALIGNED((u64)c, 2UL << 20));
	assert_int_equal(mm_unmap((uaddr_t)c, 4UL << 20), 0);
	c = map_anon(0, 4UL << 40, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);
	assert_true(c > 0);
	assert_int_equal(mm_unmap((uaddr_t)c, 4UL << 40), 0);
	assert_int_equal(mm_unmap((uaddr_t)b, 6 << 12), 0);
	assert_int_equal(mm_unmap(BASE, 4096), 0);
	assert_int_equal(mm->nareas, 0);
}

static void map_obeys_limits(void **state)
{
	s64 a;

	(void)state;
	stub_process.limits[RLIMIT_AS] = 1 << 20;
	assert_int_equal(map_anon(0, 2 << 20, RW, MAP_PRIVATE), -ENOMEM);
	a = map_anon(0, 1 << 20, RW, MAP_PRIVATE);
	assert_true(a > 0);
	assert_int_equal(
		map_anon((uaddr_t)a, 1 << 20, RW, MAP_PRIVATE | MAP_FIXED), a);
	assert_int_equal(
		mm_remap((uaddr_t)a, 1 << 20, 2 << 20, MREMAP_MAYMOVE, 0),
		-ENOMEM);
	stub_process.limits[RLIMIT_AS] = LINUX_RLIM_INFINITY;
	stub_process.limits[RLIMIT_DATA] = 2 << 20;
	assert_int_equal(map_anon(0, 2 << 20, RW, MAP_PRIVATE), -ENOMEM);
	stub_process.limits[RLIMIT_DATA] = LINUX_RLIM_INFINITY;
	stub_process.is_capable = false;
	stub_process.limits[RLIMIT_MEMLOCK] = 64 << 10;
	assert_int_equal(map_anon(0, 1 << 20, RW, MAP_PRIVATE | MAP_LOCKED),
			 -EAGAIN);
	assert_int_equal(mm_lock((uaddr_t)a, 1 << 20, true), -ENOMEM);
	assert_int_equal(mm_lock((uaddr_t)a, 32 << 10, true), 0);
	assert_int_equal(mm->locked_pages, 8);
	assert_int_equal(mm->nareas, 2);
	assert_int_equal(mm_advise((uaddr_t)a, 4096, MADV_DONTNEED), -EINVAL);
	assert_int_equal(mm_lock((uaddr_t)a, 32 << 10, false), 0);
	assert_int_equal(mm->nareas, 1);
	stub_process.is_capable = true;
	assert_int_equal(mm_unmap((uaddr_t)a, 1 << 20), 0);
	assert_int_equal(mm->locked_pages, 0);
}

static void brk_grows_and_shrinks(void **state)
{
	u64 v = 5;

	(void)state;
	mm->brk_start = mm->brk = BASE + 100;
	assert_int_equal(mm_brk(0), BASE + 100);
	assert_int_equal(mm_brk(BASE + 10000), BASE + 10000);
	assert_int_equal(user_copy_out(BASE + 8192, &v, 8), 0);
	assert_int_equal(mm_brk(BASE + 50000), BASE + 50000);
	assert_int_equal(mm->nareas, 1);
	assert_int_equal(map_anon(BASE + 65536, 4096, RW, MAP_PRIVATE),
			 BASE + 65536);
	assert_int_equal(mm_brk(BASE + 70000), BASE + 50000);
	assert_int_equal(mm_unmap(BASE + 65536, 4096), 0);
	assert_int_equal(mm_brk(BASE + 5000), BASE + 5000);
	assert_int_equal(user_copy_out(BASE + 8192, &v, 8), -EFAULT);
	assert_int_equal(mm_brk(BASE + 10000), BASE + 10000);
	assert_int_equal(user_copy_in(&v, BASE + 8192, 8), 0);
	assert_int_equal(v, 0);
	assert_int_equal(mm_brk(BASE + 100), BASE + 100);
	assert_int_equal(mm->nareas, 0);
}

static void file_rules(void **state)
{
	struct map_request r = {
		.len = 4096, .prot = RW, .flags = MAP_SHARED, .file = &file
	};
	s64 a;

	(void)state;
	file_setup();
	file.can_write = false;
	assert_int_equal(mm_map(&r), -EACCES);
	r.prot = PROT_READ;
	a = mm_map(&r);
	assert_true(a > 0);
	assert_int_equal(mm_protect((uaddr_t)a, 4096, RW), -EACCES);
	assert_int_equal(mm_unmap((uaddr_t)a, 4096), 0);
	r.flags = MAP_PRIVATE;
	r.prot = RW;
	a = mm_map(&r);
	assert_true(a > 0);
	assert_int_equal(mm_unmap((uaddr_t)a, 4096), 0);
	file.can_read = false;
	assert_int_equal(mm_map(&r), -EACCES);
	file.can_read = file.can_write = true;
	r.offset = 1;
	assert_int_equal(mm_map(&r), -EINVAL);
	r.offset = (u64)INT64_MAX & PAGE_MASK;
	assert_int_equal(mm_map(&r), -EOVERFLOW);
	r.offset = 0;
	r.flags = MAP_SHARED_VALIDATE | MAP_SYNC;
	assert_int_equal(mm_map(&r), -EOPNOTSUPP);
	r.flags = MAP_PRIVATE;
	inode.mode = TYPE_DIR;
	assert_int_equal(mm_map(&r), -ENODEV);
	object_put(object);
}

static void faults_follow_the_file(void **state)
{
	struct plat_fault fault = { .kind = PLAT_FAULT_SEGV_ACCERR };
	struct map_request r = { .len = 8 * PAGE_SIZE,
				 .prot = RW,
				 .flags = MAP_SHARED,
				 .file = &file };
	u64 v = 1;
	int sig, code;
	s64 a;

	(void)state;
	file_setup();
	assert_int_equal(object_resize(object, PAGE_SIZE + 10), 0);
	a = mm_map(&r);
	assert_int_equal(user_copy_out((uaddr_t)a + PAGE_SIZE, &v, 8), 0);
	fault.address = (uaddr_t)a + 2 * PAGE_SIZE;
	assert_false(mm_fault(&fault, &sig, &code));
	assert_int_equal(sig, LINUX_SIGBUS);
	assert_int_equal(code, LINUX_BUS_ADRERR);
	assert_int_equal(object_resize(object, 4 * PAGE_SIZE), 0);
	assert_true(mm_fault(&fault, &sig, &code));
	assert_int_equal(user_copy_out((uaddr_t)a + 3 * PAGE_SIZE, &v, 8), 0);
	assert_int_equal(object_resize(object, 2 * PAGE_SIZE), 0);
	assert_int_equal(user_copy_in(&v, (uaddr_t)a + 3 * PAGE_SIZE, 8),
			 -EFAULT);
	assert_int_equal(user_copy_in(&v, (uaddr_t)a + PAGE_SIZE, 8), 0);
	assert_int_equal(v, 1);
	assert_int_equal(object_resize(object, 4 * PAGE_SIZE), 0);
	fault.address = (uaddr_t)a + 3 * PAGE_SIZE;
	assert_true(mm_fault(&fault, &sig, &code));
	assert_int_equal(user_copy_in(&v, (uaddr_t)a + 3 * PAGE_SIZE, 8), 0);
	assert_int_equal(v, 0);
	assert_int_equal(mm_unmap((uaddr_t)a, 8 * PAGE_SIZE), 0);
	fault.address = (uaddr_t)a;
	assert_false(mm_fault(&fault, &sig, &code));
	assert_int_equal(sig, LINUX_SIGSEGV);
	assert_int_equal(code, LINUX_SEGV_MAPERR);
	object_put(object);
}

static void stacks_grow(void **state)
{
	struct plat_fault fault = { .kind = PLAT_FAULT_SEGV_MAPERR,
				    .error_code = 2 };
	uaddr_t top = BASE + (64UL << 20);
	u64 v = 1;
	int sig, code;

	(void)state;
	stub_process.limits[RLIMIT_STACK] = 16UL << 20;
	assert_int_equal(mm_map_stack(top, 8UL << 20, false), 0);
	fault.address = top - (9UL << 20);
	assert_true(mm_fault(&fault, &sig, &code));
	assert_int_equal(user_copy_out(fault.address, &v, 8), 0);
	fault.address = top - (17UL << 20);
	assert_false(mm_fault(&fault, &sig, &code));
	/* Nobody is placed into the guard gap by a hint. */
	assert_true(map_anon(top - (10UL << 20), 4096, RW, MAP_PRIVATE) !=
		    (s64)(top - (10UL << 20)));
	mm_reset(mm);
	assert_int_equal(mm->nareas, 0);
}

static void futex_keys_meet(void **state)
{
	struct map_request r = { .len = 2 * PAGE_SIZE,
				 .prot = RW,
				 .flags = MAP_SHARED,
				 .file = &file };
	struct futex_key x, y;
	uaddr_t a, b;

	(void)state;
	file_setup();
	a = (uaddr_t)mm_map(&r);
	r.offset = PAGE_SIZE;
	r.len = PAGE_SIZE;
	b = (uaddr_t)mm_map(&r);
	assert_int_equal(mm_futex_key(a + PAGE_SIZE + 8, false, &x), 0);
	assert_int_equal(mm_futex_key(b + 8, false, &y), 0);
	assert_true(x.a == y.a && x.b == y.b);
	assert_int_equal(mm_futex_key(b + 8, true, &y), 0);
	assert_true(x.a != y.a || x.b != y.b);
	assert_int_equal(mm_futex_key(b + 2, false, &y), -EINVAL);
	assert_int_equal(mm_futex_key(BASE, false, &y), -EFAULT);
	mm_reset(mm);
	object_put(object);
}

static void fork_copies_areas(void **state)
{
	struct map_request r = { .len = 2 * PAGE_SIZE,
				 .prot = RW,
				 .flags = MAP_SHARED,
				 .file = &file };
	struct heap_stats before, after;
	struct mm *child;
	uaddr_t a, b;

	(void)state;
	heap_stats(&before);
	file_setup();
	a = (uaddr_t)mm_map(&r);
	b = (uaddr_t)map_anon(0, 4 * PAGE_SIZE, RW, MAP_PRIVATE);
	assert_int_equal(mm_advise(b, PAGE_SIZE, MADV_DONTFORK), 0);
	assert_int_equal(mm_advise(b + PAGE_SIZE, PAGE_SIZE, MADV_WIPEONFORK),
			 0);
	assert_int_equal(mm_advise(a, PAGE_SIZE, MADV_WIPEONFORK), -EINVAL);
	assert_int_equal(mm->nareas, 4);
	assert_int_equal(mm_fork(&child), 0);
	assert_true(mutex_is_locked(&mm->lock));
	mm_fork_finish(child);
	assert_false(mutex_is_locked(&mm->lock));
	assert_int_equal(child->nareas, 3);
	assert_null(area_find(child, b));
	assert_non_null(area_find(child, a));
	mm_put(child);
	/* A child that never ran gives the parent back, too. */
	assert_int_equal(mm_fork(&child), 0);
	mm_put(child);
	assert_false(mutex_is_locked(&mm->lock));
	assert_int_equal(mm->ref.count, 1);
	mm_reset(mm);
	object_put(object);
	heap_stats(&after);
	assert_int_equal(after.nobjects, before.nobjects);
}

static void remap_rules(void **state)
{
	uaddr_t a = (uaddr_t)map_anon(0, 4 * PAGE_SIZE, RW, MAP_PRIVATE);
	u64 v = 9;
	s64 b;

	(void)state;
	assert_int_equal(mm_remap(a, PAGE_SIZE, 0, 0, 0), -EINVAL);
	assert_int_equal(mm_remap(a, 0, PAGE_SIZE, MREMAP_MAYMOVE, 0), -EINVAL);
	assert_int_equal(mm_remap(a + 1, 1, 2, 0, 0), -EINVAL);
	assert_int_equal(mm_remap(a, 1, 1, MREMAP_FIXED, BASE), -EINVAL);
	assert_int_equal(mm_remap(BASE, PAGE_SIZE, PAGE_SIZE, 0, 0), -EFAULT);
	assert_int_equal(
		mm_remap(a, 5 * PAGE_SIZE, 6 * PAGE_SIZE, MREMAP_MAYMOVE, 0),
		-EFAULT);
	assert_int_equal(mm_remap(a, PAGE_SIZE, 2 * PAGE_SIZE, 0, 0), -ENOMEM);
	assert_int_equal(mm_remap(a, 4 * PAGE_SIZE, 2 * PAGE_SIZE, 0, 0), a);
	assert_int_equal(user_copy_out(a, &v, 8), 0);
	assert_int_equal(mm_remap(a, 2 * PAGE_SIZE, 4 * PAGE_SIZE, 0, 0), a);
	b = mm_remap(a, 4 * PAGE_SIZE, 4 * PAGE_SIZE,
		     MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	assert_true(b > 0 && b != (s64)a);
	assert_int_equal(user_copy_in(&v, (uaddr_t)b, 8), 0);
	assert_int_equal(v, 9);
	assert_int_equal(user_copy_in(&v, a, 8), 0);
	assert_int_equal(v, 0);
	mm_reset(mm);
}

/* Shared memory can be mapped twice by mremap(old_len 0). */
static void remap_duplicates(void **state)
{
	uaddr_t a = (uaddr_t)map_anon(0, 2 * PAGE_SIZE, RW, MAP_SHARED);
	s64 b = mm_remap(a, 0, 2 * PAGE_SIZE, MREMAP_MAYMOVE, 0);
	u64 v = 77;

	(void)state;
	assert_true(b > 0);
	assert_int_equal(user_copy_out(a, &v, 8), 0);
	v = 0;
	assert_int_equal(user_copy_in(&v, (uaddr_t)b, 8), 0);
	assert_int_equal(v, 77);
	assert_int_equal(mm_advise(a, PAGE_SIZE, MADV_DONTNEED), 0);
	assert_int_equal(user_copy_in(&v, (uaddr_t)b, 8), 0);
	assert_int_equal(v, 77);
	assert_int_equal(mm_advise(a, PAGE_SIZE, MADV_REMOVE), 0);
	assert_int_equal(user_copy_in(&v, (uaddr_t)b, 8), 0);
	assert_int_equal(v, 0);
	mm_reset(mm);
}

/* Thousands of areas: placement must not walk them all each time. */
static void many_areas(void **state)
{
	s64 a = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		a = map_anon(0, 4096, i % 2 ? PROT_READ : PROT_NONE,
			     MAP_PRIVATE);
		assert_true(a > 0);
	}
	assert_int_equal(mm->nareas, 20000);
	for (int i = 0; i < 20000; i += 2)
		assert_int_equal(mm_unmap((uaddr_t)a + (u64)i * 4096, 4096), 0);
	mm_reset(mm);
}

static int setup(void **state)
{
	(void)state;
	mm_reset(mm);
	return 0;
}

/* These tests unmap ranges wholesale; the leak checker gets lost in that. All
 * they allocate is in the kernel's heap anyway. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(areas_agree_with_array, setup),
		cmocka_unit_test_setup(map_checks_arguments, setup),
		cmocka_unit_test_setup(map_places_areas, setup),
		cmocka_unit_test_setup(map_obeys_limits, setup),
		cmocka_unit_test_setup(brk_grows_and_shrinks, setup),
		cmocka_unit_test_setup(file_rules, setup),
		cmocka_unit_test_setup(faults_follow_the_file, setup),
		cmocka_unit_test_setup(stacks_grow, setup),
		cmocka_unit_test_setup(futex_keys_meet, setup),
		cmocka_unit_test_setup(fork_copies_areas, setup),
		cmocka_unit_test_setup(remap_rules, setup),
		cmocka_unit_test_setup(remap_duplicates, setup),
		cmocka_unit_test_setup(many_areas, setup),
	};

	stub_plat_start();
	heap_init();
	stub_process_start();
	mm = mm_current();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
