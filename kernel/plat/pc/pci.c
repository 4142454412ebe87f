/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI.
 */
#include "kernel/plat/pc/pci.h"

#include "kernel/plat/pc/firmware.h"

enum { /* configuration */
       ID = 0x00,
       COMMAND = 0x04,
       HEADER_TYPE = 0x0e,
       BARS = 0x10,
       BRIDGE_BUSES = 0x18,
       STATUS = 0x06,
       CAPABILITIES = 0x34,
       LINE = 0x3c,
       PIN = 0x3d
};
#define COMMAND_MEMORY 2u
#define COMMAND_MASTER 4u
#define COMMAND_NO_LINE 0x400u
#define STATUS_CAPABILITIES 0x10u
#define TYPE_MANY 0x80u
#define TYPE_BRIDGE 1u
#define BAR_PORTS 1u
#define BAR_64 4u
#define BAR_FLAGS 0xfu
#define BUSES 256u
#define CONFIG_SIZE 256u
#define CAPABILITIES_MAX 48u
#define FUNCTIONS 8u
#define SLOTS 32u

/* The old way, by two ports. */
#define PORT_ADDRESS 0xcf8
#define PORT_DATA 0xcfc
#define PORT_ENABLE 0x80000000u

static volatile u8 *buses[BUSES]; /* configuration in memory, once looked at */
static bool has_ports;

static bool in_memory(u8 bus)
{
	return firmware.ecam && bus >= firmware.first_bus &&
	       bus <= firmware.last_bus;
}

/* Of a function whose bus is in memory. */
static volatile u32 *config(const struct pci_function *f, u32 at)
{
	volatile u8 *p = buses[f->bus];

	if (!p) {
		p = device_map(firmware.ecam +
				       MIB(1) * (f->bus - firmware.first_bus),
			       MIB(1));
		buses[f->bus] = p;
	}
	return (volatile u32 *)(p + (f->slot << 15 | f->number << 12) + at);
}

static void select(const struct pci_function *f, u32 at)
{
	outl(PORT_ADDRESS, PORT_ENABLE | (u32)f->bus << 16 |
				   (u32)f->slot << 11 | (u32)f->number << 8 |
				   at);
}

u32 pci_get32(const struct pci_function *f, u32 at)
{
	if (in_memory(f->bus))
		return *config(f, at);
	if (!has_ports)
		return ~0u;
	select(f, at);
	return inl(PORT_DATA);
}

u16 pci_get16(const struct pci_function *f, u32 at)
{
	return (u16)(pci_get32(f, at & ~3u) >> (at & 2) * 8);
}

u8 pci_get8(const struct pci_function *f, u32 at)
{
	return (u8)(pci_get32(f, at & ~3u) >> (at & 3) * 8);
}

static void set32(const struct pci_function *f, u32 at, u32 v)
{
	if (in_memory(f->bus)) {
		*config(f, at) = v;
		return;
	}
	select(f, at);
	outl(PORT_DATA, v);
}

/* The low half of that word; the other half is not changed by zeros. */
static void set_command(const struct pci_function *f, u16 v)
{
	set32(f, COMMAND, v);
}

u32 pci_capability(const struct pci_function *f, u8 kind, u32 after)
{
	u32 at = after ? pci_get8(f, after + 1) : pci_get8(f, CAPABILITIES);

	if (!(pci_get16(f, STATUS) & STATUS_CAPABILITIES))
		return 0;
	for (u32 i = 0; i < CAPABILITIES_MAX; i++) {
		at &= ~3u;
		if (at < 0x40 || at > CONFIG_SIZE - 4)
			return 0;
		if (pci_get8(f, at) == kind)
			return at;
		at = pci_get8(f, at + 1);
	}
	return 0;
}

/* --- Base addresses --------------------------------------------------------
 */

static u64 get_bar(const struct pci_function *f, u32 at, bool is_64)
{
	return pci_get32(f, at) | (is_64 ? (u64)pci_get32(f, at + 4) << 32 : 0);
}

static void set_bar(const struct pci_function *f, u32 at, bool is_64, u64 v)
{
	set32(f, at, (u32)v);
	if (is_64)
		set32(f, at + 4, (u32)(v >> 32));
}

/* A place in the window that the firmware tells of; 0: none. */
static paddr_t place(u64 size)
{
	static u64 used;
	u64 at = ROUND_UP(firmware.window + used, size);
	u64 end = firmware.window + firmware.window_size;

	if (!firmware.window_size || at > end || size > end - at)
		return 0;
	used = at + size - firmware.window;
	return at;
}

/* Which bits of it can be set tells its size. It is not decoded meanwhile. */
static void look_at(struct pci_function *f, u32 bar)
{
	u32 at = BARS + 4 * bar, low = pci_get32(f, at);
	u16 command = pci_get16(f, COMMAND);
	bool is_64 = low & BAR_64;
	u64 address = get_bar(f, at, is_64) & ~(u64)BAR_FLAGS;
	u64 mask, size;

	set_command(f, command & ~COMMAND_MEMORY);
	set_bar(f, at, is_64, ~0UL);
	mask = get_bar(f, at, is_64) & ~(u64)BAR_FLAGS;
	size = -(is_64 ? mask : mask | 0xffffffff00000000UL);
	if (!mask || (size & (size - 1)))
		size = address = 0;
	else if (!address)
		address = place(MAX(size, PAGE_SIZE));
	set_bar(f, at, is_64, address | (low & BAR_FLAGS));
	set_command(f, command);
	f->memory[bar].address = address;
	f->memory[bar].size = MAX(size, 1UL);
}

paddr_t pci_memory(struct pci_function *f, u32 bar, u64 *size)
{
	u32 low;

	if (bar >= ARRAY_SIZE(f->memory))
		return 0;
	low = pci_get32(f, BARS + 4 * bar);
	if (low & BAR_PORTS || bar + !!(low & BAR_64) > 5)
		return 0;
	if (!f->memory[bar].size)
		look_at(f, bar);
	*size = f->memory[bar].size;
	return f->memory[bar].address;
}

void pci_enable(const struct pci_function *f)
{
	set_command(f, pci_get16(f, COMMAND) | COMMAND_MEMORY | COMMAND_MASTER);
}

/* --- Messages ----------------------------------------------------------------
 */

#define MSIX_ENABLE 0x80000000u /* in the word of its control */
#define MSIX_MASK 0x40000000u
#define MSIX_ENTRY 16u
#define MESSAGE_ADDRESS 0xfee00000u

bool pci_msix(struct pci_function *f, u8 vector)
{
	u32 cap = pci_capability(f, PCI_CAP_MSIX, 0), where;
	volatile u32 *entry;
	paddr_t address;
	u64 size;

	if (!cap)
		return false;
	where = pci_get32(f, cap + 4);
	address = pci_memory(f, where & 7, &size);
	where &= ~7u;
	if (!address || where + MSIX_ENTRY > size)
		return false;
	entry = device_map(address + where, MSIX_ENTRY);
	pci_enable(f);
	set32(f, cap, pci_get32(f, cap) | MSIX_ENABLE | MSIX_MASK);
	entry[0] = MESSAGE_ADDRESS | cpus[0].apic_id << 12;
	entry[1] = 0;
	entry[2] = vector;
	entry[3] = 0; /* not masked */
	set32(f, cap, (pci_get32(f, cap) | MSIX_ENABLE) & ~MSIX_MASK);
	return true;
}

u8 pci_line(const struct pci_function *f)
{
	u8 line = pci_get8(f, LINE);

	return pci_get8(f, PIN) && line < PCI_LINES ? line : 0;
}

void pci_line_off(struct pci_function *f)
{
	set_command(f, pci_get16(f, COMMAND) | COMMAND_NO_LINE);
}

void pci_line_on(const struct pci_function *f)
{
	set_command(f, pci_get16(f, COMMAND) & ~COMMAND_NO_LINE);
}

/* --- Finding -----------------------------------------------------------------
 */

static bool is_there(struct pci_function *f)
{
	u32 id = pci_get32(f, ID);

	f->vendor = (u16)id;
	f->id = (u16)(id >> 16);
	return f->vendor != 0xffff && f->vendor;
}

/* The bus behind a bridge, if the firmware gave it a number: 0, none. */
static u8 behind(const struct pci_function *f)
{
	u8 bus = (u8)(pci_get32(f, BRIDGE_BUSES) >> 8);

	if ((pci_get8(f, HEADER_TYPE) & ~TYPE_MANY) != TYPE_BRIDGE)
		return 0;
	return bus > f->bus ? bus : 0;
}

/* Marks the buses behind bridges. */
static void scan_bus(u8 bus, void (*found)(struct pci_function *f),
		     bool *is_wanted)
{
	for (u32 i = 0; i < SLOTS * FUNCTIONS; i++) {
		struct pci_function f = { .bus = bus,
					  .slot = (u8)(i / FUNCTIONS),
					  .number = (u8)(i % FUNCTIONS) };

		if (!is_there(&f)) {
			if (!f.number)
				i += FUNCTIONS - 1;
			continue;
		}
		if (behind(&f))
			is_wanted[behind(&f)] = true;
		else
			found(&f);
		if (!f.number && !(pci_get8(&f, HEADER_TYPE) & TYPE_MANY))
			i += FUNCTIONS - 1;
	}
}

void pci_scan(void (*found)(struct pci_function *f))
{
	static bool is_wanted[BUSES];

	if (!firmware.ecam) {
		outl(PORT_ADDRESS, PORT_ENABLE);
		has_ports = inl(PORT_ADDRESS) == PORT_ENABLE;
		if (!has_ports)
			return;
	}
	/* Buses behind a bridge have larger numbers than it is on. */
	is_wanted[firmware.first_bus] = true;
	for (u32 bus = firmware.first_bus; bus < BUSES; bus++)
		if (is_wanted[bus])
			scan_bus((u8)bus, found, is_wanted);
}
