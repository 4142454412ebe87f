/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first serial line, a 16550 at 0x3f8, polled; nothing if none answers. And
 * the kernel's log and trace, which go there.
 */
#include "kernel/plat/pc/channel.h"

#define COM1 0x3f8
enum { DATA = COM1, INTERRUPTS, FIFO, LINE, MODEM, STATUS };
#define STATUS_DATA 0x01
#define STATUS_ROOM 0x20
/* Whoever reads the line may be slow; nobody waits for ever. */
#define TRIES 10000000

static struct spin serial_lock;
static bool has_serial;

void serial_init(void)
{
	outb(INTERRUPTS, 0);
	outb(LINE, 0x80); /* divisor: 115,200 */
	outb(DATA, 1);
	outb(INTERRUPTS, 0);
	outb(LINE, 0x03); /* 8 bits, no parity, one stop bit */
	outb(FIFO, 0x07);
	outb(MODEM, 0x03);
	has_serial = inb(STATUS) != 0xff;
}

static void put(char c)
{
	for (u32 i = 0; i < TRIES; i++) {
		if (inb(STATUS) & STATUS_ROOM) {
			outb(DATA, (u8)c);
			return;
		}
	}
	has_serial = false;
}

void serial_write(const char *text, size_t n)
{
	u64 flags = spin_lock(&serial_lock);

	for (size_t i = 0; i < n && has_serial; i++) {
		if (text[i] == '\n')
			put('\r');
		put(text[i]);
	}
	spin_unlock(&serial_lock, flags);
}

size_t serial_read(char *buf, size_t n)
{
	u64 flags = spin_lock(&serial_lock);
	size_t got = 0;

	while (has_serial && got < n && inb(STATUS) & STATUS_DATA)
		buf[got++] = (char)inb(DATA);
	spin_unlock(&serial_lock, flags);
	return got;
}

void plat_log(const char *text, size_t n)
{
	serial_write("jiffy: ", 7);
	serial_write(text, n);
	serial_write("\n", 1);
}

void plat_trace(const char *text, size_t n)
{
	if (channel_is_up())
		channel_trace(text, n);
	else
		serial_write(text, n);
}
