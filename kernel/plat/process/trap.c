/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host signal means. trap_entry() runs on the signal stack and decides:
 * the program was interrupted (a trapped system call, a fault, a kick), then
 * its registers move to the frame on the kernel stack and the upcall is
 * returned; or the kernel was, then the signal context is changed by a rule and
 * resumed:
 *	kick in the exit window		-> start the exit again
 *	kick before an interruptible host call -> it returns -EINTR
 *	fault where a wake left the page cache in the file (lazy.c)
 *					-> the same instruction again
 *	fault in a user copy		-> its fix-up address
 *	fault of the fast entry's GS	-> the same instruction again
 *	the program's single step	-> the same instruction, not stepping
 *	fault elsewhere			-> crash
 */
#include "kernel/boot/boot.h"
#include "kernel/cpu/patch.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"

enum { /* host signals */
       HOST_SIGILL = 4,
       HOST_SIGTRAP = 5,
       HOST_SIGBUS = 7,
       HOST_SIGFPE = 8,
       HOST_SIGSEGV = 11,
       HOST_SIGPIPE = 13,
       HOST_SIGSYS = 31,
};

#define AUDIT_ARCH_HOST 0xc000003eu

struct host_siginfo {
	s32 signo, err, code, pad;
	u64 address; /* SIGSYS: of the instruction after the call */
	s32 syscall;
	u32 arch;
};

/* mcontext_t's gregs. */
enum {
	G_R8,
	G_R9,
	G_R10,
	G_R11,
	G_R12,
	G_R13,
	G_R14,
	G_R15,
	G_RDI,
	G_RSI,
	G_RBP,
	G_RBX,
	G_RDX,
	G_RAX,
	G_RCX,
	G_RSP,
	G_RIP,
	G_EFLAGS,
	G_SEGMENTS,
	G_ERROR,
	G_TRAP,
	G_OLDMASK,
	G_CR2,
	G_COUNT
};

struct host_ucontext {
	u64 flags, link, stack[3];
	u64 g[G_COUNT];
	u64 fpstate;
};

typedef void upcall_fn(struct frame *f);
upcall_fn *trap_entry(int sig, const struct host_siginfo *info,
		      struct host_ucontext *uc, struct plat_slot *slot);

static bool in_range(u64 x, const char *start, const char *end)
{
	return x >= (u64)start && x < (u64)end;
}

/* The host's vDSO runs for the program (on its stack) and for the kernel. */
static bool in_host_vdso(const u64 *g)
{
	return g[G_RIP] >= plat_state.vdso_base &&
	       g[G_RIP] < plat_state.vdso_end;
}

static bool in_kernel(const u64 *g)
{
	if (in_range(g[G_RIP], kernel_text_start, kernel_text_end))
		return true;
	return in_host_vdso(g) && g[G_RSP] >= KERNEL_SLOTS_BASE &&
	       g[G_RSP] < KERNEL_SLOTS_BASE + KERNEL_SLOTS_MAX * SLOT_SIZE;
}

static void save_frame(struct frame *f, const u64 *g)
{
	f->r15 = g[G_R15];
	f->r14 = g[G_R14];
	f->r13 = g[G_R13];
	f->r12 = g[G_R12];
	f->rbp = g[G_RBP];
	f->rbx = g[G_RBX];
	f->r11 = g[G_R11];
	f->r10 = g[G_R10];
	f->r9 = g[G_R9];
	f->r8 = g[G_R8];
	f->rax = g[G_RAX];
	f->rcx = g[G_RCX];
	f->rdx = g[G_RDX];
	f->rsi = g[G_RSI];
	f->rdi = g[G_RDI];
	f->orig_rax = FRAME_NO_SYSCALL;
	f->rip = g[G_RIP];
	f->cs = USER_CS | FRAME_FULL_RESTORE;
	f->eflags = g[G_EFLAGS];
	f->rsp = g[G_RSP];
	f->ss = USER_SS;
}

/* After SIGSYS from the program, on the kernel stack. */
static void upcall_syscall(struct frame *f)
{
	patch_site(f);
	on_syscall(f);
}

static void upcall_fault(struct frame *f)
{
	struct plat_fault fault = slot_of_host()->fault;

	on_fault(f, &fault);
}

static void fill_fault(struct plat_fault *fault, int sig,
		       const struct host_siginfo *info, const u64 *g)
{
	fault->address = g[G_CR2];
	fault->detail = info->code;
	fault->error_code = g[G_ERROR];
	fault->trap_number = g[G_TRAP];
	switch (sig) {
	case HOST_SIGSEGV:
		fault->kind = g[G_TRAP] != 14	? PLAT_FAULT_SEGV_GENERAL
			      : info->code == 1 ? PLAT_FAULT_SEGV_MAPERR
						: PLAT_FAULT_SEGV_ACCERR;
		break;
	case HOST_SIGBUS:
		fault->kind = g[G_TRAP] == 17 ? PLAT_FAULT_ALIGN
					      : PLAT_FAULT_BUS;
		break;
	case HOST_SIGFPE:
		fault->kind = g[G_TRAP] == 0 ? PLAT_FAULT_DIVIDE
					     : PLAT_FAULT_FLOAT;
		fault->address = g[G_RIP];
		break;
	case HOST_SIGTRAP:
		fault->kind = g[G_TRAP] == 1 ? PLAT_FAULT_STEP
					     : PLAT_FAULT_BREAKPOINT;
		fault->address = g[G_RIP];
		break;
	case HOST_SIGSYS: /* a 32-bit call: as on a kernel without them */
		fault->kind = PLAT_FAULT_SEGV_GENERAL;
		break;
	default:
		fault->kind = PLAT_FAULT_ILLEGAL;
		fault->address = g[G_RIP];
		break;
	}
	if (fault->kind == PLAT_FAULT_SEGV_GENERAL)
		fault->address = 0;
}

NORETURN static void crash_in_kernel(int sig, const struct host_siginfo *info,
				     struct host_ucontext *uc)
{
	struct frame f;
	char text[128];

	save_frame(&f, uc->g);
	f.orig_rax = uc->g[G_CR2];
	fmt_format(text, sizeof(text),
		   "host signal %d code %d in the kernel at %#lx, address %#lx",
		   sig, info->code, uc->g[G_RIP], uc->g[G_CR2]);
	plat_crash(text, &f);
}

static void kick_in_kernel(u64 *g, struct plat_slot *slot)
{
	slot->kicked = 1;
	if (in_range(g[G_RIP], exit_window_start, exit_window_end))
		g[G_RIP] = (u64)exit_restart;
	else if (in_range(g[G_RIP], hostcall_intr_start, hostcall_intr_end))
		g[G_RIP] = (u64)hostcall_intr_out;
}

/* The host's clock has no fast path: its vDSO made a real call for us. */
static void vdso_call_in_kernel(u64 *g)
{
	g[G_RAX] = (u64)hostcall((long)g[G_RAX], g[G_RDI], g[G_RSI], g[G_RDX],
				 g[G_R10], g[G_R8], g[G_R9]);
}

static upcall_fn *interrupted_kernel(int sig, const struct host_siginfo *info,
				     struct host_ucontext *uc,
				     struct plat_slot *slot)
{
	u64 fixup;

	if (sig == HOST_SIGKICK) {
		kick_in_kernel(uc->g, slot);
		return NULL;
	}
	if (sig == HOST_SIGSYS) {
		if (!in_host_vdso(uc->g))
			crash_in_kernel(sig, info, uc);
		vdso_call_in_kernel(uc->g);
		return NULL;
	}
	if (sig == HOST_SIGBUS && lazy_fault(slot, uc->g[G_CR2]))
		return NULL;
	if (in_range(uc->g[G_RIP], exit_window_start, exit_window_end)) {
		/* The program's own registers cannot be loaded (an address
		 * that is not canonical). */
		fill_fault(&slot->fault, sig, info, uc->g);
		return upcall_fault;
	}
	/* It steps through its own code and came to a patched site. */
	if (sig == HOST_SIGTRAP && uc->g[G_EFLAGS] & EFLAGS_TF) {
		uc->g[G_EFLAGS] &= ~(u64)EFLAGS_TF;
		return NULL;
	}
	/* The program had changed GS; signal_entry has put it right. */
	if (in_range(uc->g[G_RIP], fast_entry, fast_entry_on_stack))
		return NULL;
	fixup = usercopy_fixup(uc->g[G_RIP]);
	if (!fixup)
		crash_in_kernel(sig, info, uc);
	fill_fault(&slot->copy_fault, sig, info, uc->g);
	uc->g[G_RIP] = fixup;
	return NULL;
}

upcall_fn *trap_entry(int sig, const struct host_siginfo *info,
		      struct host_ucontext *uc, struct plat_slot *slot)
{
	struct frame *f;

	if (sig == HOST_SIGKICK) {
		(void)atomic_xchg(&slot->kick_sent, 0);
		if (unlikely(atomic_load(&freeze_word)))
			freeze_kicked(slot);
	}
	if (unlikely(in_kernel(uc->g)))
		return interrupted_kernel(sig, info, uc, slot);
	f = (struct frame *)(slot->cpu.kernel_sp - sizeof(*f));
	save_frame(f, uc->g);
	if (likely(sig == HOST_SIGSYS && info->arch == AUDIT_ARCH_HOST)) {
		f->orig_rax = f->rax;
		f->rax = (u64)-ENOSYS;
		if (likely(!(f->eflags & EFLAGS_ODD)))
			f->cs = USER_CS;
		return upcall_syscall;
	}
	patch_map_back(f);
	if (sig == HOST_SIGKICK)
		return on_kick;
	fill_fault(&slot->fault, sig, info, uc->g);
	return upcall_fault;
}

struct host_sigaction {
	void (*handler)(void);
	u64 flags;
	const void *restorer;
	u64 mask;
};

void signal_entry(void);

int trap_install(void)
{
	static const u8 signals[] = { HOST_SIGSYS, HOST_SIGSEGV, HOST_SIGBUS,
				      HOST_SIGFPE, HOST_SIGILL,	 HOST_SIGTRAP,
				      HOST_SIGKICK };
	/* SIGINFO, RESTORER, ONSTACK, NODEFER: the mask always stays open, as
	 * a handler that was left is never returned from. */
	const struct host_sigaction action = { signal_entry, 0x4c000004,
					       host_sigreturn, 0 };
	const struct host_sigaction ignore = { (void (*)(void))1, 0x04000000,
					       host_sigreturn, 0 };
	s64 err = hostcall(__NR_rt_sigaction, HOST_SIGPIPE, &ignore, 0, 8);

	for (u32 i = 0; !err && i < ARRAY_SIZE(signals); i++)
		err = hostcall(__NR_rt_sigaction, signals[i], &action, 0, 8);
	return (int)err;
}

void usercopy_last_fault(struct plat_fault *fault)
{
	*fault = slot_of_host()->copy_fault;
}
