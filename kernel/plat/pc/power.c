/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end: plat.h group 8. What is to be said is said to the monitor or on the
 * serial line; then the machine is switched off (off.c).
 */
#include "abi/boot.h"
#include "kernel/plat/pc/channel.h"
#include "kernel/proc/process.h"
#include "kernel/sys/report.h"

#define DRAIN (100 * NSEC_PER_MSEC)

static u8 exit_code(int status)
{
	return (u8)(status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff);
}

/* The monitor ends the machine, once all that was written has gone its way. */
static void tell_monitor(int status, const char *why)
{
	struct {
		struct broker_request request;
		char why[256];
	} call = { .request = { .op = BROKER_EXIT, .arg = (u32)status } };
	struct broker_reply reply;

	channel_publish_phases();
	channel_publish_stats();
	str_copy(call.why, sizeof(call.why), why);
	call.request.payload_len = (u32)strlen(call.why);
	(void)channel_call(&call,
			   sizeof(call.request) + call.request.payload_len,
			   &reply, sizeof(reply), NULL, 0);
}

/* "jiffy.phases" on the command line: what the start took, on the console. */
static void say_phases(void)
{
	const u64 *ns = ((const struct boot_block *)KERNEL_BOOT_BASE)->phase_ns;
	const char *p = command_line;
	char text[160];

	while (*p && strncmp(p, "jiffy.phases", 12) != 0)
		p++;
	if (!*p || !ns[BOOT_T_USER])
		return;
	fmt_format(text, sizeof(text),
		   "start: root mounted after %lu us, program loaded after "
		   "%lu us, its first instruction after %lu us",
		   (ns[BOOT_T_INIT] - ns[BOOT_T_KERNEL]) / 1000,
		   (ns[BOOT_T_EXEC] - ns[BOOT_T_KERNEL]) / 1000,
		   (ns[BOOT_T_USER] - ns[BOOT_T_KERNEL]) / 1000);
	plat_log(text, strlen(text));
}

NORETURN void plat_refuse(int status, const char *why)
{
	say_phases();
	if (channel_is_up())
		tell_monitor(status, why);
	else if (*why)
		plat_log(why, strlen(why));
	machine_off(exit_code(status));
}

NORETURN void plat_power_off(int status)
{
	plat_refuse(status, "");
}

/* The caller's callers, by frame pointers on this stack. */
static void say_callers(u64 rip, u64 rbp, u64 record[32])
{
	char text[64];

	for (u32 i = 0; i < 24 && rip; i++) {
		int n = fmt_format(text, sizeof(text), "  %#lx", rip);

		record[i] = rip;
		plat_log(text, (size_t)n);
		if (rbp < KERNEL_BASE || rbp % 8 || rbp >= KERNEL_HEAP_BASE)
			break;
		rip = ((u64 *)rbp)[1];
		rbp = ((u64 *)rbp)[0];
	}
}

static void record_thread(struct crash_record *c)
{
	struct thread *t = current();
	struct fmt_buf text;

	if (!t)
		return;
	c->tid = t->tid;
	c->pid = t->proc ? t->proc->pid : 0;
	memcpy(c->comm, t->comm, sizeof(c->comm));
	fmt_buf_init(&text, c->text, sizeof(c->text));
	crash_fill_text(&text);
	c->text_len = (u32)text.len;
}

/* First the lines, which need little, then the monitor's record. */
static void crash_report(const char *reason, const struct frame *regs)
{
	struct boot_block *b = (struct boot_block *)KERNEL_BOOT_BASE;
	struct crash_record *c = &b->crash;
	u64 callers[32] = { 0 };

	plat_log(reason, strlen(reason));
	if (regs)
		say_callers(regs->rip, regs->rbp, callers);
	else
		say_callers((u64)__builtin_return_address(0),
			    *(u64 *)__builtin_frame_address(0), callers);
	if (!channel_is_up())
		return;
	str_copy(c->reason, sizeof(c->reason), reason);
	memcpy(c->backtrace, callers, sizeof(callers));
	if (regs) {
		memcpy(c->regs, regs, sizeof(c->regs));
		c->fault_address = regs->orig_rax;
	}
	record_thread(c);
	c->magic = CRASH_MAGIC;
	channel_publish_crash();
	port_drain(clock_now() + DRAIN);
}

NORETURN void plat_crash(const char *reason, struct frame *regs)
{
	static u32 crashing; /* CPU + 1 */
	u32 me = plat_cpu() + 1, first = 0;

	__asm__ volatile("cli" : : : "memory");
	if (!atomic_cmpxchg(&crashing, &first, me) && first != me)
		for (;;) /* the other is saying why */
			__asm__ volatile("hlt");
	if (!first)
		crash_report(reason, regs);
	machine_off(125);
}

/* --- The quiet point: there is no freeze here yet
 * ----------------------------- */

void plat_quiet_point(void)
{
	rseq_moved();
}

bool plat_freeze(void)
{
	return false;
}
