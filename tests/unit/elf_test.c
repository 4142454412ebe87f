/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of ELF headers, field by field, and of the first line of scripts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <elf.h>

#include "kernel/layout.h"
#include "kernel/linux/errno.h"
#include "kernel/proc/elf.h"

struct image {
	Elf64_Ehdr e;
	Elf64_Phdr p[4]; /* text, data, interp, stack */
};

/* A sound position-independent program. */
static struct image good(void)
{
	struct image i = {
		.e = { .e_type = ET_DYN,
		       .e_machine = EM_X86_64,
		       .e_entry = 0x1100,
		       .e_phoff = 64,
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 4 },
		.p = { { .p_type = PT_LOAD,
			 .p_flags = PF_R | PF_X,
			 .p_filesz = 0x1800,
			 .p_memsz = 0x1800,
			 .p_align = 0x1000 },
		       { .p_type = PT_LOAD,
			 .p_flags = PF_R | PF_W,
			 .p_offset = 0x2e00,
			 .p_vaddr = 0x3e00,
			 .p_filesz = 0x300,
			 .p_memsz = 0x2000,
			 .p_align = 0x200000 },
		       { .p_type = PT_INTERP,
			 .p_offset = 0x400,
			 .p_filesz = 28 },
		       { .p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W } },
	};

	memcpy(i.e.e_ident, ELFMAG, SELFMAG);
	i.e.e_ident[EI_CLASS] = ELFCLASS64;
	i.e.e_ident[EI_DATA] = ELFDATA2LSB;
	return i;
}

static int parse(const struct image *i, struct elf_image *out)
{
	int err = elf_parse_header(&i->e, sizeof(i->e), out);

	return err ? err : elf_parse_phdrs(i->p, out);
}

static void test_good(void **state)
{
	struct image i = good();
	struct elf_image e;
	struct elf_segment s;

	(void)state;
	assert_int_equal(parse(&i, &e), 0);
	assert_true(e.is_dyn);
	assert_int_equal(e.low, 0);
	assert_int_equal(e.high, 0x6000);
	assert_int_equal(e.brk, 0x5e00);
	assert_int_equal(e.align, 0x200000);
	assert_int_equal(e.phdr_vaddr, 64);
	assert_int_equal(e.interp_size, 28);
	assert_false(e.wants_exec_stack);
	assert_true(elf_load_segment(i.p, 1, &s));
	assert_int_equal(s.prot, 3);
	assert_int_equal(s.memsz, 0x2000);
	assert_false(elf_load_segment(i.p, 2, &s));
}

#define BAD(statement)                                     \
	do {                                               \
		struct image i = good();                   \
		struct elf_image e;                        \
		statement;                                 \
		assert_int_equal(parse(&i, &e), -ENOEXEC); \
	} while (0)

static void test_header(void **state)
{
	struct image whole = good();
	struct elf_image out;

	(void)state;
	assert_int_equal(elf_parse_header(&whole.e, 63, &out), -ENOEXEC);
	BAD(i.e.e_ident[0] = 0);
	BAD(i.e.e_ident[EI_CLASS] = ELFCLASS32);
	BAD(i.e.e_ident[EI_DATA] = ELFDATA2MSB);
	BAD(i.e.e_machine = EM_AARCH64);
	BAD(i.e.e_type = ET_REL);
	BAD(i.e.e_type = ET_CORE);
	BAD(i.e.e_phentsize = 32);
	BAD(i.e.e_phnum = 0);
	BAD(i.e.e_phnum = 0xffff);
	BAD(i.e.e_phoff = ~0UL);
	BAD(i.e.e_entry = 0x6000);
}

static void test_segments(void **state)
{
	(void)state;
	BAD(i.p[1].p_filesz = 0x2001);
	BAD(i.p[1].p_vaddr = ~0UL - 0x1ff);
	BAD(i.p[1].p_memsz = USER_END);
	BAD(i.p[1].p_memsz = ~0UL);
	BAD(i.p[1].p_offset = ~0xfffUL + 0xe00);
	BAD(i.p[1].p_offset = 0x2e01); /* page offsets disagree */
	BAD(i.p[2].p_filesz = 1);
	BAD(i.p[2].p_filesz = 4097);
	BAD(i.p[2].p_offset = ~0UL);
	BAD(i.e.e_type = ET_EXEC); /* at address 0 */
	BAD((i.p[0].p_type = PT_NULL, i.p[1].p_type = PT_NULL));
	BAD((i.p[0].p_memsz = 0, i.p[0].p_filesz = 0, i.p[1].p_memsz = 0,
	     i.p[1].p_filesz = 0));
}

static void test_odd_but_fine(void **state)
{
	struct image i = good();
	struct elf_image e;

	(void)state;
	i.p[1].p_align = 3; /* no power of two: not looked at */
	i.p[3].p_flags = PF_R | PF_W | PF_X;
	i.p[2].p_type = PT_NOTE;
	assert_int_equal(parse(&i, &e), 0);
	assert_int_equal(e.align, PAGE_SIZE);
	assert_true(e.wants_exec_stack);
	assert_int_equal(e.interp_size, 0);
}

/* --- Scripts ------------------------------------------------------------- */

static char *interp, *arg;

static int script(const char *text)
{
	static char buf[64];
	size_t n = strlen(text);

	memset(buf, 0, sizeof(buf));
	memcpy(buf, text, n);
	return script_parse(buf, n, sizeof(buf), &interp, &arg);
}

static void test_script(void **state)
{
	(void)state;
	assert_int_equal(script("#!/bin/sh\necho"), 0);
	assert_string_equal(interp, "/bin/sh");
	assert_null(arg);
	assert_int_equal(script("#! \t/usr/bin/env  python3 -u \t\n"), 0);
	assert_string_equal(interp, "/usr/bin/env");
	assert_string_equal(arg, "python3 -u");
	assert_int_equal(script("#!/bin/sh"), 0); /* ends with the file */
	assert_string_equal(interp, "/bin/sh");
	assert_int_equal(script("#!/bin/sh   \n"), 0);
	assert_null(arg);
	assert_int_equal(script("#!\n/bin/sh"), -ENOEXEC);
	assert_int_equal(script("#!   "), -ENOEXEC);
	assert_int_equal(script("#/bin/sh\n"), -ENOEXEC);
	assert_int_equal(script(""), -ENOEXEC);
}

static void test_long_script(void **state)
{
	char text[64];

	(void)state;
	/* A name that goes on past the buffer is no name. */
	memset(text, 'x', sizeof(text));
	memcpy(text, "#!/", 3);
	assert_int_equal(script_parse(text, 64, 64, &interp, &arg), -ENOEXEC);
	/* An argument may be cut. */
	memset(text, 'x', sizeof(text));
	memcpy(text, "#!/bin/sh ", 10);
	assert_int_equal(script_parse(text, 64, 64, &interp, &arg), 0);
	assert_int_equal(strlen(arg), 53);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_odd_but_fine),
		cmocka_unit_test(test_script),
		cmocka_unit_test(test_long_script),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
