/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two sockets to the monitor (plat.h group 7) and the end of the instance
 * (group 8).
 */
#include "abi/boot.h"
#include "abi/broker.h"
#include "kernel/boot/boot.h"
#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"
#include "kernel/proc/process.h"
#include "kernel/sys/report.h"

struct host_msghdr {
	void *name;
	u32 name_len;
	const struct plat_iovec *iov;
	u64 niov;
	void *control;
	u64 control_len;
	u32 flags;
};

#define BROKER_FDS_MAX 8

struct host_control { /* one SCM_RIGHTS message */
	u64 len;
	s32 level, type;
	s32 fds[BROKER_FDS_MAX];
};

static struct mutex broker_lock;

/* Descriptors of a reply: as many as wanted, the rest closed. */
static void take_fds(const struct host_msghdr *m, struct host_control *c,
		     int *hfds, int max_hfds)
{
	int n = 0;

	for (int i = 0; i < max_hfds; i++)
		hfds[i] = -1;
	if (m->control_len < 16 || c->level != 1 || c->type != 1)
		return;
	n = (int)MIN((c->len - 16) / sizeof(s32), (u64)BROKER_FDS_MAX);
	for (int i = 0; i < n; i++) {
		if (i < max_hfds)
			hfds[i] = c->fds[i];
		else
			plat_hfd_close(c->fds[i]);
	}
}

static int receive_reply(void *reply, size_t size, int *hfds, int max_hfds)
{
	struct host_control c = { 0, 0, 0, { 0 } };
	struct plat_iovec iov = { (u64)reply, size };
	struct host_msghdr m;
	s64 n;

	do {
		m = (struct host_msghdr){ .iov = &iov,
					  .niov = 1,
					  .control = &c,
					  .control_len = sizeof(c) };
		n = hostcall(__NR_recvmsg, plat_state.broker_fd, &m,
			     0x40000000); /* MSG_CMSG_CLOEXEC */
	} while (n == -EINTR);
	if (n > 0)
		take_fds(&m, &c, hfds, max_hfds);
	return n == 0 ? -EPIPE : (int)n;
}

int plat_broker_call(const void *request, size_t n, void *reply, size_t size,
		     int *hfds, int max_hfds)
{
	struct plat_iovec iov = { (u64)request, n };
	s64 err;

	if (plat_state.broker_fd < 0)
		return -ENOTCONN;
	mutex_lock(&broker_lock);
	do
		err = hostcall(__NR_writev, plat_state.broker_fd, &iov, 1);
	while (err == -EINTR);
	if (err >= 0)
		err = receive_reply(reply, size, hfds, max_hfds);
	mutex_unlock(&broker_lock);
	return (int)err;
}

/* If it fails the monitor is gone, and so are we, soon. */
void plat_broker_tell(u32 op)
{
	struct broker_request request = { .op = op };

	(void)host_send_all(plat_state.broker_fd, &request, sizeof(request));
}

int plat_broker_event(void *event, size_t size, nsec_t deadline)
{
	struct plat_pollfd p[] = { { plat_state.event_fd, 1 /* POLLIN */, 0 },
				   { park_set(), 1, 0 } };
	int n;

	/* One kick may stand for several: the caller looks at its timers,
	 * too, before it waits again. */
	if (spawn_serve() || park_serve(false))
		return -EINTR;
	n = plat_hfd_poll(p, 2, MIN(deadline, park_deadline()));
	if (n <= 0)
		return n;
	if (p[1].revents) {
		park_serve(true);
		return -EINTR;
	}
	if (p[0].revents & 1) {
		struct plat_iovec iov = { (u64)event, size };

		n = (int)hostcall(__NR_readv, p[0].hfd, &iov, 1);
		if (n != 0)
			return n == -EAGAIN ? -EINTR : n;
	}
	/* The monitor is gone; so are we, soon. */
	plat_power_off(0);
}

void plat_broker_ack(void)
{
	struct broker_event e = { .type = EVENT_ACK };
	struct plat_iovec iov = { (u64)&e, sizeof(e) };

	hostcall(__NR_writev, plat_state.event_fd, &iov, 1);
}

static void host_exit(int status)
{
	for (;;)
		hostcall(__NR_exit_group, status);
}

void plat_refuse(int status, const char *why)
{
	struct broker_request r = { .op = BROKER_EXIT,
				    .arg = (u32)status,
				    .payload_len = (u32)strlen(why) };
	struct plat_iovec iov[] = { { (u64)&r, sizeof(r) },
				    { (u64)why, r.payload_len } };

	hostcall(__NR_writev, plat_state.broker_fd, iov, 2);
	host_exit(BOOT_HOST_EXIT_OK);
	__builtin_unreachable();
}

void plat_power_off(int status)
{
	plat_refuse(status, "");
}

static bool on_kernel_stack(u64 p)
{
	return p >= KERNEL_SLOTS_BASE && IS_ALIGNED(p, 8) &&
	       p < KERNEL_SLOTS_BASE + KERNEL_SLOTS_MAX * SLOT_SIZE - 16;
}

/* Return addresses up the chain of frame pointers. */
static void walk_stack(u64 rip, u64 rbp, u64 *out, u32 max)
{
	u32 n = 0;

	if (rip)
		out[n++] = rip;
	while (n < max && on_kernel_stack(rbp)) {
		const u64 *p = (const u64 *)rbp;

		if (!p[1])
			break;
		out[n++] = p[1];
		if (p[0] <= rbp)
			break;
		rbp = p[0];
	}
}

void plat_crash(const char *reason, struct frame *regs)
{
	static u32 is_crashing;
	struct boot_block *b = (struct boot_block *)KERNEL_BOOT_BASE;
	struct crash_record *c = &b->crash;
	struct thread *t = current();
	struct fmt_buf text;

	/* A second crash, perhaps of the report itself, adds nothing. */
	if (atomic_xchg(&is_crashing, 1))
		host_exit(BOOT_HOST_EXIT_CRASH);
	str_copy(c->reason, sizeof(c->reason), reason);
	if (regs) {
		memcpy(c->regs, regs, sizeof(c->regs));
		walk_stack(regs->rip, regs->rbp, c->backtrace, 32);
		c->fault_address = regs->orig_rax;
	} else {
		walk_stack(0, (u64)__builtin_frame_address(0), c->backtrace,
			   32);
	}
	c->magic = CRASH_MAGIC;
	if (t) {
		c->tid = t->tid;
		c->pid = t->proc ? t->proc->pid : 0;
		memcpy(c->comm, t->comm, sizeof(c->comm));
		fmt_buf_init(&text, c->text, sizeof(c->text));
		crash_fill_text(&text);
		c->text_len = (u32)text.len;
	}
	host_exit(BOOT_HOST_EXIT_CRASH);
	__builtin_unreachable();
}

bool plat_network(UNUSED struct plat_network *n)
{
	return false;
}
