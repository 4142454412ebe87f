/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the symbol table of the kernel file, which is ours and trusted, but
 * checked against its size: a truncated file must not crash a crash report.
 */
#include "monitor/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cleanup.h"

struct symbols {
	const char *map;
	size_t size;
	const Elf64_Sym *syms;
	size_t nsyms;
	const char *names;
	size_t names_size;
};

static const void *at(const struct symbols *s, uint64_t offset, uint64_t len)
{
	if (offset > s->size || len > s->size - offset)
		return NULL;
	return s->map + offset;
}

static int find_table(struct symbols *s)
{
	const Elf64_Ehdr *eh = at(s, 0, sizeof(*eh));
	const Elf64_Shdr *sh;

	if (!eh || memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0)
		return -1;
	sh = at(s, eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(*sh));
	for (int i = 0; sh && i < eh->e_shnum; i++) {
		if (sh[i].sh_type != SHT_SYMTAB || sh[i].sh_link >= eh->e_shnum)
			continue;
		s->syms = at(s, sh[i].sh_offset, sh[i].sh_size);
		s->nsyms = sh[i].sh_size / sizeof(*s->syms);
		s->names_size = sh[sh[i].sh_link].sh_size;
		s->names = at(s, sh[sh[i].sh_link].sh_offset, s->names_size);
		return s->syms && s->names ? 0 : -1;
	}
	return -1;
}

struct symbols *symbols_load(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct symbols *s;
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st) || st.st_size == 0)
		return NULL;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	s = calloc(1, sizeof(*s));
	if (map == MAP_FAILED || !s) {
		free(s);
		return NULL;
	}
	s->map = map;
	s->size = (size_t)st.st_size;
	if (find_table(s)) {
		symbols_free(s);
		return NULL;
	}
	return s;
}

void symbols_free(struct symbols *s)
{
	if (!s)
		return;
	munmap((void *)(uintptr_t)s->map, s->size);
	free(s);
}

void symbols_name(const struct symbols *s, uint64_t addr, char *buf,
		  size_t size)
{
	const Elf64_Sym *best = NULL;

	for (size_t i = 0; s && i < s->nsyms; i++) {
		const Elf64_Sym *sym = &s->syms[i];
		int type = ELF64_ST_TYPE(sym->st_info);

		if ((type != STT_FUNC && type != STT_NOTYPE) ||
		    sym->st_value > addr || sym->st_name >= s->names_size ||
		    s->names[sym->st_name] == '\0')
			continue;
		if (!best || sym->st_value > best->st_value)
			best = sym;
	}
	if (best && addr - best->st_value < (1u << 20))
		snprintf(buf, size, "%.64s+%#llx", s->names + best->st_name,
			 (unsigned long long)(addr - best->st_value));
	else
		snprintf(buf, size, "%#llx", (unsigned long long)addr);
}
