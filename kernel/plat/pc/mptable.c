/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel's MultiProcessor Specification 1.4: processors and interrupt
 * controllers of machines without ACPI. And what both kinds of tables need.
 */
#include "kernel/plat/pc/firmware.h"
#include "lib/string.h"

enum { ENTRY_CPU = 0, ENTRY_IOAPIC = 2, ENTRY_LAST = 4 };
#define HEADER 44u
#define CPU_USABLE 1u
#define IOAPIC_USABLE 1u

bool firmware_sum_ok(const u8 *p, u64 n)
{
	u8 sum = 0;

	for (u64 i = 0; i < n; i++)
		sum = (u8)(sum + p[i]);
	return !sum;
}

u64 firmware_search(firmware_at *at, u64 start, u64 end, const char *signature,
		    u32 len, u32 n)
{
	for (u64 a = ROUND_UP(start, 16UL); a < end && end - a >= n; a += 16) {
		const u8 *p = at(a, n);

		if (p && *p == (u8)*signature && !memcmp(p, signature, len) &&
		    firmware_sum_ok(p, n))
			return a;
	}
	return 0;
}

static void take_cpu(const u8 *p, struct firmware *fw)
{
	if ((p[3] & CPU_USABLE) && fw->ncpus < FIRMWARE_CPUS)
		fw->cpus[fw->ncpus++] = p[1];
}

/* There is no more than one where this is used: it has the first lines. */
static void take_ioapic(const u8 *p, struct firmware *fw)
{
	if ((p[3] & IOAPIC_USABLE) && !fw->nioapics)
		fw->ioapics[fw->nioapics++].address = le32_at(p + 4);
}

static void take_entries(const u8 *p, u32 len, struct firmware *fw)
{
	for (u32 at = HEADER; at < len && p[at] <= ENTRY_LAST;) {
		u32 size = p[at] == ENTRY_CPU ? 20 : 8;

		if (size > len - at)
			return;
		if (p[at] == ENTRY_CPU)
			take_cpu(p + at, fw);
		else if (p[at] == ENTRY_IOAPIC)
			take_ioapic(p + at, fw);
		at += size;
	}
}

bool mptable_read(firmware_at *at, u64 pointer, struct firmware *fw)
{
	const u8 *p = at(pointer, 16), *table;
	u32 len;

	if (!p || memcmp(p, "_MP_", 4) != 0 || !firmware_sum_ok(p, 16))
		return false;
	table = at(le32_at(p + 4), HEADER);
	if (!table || memcmp(table, "PCMP", 4) != 0)
		return false;
	len = le16_at(table + 4);
	if (len < HEADER || !at(le32_at(p + 4), len) ||
	    !firmware_sum_ok(table, len))
		return false;
	fw->apic = le32_at(table + 36);
	take_entries(table, len, fw);
	return true;
}
