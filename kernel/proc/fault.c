/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upcalls of the platform about the running program: it faulted, or it was
 * kicked out to do pending work.
 */
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/proc_int.h"

static void describe(const struct plat_fault *fault, int *sig, int *code)
{
	switch (fault->kind) {
	case PLAT_FAULT_SEGV_MAPERR:
		*sig = LINUX_SIGSEGV;
		*code = LINUX_SEGV_MAPERR;
		break;
	case PLAT_FAULT_SEGV_ACCERR:
		*sig = LINUX_SIGSEGV;
		*code = LINUX_SEGV_ACCERR;
		break;
	case PLAT_FAULT_SEGV_GENERAL:
		*sig = LINUX_SIGSEGV;
		*code = LINUX_SI_KERNEL;
		break;
	case PLAT_FAULT_BUS:
		*sig = LINUX_SIGBUS;
		*code = LINUX_BUS_ADRERR;
		break;
	case PLAT_FAULT_ALIGN:
		*sig = LINUX_SIGBUS;
		*code = LINUX_BUS_ADRALN;
		break;
	case PLAT_FAULT_DIVIDE:
		*sig = LINUX_SIGFPE;
		*code = LINUX_FPE_INTDIV;
		break;
	case PLAT_FAULT_FLOAT:
		*sig = LINUX_SIGFPE;
		*code = fault->detail;
		break;
	case PLAT_FAULT_ILLEGAL:
		*sig = LINUX_SIGILL;
		*code = LINUX_ILL_ILLOPN;
		break;
	case PLAT_FAULT_BREAKPOINT:
		*sig = LINUX_SIGTRAP;
		*code = LINUX_SI_KERNEL;
		break;
	case PLAT_FAULT_STEP:
		*sig = LINUX_SIGTRAP;
		*code = LINUX_TRAP_TRACE;
		break;
	}
}

static bool is_memory_fault(const struct plat_fault *fault)
{
	return fault->kind == PLAT_FAULT_SEGV_MAPERR ||
	       fault->kind == PLAT_FAULT_SEGV_ACCERR ||
	       fault->kind == PLAT_FAULT_BUS;
}

static void deliver_fault(const struct plat_fault *fault)
{
	struct thread *t = current();
	struct linux_siginfo info;
	int sig = LINUX_SIGSEGV, code = LINUX_SI_KERNEL;

	describe(fault, &sig, &code);
	if (is_memory_fault(fault)) {
		if (mm_fault(fault, &sig, &code))
			return;
		t->trap_address = fault->address;
	}
	t->trap_number = fault->trap_number;
	t->trap_error = fault->error_code;
	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = code;
	if (code != LINUX_SI_KERNEL)
		info.u.fault.addr = fault->address;
	signal_force(sig, &info);
}

void on_fault(struct frame *f, const struct plat_fault *fault)
{
	f->orig_rax = FRAME_NO_SYSCALL;
	deliver_fault(fault);
	if (thread_work(current()))
		thread_work_run(f);
}

void on_kick(struct frame *f)
{
	if (thread_work(current()))
		thread_work_run(f);
}
