/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files to execute: ELF headers and script lines out of arbitrary bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/layout.h"
#include "kernel/proc/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
	if (!ok)
		abort();
}

/* What the loader relies on. */
static void check_image(const void *phdrs, const struct elf_image *img)
{
	struct elf_segment s;

	check(img->low < img->high && img->high <= USER_END);
	check(img->brk <= img->high && img->align >= PAGE_SIZE);
	check(img->interp_size <= ELF_INTERP_MAX);
	for (u32 i = 0; i < img->phnum; i++) {
		if (!elf_load_segment(phdrs, i, &s))
			continue;
		check(s.filesz <= s.memsz && s.vaddr >= img->low);
		check(s.memsz <= img->high - s.vaddr);
		check(!s.filesz || (s.offset ^ s.vaddr) % PAGE_SIZE == 0);
	}
}

static void fuzz_script(const uint8_t *data, size_t size)
{
	char buf[256], *interp, *arg;
	size_t n = MIN(size, sizeof(buf));

	memset(buf, 0, sizeof(buf));
	memcpy(buf, data, n);
	if (script_parse(buf, n, sizeof(buf), &interp, &arg))
		return;
	check(interp >= buf && strlen(interp) < sizeof(buf));
	check(!arg || (arg > interp && *arg));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_image img;
	void *phdrs;
	size_t need;

	fuzz_script(data, size);
	if (elf_parse_header(data, size, &img))
		return 0;
	need = (size_t)img.phnum * ELF_PHDR_SIZE;
	if (size < ELF_HEADER_SIZE + need)
		return 0;
	phdrs = malloc(need); /* exact: reads past it are seen */
	memcpy(phdrs, data + ELF_HEADER_SIZE, need);
	if (!elf_parse_phdrs(phdrs, &img))
		check_image(phdrs, &img);
	free(phdrs);
	return 0;
}
