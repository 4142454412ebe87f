/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vector means. trap_entry() runs on the CPU's trap stack with
 * interrupts off; what takes longer goes on at the thread's kernel stack:
 * docs/design/009-pc.md has the table.
 */
#include "kernel/boot/boot.h"
#include "kernel/cpu/patch.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/plat/pc/pc.h"
#include "kernel/proc/thread.h"

enum { /* vectors of the processor */
       TRAP_DIVIDE = 0,
       TRAP_DEBUG = 1,
       TRAP_NMI = 2,
       TRAP_BREAKPOINT = 3,
       TRAP_OVERFLOW = 4,
       TRAP_BOUND = 5,
       TRAP_ILLEGAL = 6,
       TRAP_DOUBLE = 8,
       TRAP_STACK = 12,
       TRAP_GENERAL = 13,
       TRAP_PAGE = 14,
       TRAP_FPU = 16,
       TRAP_ALIGN = 17,
       TRAP_MACHINE = 18,
       TRAP_SIMD = 19,
       TRAP_DEVICES = 32
};
#define PF_WRITE 2
#define SHORT_TRIES 1000u /* of 2 ms */

struct gate {
	u64 low, high;
};
static struct gate idt[256] ALIGNED(4096);

static struct irq {
	void (*fn)(void *arg);
	void *arg;
} irqs[256];

struct frame *trap_entry(struct frame *f, struct cpu *c);

static void set_gate(u32 vector, u64 address, u32 ist)
{
	idt[vector].low = (address & 0xffff) | (u64)PC_CS << 16 |
			  (u64)ist << 32 | 0x8eUL << 40 |
			  (address >> 16 & 0xffff) << 48;
	idt[vector].high = address >> 32;
}

void trap_init(void)
{
	for (u32 i = 0; i < 256; i++)
		set_gate(i, (u64)trap_vectors + 16 * i,
			 i == TRAP_NMI || i == TRAP_DOUBLE || i == TRAP_MACHINE
				 ? IST_FATAL
				 : IST_TRAP);
}

void trap_load(void)
{
	struct {
		u16 limit;
		u64 base;
	} PACKED pointer = { sizeof(idt) - 1, (u64)idt };

	__asm__ volatile("lidt %0" : : "m"(pointer));
}

/* `int` of a program may name any: not the one that some use. */
#define VECTOR_DEVICES 0x30
#define VECTOR_SYSCALL 0x80

u8 irq_new(void (*fn)(void *arg), void *arg)
{
	static u8 next = VECTOR_DEVICES;

	if (next == VECTOR_SYSCALL)
		next++;
	if (next == VECTOR_TIMER)
		kpanic("too many devices");
	irqs[next] = (struct irq){ fn, arg };
	return next++;
}

static bool in_range(u64 x, const char *start, const char *end)
{
	return x >= (u64)start && x < (u64)end;
}

static bool on_kernel_stack(const struct frame *f)
{
	return f->rsp >= KERNEL_SLOTS_BASE &&
	       f->rsp < KERNEL_SLOTS_BASE + KERNEL_SLOTS_MAX * SLOT_SIZE;
}

/* The clock's functions (before kernel_text_start) run for both. */
static bool in_kernel(const struct frame *f)
{
	return in_range(f->rip, kernel_text_start, kernel_text_end) ||
	       (f->rip >= KERNEL_BASE && on_kernel_stack(f));
}

static u32 vector_of(const struct frame *f)
{
	return (u32)(f->orig_rax >> 32);
}

/* --- Faults -----------------------------------------------------------------
 */

/* The exceptions of the FPU that is unmasked and has happened. */
static int float_code(u32 status, u32 masked)
{
	/* si_code of FPE_FLTINV, _FLTDIV, _FLTOVF, _FLTUND, _FLTRES by bit;
	 * a denormal operand counts as an underflow, as on Linux. */
	static const u8 codes[] = { 7, 5, 3, 4, 5, 6 };

	for (u32 i = 0; i < ARRAY_SIZE(codes); i++)
		if ((status & ~masked) >> i & 1)
			return i == 1 ? 5 : i == 2 ? 3 : codes[i];
	return 7;
}

static int float_error(u32 vector)
{
	u32 mxcsr;
	u16 status, control;

	if (vector == TRAP_SIMD) {
		__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
		return float_code(mxcsr & 0x3f, mxcsr >> 7 & 0x3f);
	}
	__asm__ volatile("fnstsw %0" : "=m"(status));
	__asm__ volatile("fnstcw %0" : "=m"(control));
	return float_code(status & 0x3fu, control & 0x3fu);
}

static void fill_fault(struct plat_fault *fault, const struct frame *f, u64 cr2)
{
	u32 vector = vector_of(f);

	*fault = (struct plat_fault){
		.address = f->rip,
		.error_code = (u32)f->orig_rax,
		.trap_number = vector,
	};
	switch (vector) {
	case TRAP_PAGE:
		fault->kind = fault->error_code & 1 ? PLAT_FAULT_SEGV_ACCERR
						    : PLAT_FAULT_SEGV_MAPERR;
		fault->address = cr2;
		/* What the program sees: it believes that it is ring 3. */
		fault->error_code |= 4;
		break;
	case TRAP_DIVIDE:
		fault->kind = PLAT_FAULT_DIVIDE;
		break;
	case TRAP_FPU:
	case TRAP_SIMD:
		fault->kind = PLAT_FAULT_FLOAT;
		fault->detail = float_error(vector);
		break;
	case TRAP_DEBUG:
		fault->kind = PLAT_FAULT_STEP;
		break;
	case TRAP_BREAKPOINT:
		fault->kind = PLAT_FAULT_BREAKPOINT;
		break;
	case TRAP_ALIGN:
		fault->kind = PLAT_FAULT_ALIGN;
		fault->address = 0;
		break;
	case TRAP_ILLEGAL:
		fault->kind = PLAT_FAULT_ILLEGAL;
		break;
	default:
		fault->kind = PLAT_FAULT_SEGV_GENERAL;
		fault->address = 0;
		break;
	}
}

NORETURN static void crash_in_kernel(struct frame *f, u64 cr2)
{
	char text[128];

	fmt_format(text, sizeof(text),
		   "trap %u error %#x in the kernel at %#lx, address %#lx",
		   vector_of(f), (u32)f->orig_rax, f->rip, cr2);
	f->orig_rax = cr2;
	plat_crash(text, f);
}

/* --- On the thread's kernel stack --------------------------------------------
 */

static void enable(void)
{
	__asm__ volatile("sti" : : : "memory");
}

/* Is it mended? Memory that is short may come back. */
static bool mend(struct plat_slot *s, u64 address, u64 error)
{
	struct thread *t = current();
	nsec_t before = plat_thread_cputime(t), time;
	int err = s->space && address < USER_END
			  ? space_fault(s->space, address, error)
			  : -EFAULT;

	if (err == -ENOMEM)
		oom_wait();
	time = plat_thread_cputime(t) - before;
	s->system += time;
	if (s->space)
		atomic_fetch_add(&s->space->system, time);
	return err != -EFAULT;
}

/* The program's fault: the platform's to mend, or the program's to know. */
static void user_fault(struct frame *f)
{
	struct plat_slot *s = slot_now();
	struct plat_fault fault = s->fault;

	enable();
	if (fault.trap_number == TRAP_PAGE &&
	    mend(s, fault.address, fault.error_code))
		exit_frame(f);
	f->orig_rax = FRAME_NO_SYSCALL;
	rseq_interrupted(f);
	patch_map_back(f);
	on_fault(f, &fault);
	exit_frame(f);
}

static void user_kick(struct frame *f)
{
	enable();
	sched_preempt();
	f->orig_rax = FRAME_NO_SYSCALL;
	rseq_interrupted(f);
	patch_map_back(f);
	on_kick(f);
	exit_frame(f);
}

static void user_preempt(struct frame *f)
{
	enable();
	sched_preempt();
	rseq_interrupted(f);
	exit_frame(f);
}

static void kernel_preempt(struct frame *f)
{
	sched_switch();
	trap_resume(f);
}

/* A user copy, or the image: below the registers it comes back to. */
static void kernel_fault(struct frame *f)
{
	struct plat_slot *s = slot_now();
	u64 address = s->fault.address, error = s->fault.error_code;
	u64 fixup;

	enable();
	/* Who is to die does not wait for memory. */
	if (mend(s, address, error) && !(current()->work & WORK_EXIT))
		trap_resume(f);
	fixup = usercopy_fixup(f->rip);
	if (!fixup)
		crash_in_kernel(f, address);
	f->orig_rax = error | (u64)TRAP_PAGE << 32;
	fill_fault(&s->copy_fault, f, address);
	f->rip = fixup;
	trap_resume(f);
}

/* The kernel reads the image. */
static void image_fault(struct frame *f)
{
	u64 address = slot_now()->fault.address;
	paddr_t pa;

	enable();
	if (!image_has(address - KERNEL_IMAGE_BASE))
		crash_in_kernel(f, address);
	while (!(pa = image_hold(address - KERNEL_IMAGE_BASE)))
		oom_wait();
	frame_put(pa, 0);
	trap_resume(f);
}

/* The kernel touched memory of its own for the first time, and there is no
 * frame: what is given back or killed makes room. */
static void short_fault(struct frame *f)
{
	u64 address = slot_now()->fault.address;

	enable();
	for (u32 i = 0; i < SHORT_TRIES; i++) {
		u64 flags;
		bool ok;

		oom_wait();
		flags = irq_save();
		ok = kernel_page(address);
		irq_restore(flags);
		if (ok)
			trap_resume(f);
	}
	kpanic("no memory for the kernel");
}

static bool is_image(u64 address)
{
	return address >= KERNEL_IMAGE_BASE &&
	       address < KERNEL_IMAGE_BASE + KERNEL_IMAGE_SIZE;
}

/* Go on with a copy of f at sp, by fn. */
NORETURN static void move_to(u64 sp, struct frame *f,
			     void (*fn)(struct frame *f))
{
	struct frame *to = (struct frame *)(sp - sizeof(*to));

	/* Nothing may fault here: the stack's page is there first. */
	if (!kernel_page((u64)to) || !kernel_page((u64)to - 2048))
		kpanic("kernel stack overflow at %#lx", f->rip);
	*to = *f;
	trap_continue(fn, to, (u64)to);
}

NORETURN static void move_user(struct frame *f, struct plat_slot *s,
			       void (*fn)(struct frame *f))
{
	f->cs = USER_CS | FRAME_FULL_RESTORE;
	f->ss = USER_SS;
	move_to(s->cpu.kernel_sp, f, fn);
}

NORETURN static void move_kernel(struct frame *f, struct plat_slot *s,
				 void (*fn)(struct frame *f))
{
	u64 sp = ROUND_DOWN(f->rsp, 16UL) - 8;

	if (in_range(f->rip, exit_window_start, exit_window_end)) {
		f->rip = (u64)exit_restart;
		sp = (u64)slot_frame(s) - 8;
	} else if (in_range(f->rip, fast_entry, fast_entry_on_stack)) {
		sp = s->cpu.kernel_sp;
	}
	move_to(sp, f, fn);
}

/* --- On the trap stack -------------------------------------------------------
 */

static struct frame *exception(struct frame *f, struct plat_slot *s)
{
	u64 cr2 = vector_of(f) == TRAP_PAGE ? read_cr2() : 0;

	if (vector_of(f) == TRAP_PAGE && cr2 >= KERNEL_BASE && kernel_page(cr2))
		return f;
	if (!in_kernel(f)) {
		fill_fault(&s->fault, f, cr2);
		move_user(f, s, user_fault);
	}
	if (in_range(f->rip, exit_window_start, exit_window_end)) {
		/* Its registers cannot be loaded: as if it had faulted. */
		*f = *slot_frame(s);
		f->orig_rax = (u64)TRAP_GENERAL << 32;
		fill_fault(&s->fault, f, 0);
		move_user(f, s, user_fault);
	}
	if (vector_of(f) == TRAP_DEBUG) {
		f->eflags &= ~(u64)EFLAGS_TF;
		return f;
	}
	if (vector_of(f) == TRAP_PAGE && cr2 < USER_END && on_kernel_stack(f)) {
		s->fault.address = cr2;
		s->fault.error_code = (u32)f->orig_rax | 4;
		move_kernel(f, s, kernel_fault);
	}
	if (vector_of(f) == TRAP_PAGE && is_image(cr2) && on_kernel_stack(f)) {
		s->fault.address = cr2;
		move_kernel(f, s, image_fault);
	}
	if (vector_of(f) == TRAP_PAGE && is_filled(cr2) &&
	    f->eflags & EFLAGS_IF && on_kernel_stack(f)) {
		s->fault.address = cr2;
		move_kernel(f, s, short_fault);
	}
	/* The program had changed GS. */
	if (in_range(f->rip, fast_entry, fast_entry_on_stack))
		return f;
	if (usercopy_fixup(f->rip)) {
		fill_fault(&s->copy_fault, f, cr2);
		f->rip = usercopy_fixup(f->rip);
		return f;
	}
	crash_in_kernel(f, cr2);
}

/* `int` may name any vector in ring 0: none of a device, it is a fault. */
static bool is_device(u32 vector)
{
	return vector >= VECTOR_TIMER || irqs[vector].fn;
}

static void interrupt(u32 vector, struct cpu *c)
{
	if (vector == VECTOR_TIMER)
		sched_tick(c);
	else if (vector == VECTOR_KICK)
		sched_look(c);
	else if (vector == VECTOR_FLUSH)
		cpu_obey(c);
	else if (vector < VECTOR_TIMER)
		irqs[vector].fn(irqs[vector].arg);
	if (vector != VECTOR_SPURIOUS)
		apic_eoi();
}

struct frame *trap_entry(struct frame *f, struct cpu *c)
{
	struct plat_slot *s = c->running;
	u32 vector = vector_of(f);
	bool is_kernel;

	/* The program may have changed it. */
	__asm__ volatile("wrgsbase %0" : : "r"(s));
	if (vector == TRAP_NMI || vector == TRAP_DOUBLE ||
	    vector == TRAP_MACHINE)
		crash_in_kernel(f, read_cr2());
	if (!is_device(vector) && vector >= TRAP_DEVICES) {
		f->rip -= 2;
		f->orig_rax = (u64)TRAP_GENERAL << 32 | (vector * 8 + 2);
		vector = TRAP_GENERAL;
	}
	if (vector < TRAP_DEVICES)
		return exception(f, s);
	is_kernel = in_kernel(f);
	interrupt(vector, c);
	if (s == c->idle)
		return f; /* it looks for itself */
	if (!is_kernel && atomic_load(&s->kicked))
		move_user(f, s, user_kick);
	if (is_kernel && atomic_load(&s->kicked) &&
	    in_range(f->rip, exit_window_start, exit_window_end))
		f->rip = (u64)exit_restart;
	if (!c->must_schedule)
		return f;
	if (is_kernel)
		move_kernel(f, s, kernel_preempt);
	move_user(f, s, user_preempt);
}

void usercopy_last_fault(struct plat_fault *fault)
{
	*fault = slot_now()->copy_fault;
}
