/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's signal numbers and structures (x86-64), from the UAPI headers where
 * they fit and in our own names where theirs collide with a C library's.
 */
#ifndef JIFFY_KERNEL_LINUX_SIGNAL_H
#define JIFFY_KERNEL_LINUX_SIGNAL_H

#include "lib/compiler.h"

/* Numbers: signal(7). */
enum {
	LINUX_SIGHUP = 1,
	LINUX_SIGINT,
	LINUX_SIGQUIT,
	LINUX_SIGILL,
	LINUX_SIGTRAP,
	LINUX_SIGABRT,
	LINUX_SIGBUS,
	LINUX_SIGFPE,
	LINUX_SIGKILL,
	LINUX_SIGUSR1,
	LINUX_SIGSEGV,
	LINUX_SIGUSR2,
	LINUX_SIGPIPE,
	LINUX_SIGALRM,
	LINUX_SIGTERM,
	LINUX_SIGSTKFLT,
	LINUX_SIGCHLD,
	LINUX_SIGCONT,
	LINUX_SIGSTOP,
	LINUX_SIGTSTP,
	LINUX_SIGTTIN,
	LINUX_SIGTTOU,
	LINUX_SIGURG,
	LINUX_SIGXCPU,
	LINUX_SIGXFSZ,
	LINUX_SIGVTALRM,
	LINUX_SIGPROF,
	LINUX_SIGWINCH,
	LINUX_SIGIO,
	LINUX_SIGPWR,
	LINUX_SIGSYS,
	LINUX_SIGRTMIN,
};

struct linux_sigaction {
	uaddr_t handler; /* 0 SIG_DFL, 1 SIG_IGN */
	u64 flags;	 /* SA_* */
	uaddr_t restorer;
	u64 mask;
};

#define LINUX_SIG_DFL 0UL
#define LINUX_SIG_IGN 1UL

enum {
	LINUX_SA_NOCLDSTOP = 1,
	LINUX_SA_NOCLDWAIT = 2,
	LINUX_SA_SIGINFO = 4,
	LINUX_SA_RESTORER = 0x04000000,
	LINUX_SA_ONSTACK = 0x08000000,
	LINUX_SA_RESTART = 0x10000000,
	LINUX_SA_NODEFER = 0x40000000,
};
#define LINUX_SA_RESETHAND 0x80000000UL

enum { LINUX_SS_ONSTACK = 1, LINUX_SS_DISABLE = 2 };
#define LINUX_SS_AUTODISARM (1U << 31)

enum { /* si_code */
       LINUX_SI_USER = 0,
       LINUX_SI_KERNEL = 0x80,
       LINUX_SI_QUEUE = -1,
       LINUX_SI_TIMER = -2,
       LINUX_SI_TKILL = -6,
       LINUX_ILL_ILLOPN = 2,
       LINUX_FPE_INTDIV = 1,
       LINUX_SEGV_MAPERR = 1,
       LINUX_SEGV_ACCERR = 2,
       LINUX_BUS_ADRALN = 1,
       LINUX_BUS_ADRERR = 2,
       LINUX_TRAP_BRKPT = 1,
       LINUX_TRAP_TRACE = 2,
       LINUX_CLD_EXITED = 1,
       LINUX_CLD_KILLED,
       LINUX_CLD_DUMPED,
       LINUX_CLD_TRAPPED,
       LINUX_CLD_STOPPED,
       LINUX_CLD_CONTINUED,
};

union linux_sigval {
	s32 sival_int;
	u64 sival_ptr;
};

struct linux_siginfo { /* 128 bytes, asm-generic/siginfo.h */
	s32 si_signo;
	s32 si_errno;
	s32 si_code;
	s32 pad0;
	union {
		struct {
			s32 pid;
			u32 uid;
			union linux_sigval value;
		} rt;
		struct {
			s32 tid;
			s32 overrun;
			union linux_sigval value;
		} timer;
		struct {
			s32 pid;
			u32 uid;
			s32 status;
			s32 pad;
			s64 utime, stime;
		} chld;
		struct {
			u64 addr;
			u64 trapno;
		} fault;
		struct {
			s64 band;
			s32 fd;
		} poll;
		u8 raw[112];
	} u;
};
_Static_assert(sizeof(struct linux_siginfo) == 128, "Linux ABI");

#endif
