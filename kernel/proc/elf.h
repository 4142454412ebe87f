/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What exec needs of an ELF file, checked field by field. Works on buffers
 * alone, so that unit tests and fuzzers reach it.
 */
#ifndef JIFFY_KERNEL_PROC_ELF_H
#define JIFFY_KERNEL_PROC_ELF_H

#include "lib/compiler.h"

#define ELF_HEADER_SIZE 64
#define ELF_PHDR_SIZE 56
#define ELF_PHDRS_MAX (65536 / ELF_PHDR_SIZE)
#define ELF_INTERP_MAX 4096

struct elf_image {
	/* From the file header. */
	bool is_dyn; /* ET_DYN: position-independent */
	u64 entry;   /* unbiased */
	u64 phoff;
	u32 phnum;
	/* From the program headers. */
	u64 low, high;	/* page-aligned range of all segments, unbiased */
	u64 align;	/* the largest segment alignment, >= PAGE_SIZE */
	u64 brk;	/* end of the last byte, unbiased */
	u64 phdr_vaddr; /* where the headers are in memory, or 0 */
	u64 interp_offset, interp_size; /* size 0: no interpreter */
	bool wants_exec_stack;
};

struct elf_segment {
	u64 vaddr, memsz, filesz, offset;
	int prot; /* PROT_* bits (1 read, 2 write, 4 exec) */
};

/* Read the file header out of its first n bytes. 0 or -ENOEXEC. */
int elf_parse_header(const void *data, size_t n, struct elf_image *img);
/* Check the phnum program headers and fill in the rest. 0 or -ENOEXEC. */
int elf_parse_phdrs(const void *phdrs, struct elf_image *img);
/* The i-th program header if it is a non-empty PT_LOAD (checked already). */
bool elf_load_segment(const void *phdrs, u32 i, struct elf_segment *seg);

/* First line of a "#!" script in the first n bytes of data, a buffer of size
 * bytes (n == size: the file may go on): interpreter and its one argument,
 * NUL-terminated in place. 0, or -ENOEXEC: no script, or no complete
 * interpreter name. *arg may be NULL. */
int script_parse(char *data, size_t n, size_t size, char **interp, char **arg);

#endif
