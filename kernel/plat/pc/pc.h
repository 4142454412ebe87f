/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine: instructions, spin locks, and what the files of this platform
 * have for each other. docs/design/009-pc.md tells how it fits together.
 */
#ifndef JIFFY_KERNEL_PLAT_PC_PC_H
#define JIFFY_KERNEL_PLAT_PC_PC_H

#include "kernel/cpu/current.h"
#include "kernel/cpu/entry.h"
#include "kernel/kernel.h"
#include "kernel/layout.h"
#include "kernel/plat/pc/layout.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/lock.h"
#include "lib/atomic.h"
#include "lib/rbtree.h"

typedef u64 paddr_t;

#define CPUS_MAX 16

/* --- Instructions --------------------------------------------------------- */

static inline void outb(u16 port, u8 v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}
static inline u8 inb(u16 port)
{
	u8 v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline void outw(u16 port, u16 v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}
static inline void outl(u16 port, u32 v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}
static inline u32 inl(u16 port)
{
	u32 v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}
static inline void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32))
			 : "memory");
}
static inline u64 rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}
static inline u64 read_cr2(void)
{
	u64 v;

	__asm__ volatile("mov %%cr2, %0" : "=r"(v));
	return v;
}
static inline u64 read_cr3(void)
{
	u64 v;

	__asm__ volatile("mov %%cr3, %0" : "=r"(v));
	return v;
}
static inline void write_cr3(u64 v)
{
	__asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory");
}
static inline void invlpg(u64 va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* --- Interrupts and spin locks: held for some instructions only ------------
 */

#define EFLAGS_IF 0x200

#ifdef JIFFY_UNIT_TEST /* there are none */
static inline u64 irq_save(void)
{
	return 0;
}
#else
static inline u64 irq_save(void)
{
	u64 flags;

	__asm__ volatile("pushfq\n\tpop %0\n\tcli" : "=r"(flags) : : "memory");
	return flags;
}
#endif
static inline void irq_restore(u64 flags)
{
	if (flags & EFLAGS_IF)
		__asm__ volatile("sti" : : : "memory");
}

struct spin {
	u32 held;
};
static inline void spin_take(struct spin *s) /* interrupts are off */
{
	while (atomic_xchg(&s->held, 1))
		while (atomic_load(&s->held))
			__builtin_ia32_pause();
}
static inline void spin_give(struct spin *s)
{
	atomic_store_release(&s->held, 0);
}
static inline u64 spin_lock(struct spin *s)
{
	u64 flags = irq_save();

	spin_take(s);
	return flags;
}
static inline void spin_unlock(struct spin *s, u64 flags)
{
	spin_give(s);
	irq_restore(flags);
}

/* --- frames.c: physical memory ---------------------------------------------
 */

static inline void *physical(paddr_t pa)
{
	return (void *)(PHYSICAL_BASE + pa);
}

#define FRAME_ORDERS 10 /* 4 KiB to 2 MiB */
#define FRAME_NONE ((paddr_t)~0UL)

/* The loader's list, before any other: usable memory, less what is in use. */
void frames_add(paddr_t start, paddr_t end);
void frames_reserve(paddr_t start, paddr_t end);
/* Make the allocator of what was added. */
void frames_init(void);
/* 4 KiB << order, with a count of 1; FRAME_NONE. Any context. */
paddr_t frame_alloc(unsigned int order);
paddr_t frame_alloc_zeroed(void);
/* One page for a program: not the last ones, which the kernel needs. */
paddr_t frame_alloc_user(void);
/* One more, one less owner of the block that begins at pa; the last one gives
 * it back. Frames that are no memory of ours have no count. */
void frame_get(paddr_t pa);
void frame_put(paddr_t pa, unsigned int order);
/* 2 MiB for a program: each of its pages stands for the whole block in the
 * three calls above and below, until it is cut. FRAME_NONE. */
paddr_t frame_alloc_large(void);
/* Instead of one owner of the block each of its pages now has one: they are
 * single frames, unless the block has other owners, too. */
void frame_cut_large(paddr_t pa);
/* Only the caller owns it. */
bool frame_is_own(paddr_t pa);
u64 frames_free(void); /* 4 KiB each */
u64 frames_total(void);

/* --- pagetable.c -------------------------------------------------------------
 */

#define PTE_PRESENT 0x1UL
#define PTE_WRITE 0x2UL
#define PTE_USER 0x4UL
#define PTE_NOCACHE 0x10UL
#define PTE_ACCESSED 0x20UL
#define PTE_DIRTY 0x40UL
#define PTE_LARGE 0x80UL
#define PTE_GLOBAL 0x100UL
#define PTE_NOEXEC (1UL << 63)
#define PTE_ADDRESS 0x000ffffffffff000UL
/* Ours. The frame is counted: it is given up with the entry. */
#define PTE_COUNTED (1UL << 9)
/* Not present only because nothing is allowed. */
#define PTE_HIDDEN (1UL << 10)
/* The space's own, though perhaps shared since a fork. */
#define PTE_PRIVATE (1UL << 11)

extern paddr_t kernel_root; /* top-level table of nobody's space */
void pagetable_init(paddr_t end_of_memory);
/* The entry of va in the table at root; tables that are missing are made, or
 * NULL: none (!make), no memory. */
u64 *pte_find(paddr_t root, u64 va, bool make);
/* The same of the table above it: of 2 MiB, or the table of its pages. */
u64 *pde_find(paddr_t root, u64 va, bool make);
/* The next entry of [*va, end) that is not 0, in *va where, in *size how much
 * it maps; or NULL. */
u64 *pte_next(paddr_t root, u64 *va, u64 end, u64 *size);
/* The same of a table above. */
u64 *pde_next(paddr_t root, u64 *va, u64 end);
/* A page of the kernel's own ranges is there, zeroed at first. False: no
 * memory, or nothing belongs there. Interrupts off. */
bool kernel_page(u64 va);
/* It is in those of these ranges that are filled at the first touch. */
bool is_filled(u64 va);
/* Map [pa, pa+len) there with these flags: 0 or -ENOMEM. */
int kernel_map(u64 va, paddr_t pa, u64 len, u64 flags);
/* A device's registers, for ever. */
volatile void *device_map(paddr_t pa, u64 len);
/* The frame that a page of the kernel's own ranges has; 0: none. */
paddr_t kernel_frame(u64 va);
/* Unmap and give back up to n frames of [*va, end) that have no other owner and
 * that were not read since the last look at them; *va is where to go on. How
 * many. Not with interrupts off. */
u32 kernel_reclaim(u64 *va, u64 end, u32 n);
/* The same, filled if it may be, with one more owner. */
paddr_t kernel_hold(u64 va);
/* Nothing is mapped where it is any more (the start needed that). */
void pagetable_forget_start(void);
paddr_t root_new(void); /* top level of a new space, or FRAME_NONE */
void root_free(paddr_t root);

/* --- space.c
 * ------------------------------------------------------------------ */

enum region_flags {
	REGION_DONTFORK = 1 << 0,
	REGION_WIPEONFORK = 1 << 1,
	REGION_HUGE = 1 << 2,
	REGION_NOHUGE = 1 << 3
};

struct region {
	struct rb_node node;
	u64 start, end;
	u64 offset; /* in the backing */
	u8 prot, backing, flags;
};
struct plat_space {
	paddr_t root;
	struct mutex lock; /* of the regions and the tables */
	struct rb_root regions;
	u32 nthreads; /* and who else holds it; atomic */
	u64 nprivate; /* pages that are its own, or shared since a fork */
	nsec_t cputime, system; /* atomic */
	/* Its tables changed so often; each CPU that has them loaded (a bit in
	 * `cpus`) has forgotten what was before its number in `seen`. Atomic.
	 */
	u64 changes;
	u32 cpus;
	u64 seen[CPUS_MAX];
	struct plat_space *next; /* unused */
};
struct plat_space *space_new(void);
/* A copy-on-write copy, or NULL: no memory. */
struct plat_space *space_copy(struct plat_space *from);
/* The current thread leaves its space, which goes with the last one. */
void space_leave(void);
void space_free(struct plat_space *s); /* nobody has been in it */
/* Make va accessible as the regions say: 0, go on. -EFAULT: they do not allow
 * it. -ENOMEM: not now. Sleeps. */
int space_fault(struct plat_space *s, u64 va, u64 error);
/* The frame of va, with one more owner, for a device to read or write; 0: a bad
 * address. */
paddr_t space_hold(struct plat_space *s, u64 va, bool is_write);
/* oom.c: there was no frame for a program: have one killed, wait a moment. */
void oom_wait(void);
/* broker.c: process 0 shall look. */
void broker_look(void);
/* Process 0: somebody waits for that. */
bool oom_is_wanted(void);
/* region.c: under the lock. The first that ends after va, or NULL. */
struct region *region_after(const struct plat_space *s, u64 va);
struct region *region_next(const struct region *r);
/* Nothing is at [start, end) any more, or what reaches over an end is cut
 * there, large pages, too. -ENOMEM: nothing was changed. */
int region_cut(struct plat_space *s, u64 start, u64 end);
/* No region and no large page crosses start or end. */
int region_split(struct plat_space *s, u64 start, u64 end);
int region_add(struct plat_space *s, const struct region *like);
void region_free_all(struct plat_space *s);
/* pages.c: before the first space. */
void zero_page_init(void);
/* The entries of a space, under its lock. Give all pages of the range up; ...
 */
void pages_drop(struct plat_space *s, u64 start, u64 end);
/* ... or say of each of n pages whether it is there; ... */
void pages_resident(struct plat_space *s, u64 start, u64 n, u8 *vec);
/* ... or allow what prot says, and no more; ... */
void pages_protect(struct plat_space *s, u64 start, u64 end, int prot);
/* ... or share them with `to`, at the same addresses. -ENOMEM. */
int pages_share(struct plat_space *s, struct plat_space *to,
		const struct region *r);
/* ... or move them. */
int pages_move(struct plat_space *s, u64 from, u64 len, u64 to);
/* large.c: a large page for va, if it may have one; its entry is not there. */
bool large_fill(struct plat_space *s, const struct region *r, u64 *pde, u64 va,
		u64 flags);
/* Make it writable, copied if others have it, too. False: it is to be cut. */
bool large_unshare(struct plat_space *s, const struct region *r, u64 *pde,
		   u64 va);
/* Small pages instead: 0 or -ENOMEM. */
int large_cut(struct plat_space *s, u64 *pde, u64 va);
/* The same if one has va in its middle. */
int large_cut_at(struct plat_space *s, u64 va);
/* Fill or mend the entry of va in region r: 0 or -ENOMEM. */
int page_fault(struct plat_space *s, const struct region *r, u64 va,
	       bool is_write);

/* --- cpu.c
 * -------------------------------------------------------------------- */

struct tss {
	u32 pad0;
	u64 rsp[3];
	u64 pad1;
	u64 ist[7];
	u64 pad2;
	u16 pad3, io_base;
} PACKED;

enum { IST_TRAP = 1, IST_FATAL, IST_COUNT };

struct cpu {
	struct cpu *self;
	u32 id, apic_id;
	struct plat_slot *running, *idle;
	struct plat_slot *before; /* who ran before `running` */
	struct plat_space *space; /* whose tables are loaded; NULL: kernel's */
	struct spin lock; /* of the queue, the timers, who runs and since when
			   */
	struct rb_root queue; /* by vruntime */
	u32 nqueued;
	nsec_t vruntime;    /* no queued or running one has less */
	bool must_schedule; /* own CPU only */
	struct rb_root timers;
	nsec_t slice_end; /* of `running`, while others wait */
	nsec_t timer_at;  /* what the timer is set to; NSEC_MAX: it is not */
	nsec_t switched_at;
	bool is_slice_over; /* own CPU only */
	u32 is_idle;	    /* has nothing to do; atomic, taken by xchg */
	u32 is_online;
	/* What it has obeyed (cpu.c); atomic. */
	u64 kernel_seen, sync_seen;
	u64 gdt[3 + 2 * CPUS_MAX];
	struct tss tss;
	u8 (*stacks)[CPU_STACK_SIZE]; /* IST_COUNT - 1 */
};
extern struct cpu cpus[CPUS_MAX];
extern u32 ncpus; /* that run */
/* The segments and the stacks of the vectors: before anything else. */
void cpu_segments(struct cpu *c);
void cpu_init(void);
/* Bit i: CPU i. Interrupts are off. */
void cpus_send(u32 mask, u8 vector);
/* What any CPU remembers of the kernel's ranges, or of [start, end) of a space,
 * is forgotten when this returns. Not with interrupts off or a spin lock held:
 * it waits for others. */
void cpus_flush_kernel(void);
void cpus_flush_space(struct plat_space *s, u64 start, u64 end);
/* Have this CPU use that space's tables (NULL: the kernel's). Interrupts are
 * off. */
void cpu_load_space(struct cpu *c, struct plat_space *s);
/* The interrupt: another CPU changed something. */
void cpu_obey(struct cpu *c);
/* The one that runs this; only with interrupts off does it stay so. */
struct cpu *this_cpu(void);
static inline u32 cpu_index(void)
{
	u32 selector = 0;

	/* Its task register says which: one TSS a CPU. */
	__asm__ volatile("str %0" : "=r"(selector));
	return (selector - PC_TSS) / 16;
}

/* --- trap.c
 * ------------------------------------------------------------------- */

enum { VECTOR_TIMER = 0xf0, VECTOR_KICK, VECTOR_FLUSH, VECTOR_SPURIOUS = 0xff };
void trap_init(void);
void trap_load(void); /* on each CPU */
extern const char trap_vectors[];
NORETURN void trap_resume(struct frame *f);
NORETURN void trap_continue(void (*fn)(struct frame *f), struct frame *arg,
			    u64 sp);
/* A vector for a device; fn is called with interrupts off. There are enough. */
u8 irq_new(void (*fn)(void *arg), void *arg);

/* --- apic.c
 * ------------------------------------------------------------------- */

void apic_init(struct cpu *c);
void apic_eoi(void);
void apic_send(u32 apic_id, u8 vector);
/* Have another CPU begin in real mode at this address, a page below 1 MiB: a
 * first time, and once more if it did not. */
void apic_start(u32 apic_id, u64 address, bool is_again);
/* The CPU's timer: at `when`, or NSEC_MAX: never. */
void apic_timer(nsec_t when);
/* ioapic.c: a legacy line, as it comes in. */
struct firmware_line;
struct firmware_line ioapic_legacy(u8 irq);
/* Have this line send that vector; false: it is another's, or there is no such
 * line. */
bool ioapic_route(const struct firmware_line *line, u8 vector);

/* --- clock.c
 * ------------------------------------------------------------------ */

void clock_init(void);
/* The vDSO may be used: all CPUs run. */
void clock_publish(void);
nsec_t clock_now(void);
u64 clock_to_tsc(nsec_t t);
u64 clock_hz(void);		/* of the TSC */
extern bool clock_has_deadline; /* the APIC's timer understands the TSC */

/* --- sched.c, thread.c
 * --------------------------------------------------------- */

enum slot_state {
	SLOT_RUNNING, /* on a CPU, or has been till just now */
	SLOT_READY,   /* in a queue */
	SLOT_WAITING,
	SLOT_DEAD
};

struct timer {
	struct rb_node node;
	nsec_t at;
	struct cpu *cpu; /* in whose tree it is; NULL: not set */
};

/* What a thread sleeps for; all but `addr` under its bucket's lock. */
struct wait {
	struct list node;
	u32 *addr; /* atomic */
	nsec_t deadline;
	bool is_waiting, is_timed_out;
};

struct plat_slot {
	struct cpu_block cpu; /* GS:0 */
	u32 kicked;	      /* CPU_KICKED: atomic */
	u32 state;	      /* enum slot_state, under last->lock */
	u64 sp;		      /* of its saved registers */
	struct rb_node node;  /* last->queue */
	nsec_t vruntime;      /* CPU time, as the queue counts it */
	struct cpu *last;     /* where it ran, or will */
	u32 on_cpu;	      /* its registers are in a CPU; atomic */
	u32 next_free;	      /* index + 1 of the next free slot */
	struct plat_space *space;
	u64 fs_base;
	bool has_fpu; /* registers of a program, to be kept */
	bool is_last; /* of its space, which goes with it */
	u32 *done;    /* dead: set to 1 when its stack is free */
	void (*entry)(struct thread *t);
	u32 *lender; /* of a borrowed one: the word that the lender waits for */
	struct wait wait;
	struct timer timer;
	nsec_t cputime, system;	 /* the latter: for faults, in the former */
	uaddr_t rseq;		 /* 0: none */
	u32 rseq_sig, rseq_cpu;	 /* the latter: what it was told last */
	struct plat_fault fault; /* of the program, for the upcall */
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
static inline void *slot_fpu(const struct plat_slot *s)
{
	return (void *)(KERNEL_SLOTS_BASE + slot_index(s) * (u64)SLOT_SIZE +
			SLOT_FPU);
}
/* 8 off a multiple of 16, so that the frame below it is aligned for C. */
static inline u64 slot_kernel_sp(const struct plat_slot *s)
{
	return (u64)s - 8;
}
static inline struct frame *slot_frame(const struct plat_slot *s)
{
	return (struct frame *)(slot_kernel_sp(s) - sizeof(struct frame));
}
/* Whose kernel stack this is. */
static inline struct plat_slot *slot_now(void)
{
	u64 self;

	__asm__ volatile("mov %%gs:" STRINGIFY(CPU_SELF) ", %0" : "=r"(self));
	return (struct plat_slot *)self;
}

struct plat_slot *slot_new(void);
void slot_free(struct plat_slot *s);
/* So that thread_main() runs in it when it is scheduled. */
void thread_prepare_stack(struct plat_slot *s);
NORETURN void thread_main(struct plat_slot *s);
extern const char thread_first[];
void thread_switch(u64 *save_sp, u64 sp);

void sched_init(struct cpu *c);
/* s, which waits or is new, may run. Any context. */
void sched_ready(struct plat_slot *s);
/* Have another run. The caller's state says why: RUNNING: it goes on later.
 * Interrupts are off, and so they are when it comes back. */
void sched_switch(void);
/* The same if others are to run; not in an interrupt. */
void sched_preempt(void);
/* The running one's time up to now is counted, for its space, too. Interrupts
 * are off. */
void sched_charge(void);
/* First thing of a thread that was switched to. */
void sched_arrived(void);
/* rseq.c: the program was interrupted and is about to go on. */
void rseq_interrupted(struct frame *f);
/* It runs on another CPU now: tell its area. */
void rseq_moved(void);
/* The timer's interrupt; what is due is woken. */
void sched_tick(struct cpu *c);
/* Another CPU put somebody in c's queue, or wants it to look for work. */
void sched_look(struct cpu *c);
/* Set and take back the deadline of a thread. Interrupts are off. */
void deadline_set(struct plat_slot *s, nsec_t at);
void deadline_cancel(struct plat_slot *s);
NORETURN void sched_idle(void);
NORETURN void idle_main(struct thread *t); /* a thread's entry */
/* smp.c: start the other CPUs. */
void smp_start(void);
/* wait.c: its deadline has come, or a kick. */
void wait_end(struct plat_slot *s, bool is_timed_out);

/* --- start.c, serial.c, power.c
 * ------------------------------------------------ */

NORETURN void start_main(u32 start_info);
extern char command_line[];	/* the loader's */
extern const paddr_t start_end; /* of the start's code and tables */
/* image.c: it has len bytes: in memory, or, if at_len is less, on the first
 * disk. */
int image_set(u64 len, paddr_t at, u64 at_len);
u32 image_disks(void); /* disks that are the image's: 1 or 0 */
/* The disk has that many bytes: enough, or the machine ends. */
void image_check(u64 size);
bool image_has(u64 offset);
/* Its frame at this offset, with one more owner; 0: there is none, or no
 * memory. Sleeps. */
paddr_t image_hold(u64 offset);
/* Give up to n frames back that hold what is on its disk; how many. Sleeps. */
u32 image_reclaim(u32 n);

void serial_init(void);
void serial_write(const char *text, size_t n);
/* What can be read at once; 0: nothing. */
size_t serial_read(char *buf, size_t n);
/* The machine is off; `code` is for whoever runs it, as far as it can be told.
 */
NORETURN void machine_off(u8 code);

#endif
