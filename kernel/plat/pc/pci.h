/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI: finding functions, their capabilities, the memory behind their base
 * address registers, and message-signalled interrupts. PCI Local Bus
 * Specification 3.0 and, for the configuration in memory, PCI Express Base
 * Specification 4.0, 7.2.2. Used while the machine starts, by one thread.
 */
#ifndef JIFFY_KERNEL_PLAT_PC_PCI_H
#define JIFFY_KERNEL_PLAT_PC_PCI_H

#include "kernel/plat/pc/pc.h"

struct pci_function {
	u8 bus, slot, number;
	u16 vendor, id;
	struct {
		paddr_t address; /* 0: no use */
		u64 size;	 /* 0: not looked at yet */
	} memory[6];
};

enum { PCI_CAP_VENDOR = 0x09, PCI_CAP_MSIX = 0x11, PCI_LINES = 16 };

/* Every function there is, bridges after what is behind them excepted. */
void pci_scan(void (*found)(struct pci_function *f));
u8 pci_get8(const struct pci_function *f, u32 at);
u16 pci_get16(const struct pci_function *f, u32 at);
u32 pci_get32(const struct pci_function *f, u32 at);
/* The next capability of that kind after the one at `after` (0: the first): its
 * place, or 0. The list's length is bounded, however it is linked. */
u32 pci_capability(const struct pci_function *f, u8 kind, u32 after);
/* Where the memory of a base address register is, placed now if the firmware
 * did not, and its size. 0: there is none, or no place. */
paddr_t pci_memory(struct pci_function *f, u32 bar, u64 *size);
/* The function may decode memory and be master of the bus. */
void pci_enable(const struct pci_function *f);
/* Message 0 of its table is this vector on the boot CPU. False: it has no such
 * table, or not where it says. */
bool pci_msix(struct pci_function *f, u8 vector);
/* Its legacy line, as the firmware has set it up, below PCI_LINES; 0: none. */
u8 pci_line(const struct pci_function *f);
/* Whether it may hold that line, which others may share: one that nobody asks
 * would for ever. */
void pci_line_off(struct pci_function *f);
void pci_line_on(const struct pci_function *f);

#endif
