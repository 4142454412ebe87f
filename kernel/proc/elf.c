/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of ELF and script headers: pure functions over bytes of files that
 * nobody has vouched for.
 */
#include "kernel/proc/elf.h"

#include "kernel/layout.h"
#include "kernel/linux/elf.h"
#include "kernel/linux/errno.h"
#include "lib/ckd.h"
#include "lib/string.h"

_Static_assert(sizeof(Elf64_Ehdr) == ELF_HEADER_SIZE, "ELF64");
_Static_assert(sizeof(Elf64_Phdr) == ELF_PHDR_SIZE, "ELF64");

int elf_parse_header(const void *data, size_t n, struct elf_image *img)
{
	Elf64_Ehdr h;

	memset(img, 0, sizeof(*img));
	if (n < sizeof(h))
		return -ENOEXEC;
	memcpy(&h, data, sizeof(h));
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 ||
	    h.e_ident[EI_CLASS] != ELFCLASS64 ||
	    h.e_ident[EI_DATA] != ELFDATA2LSB || h.e_machine != EM_X86_64)
		return -ENOEXEC;
	if (h.e_type != ET_EXEC && h.e_type != ET_DYN)
		return -ENOEXEC;
	if (h.e_phentsize != sizeof(Elf64_Phdr) || h.e_phnum == 0 ||
	    h.e_phnum > ELF_PHDRS_MAX || h.e_phoff > INT64_MAX)
		return -ENOEXEC;
	img->is_dyn = h.e_type == ET_DYN;
	img->entry = h.e_entry;
	img->phoff = h.e_phoff;
	img->phnum = h.e_phnum;
	return 0;
}

static void get_phdr(const void *phdrs, u32 i, Elf64_Phdr *ph)
{
	memcpy(ph, (const char *)phdrs + (size_t)i * sizeof(*ph), sizeof(*ph));
}

static int check_load(const Elf64_Phdr *ph)
{
	u64 end;

	if (ph->p_filesz > ph->p_memsz ||
	    ckd_add(&end, ph->p_vaddr, ph->p_memsz) || end > USER_END)
		return -ENOEXEC;
	if (ckd_add(&end, ph->p_offset, ph->p_filesz) || end > INT64_MAX)
		return -ENOEXEC;
	/* The file offset must agree with the address within a page. */
	if (ph->p_filesz && ((ph->p_vaddr ^ ph->p_offset) & (PAGE_SIZE - 1)))
		return -ENOEXEC;
	return 0;
}

static void note_load(struct elf_image *img, const Elf64_Phdr *ph)
{
	u64 end = ph->p_vaddr + ph->p_memsz;
	u64 align = ph->p_align;

	img->low = MIN(img->low, PAGE_DOWN(ph->p_vaddr));
	img->high = MAX(img->high, PAGE_UP(end));
	img->brk = MAX(img->brk, end);
	if (align > img->align && (align & (align - 1)) == 0 && align <= GIB(1))
		img->align = align;
	if (img->phoff >= ph->p_offset &&
	    img->phoff - ph->p_offset < ph->p_filesz)
		img->phdr_vaddr = img->phoff - ph->p_offset + ph->p_vaddr;
}

static int note_phdr(struct elf_image *img, const Elf64_Phdr *ph)
{
	int err;

	switch (ph->p_type) {
	case PT_LOAD:
		if (ph->p_memsz == 0)
			return 0;
		err = check_load(ph);
		if (err)
			return err;
		note_load(img, ph);
		return 0;
	case PT_INTERP:
		if (img->interp_size != 0)
			return 0; /* the first one counts */
		if (ph->p_filesz < 2 || ph->p_filesz > ELF_INTERP_MAX ||
		    ph->p_offset > INT64_MAX - ELF_INTERP_MAX)
			return -ENOEXEC;
		img->interp_offset = ph->p_offset;
		img->interp_size = ph->p_filesz;
		return 0;
	case PT_GNU_STACK:
		img->wants_exec_stack = (ph->p_flags & PF_X) != 0;
		return 0;
	default:
		return 0;
	}
}

int elf_parse_phdrs(const void *phdrs, struct elf_image *img)
{
	Elf64_Phdr ph;
	int err;

	img->low = UINT64_MAX;
	img->high = 0;
	img->align = PAGE_SIZE;
	for (u32 i = 0; i < img->phnum; i++) {
		get_phdr(phdrs, i, &ph);
		err = note_phdr(img, &ph);
		if (err)
			return err;
	}
	if (img->high == 0) /* nothing to load */
		return -ENOEXEC;
	if (!img->is_dyn && img->low < USER_START)
		return -ENOEXEC;
	if (img->entry < img->low || img->entry >= img->high)
		return -ENOEXEC;
	return 0;
}

bool elf_load_segment(const void *phdrs, u32 i, struct elf_segment *seg)
{
	Elf64_Phdr ph;

	get_phdr(phdrs, i, &ph);
	if (ph.p_type != PT_LOAD || ph.p_memsz == 0)
		return false;
	seg->vaddr = ph.p_vaddr;
	seg->memsz = ph.p_memsz;
	seg->filesz = ph.p_filesz;
	seg->offset = ph.p_offset;
	seg->prot = (ph.p_flags & PF_R ? 1 : 0) | (ph.p_flags & PF_W ? 2 : 0) |
		    (ph.p_flags & PF_X ? 4 : 0);
	return true;
}

/* --- Scripts ------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

int script_parse(char *data, size_t n, size_t size, char **interp, char **arg)
{
	char *end, *p;
	bool is_cut = false;

	if (n < 4 || data[0] != '#' || data[1] != '!')
		return -ENOEXEC;
	end = memchr(data, '\n', n);
	if (!end) {
		is_cut = n == size; /* one byte goes for the NUL */
		end = data + (is_cut ? n - 1 : n);
	}
	while (end > data + 2 && is_blank(end[-1]) && !is_cut)
		end--;
	*end = '\0';
	for (p = data + 2; p < end && is_blank(*p); p++)
		;
	if (p == end || *p == '\0')
		return -ENOEXEC;
	*interp = p;
	while (*p && !is_blank(*p))
		p++;
	if (*p == '\0') {
		*arg = NULL;
		/* Perhaps only the beginning of a longer name. */
		return is_cut ? -ENOEXEC : 0;
	}
	*p++ = '\0';
	while (is_blank(*p))
		p++;
	*arg = *p ? p : NULL;
	return 0;
}
