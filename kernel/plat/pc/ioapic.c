/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controllers that lines come in by: IOAPICs, as the firmware tells, else
 * the one of every PC. Intel's 82093AA. All lines go to the boot CPU.
 */
#include "kernel/plat/pc/firmware.h"
#include "kernel/plat/pc/pc.h"

#define ADDRESS 0xfec00000UL /* where nothing tells it */
enum { VERSION = 1, LINES = 0x10 };
#define LINE_LOW 0x2000u
#define LINE_LEVEL 0x8000u
#define LINE_MASKED 0x10000u

static struct ioapic {
	volatile u32 *registers;
	u32 first, n; /* lines */
} ioapics[FIRMWARE_IOAPICS];
static u32 nioapics;

static u32 get(const struct ioapic *io, u32 at)
{
	io->registers[0] = at;
	return io->registers[4];
}

static void set(const struct ioapic *io, u32 at, u32 v)
{
	io->registers[0] = at;
	io->registers[4] = v;
}

static void add(u64 address, u32 first)
{
	struct ioapic *io = &ioapics[nioapics++];

	io->registers = device_map(address, PAGE_SIZE);
	io->first = first;
	io->n = (get(io, VERSION) >> 16 & 0xff) + 1;
	for (u32 i = 0; i < io->n; i++)
		set(io, LINES + 2 * i, LINE_MASKED);
}

static void begin(void)
{
	for (u32 i = 0; i < firmware.nioapics; i++)
		add(firmware.ioapics[i].address, firmware.ioapics[i].first);
	if (!nioapics)
		add(ADDRESS, 0);
}

struct firmware_line ioapic_legacy(u8 irq)
{
	for (u32 i = 0; i < firmware.noverrides; i++)
		if (firmware.overrides[i].irq == irq)
			return firmware.overrides[i].line;
	return (struct firmware_line){ .number = irq };
}

bool ioapic_route(const struct firmware_line *line, u8 vector)
{
	if (!nioapics)
		begin();
	for (u32 i = 0; i < nioapics; i++) {
		const struct ioapic *io = &ioapics[i];
		u32 at = LINES + 2 * (line->number - io->first);

		if (line->number - io->first >= io->n)
			continue;
		if (!(get(io, at) & LINE_MASKED))
			return false; /* another's */
		set(io, at + 1, cpus[0].apic_id << 24);
		set(io, at,
		    vector | (line->is_level ? LINE_LEVEL : 0) |
			    (line->is_low ? LINE_LOW : 0));
		return true;
	}
	return false;
}
