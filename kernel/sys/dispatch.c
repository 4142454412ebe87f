/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the platform's on_syscall() to the body of the call: the table built
 * from table.h, the ring of last calls, and the slow path with tracing and
 * counting. Runs on the calling thread.
 */
#include "kernel/sys/dispatch.h"

#include "kernel/kernel.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"
#include "kernel/sys/report.h"
#include "kernel/sys/syscall.h"
#include "kernel/sys/trace.h"

/* Refused calls go through one body that looks up its own row. */
static long sys_refused(struct frame *f);
/* A number that nothing has. */
static long sys_none(struct frame *f);

#define SYS(nr, name, format) [nr] = sys_##name,
#define STUB(nr, name, err, why) [nr] = sys_refused,
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static syscall_fn *const bodies[SYSCALL_MAX] = {
	[0 ... SYSCALL_MAX - 1] = sys_none,
#include "kernel/sys/table.h"
};
#pragma GCC diagnostic pop
#undef SYS
#undef STUB

#define SYS(nr, name, format) [nr] = { #name, format, 0 },
#define STUB(nr, name, err, why) [nr] = { #name, "", err },
const struct syscall_row syscall_rows[SYSCALL_MAX] = {
#include "kernel/sys/table.h"
};
#undef SYS
#undef STUB

static long sys_refused(struct frame *f)
{
	const struct syscall_row *row = &syscall_rows[f->orig_rax];

	return syscall_unsupported(row->name, f->orig_rax, row->err);
}

static long sys_none(struct frame *f)
{
	return syscall_unsupported("system call", f->orig_rax, ENOSYS);
}

static bool is_restart(long result)
{
	return result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK;
}

/* With --trace or --stats. */
static NOINLINE long call_slow(struct frame *f, u64 nr)
{
	struct trace_call call;
	long result;

	if (kernel.count)
		report_count(nr);
	if (!kernel.trace)
		return bodies[nr](f);
	trace_enter(&call, f, &syscall_rows[nr]);
	result = bodies[nr](f);
	trace_leave(&call, result);
	return result;
}

void on_syscall(struct frame *f)
{
	struct thread *t = current();
	u64 nr = f->orig_rax;
	struct thread_call *c = &t->calls[t->ncalls++ % ARRAY_SIZE(t->calls)];
	long result;

	c->nr = (u32)nr;
	c->arg0 = f->rdi;
	c->arg1 = f->rsi;
	c->result = INT64_MIN; /* still running */
	if (unlikely(nr >= SYSCALL_MAX))
		result = sys_none(f);
	else if (unlikely(kernel.trace || kernel.count))
		result = call_slow(f, nr);
	else
		result = bodies[nr](f);
	lock_check_sleep("return to the program");
	c->result = result;
	f->rax = (u64)result;
	if (unlikely(is_restart(result)))
		thread_work_run(f); /* other work: see the exit in entry.S */
}
