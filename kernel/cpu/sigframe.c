/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signal frames on the program's stack, bit for bit as x86-64 Linux lays them
 * out: return address, ucontext with all registers and the mask, siginfo, and
 * the FPU's registers above.
 */
#include "kernel/cpu/entry.h"
#include "kernel/cpu/fpu.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/proc/proc_int.h"

#define RED_ZONE 128
#define ADDRESS_END (1UL << 47)
/* What sigreturn may change of the flags register. */
#define EFLAGS_USER 0x00050dd5UL
#define EFLAGS_RF 0x10000UL

enum { UC_FP_XSTATE = 1, UC_SIGCONTEXT_SS = 2, UC_STRICT_RESTORE_SS = 4 };

struct linux_sigcontext {
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 di, si, bp, bx, dx, ax, cx, sp, ip;
	u64 flags;
	u16 cs, gs, fs, ss;
	u64 err, trapno, oldmask, cr2;
	u64 fpstate;
	u64 reserved[8];
};
_Static_assert(sizeof(struct linux_sigcontext) == 256, "Linux ABI");

struct linux_stack {
	u64 sp;
	s32 flags;
	s32 pad;
	u64 size;
};

struct linux_ucontext {
	u64 flags;
	u64 link;
	struct linux_stack stack;
	struct linux_sigcontext context;
	u64 mask;
};

struct sigframe {
	u64 return_address;
	struct linux_ucontext uc;
	struct linux_siginfo info;
};
_Static_assert(sizeof(struct sigframe) == 440, "Linux ABI");

/* Where the frame begins to grow down from; 0: there is no room. */
static u64 frame_top(const struct thread *t, const struct frame *f,
		     const struct linux_sigaction *sa, u64 need)
{
	const struct sigaltstack_state *alt = &t->altstack;
	u64 sp = f->rsp - RED_ZONE;
	bool on_alt = alt->size && signal_on_altstack(t, f->rsp);

	if ((sa->flags & LINUX_SA_ONSTACK) && alt->size && !on_alt) {
		sp = alt->sp + alt->size;
		on_alt = true;
	}
	if (on_alt && !(alt->flags & LINUX_SS_AUTODISARM) &&
	    (sp <= alt->sp || sp - alt->sp < need))
		return 0;
	return sp;
}

static void fill_context(struct linux_sigcontext *c, const struct frame *f,
			 const struct thread *t, u64 mask, u64 fpstate)
{
	c->r8 = f->r8;
	c->r9 = f->r9;
	c->r10 = f->r10;
	c->r11 = f->r11;
	c->r12 = f->r12;
	c->r13 = f->r13;
	c->r14 = f->r14;
	c->r15 = f->r15;
	c->di = f->rdi;
	c->si = f->rsi;
	c->bp = f->rbp;
	c->bx = f->rbx;
	c->dx = f->rdx;
	c->ax = f->rax;
	c->cx = f->rcx;
	c->sp = f->rsp;
	c->ip = f->rip;
	c->flags = f->eflags;
	c->cs = USER_CS;
	c->ss = USER_SS;
	c->err = t->trap_error;
	c->trapno = t->trap_number;
	c->cr2 = t->trap_address;
	c->oldmask = mask;
	c->fpstate = fpstate;
}

static void fill_frame(struct sigframe *frame, const struct frame *f,
		       const struct linux_siginfo *info,
		       const struct linux_sigaction *sa, u64 mask, u64 fpstate)
{
	struct thread *t = current();

	memset(frame, 0, sizeof(*frame));
	frame->return_address = sa->restorer;
	frame->uc.flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS |
			  UC_STRICT_RESTORE_SS;
	frame->uc.stack.sp = t->altstack.sp;
	frame->uc.stack.flags = (s32)t->altstack.flags;
	frame->uc.stack.size = t->altstack.size;
	fill_context(&frame->uc.context, f, t, mask, fpstate);
	frame->uc.mask = mask;
	frame->info = *info;
}

int sigframe_setup(struct frame *f, int sig, const struct linux_siginfo *info,
		   const struct linux_sigaction *sa, u64 mask)
{
	struct thread *t = current();
	struct sigframe frame;
	u32 fp_size = fpu_size();
	u64 fpstate, at;
	u64 sp = frame_top(t, f, sa, sizeof(frame) + fp_size + 128);

	/* x86-64 has no other way back. */
	if (!sp || !(sa->flags & LINUX_SA_RESTORER))
		return -EFAULT;
	fpstate = ROUND_DOWN(sp - fp_size, 64);
	at = ROUND_DOWN(fpstate - sizeof(frame), 16) - 8;
	if (at >= sp)
		return -EFAULT;
	fill_frame(&frame, f, info, sa, mask, fpstate);
	if (fpu_save_user(fpstate, fp_size) || user_put(at, &frame))
		return -EFAULT;
	if (t->altstack.flags & LINUX_SS_AUTODISARM) {
		t->altstack.sp = 0;
		t->altstack.size = 0;
		t->altstack.flags = LINUX_SS_DISABLE;
	}
	fpu_reset(); /* handlers start with the defaults */
	f->rdi = (u64)sig;
	f->rsi = at + offsetof(struct sigframe, info);
	f->rdx = at + offsetof(struct sigframe, uc);
	f->rax = 0;
	f->rsp = at;
	f->rip = sa->handler;
	f->eflags &= ~(EFLAGS_DF | EFLAGS_RF | EFLAGS_TF);
	f->cs |= FRAME_FULL_RESTORE;
	f->orig_rax = FRAME_NO_SYSCALL;
	return 0;
}

static void load_context(struct frame *f, const struct linux_sigcontext *c)
{
	f->r8 = c->r8;
	f->r9 = c->r9;
	f->r10 = c->r10;
	f->r11 = c->r11;
	f->r12 = c->r12;
	f->r13 = c->r13;
	f->r14 = c->r14;
	f->r15 = c->r15;
	f->rdi = c->di;
	f->rsi = c->si;
	f->rbp = c->bp;
	f->rbx = c->bx;
	f->rdx = c->dx;
	f->rax = c->ax;
	f->rcx = c->cx;
	f->rsp = c->sp;
	f->rip = c->ip;
	f->eflags = (f->eflags & ~EFLAGS_USER) | (c->flags & EFLAGS_USER);
	f->cs |= FRAME_FULL_RESTORE; /* selectors are not the program's */
	f->orig_rax = FRAME_NO_SYSCALL;
}

int sigframe_return(struct frame *f, u64 *mask)
{
	struct thread *t = current();
	struct linux_ucontext uc;
	u64 at = f->rsp - 8 + offsetof(struct sigframe, uc);

	if (user_get(&uc, at))
		return -EFAULT;
	if (uc.context.ip >= ADDRESS_END)
		return -EFAULT;
	if (fpu_restore_user(uc.context.fpstate, fpu_size()))
		return -EFAULT;
	load_context(f, &uc.context);
	*mask = uc.mask;
	/* As sigaltstack() would, but a bad value is nobody's error. */
	if (uc.stack.flags & LINUX_SS_DISABLE) {
		t->altstack.sp = 0;
		t->altstack.size = 0;
		t->altstack.flags = LINUX_SS_DISABLE;
	} else if (uc.stack.size && !signal_on_altstack(t, f->rsp)) {
		t->altstack.sp = uc.stack.sp;
		t->altstack.size = uc.stack.size;
		t->altstack.flags = (u32)uc.stack.flags & LINUX_SS_AUTODISARM;
	}
	return 0;
}
