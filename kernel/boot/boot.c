/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start-up in the order it happens, then the life of process 0's main thread:
 * timers and the monitor's events.
 */
#include "kernel/boot/boot.h"

#include "abi/boot.h"
#include "abi/broker.h"
#include "kernel/boot/command.h"
#include "kernel/boot/program.h"
#include "kernel/cpu/fpu.h"
#include "kernel/dev/block.h"
#include "kernel/dev/console.h"
#include "kernel/dev/generation.h"
#include "kernel/dev/random.h"
#include "kernel/dev/sleep.h"
#include "kernel/kernel.h"
#include "kernel/layout.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/pager.h"
#include "kernel/net/sock.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/oom.h"
#include "kernel/proc/process.h"
#include "kernel/proc/timer.h"
#include "kernel/sys/report.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/vfs.h"

struct kernel kernel;

/* What the monitor wrote, as it was at start. */
static struct boot_block boot_copy;

static struct boot_block *shared_block(void)
{
	return (struct boot_block *)KERNEL_BOOT_BASE;
}

static const char *resolv_conf = "";

const char *boot_string(const struct boot_string *s)
{
	const char *data = shared_block()->data;

	if (s->offset >= BOOT_DATA_SIZE || s->len >= BOOT_DATA_SIZE - s->offset)
		return "";
	return data[s->offset + s->len] == '\0' ? data + s->offset : "";
}

void boot_phase(unsigned int phase)
{
	shared_block()->phase_ns[phase] = (u64)plat_clock(PLAT_MONOTONIC);
}

static void must(int err, const char *what)
{
	if (err)
		kpanic("cannot start: %s: error %d", what, -err);
}

static void take_options(const struct boot_block *b)
{
	memcpy(&boot_copy, b, offsetof(struct boot_block, phase_ns));
	kernel.boot = &boot_copy;
	kernel.trace = b->flags & BOOT_TRACE;
	kernel.count = b->flags & BOOT_STATS;
	kernel.ncpus = b->ncpus ? b->ncpus : 1;
	kernel.memory_limit = b->memory_limit;
	kernel.boot_time = plat_clock(PLAT_MONOTONIC);
	kernel.boot_realtime = plat_clock(PLAT_REALTIME);
	str_copy(kernel.hostname, sizeof(kernel.hostname),
		 boot_string(&b->hostname));
	str_copy(kernel.domainname, sizeof(kernel.domainname), "(none)");
}

/* All programs have ended. The monitor reads the numbers after the end. */
static void end_orderly(UNUSED int status)
{
	mount_end();
	if (kernel.count)
		report_stats(&shared_block()->stats);
}

static void start_subsystems(void)
{
	int err;

	fpu_init();
	heap_init();
	must(proc_init(), "processes");
	block_init();
	err = vfs_init();
	if (err)
		boot_refuse(125 << 8,
			    "root image: corrupt, or not an EROFS "
			    "file system: error %d",
			    -err);
	net_init();
	random_uuid(kernel.boot_id);
	generation_init();
	sleep_init();
	process_hooks.power_off = end_orderly;
}

/* An array of the boot block as C strings, NULL at the end. */
static const char **strings(u32 offset, u64 count)
{
	const struct boot_block *b = shared_block();
	const struct boot_string *s =
		(const struct boot_string *)(b->data + offset);
	const char **v;

	if (offset > BOOT_DATA_SIZE || !IS_ALIGNED(offset, 4) ||
	    count > (BOOT_DATA_SIZE - offset) / sizeof(*s))
		kpanic("boot block: bad table of strings");
	v = kmalloc((count + 2) * sizeof(*v)); /* room for HOME */
	if (!v)
		kpanic("cannot start: no memory for arguments");
	for (u64 i = 0; i < count; i++)
		v[i] = boot_string(&s[i]);
	v[count] = NULL;
	return v;
}

static void start_program(const struct boot_block *b)
{
	static struct program program;
	static struct refusal refusal;
	struct process *p = process_new();

	if (!p)
		kpanic("cannot start: no memory for the first process");
	program = (struct program){
		.user = boot_string(&b->user),
		.directory = boot_string(&b->cwd),
		.search_path = boot_string(&b->env_path),
		.argv = strings(b->argv, b->argc),
		.envp = strings(b->envp, b->envc),
		.makes_directory = true,
	};
	if (!program.argv[0])
		kpanic("cannot start: no program named");
	must(console_start(), "console");
	plat_become(p->leader);
	must(console_open_stdio(p), "standard input and output");
	if (program_prepare(&program, &refusal))
		boot_refuse(refusal.status, "%s", refusal.text);
	plat_become(process_kernel->leader);
	must(process_start_init(p, program.path, program.argv, program.envp),
	     "first process");
	plat_image_forget();
}

#define OOM_RECLAIM 4096 /* pages */

/* So many pages that were given back are worth a try without a killing. */
static u64 reclaim_worth(void)
{
	u64 some = kernel.memory_limit / PAGE_SIZE / 64;

	return some ? MIN(some, OOM_RECLAIM / 4) : OOM_RECLAIM / 4;
}

/* Over the memory limit: give back cached files, or kill a process, and tell
 * the monitor which. */
static void kill_for_memory(void)
{
	struct {
		struct broker_request request;
		char comm[16];
	} call = { .request = { .op = BROKER_OOM } };
	struct broker_reply reply;
	s32 pid = 0;

	if (pager_reclaim(OOM_RECLAIM) >= reclaim_worth())
		return;
	if (oom_kill(&pid, call.comm) == OOM_DYING)
		return;
	call.request.arg = (u32)pid;
	call.request.payload_len = (u32)strlen(call.comm);
	(void)plat_broker_call(&call,
			       sizeof(call.request) + call.request.payload_len,
			       &reply, sizeof(reply), NULL, 0);
}

/* What pid 1's end brings about: all others are killed, volumes unmounted. */
static void kill_init(void)
{
	struct process *p = process_find(1);

	if (!p)
		return;
	process_kill(p, LINUX_SIGKILL);
	process_put(p);
}

static void go_on_woken(void)
{
	if (shared_block()->flags & BOOT_CLONE)
		clone_finish(shared_block());
	sleep_tell_woken();
}

static void handle_event(const struct broker_event *e, int n)
{
	if (n < (int)sizeof(*e))
		return;
	switch ((enum broker_event_type)e->type) {
	case EVENT_SIGNAL:
		console_signal((int)e->arg);
		break;
	case EVENT_WINSIZE:
		console_winsize(e->arg, e->arg2);
		break;
	case EVENT_STATS:
		report_stats(&shared_block()->stats);
		plat_broker_ack();
		break;
	case EVENT_OOM:
		kill_for_memory();
		break;
	case EVENT_SHUTDOWN:
		kill_init();
		break;
	case EVENT_FREEZE:
		/* A wake copies what is there. */
		(void)pager_reclaim(UINT64_MAX);
		if (plat_freeze())
			go_on_woken();
		break;
	case EVENT_NOTIFY:
		if (e->arg)
			sleep_tell_soon(e->arg2);
		else
			sleep_tell_not();
		break;
	case EVENT_EXEC:
		command_start(e->arg);
		break;
	case EVENT_EXEC_SIGNAL:
		command_signal(e->arg, (int)e->arg2);
		break;
	case EVENT_EXEC_WINSIZE:
		command_winsize(e->arg, e->arg2 >> 16, e->arg2 & 0xffff);
		break;
	case EVENT_EXEC_HANGUP:
		command_hangup(e->arg);
		break;
	case EVENT_ACK:
		break;
	}
}

static u32 program_state; /* 0, 1: ready, not told yet, 2: told. atomic */

void boot_program_ready(void)
{
	boot_phase(BOOT_T_EXEC);
	atomic_store(&program_state, 1);
	/* Process 0 tells, so that the program need not wait. */
	plat_kick(process_kernel->leader);
	boot_phase(BOOT_T_USER);
}

static void tell_ready(void)
{
	struct broker_request request = { .op = BROKER_READY };
	struct broker_reply reply;

	atomic_store(&program_state, 2);
	(void)plat_broker_call(&request, sizeof(request), &reply, sizeof(reply),
			       NULL, 0);
}

NORETURN static void serve(void)
{
	for (;;) {
		struct broker_event event;
		nsec_t deadline = timer_run();
		int n;

		if (atomic_load(&program_state) == 1)
			tell_ready();
		n = plat_broker_event(&event, sizeof(event), deadline);
		if (n > 0)
			handle_event(&event, n);
	}
}

/* A machine's own network knows better than who made the boot block. */
static void take_network(void)
{
	static struct plat_network n;

	if (!plat_network(&n))
		return;
	if (n.ip)
		boot_copy.instance_ip = n.ip;
	if (n.resolver)
		boot_copy.resolver_ip = n.resolver;
	resolv_conf = n.resolv_conf;
}

const char *boot_resolv_conf(void)
{
	return *resolv_conf ? resolv_conf : boot_string(&boot_copy.resolv_conf);
}

void boot_main(struct boot_block *b)
{
	plat_become(&thread_boot);
#ifdef JIFFY_DEBUG
	lockdep_start();
#endif
	take_options(b);
	start_subsystems();
	take_network();
	must(boot_write_files(kernel.boot), "files of the instance in /etc");
	boot_mount_volumes(kernel.boot);
	boot_phase(BOOT_T_INIT);
	start_program(kernel.boot);
	serve();
}
