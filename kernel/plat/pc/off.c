/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Switching the machine off: the ways of hypervisors, one after the other, as
 * they differ (docs/hypervisors.md).
 */
#include "kernel/plat/pc/firmware.h"
#include "kernel/plat/pc/pc.h"

#define DEBUG_EXIT 0xf4 /* QEMU's isa-debug-exit */
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET 0xfe
#define PORT_DELAY 0x80
#define PM1_ENABLE 0x2000u /* ACPI 4.8.4.2 */
#define PM1_TYPE 10
#define SLEEP_ENABLE 0x20u /* ACPI 4.8.4.3 */
#define SLEEP_TYPE 2

static void register_set(const struct firmware_register *r, u32 v)
{
	if (!r->address || (!r->is_port && r->address > GIB(4) - 4))
		return;
	if (!r->is_port)
		*(volatile u8 *)physical(r->address) = (u8)v;
	else if (r->width == 8)
		outb((u16)r->address, (u8)v);
	else if (r->width == 16)
		outw((u16)r->address, (u16)v);
	else
		outl((u16)r->address, v);
}

static void acpi_off(void)
{
	u16 pm1 = (u16)(PM1_ENABLE | firmware.off_type << PM1_TYPE);

	register_set(&firmware.sleep,
		     SLEEP_ENABLE | firmware.off_type << SLEEP_TYPE);
	if (firmware.pm1a)
		outw(firmware.pm1a, pm1);
	if (firmware.pm1b)
		outw(firmware.pm1b, pm1);
}

static void keyboard_reset(void)
{
	outb(KEYBOARD_COMMAND, KEYBOARD_RESET);
}

static void acpi_reset(void)
{
	register_set(&firmware.reset, firmware.reset_value);
}

/* The hypervisor may do it a little later. */
static void wait_a_little(void)
{
	for (u32 i = 0; i < 2000; i++)
		inb(PORT_DELAY);
}

NORETURN void machine_off(u8 code)
{
	static void (*const ways[])(void) = { acpi_off, keyboard_reset,
					      acpi_reset };
	const struct {
		u16 limit;
		u64 base;
	} PACKED none = { 0, 0 };

	__asm__ volatile("cli" : : : "memory");
	/* The only one that tells the code. */
	outb(DEBUG_EXIT, code);
	for (u32 i = 0; i < ARRAY_SIZE(ways); i++) {
		ways[i]();
		wait_a_little();
	}
	/* No vector can be reached: the machine ends, or starts again. */
	__asm__ volatile("lidt %0\n\tint3" : : "m"(none));
	for (;;)
		__asm__ volatile("hlt");
}
