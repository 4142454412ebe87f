/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves the host's vDSO and its data pages to their fixed place, so that a
 * restored instance finds them again, and looks its clock functions up. Runs
 * once at start, before anything else is unmapped.
 */
#include <linux/elf.h>
#include <linux/mman.h>

#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"

#define VDSO_DATA_PAGES_MAX 16
#define VDSO_PAGES_MAX 16

static bool is_mapped(u64 page)
{
	u8 vec;

	return hostcall(__NR_mincore, page, PAGE_SIZE, &vec) == 0;
}

/* Move the mapping that starts at `from`: the host refuses to split it, so the
 * length that works is its own. Its number of pages, or 0. */
static u64 move_mapping(u64 from, u64 to, u64 max_pages)
{
	for (u64 n = 1; n <= max_pages; n++) {
		u64 len = n * PAGE_SIZE;
		s64 at = hostcall(__NR_mremap, from, len, len,
				  MREMAP_MAYMOVE | MREMAP_FIXED, to);

		if (at == (s64)to)
			return n;
	}
	return 0;
}

static const Elf64_Dyn *find_dynamic(u64 base)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)base;
	const Elf64_Phdr *p = (const Elf64_Phdr *)(base + e->e_phoff);

	for (int i = 0; i < e->e_phnum; i++) {
		if (p[i].p_type == PT_DYNAMIC)
			return (const Elf64_Dyn *)(base + p[i].p_offset);
	}
	return NULL;
}

/* A function of the host's vDSO by name; it is small: a linear search. The
 * symbol table ends where the string table begins. */
static u64 find_symbol(u64 base, const char *name)
{
	const Elf64_Dyn *d = find_dynamic(base);
	u64 symbols = 0, strings = 0;

	for (; d && d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_SYMTAB)
			symbols = base + d->d_un.d_ptr;
		if (d->d_tag == DT_STRTAB)
			strings = base + d->d_un.d_ptr;
	}
	if (!symbols || strings <= symbols)
		return 0;
	for (u64 s = symbols; s + sizeof(Elf64_Sym) <= strings;
	     s += sizeof(Elf64_Sym)) {
		const Elf64_Sym *sym = (const Elf64_Sym *)s;

		if (!strcmp((const char *)strings + sym->st_name, name))
			return sym->st_value ? base + sym->st_value : 0;
	}
	return 0;
}

int vdso_host_move(u64 base, u64 stack_end)
{
	u64 low = base, to, n;
	/* The stack may lie below the vDSO, even next to it. */
	u64 bound = base >= stack_end ? stack_end : 0;

	while (low - PAGE_SIZE >= bound && is_mapped(low - PAGE_SIZE) &&
	       base - low < VDSO_DATA_PAGES_MAX * PAGE_SIZE)
		low -= PAGE_SIZE;
	if (base - low > KERNEL_BOOT_BASE - KERNEL_HOSTVDSO_BASE)
		return -EINVAL;
	to = KERNEL_HOSTVDSO_BASE;
	for (u64 at = low; at < base; at += n * PAGE_SIZE) {
		n = move_mapping(at, to + (at - low), (base - at) / PAGE_SIZE);
		if (!n)
			return -EINVAL;
	}
	to += base - low;
	n = move_mapping(base, to, VDSO_PAGES_MAX);
	if (!n)
		return -EINVAL;
	plat_state.vdso_base = to;
	plat_state.vdso_end = to + n * PAGE_SIZE;
	host_vdso = (struct vdso_host){
		(void *)find_symbol(to, "__vdso_clock_gettime"),
		(void *)find_symbol(to, "__vdso_gettimeofday"),
		(void *)find_symbol(to, "__vdso_getcpu"),
	};
	return host_vdso.clock_gettime ? 0 : -ENOSYS;
}
