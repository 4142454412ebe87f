/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread slot: 64 KiB of shared kernel memory with the signal stack, the
 * kernel stack and the block GS points at. The slot of a thread is found from
 * any address in it, so the entry from a host signal needs no register of the
 * program's. Included by assembly, too.
 *
 *	0x0000 never touched
 *	0x1000 signal stack, grows down from 0x7000
 *	0x7000 kernel stack, grows down from SLOT_BLOCK
 *	SLOT_BLOCK struct plat_slot
 */
#ifndef JIFFY_KERNEL_PLAT_PROCESS_SLOT_H
#define JIFFY_KERNEL_PLAT_PROCESS_SLOT_H

#include "kernel/cpu/entry.h"

#define SLOT_SIZE 0x10000
#define SLOT_SIGSTACK 0x1000
#define SLOT_SIGSTACK_SIZE 0x6000
#define SLOT_BLOCK 0xfe00
#define SLOT_BLOCK_SIZE 0x200

#ifndef __ASSEMBLER__

#include "kernel/cpu/current.h"
#include "kernel/layout.h"
#include "kernel/plat/plat.h"

/* What a lender of its host thread (vfork) keeps on its kernel stack. */
struct plat_lend {
	u64 sp; /* of the lender, callee-saved registers above */
	struct thread *thread;
	struct plat_slot *borrower; /* slot whose kernel stack is in use */
	struct plat_lend *prev;
	u64 fs_base;
	u64 kernel_sp;
	void *fpu;
};

/* Processor time in two parts, as last known. */
struct cpu_split {
	struct plat_times times;
	nsec_t split_at; /* their sum when the host was last asked */
};

/* The wait of the platform's that a thread came out of for the freeze alone:
 * nothing had ended it. */
enum park_kind {
	PARK_NONE, /* it was not in one, or the wait was over */
	PARK_WORD, /* while the word at `on` is `value` */
	PARK_FDS,  /* for `value` struct plat_pollfd at `on` */
	PARK_READ, /* for descriptor `value` */
	PARK_WRITE
};
struct park_wait {
	u32 kind; /* enum park_kind */
	u32 value;
	const void *on;	 /* in memory that all spaces have */
	nsec_t deadline; /* on the instance's monotonic clock */
};

struct plat_slot {
	struct cpu_block cpu; /* GS:0 */
	u32 kicked;	      /* CPU_KICKED: a kick came since the last exit */
	u32 kick_tid;	      /* host tid to kick; 0: not running yet. atomic */
	u32 kick_sent; /* a kick is on its way: not another, they would pile
			* up on the signal stack. atomic */
	s32 host_tid;  /* written by the host's clone */
	s32 host_pid;
	struct plat_slot *host; /* slot whose signal stack and GS the host
				 * thread uses: itself unless borrowed */
	struct plat_lend *lend; /* innermost, of this host thread */
	void (*entry)(struct thread *t);
	struct plat_space *space; /* host process it runs in */
	bool is_new_process;	  /* first thread of its host process */
	bool is_shell;		  /* waits in the mailbox before entry */
	bool is_woken; /* restore.c made its host thread; it does not know yet
			*/
	u64 quiet_sp;  /* at the quiet point: of its saved registers. atomic */
	struct park_wait wait; /* with quiet_sp */
	u32 park_next;	/* park.c: index of the next in its bucket; outlives
			 * the slot */
	u32 mailbox;	/* shells: 1 when entry and cpu.current are set */
	u32 next_free;	/* index + 1 of the next free slot */
	u32 lazy_chunk; /* lazy.c: where it faulted last, and how often */
	u32 lazy_times;
	nsec_t cputime;	     /* last known */
	nsec_t cputime_base; /* of its host threads before it was woken */
	struct cpu_split split;
	struct plat_fault fault;      /* of the program, for the upcall */
	struct plat_fault copy_fault; /* of the last failed user copy */
};

_Static_assert(offsetof(struct plat_slot, kicked) == CPU_KICKED, "asm");
_Static_assert(sizeof(struct plat_slot) <= SLOT_BLOCK_SIZE, "slot layout");
_Static_assert(SLOT_SIZE == KERNEL_SLOT_SIZE, "one layout");

static inline struct plat_slot *slot_by_index(u32 i)
{
	return (struct plat_slot *)(KERNEL_SLOTS_BASE + i * (u64)SLOT_SIZE +
				    SLOT_BLOCK);
}

static inline u32 slot_index(const struct plat_slot *s)
{
	return (u32)(((u64)s - KERNEL_SLOTS_BASE) / SLOT_SIZE);
}

/* Slot of the host thread that runs (not of the borrower). */
static inline struct plat_slot *slot_of_host(void)
{
	u64 self;

	__asm__ volatile("mov %%gs:" STRINGIFY(CPU_SELF) ", %0" : "=r"(self));
	return (struct plat_slot *)self;
}

/* The low end of its signal stack. */
static inline u64 slot_signal_stack(const struct plat_slot *s)
{
	return KERNEL_SLOTS_BASE + slot_index(s) * (u64)SLOT_SIZE +
	       SLOT_SIGSTACK;
}

/* First value of the stack pointer; 8 off a multiple of 16, so that the frame
 * below it is aligned for a C call. */
static inline u64 slot_kernel_sp(const struct plat_slot *s)
{
	return (u64)s - 8;
}

static inline struct frame *slot_frame(const struct plat_slot *s)
{
	return (struct frame *)(slot_kernel_sp(s) - sizeof(struct frame));
}

#endif
#endif
