/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware's tables: machines as hypervisors describe them, and tables that
 * lie. Each test lays its tables out in a small physical memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/plat/pc/firmware.h"

#define SIZE 0x4000u
#define RSDP 0x100u
#define ROOT 0x200u
#define FADT 0x400u
#define DSDT 0x1000u
#define MADT 0x2000u
#define MCFG 0x2400u

static u8 memory[SIZE];
static struct firmware fw;

static const void *at(u64 address, u64 len)
{
	if (address > SIZE || len > SIZE - address)
		return NULL;
	return memory + address;
}

static void put(u32 where, u64 v, u32 n)
{
	memcpy(memory + where, &v, n);
}

static void sum(u32 start, u32 len, u32 where)
{
	u8 s = 0;

	memory[start + where] = 0;
	for (u32 i = 0; i < len; i++)
		s = (u8)(s + memory[start + i]);
	memory[start + where] = (u8)-s;
}

static void table(u32 where, const char *signature, u32 len)
{
	memcpy(memory + where, signature, 4);
	put(where + 4, len, 4);
	sum(where, len, 9);
}

/* RSDP and XSDT with the n tables that follow. */
static void root(u32 n, ...)
{
	va_list ap;

	memcpy(memory + RSDP, "RSD PTR ", 8);
	memory[RSDP + 15] = 2;
	put(RSDP + 20, 36, 4);
	put(RSDP + 24, ROOT, 8);
	sum(RSDP, 20, 8);
	sum(RSDP, 36, 32);
	va_start(ap, n);
	for (u32 i = 0; i < n; i++)
		put(ROOT + 36 + 8 * i, va_arg(ap, u32), 8);
	va_end(ap);
	table(ROOT, "XSDT", 36 + 8 * n);
}

static int clear(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	memset(&fw, 0, sizeof(fw));
	return 0;
}

/* --- Well-formed machines ----------------------------------------------------
 */

/* A device's name, memory and line as in a DSDT; where the next one goes. */
static u32 virtio(u32 p, u64 address, u32 size, u8 flags, u32 line)
{
	static const u8 tags[] = { 0x86, 9, 0, 1 }, irq[] = { 0x89, 6, 0 };

	memcpy(memory + p, "LNRO0005", 9);
	memcpy(memory + p + 20, tags, 4);
	put(p + 24, address, 4);
	put(p + 28, size, 4);
	memcpy(memory + p + 32, irq, 3);
	memory[p + 35] = flags;
	memory[p + 36] = 1;
	put(p + 37, line, 4);
	memory[p + 41] = 0x79;
	return p + 43;
}

static void fadt(u32 flags, u32 len)
{
	put(FADT + 40, DSDT, 4);
	put(FADT + 64, 0x604, 4);
	put(FADT + 112, flags, 4);
	table(FADT, "FACP", len);
}

/* A GAS: space, width, address. */
static void gas(u32 where, u8 space, u8 width, u64 address)
{
	memory[where] = space;
	memory[where + 1] = width;
	put(where + 4, address, 8);
}

static void test_reduced_machine(void **state)
{
	u32 end = virtio(DSDT + 36, 0xfeb00000, 0x200, 1, 24);

	(void)state;
	end = virtio(end, 0xfeb00200, 0x200, 7, 25);
	table(DSDT, "DSDT", end - DSDT);
	gas(FADT + 244, 0, 8, 0xfea00200);
	gas(FADT + 116, 1, 8, 0x606);
	memory[FADT + 128] = 0x42;
	fadt(1u << 20 | 1u << 10, 276);
	root(1, FADT);
	assert_true(acpi_read(at, RSDP, &fw));
	assert_int_equal(fw.nbroken, 0);
	assert_int_equal(fw.nvirtio, 2);
	assert_int_equal(fw.virtio[0].address, 0xfeb00000);
	assert_int_equal(fw.virtio[0].size, 0x200);
	assert_int_equal(fw.virtio[0].line.number, 24);
	assert_true(fw.virtio[0].line.is_level && !fw.virtio[0].line.is_low);
	assert_int_equal(fw.virtio[1].address, 0xfeb00200);
	assert_true(!fw.virtio[1].line.is_level && fw.virtio[1].line.is_low);
	assert_int_equal(fw.sleep.address, 0xfea00200);
	assert_false(fw.sleep.is_port);
	assert_int_equal(fw.reset.address, 0x606);
	assert_true(fw.reset.is_port);
	assert_int_equal(fw.reset_value, 0x42);
	assert_int_equal(fw.pm1a, 0); /* there is none */
	assert_int_equal(fw.off_type, 5);
}

static void test_classic_machine(void **state)
{
	static const u8 off[] = { '_', 'S',  '5', '_', 0x12, 6,
				  4,   0x0a, 3,	  0,   0,    0 };
	static const u8 window[] = { 0x41, 0xd0, 0x0a, 0x08, 0,	   0x87, 0x17,
				     0,	   0,	 0x0c, 3,    0,	   0,	 0,
				     0,	   0,	 0,    0,    0xc0, 0xff, 0xff,
				     0xff, 0xdf, 0,    0,    0,	   0,	 0,
				     0,	   0,	 0x20 };

	(void)state;
	memcpy(memory + DSDT + 40, off, sizeof(off));
	memcpy(memory + DSDT + 80, window, sizeof(window));
	table(DSDT, "DSDT", 200);
	fadt(0, 116);
	put(MCFG + 44, 0xb0000000, 8);
	memory[MCFG + 55] = 0xff;
	table(MCFG, "MCFG", 60);
	root(2, FADT, MCFG);
	assert_true(acpi_read(at, RSDP, &fw));
	assert_int_equal(fw.pm1a, 0x604);
	assert_int_equal(fw.off_type, 3);
	assert_int_equal(fw.ecam, 0xb0000000);
	assert_int_equal(fw.first_bus, 0);
	assert_int_equal(fw.last_bus, 0xff);
	assert_int_equal(fw.window, 0xc0000000);
	assert_int_equal(fw.window_size, 0x20000000);
	assert_int_equal(fw.nvirtio, 0);
}

static void cpu(u32 *p, u8 id, u32 flags)
{
	memory[*p] = 0;
	memory[*p + 1] = 8;
	memory[*p + 3] = id;
	put(*p + 4, flags, 4);
	*p += 8;
}

static void test_cpus_and_lines(void **state)
{
	u32 p = MADT + 44;

	(void)state;
	put(MADT + 36, 0xfee00000, 4);
	cpu(&p, 0, 1);
	cpu(&p, 1, 2); /* may be plugged in */
	cpu(&p, 2, 1);
	memory[p] = 1;
	memory[p + 1] = 12;
	put(p + 4, 0xfec00000, 4);
	p += 12;
	memory[p] = 2;
	memory[p + 1] = 10;
	memory[p + 3] = 5;
	put(p + 4, 9, 4);
	put(p + 8, 0xd, 2);
	p += 10;
	table(MADT, "APIC", p - MADT);
	root(1, MADT);
	assert_true(acpi_read(at, RSDP, &fw));
	assert_int_equal(fw.ncpus, 2);
	assert_int_equal(fw.cpus[0], 0);
	assert_int_equal(fw.cpus[1], 2);
	assert_int_equal(fw.apic, 0xfee00000);
	assert_int_equal(fw.nioapics, 1);
	assert_int_equal(fw.ioapics[0].address, 0xfec00000);
	assert_int_equal(fw.noverrides, 1);
	assert_int_equal(fw.overrides[0].irq, 5);
	assert_int_equal(fw.overrides[0].line.number, 9);
	assert_true(fw.overrides[0].line.is_level);
	assert_false(fw.overrides[0].line.is_low);
}

static void test_mptable(void **state)
{
	(void)state;
	memcpy(memory + 0x400, "_MP_", 4);
	put(0x404, 0x800, 4);
	memory[0x408] = 1;
	sum(0x400, 16, 10);
	memcpy(memory + 0x800, "PCMP", 4);
	put(0x804, 44 + 20 + 20 + 8, 2);
	put(0x824, 0xfee00000, 4);
	memory[0x800 + 44 + 3] = 3;
	memory[0x800 + 64 + 1] = 1;
	memory[0x800 + 64 + 3] = 1;
	memory[0x800 + 84] = 2;
	memory[0x800 + 84 + 3] = 1;
	put(0x800 + 88, 0xfec00000, 4);
	sum(0x800, 44 + 48, 7);
	assert_int_equal(firmware_search(at, 3, SIZE, "_MP_", 4, 16), 0x400);
	assert_true(mptable_read(at, 0x400, &fw));
	assert_int_equal(fw.ncpus, 2);
	assert_int_equal(fw.cpus[1], 1);
	assert_int_equal(fw.nioapics, 1);
	assert_int_equal(fw.ioapics[0].address, 0xfec00000);
}

/* --- Lies --------------------------------------------------------------------
 */

static void test_no_root(void **state)
{
	(void)state;
	assert_false(acpi_read(at, RSDP, &fw));
	root(0);
	memory[RSDP + 10]++;
	assert_false(acpi_read(at, RSDP, &fw));
	memory[RSDP + 10]--;
	assert_true(acpi_read(at, RSDP, &fw));
	assert_false(acpi_read(at, SIZE - 4, &fw));
	assert_false(mptable_read(at, 0, &fw));
}

static void test_old_root(void **state)
{
	(void)state;
	root(0);
	/* The second sum is wrong: its address is not believed. */
	memory[RSDP + 33]++;
	put(RSDP + 16, ROOT, 4);
	sum(RSDP, 20, 8);
	assert_false(acpi_read(at, RSDP, &fw)); /* an XSDT is no RSDT */
	put(ROOT + 36, MADT, 4);
	table(MADT, "APIC", 44);
	table(ROOT, "RSDT", 40);
	assert_true(acpi_read(at, RSDP, &fw));
	assert_int_equal(fw.nbroken, 0);
}

static void test_broken_tables(void **state)
{
	u32 p = MADT + 44;

	(void)state;
	cpu(&p, 7, 1);
	table(MADT, "APIC", p - MADT);
	memory[MADT + 20]++;
	table(MCFG, "MCFG", 0x100);
	put(MCFG + 4, 0x80000000, 4); /* far beyond memory */
	put(DSDT + 4, 4, 4);	      /* shorter than a header */
	fadt(0, 116);
	root(4, MADT, MCFG, FADT, 0xfffffff0u);
	assert_true(acpi_read(at, RSDP, &fw));
	assert_int_equal(fw.nbroken, 4);
	assert_string_equal(fw.broken, "????");
	assert_int_equal(fw.ncpus, 0);
	assert_int_equal(fw.ecam, 0);
}

static void test_broken_entries(void **state)
{
	u32 p = MADT + 44;

	(void)state;
	cpu(&p, 1, 1);
	memory[p + 1] = 0; /* no length: would never end */
	table(MADT, "APIC", p + 2 - MADT);
	root(1, MADT);
	assert_true(acpi_read(at, RSDP, &fw));
	assert_int_equal(fw.ncpus, 1);
	memory[p] = 0; /* reaches beyond the table */
	memory[p + 1] = 8;
	table(MADT, "APIC", p + 4 - MADT);
	memset(&fw, 0, sizeof(fw));
	assert_true(acpi_read(at, RSDP, &fw));
	assert_int_equal(fw.ncpus, 1);
}

static void test_too_many(void **state)
{
	u32 p = MADT + 44;

	(void)state;
	for (u32 i = 0; i < 100; i++)
		cpu(&p, (u8)i, 1);
	table(MADT, "APIC", p - MADT);
	root(1, MADT);
	assert_true(acpi_read(at, RSDP, &fw));
	assert_int_equal(fw.ncpus, FIRMWARE_CPUS);
}

/* Without its memory or line, or cut at the table's end. */
static void test_broken_virtio(void **state)
{
	u32 end = virtio(DSDT + 36, 0, 0x200, 1, 24);
	u32 cut;

	(void)state;
	cut = virtio(end, 0xfeb00000, 0x200, 1, 24);
	memcpy(memory + cut, "LNRO0005", 8);
	fadt(0, 116);
	root(1, FADT);
	for (u32 n = end; n < cut + 8; n++) {
		table(DSDT, "DSDT", n - DSDT);
		memset(&fw, 0, sizeof(fw));
		assert_true(acpi_read(at, RSDP, &fw));
		assert_int_equal(fw.nbroken, 0);
		assert_int_equal(fw.nvirtio, n >= cut - 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_reduced_machine, clear),
		cmocka_unit_test_setup(test_classic_machine, clear),
		cmocka_unit_test_setup(test_cpus_and_lines, clear),
		cmocka_unit_test_setup(test_mptable, clear),
		cmocka_unit_test_setup(test_no_root, clear),
		cmocka_unit_test_setup(test_old_root, clear),
		cmocka_unit_test_setup(test_broken_tables, clear),
		cmocka_unit_test_setup(test_broken_entries, clear),
		cmocka_unit_test_setup(test_too_many, clear),
		cmocka_unit_test_setup(test_broken_virtio, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
