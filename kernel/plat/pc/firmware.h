/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the firmware's tables tell about the machine: ACPI 6.4, or Intel's
 * MultiProcessor Specification 1.4 where there is no ACPI. The tables come from
 * outside: all of them is checked, what is broken counts as not there. The
 * readers know nothing of the machine and run in unit tests, too.
 */
#ifndef JIFFY_KERNEL_PLAT_PC_FIRMWARE_H
#define JIFFY_KERNEL_PLAT_PC_FIRMWARE_H

#include "lib/compiler.h"

enum {
	FIRMWARE_CPUS = 64,
	FIRMWARE_IOAPICS = 4,
	FIRMWARE_OVERRIDES = 16,
	FIRMWARE_VIRTIO = 64
};

/* An interrupt controller for lines: its first line is number `first`. */
struct firmware_ioapic {
	u64 address;
	u32 first;
};

/* How a line comes in, by its global number. */
struct firmware_line {
	u32 number;
	bool is_level, is_low; /* else edge, active high */
};

/* A register of a fixed place; address 0: there is none. */
struct firmware_register {
	u64 address;
	bool is_port;
	u8 width; /* bits, 8 to 32 */
};

/* A memory-mapped virtio device. */
struct firmware_virtio {
	u64 address, size;
	struct firmware_line line;
};

struct firmware {
	bool has_acpi;
	u32 nbroken; /* tables that were not used; the last one of them: */
	char broken[5];

	/* Local APICs of processors that may be used, in the tables' order,
	 * the boot processor's among them. 0: not told. */
	u32 ncpus;
	u32 cpus[FIRMWARE_CPUS];
	u64 apic; /* the local APICs' address; 0: not told */
	u32 nioapics;
	struct firmware_ioapic ioapics[FIRMWARE_IOAPICS];
	/* Legacy lines that do not come in under their own number, on edges. */
	u32 noverrides;
	struct {
		u8 irq;
		struct firmware_line line;
	} overrides[FIRMWARE_OVERRIDES];

	/* PCI's configuration in memory (segment 0); ecam 0: there is none. */
	u64 ecam;
	u8 first_bus, last_bus;
	/* Where devices' memory may be placed; size 0: not told. */
	u64 window, window_size;

	struct firmware_register sleep, reset;
	u8 reset_value;
	u16 pm1a, pm1b; /* ports of machines with power management; 0 */
	u8 off_type;	/* for them, and `sleep`: "soft off" */

	u32 nvirtio;
	struct firmware_virtio virtio[FIRMWARE_VIRTIO];
};

/* len bytes of physical memory, or NULL: they cannot be looked at. */
typedef const void *firmware_at(u64 address, u64 len);

/* Fill in *fw what the tables tell that begin at this "RSD PTR ". False: there
 * is none, *fw is unchanged. */
bool acpi_read(firmware_at *at, u64 rsdp, struct firmware *fw);
/* The same from an "_MP_". */
bool mptable_read(firmware_at *at, u64 pointer, struct firmware *fw);
/* The first place in [start, end) on a 16-byte boundary where the `len` bytes
 * of `signature` are and n bytes have the sum 0; or 0. */
u64 firmware_search(firmware_at *at, u64 start, u64 end, const char *signature,
		    u32 len, u32 n);

/* For the readers. The bytes' sum is 0. */
bool firmware_sum_ok(const u8 *p, u64 n);
static inline u16 le16_at(const u8 *p)
{
	return (u16)(p[0] | p[1] << 8);
}
static inline u32 le32_at(const u8 *p)
{
	return le16_at(p) | (u32)le16_at(p + 2) << 16;
}
static inline u64 le64_at(const u8 *p)
{
	return le32_at(p) | (u64)le32_at(p + 4) << 32;
}

/* --- machine.c, not in unit tests ------------------------------------------
 */

extern struct firmware firmware;
/* Read the tables: from the loader's word (0: none), else where firmware leaves
 * them. Once, when all physical memory is mapped, before anything that needs
 * them. */
void firmware_find(u64 rsdp);

#endif
