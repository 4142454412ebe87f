/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI's tables (ACPI 6.4, sections 5.2 and 6.4). There is no interpreter of
 * its language: what is needed of the DSDT (virtio devices, the state "soft
 * off", the window for PCI devices) is found by its bytes.
 */
#include "kernel/plat/pc/firmware.h"
#include "lib/string.h"

#define HEADER 36u
#define TABLE_MAX MIB(1)
#define TABLES_MAX 64u

/* --- MADT (5.2.12) ---------------------------------------------------------
 */

enum {
	MADT_APIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_APIC_ADDRESS = 5,
	MADT_X2APIC = 9
};
#define CPU_USABLE 1u /* now; not: if it is plugged in */

static void add_cpu(struct firmware *fw, u32 id, u32 flags)
{
	if ((flags & CPU_USABLE) && fw->ncpus < FIRMWARE_CPUS)
		fw->cpus[fw->ncpus++] = id;
}

static void madt_apic(const u8 *p, struct firmware *fw)
{
	add_cpu(fw, p[3], le32_at(p + 4));
}

static void madt_x2apic(const u8 *p, struct firmware *fw)
{
	add_cpu(fw, le32_at(p + 4), le32_at(p + 8));
}

static void madt_ioapic(const u8 *p, struct firmware *fw)
{
	if (fw->nioapics < FIRMWARE_IOAPICS)
		fw->ioapics[fw->nioapics++] =
			(struct firmware_ioapic){ .address = le32_at(p + 4),
						  .first = le32_at(p + 8) };
}

static void madt_override(const u8 *p, struct firmware *fw)
{
	u16 flags = le16_at(p + 8);

	if (p[2] || fw->noverrides == FIRMWARE_OVERRIDES)
		return; /* of another bus than ISA */
	fw->overrides[fw->noverrides].irq = p[3];
	fw->overrides[fw->noverrides++].line =
		(struct firmware_line){ .number = le32_at(p + 4),
					.is_level = (flags >> 2 & 3) == 3,
					.is_low = (flags & 3) == 3 };
}

static void madt_address(const u8 *p, struct firmware *fw)
{
	fw->apic = le64_at(p + 4);
}

static const struct {
	u8 type, size;
	void (*take)(const u8 *p, struct firmware *fw);
} madt_entries[] = {
	{ MADT_APIC, 8, madt_apic },
	{ MADT_IOAPIC, 12, madt_ioapic },
	{ MADT_OVERRIDE, 10, madt_override },
	{ MADT_APIC_ADDRESS, 12, madt_address },
	{ MADT_X2APIC, 16, madt_x2apic },
};

static void take_madt(const u8 *p, u32 len, struct firmware *fw)
{
	if (len < HEADER + 8)
		return;
	fw->apic = le32_at(p + HEADER);
	for (u32 at = HEADER + 8; at + 2 <= len;) {
		u32 size = p[at + 1];

		if (size < 2 || size > len - at)
			return;
		for (u32 i = 0; i < ARRAY_SIZE(madt_entries); i++)
			if (madt_entries[i].type == p[at] &&
			    madt_entries[i].size <= size)
				madt_entries[i].take(p + at, fw);
		at += size;
	}
}

/* --- MCFG (PCI Firmware Specification 3.3, 4.1.2) ----------------------------
 */

static void take_mcfg(const u8 *p, u32 len, struct firmware *fw)
{
	for (u32 at = HEADER + 8; at + 16 <= len; at += 16) {
		const u8 *e = p + at;

		if (le16_at(e + 8) || e[10] > e[11] ||
		    !IS_ALIGNED(le64_at(e), MIB(1)))
			continue; /* another segment */
		fw->ecam = le64_at(e);
		fw->first_bus = e[10];
		fw->last_bus = e[11];
		return;
	}
}

/* --- DSDT and SSDT: by their bytes ---------------------------------------- */

/* Small pieces: the descriptors of one device follow its name. */
#define DEVICE_SPAN 256u
#define VIRTIO_NAME "LNRO0005"

static u32 find(const u8 *p, u32 from, u32 to, const void *what, u32 n)
{
	for (u32 at = from; at + n <= to; at++)
		if (p[at] == *(const u8 *)what && !memcmp(p + at, what, n))
			return at;
	return to;
}

/* 32-bit Fixed Memory Range (6.4.3.4). */
static bool take_range(const u8 *p, u32 from, u32 to, struct firmware_virtio *v)
{
	static const u8 tag[] = { 0x86, 9, 0 };
	u32 at = find(p, from, to, tag, sizeof(tag));

	if (to - at < 12)
		return false;
	v->address = le32_at(p + at + 4);
	v->size = le32_at(p + at + 8);
	return v->address && v->size;
}

/* Extended Interrupt (6.4.3.6), the first of its lines. */
static bool take_line(const u8 *p, u32 from, u32 to, struct firmware_line *line)
{
	for (u32 at = from; to - at >= 9; at++) {
		if (p[at] != 0x89 || le16_at(p + at + 1) < 6 ||
		    le16_at(p + at + 1) > 64 || !p[at + 4])
			continue;
		line->is_level = !(p[at + 3] & 2);
		line->is_low = p[at + 3] & 4;
		line->number = le32_at(p + at + 5);
		return true;
	}
	return false;
}

static void take_virtio(const u8 *p, u32 len, struct firmware *fw)
{
	const u32 n = sizeof(VIRTIO_NAME) - 1;
	u32 at = find(p, HEADER, len, VIRTIO_NAME, n);

	while (at < len && fw->nvirtio < FIRMWARE_VIRTIO) {
		struct firmware_virtio v = { 0 };
		u32 next = find(p, at + n, len, VIRTIO_NAME, n);
		u32 end = MIN(next, at + DEVICE_SPAN);

		if (take_range(p, at + n, end, &v) &&
		    take_line(p, at + n, end, &v.line))
			fw->virtio[fw->nvirtio++] = v;
		at = next;
	}
}

/* _S5_: a package whose first number goes to the sleep registers (7.4.2). */
static void take_off_type(const u8 *p, u32 len, struct firmware *fw)
{
	u32 at = find(p, HEADER, len, "_S5_\x12", 5);

	if (len - at < 16)
		return;
	at += 5;
	at += 1u + (p[at] >> 6); /* bytes of the package's length */
	at++;			 /* the number of its elements */
	if (p[at] == 0x0a)
		at++;
	if (p[at] <= 7)
		fw->off_type = p[at];
}

/* _CBA of a PCI root, when it is a method that returns a number: where MCFG
 * would have said that the configuration is. */
static void take_cba(const u8 *p, u32 len, struct firmware *fw)
{
	static const u8 name[] = { '_', 'C', 'B', 'A', 0, 0xa4 };
	u32 at = find(p, HEADER, len, name, sizeof(name));
	u64 address = 0;

	if (len - at < 16 || fw->ecam)
		return;
	at += sizeof(name);
	if (p[at] == 0x0c)
		address = le32_at(p + at + 1);
	else if (p[at] == 0x0e)
		address = le64_at(p + at + 1);
	if (!IS_ALIGNED(address, MIB(1)))
		return;
	fw->ecam = address;
	fw->last_bus = 0; /* the firmware has not numbered others */
}

/* A PCI root, by its number or its name. */
static u32 find_root(const u8 *p, u32 len)
{
	static const u8 express[] = { 0x41, 0xd0, 0x0a, 0x08 }; /* PNP0A08 */
	u32 at = find(p, HEADER, len, express, sizeof(express));

	return MIN(at, find(p, HEADER, len, "PNP0A08", 7));
}

/* DWord Address Space (6.4.3.5.2) of memory: the largest that makes sense, in a
 * table with a PCI root. */
static void take_window(const u8 *p, u32 len, struct firmware *fw)
{
	static const u8 tag[] = { 0x87, 0x17, 0, 0 };
	u32 at = find_root(p, len);

	for (; at < len; at++) {
		u32 min, max, size;

		at = find(p, at, len, tag, sizeof(tag));
		if (len - at < 26)
			return;
		min = le32_at(p + at + 10);
		max = le32_at(p + at + 14);
		size = le32_at(p + at + 22);
		if (min < MIB(1) || max < min || max - min + 1 != size ||
		    !IS_ALIGNED(min, MIB(1)) || size <= fw->window_size)
			continue;
		fw->window = min;
		fw->window_size = size;
	}
}

static void take_code(const u8 *p, u32 len, struct firmware *fw)
{
	take_virtio(p, len, fw);
	take_off_type(p, len, fw);
	take_window(p, len, fw);
	take_cba(p, len, fw);
}

/* --- FADT (5.2.9) ------------------------------------------------------------
 */

enum {
	FADT_DSDT = 40,
	FADT_PM1A = 64,
	FADT_PM1B = 68,
	FADT_FLAGS = 112,
	FADT_RESET = 116,
	FADT_RESET_VALUE = 128,
	FADT_DSDT_64 = 140,
	FADT_SLEEP = 244
};
#define FADT_HAS_RESET (1u << 10)
#define FADT_REDUCED (1u << 20) /* no power management ports */

/* Generic Address Structure (5.2.3.2), of memory or ports. */
static struct firmware_register take_register(const u8 *p)
{
	struct firmware_register r = { .address = le64_at(p + 4),
				       .is_port = p[0] == 1,
				       .width = p[1] ? p[1] : 8 };

	if (p[0] > 1 || p[2] || (r.is_port && r.address > 0xffff) ||
	    (r.width != 8 && r.width != 16 && r.width != 32))
		r.address = 0;
	return r;
}

/* The DSDT's address. */
static u64 take_fadt(const u8 *p, u32 len, struct firmware *fw)
{
	u32 flags;

	if (len < FADT_RESET)
		return 0;
	flags = le32_at(p + FADT_FLAGS);
	if (!(flags & FADT_REDUCED)) {
		fw->pm1a = le16_at(p + FADT_PM1A);
		fw->pm1b = le16_at(p + FADT_PM1B);
	}
	if (len > FADT_RESET_VALUE && flags & FADT_HAS_RESET) {
		fw->reset = take_register(p + FADT_RESET);
		fw->reset_value = p[FADT_RESET_VALUE];
	}
	if (len >= FADT_SLEEP + 12)
		fw->sleep = take_register(p + FADT_SLEEP);
	if (len >= FADT_DSDT_64 + 8 && le64_at(p + FADT_DSDT_64))
		return le64_at(p + FADT_DSDT_64);
	return le32_at(p + FADT_DSDT);
}

/* --- Tables ------------------------------------------------------------------
 */

static void say_broken(struct firmware *fw, const char *signature)
{
	fw->nbroken++;
	for (u32 i = 0; i < 4; i++)
		fw->broken[i] = signature[i] >= ' ' && signature[i] < 0x7f
					? signature[i]
					: '?';
}

/* The table there, and its length; NULL: it is broken. */
static const u8 *table_at(firmware_at *at, u64 address, u32 *len,
			  struct firmware *fw)
{
	const u8 *p = at(address, HEADER);

	if (!p) {
		say_broken(fw, "????");
		return NULL;
	}
	*len = le32_at(p + 4);
	if (*len < HEADER || *len > TABLE_MAX || !at(address, *len) ||
	    !firmware_sum_ok(p, *len)) {
		say_broken(fw, (const char *)p);
		return NULL;
	}
	return p;
}

static bool is_table(const u8 *p, const char *signature)
{
	return memcmp(p, signature, 4) == 0;
}

static void take_table(firmware_at *at, u64 address, struct firmware *fw)
{
	u32 len, code_len;
	const u8 *p = table_at(at, address, &len, fw), *code;

	if (!p)
		return;
	if (is_table(p, "APIC"))
		take_madt(p, len, fw);
	else if (is_table(p, "MCFG"))
		take_mcfg(p, len, fw);
	else if (is_table(p, "SSDT"))
		take_code(p, len, fw);
	if (!is_table(p, "FACP"))
		return;
	address = take_fadt(p, len, fw);
	code = address ? table_at(at, address, &code_len, fw) : NULL;
	if (code && is_table(code, "DSDT"))
		take_code(code, code_len, fw);
}

/* RSDP (5.2.5.3): the root table's address, and how wide its entries are. */
static u64 root_of(firmware_at *at, u64 rsdp, u32 *width)
{
	const u8 *p = at(rsdp, 20);

	if (!p || memcmp(p, "RSD PTR ", 8) != 0 || !firmware_sum_ok(p, 20))
		return 0;
	*width = 4;
	if (p[15] >= 2 && at(rsdp, 36) && firmware_sum_ok(p, 36) &&
	    le64_at(p + 24)) {
		*width = 8;
		return le64_at(p + 24);
	}
	return le32_at(p + 16);
}

bool acpi_read(firmware_at *at, u64 rsdp, struct firmware *fw)
{
	u32 width = 0, len, n;
	u64 root = root_of(at, rsdp, &width);
	const u8 *p = root ? table_at(at, root, &len, fw) : NULL;

	if (!p || !is_table(p, width == 8 ? "XSDT" : "RSDT"))
		return false;
	fw->has_acpi = true;
	fw->off_type = 5; /* what machines without _S5_ mean */
	n = MIN((len - HEADER) / width, TABLES_MAX);
	for (u32 i = 0; i < n; i++) {
		const u8 *e = p + HEADER + i * width;

		take_table(at, width == 8 ? le64_at(e) : le32_at(e), fw);
	}
	return true;
}
