/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a system call's body is written. SYSCALL3(read, int, fd, uaddr_t, buf,
 * u64, len) { ... } defines long sys_read(struct frame *) with its arguments
 * as real names and types. Row in table.h: SYS(0, read, "fd buf:out len").
 */
#ifndef JIFFY_KERNEL_SYS_SYSCALL_H
#define JIFFY_KERNEL_SYS_SYSCALL_H

#include "kernel/cpu/frame.h"
#include "kernel/linux/errno.h"

#define SYSCALL0(n) long sys_##n(UNUSED struct frame *frame)
#define SYSCALL_BODY_(n, params, ...)         \
	static long body_##n params;          \
	long sys_##n(struct frame *frame)     \
	{                                     \
		return body_##n(__VA_ARGS__); \
	}                                     \
	static long body_##n params
#define SYSCALL1(n, t1, a1)                                           \
	SYSCALL_BODY_(n, (struct frame * frame UNUSED, t1 a1), frame, \
		      (t1)frame->rdi)
#define SYSCALL2(n, t1, a1, t2, a2)                                          \
	SYSCALL_BODY_(n, (struct frame * frame UNUSED, t1 a1, t2 a2), frame, \
		      (t1)frame->rdi, (t2)frame->rsi)
#define SYSCALL3(n, t1, a1, t2, a2, t3, a3)                                  \
	SYSCALL_BODY_(n, (struct frame * frame UNUSED, t1 a1, t2 a2, t3 a3), \
		      frame, (t1)frame->rdi, (t2)frame->rsi, (t3)frame->rdx)
#define SYSCALL4(n, t1, a1, t2, a2, t3, a3, t4, a4)                           \
	SYSCALL_BODY_(                                                        \
		n, (struct frame * frame UNUSED, t1 a1, t2 a2, t3 a3, t4 a4), \
		frame, (t1)frame->rdi, (t2)frame->rsi, (t3)frame->rdx,        \
		(t4)frame->r10)
#define SYSCALL5(n, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5)                  \
	SYSCALL_BODY_(n,                                                     \
		      (struct frame * frame UNUSED, t1 a1, t2 a2, t3 a3,     \
		       t4 a4, t5 a5),                                        \
		      frame, (t1)frame->rdi, (t2)frame->rsi, (t3)frame->rdx, \
		      (t4)frame->r10, (t5)frame->r8)
#define SYSCALL6(n, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6)          \
	SYSCALL_BODY_(n,                                                     \
		      (struct frame * frame UNUSED, t1 a1, t2 a2, t3 a3,     \
		       t4 a4, t5 a5, t6 a6),                                 \
		      frame, (t1)frame->rdi, (t2)frame->rsi, (t3)frame->rdx, \
		      (t4)frame->r10, (t5)frame->r8, (t6)frame->r9)

typedef long syscall_fn(struct frame *frame);

/* Rows become prototypes. */
#define SYS(nr, name, format) syscall_fn sys_##name;
#define STUB(nr, name, err, why)
#include "kernel/sys/table.h"
#undef SYS
#undef STUB

/* An option (flag, command, socket option) we do not know: counted, named in
 * the report at exit, traced; returns err negated, so that callers can write
 * `return syscall_unsupported("ioctl", cmd, ENOTTY);`. */
long syscall_unsupported(const char *what, u64 value, int err);

#endif
