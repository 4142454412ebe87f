/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy-monitor: runs one instance. Reads the spec, prepares memory and
 * sockets, starts the confined kernel, then serves it from one epoll loop
 * until the instance ends, and leaves nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "abi/broker.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"
#include "monitor/machine.h"

uint64_t clock_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void instance_end(struct instance *in, enum instance_end end, int status,
		  const char *fmt, ...)
{
	va_list ap;

	if (in->end != END_NONE)
		return;
	in->end = end;
	in->status = status;
	va_start(ap, fmt);
	vsnprintf(in->reason, sizeof(in->reason), fmt, ap);
	va_end(ap);
}

/* Signals that go to the program; the rest of the list is ours. */
static const int forwarded[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
				 SIGUSR1, SIGUSR2, SIGCONT };

static int watch(struct instance *in, int fd, struct err *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, fd, &ev))
		return err_sys(e, errno, "watch descriptor %d", fd);
	return 0;
}

/* The one signal that the instance's filter lets it send: where neither uid nor
 * Landlock keep it from us. Not by libc, which has plans for it. */
static void block_kick(void)
{
	uint64_t set = 1ULL << (BOOT_HOST_SIGKICK - 1);

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, sizeof(set));
}

static int open_loop(struct instance *in, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGWINCH);
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		sigaddset(&set, forwarded[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	block_kick();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* what the instance writes may be too much */
	in->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	in->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (in->epoll_fd < 0 || in->signal_fd < 0)
		return err_sys(e, errno, "event loop");
	return watch(in, in->signal_fd, e);
}

/* Descriptor 3 must be free for the boot block: park what the CLI left. */
static void open_boot_descriptor(struct instance *in)
{
	int *all[] = { &in->spec_fd, &in->ready_fd, &in->wait_fd,
		       &in->template_fd };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (*all[i] == BOOT_FD)
			*all[i] = fcntl(BOOT_FD, F_DUPFD_CLOEXEC, 10);
	close(BOOT_FD);
}

static int open_trace(struct instance *in, struct err *e)
{
	in->trace_fd = -1;
	if (!in->spec.trace)
		return 0;
	/* What the instance wrote before it was suspended stays. */
	if (strcmp(in->spec.trace, "-") == 0)
		in->trace_fd = fcntl(2, F_DUPFD_CLOEXEC, 10);
	else
		in->trace_fd = open(in->spec.trace,
				    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC |
					    (in->is_resumed ? 0 : O_TRUNC),
				    0644);
	if (in->trace_fd < 0)
		return err_sys(e, errno, "trace %s", in->spec.trace);
	return 0;
}

static void raw_terminal(struct instance *in)
{
	struct termios raw;

	if (!in->spec.has_tty || tcgetattr(0, &in->saved_termios))
		return;
	raw = in->saved_termios;
	cfmakeraw(&raw);
	in->has_raw_terminal = tcsetattr(0, TCSADRAIN, &raw) == 0;
}

static bool is_normal_death(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == BOOT_HOST_EXIT_OK;
}

static void serve_death(struct instance *in, pid_t pid, int status)
{
	if (in->end != END_NONE)
		return;
	if (WIFEXITED(status) && WEXITSTATUS(status) == BOOT_HOST_EXIT_CRASH) {
		char text[sizeof(in->boot->crash.reason)];

		memcpy(text, in->boot->crash.reason, sizeof(text));
		text[sizeof(text) - 1] = '\0';
		instance_end(in, END_CRASH, 0, "kernel: %s", text);
	} else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
		   cgroup_has_killed(&in->cgroup)) {
		instance_end(in, END_OOM, 0,
			     "out of memory: the host's limit of its group");
	} else if (WIFSIGNALED(status)) {
		instance_end(in, END_CRASH, 0,
			     "host process %d was killed by signal %d%s", pid,
			     WTERMSIG(status),
			     WTERMSIG(status) == SIGSYS
				     ? " (a host call that is not allowed)"
				     : "");
	} else {
		instance_end(in, END_CRASH, 0,
			     "host process %d ended with status %d", pid,
			     WEXITSTATUS(status));
	}
}

/* Where many processes end the monitor does not wake for each, which would cost
 * as much as a part of them: it looks again after a rest. */
#define BUSY_NS 1000000ULL
#define REST_NS 2000000ULL

static void rest_signals(struct instance *in, bool on)
{
	struct epoll_event ev = { .events = on ? 0 : EPOLLIN,
				  .data.fd = in->signal_fd };

	epoll_ctl(in->epoll_fd, EPOLL_CTL_MOD, in->signal_fd, &ev);
	in->rest_until_ns = on ? clock_now_ns() + REST_NS : 0;
}

/* Milliseconds to wait, -1 none. */
static int check_rest(struct instance *in)
{
	uint64_t now;

	if (!in->rest_until_ns)
		return -1;
	now = clock_now_ns();
	if (now < in->rest_until_ns)
		return (int)((in->rest_until_ns - now) / 1000000) + 1;
	rest_signals(in, false);
	return -1;
}

/* A host process of the instance may end with its EXIT message still in the
 * socket: take messages before a death is judged. */
static void reap(struct instance *in)
{
	uint64_t before = in->reaped_ns;
	int status, n = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
		n++;
		if (in->machine) {
			machine_died(in, status);
			continue;
		}
		if (is_normal_death(status))
			continue;
		(void)broker_serve(in);
		serve_death(in, pid, status);
	}
	if (pid < 0 && errno == ECHILD && !in->machine) {
		(void)broker_serve(in);
		if (in->end == END_NONE)
			instance_end(in, END_CRASH, 0,
				     "all host processes ended without a word");
	}
	in->reaped_ns = clock_now_ns();
	if (n > 1 || in->reaped_ns - before < BUSY_NS)
		rest_signals(in, true);
}

static void forward_winsize(struct instance *in)
{
	struct winsize ws;

	if (in->spec.has_tty && ioctl(0, TIOCGWINSZ, &ws) == 0)
		broker_event(in, EVENT_WINSIZE, ws.ws_row, ws.ws_col);
}

static void serve_signals(struct instance *in)
{
	struct signalfd_siginfo si;

	while (read(in->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			reap(in);
		else if (si.ssi_signo == SIGWINCH)
			forward_winsize(in);
		else
			broker_event(in, EVENT_SIGNAL, si.ssi_signo,
				     in->spec.has_tty);
	}
}

static int min_timeout(int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

/* What unmounting may take, as the host's disk may be slow. */
#define UNMOUNT_NS 30000000000ULL

void instance_shut_down(struct instance *in, const char *reason)
{
	if (!in->spec.nvolumes || in->is_shut_down || in->is_broker_gone) {
		instance_end(in, END_KILLED, 0, "%s", reason);
		return;
	}
	in->is_shut_down = true;
	in->stop_deadline_ns = clock_now_ns() + UNMOUNT_NS;
	broker_event(in, EVENT_SHUTDOWN, 0, 0);
}

/* Its time is limited, asleep or not. Milliseconds until it is over, -1 never.
 */
static int check_lifetime(struct instance *in)
{
	int64_t left;

	if (!in->spec.ends_at || in->is_shut_down)
		return -1;
	left = in->spec.ends_at - (int64_t)time(NULL);
	if (left > 0)
		return left < 86400 ? (int)left * 1000 : 86400000;
	instance_shut_down(in, "its time was over");
	return -1;
}

/* After a stop's time is up: no more asking. Milliseconds to wait, -1 none. */
static int check_stop(struct instance *in)
{
	uint64_t now = clock_now_ns();

	if (!in->stop_deadline_ns)
		return -1;
	if (now >= in->stop_deadline_ns) {
		if (in->is_broker_gone)
			instance_end(in, END_CRASH, 0,
				     "the broker's socket was closed inside");
		instance_shut_down(in, "killed: did not stop in time");
		if (in->end != END_NONE)
			return -1;
		now = clock_now_ns();
	}
	return (int)((in->stop_deadline_ns - now) / 1000000) + 1;
}

/* Nobody is left at the other end (SIGCHLD comes next and tells more), or a
 * program shut it down: then it is the end, too, a moment later. */
#define BROKER_GONE_NS 200000000ULL

static void serve_broker(struct instance *in)
{
	if (broker_serve(in) == 0)
		return;
	epoll_ctl(in->epoll_fd, EPOLL_CTL_DEL, in->broker_fd, NULL);
	in->is_broker_gone = true;
	in->stop_deadline_ns = clock_now_ns() + BROKER_GONE_NS;
}

/* The keeper wakes a few at a time. An instance that never says that it runs
 * must not hold up others. */
#define WAKE_NS 10000000000ULL

/* Milliseconds to wait, -1 none. */
static int check_wake(struct instance *in)
{
	uint64_t now, until = in->started_ns + WAKE_NS;

	if (in->wait_fd < 0)
		return -1;
	now = clock_now_ns();
	if (now < until)
		return (int)((until - now) / 1000000) + 1;
	close(take_fd(&in->wait_fd));
	return -1;
}

static void serve_fd(struct instance *in, int fd)
{
	if (fd == in->broker_fd)
		serve_broker(in);
	else if (fd == in->signal_fd)
		serve_signals(in);
	else if (fd == in->control_fd)
		control_accept(in);
	else if (machine_owns(in, fd))
		machine_serve(in, fd);
	else if (snapshot_owns(in, fd))
		snapshot_end(in);
	else if (dns_owns(in, fd))
		dns_serve(in, fd);
	else if (exec_owns(in, fd))
		exec_serve(in, fd);
	else if (control_owns(in, fd))
		control_serve(in, fd);
}

static void loop(struct instance *in)
{
	struct epoll_event ev[16];
	int timeout, n;

	while (in->end == END_NONE) {
		timeout = min_timeout(limit_check(in), check_lifetime(in));
		timeout = min_timeout(timeout, check_stop(in));
		timeout = min_timeout(timeout, check_rest(in));
		timeout = min_timeout(timeout, check_wake(in));
		timeout = min_timeout(timeout, suspend_check(in));
		timeout = min_timeout(timeout, sleep_check(in));
		timeout = min_timeout(timeout, logfile_check(in));
		timeout = min_timeout(timeout, control_check(in));
		timeout = min_timeout(timeout, exec_check(in));
		if (in->end != END_NONE)
			break;
		n = epoll_wait(in->epoll_fd, ev, ARRAY_SIZE(ev), timeout);
		for (int i = 0; i < n && in->end == END_NONE; i++)
			serve_fd(in, ev[i].data.fd);
	}
}

/* Everything in memory that the kernel starts from. */
static int prepare(struct instance *in, struct err *e)
{
	if (in->is_anew) {
		stateless_take_ports(in);
	} else if (in->is_again && !in->is_resumed) {
		keeper_take(in);
		keeper_drop(in);
	}
	if (!in->is_resumed)
		return boot_fill(in, e) || volumes_open(in, e) ? -e->code : 0;
	if (resume_open(in, e) || resume_block(in, e) || volumes_open(in, e))
		return -e->code;
	if (resume_match_volumes(in, e))
		return -e->code;
	if (!in->is_clone)
		resume_sockets(in);
	return 0;
}

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

/* Our own pages now, which were faults on the path of a wake. Where the host
 * cannot do that they are. */
static void touch_all(void)
{
	extern char __executable_start[], __bss_start[], _end[];
	uintptr_t start = (uintptr_t)__executable_start & ~4095UL;
	uintptr_t bss = (uintptr_t)__bss_start & ~4095UL;

	madvise((void *)start, bss - start, MADV_POPULATE_READ);
	madvise((void *)bss, (uintptr_t)_end - bss, MADV_POPULATE_WRITE);
}

/* While there is one thread: with two the host waits for all its processors
 * whenever it makes the table of descriptors larger. */
static void make_fd_room(struct instance *in)
{
	int fd = fcntl(in->boot_fd, F_DUPFD_CLOEXEC, INSTANCE_FD_ROOM - 1);

	in->has_fd_room = fd >= 0;
	if (fd >= 0)
		close(fd);
}

/* What is the same for all instances; a spare monitor has done it when it is
 * told which one it is for. */
static int start_any(struct instance *in, struct err *e)
{
	open_boot_descriptor(in);
	if (boot_prepare_objects(in, e) || launch_open(in, e) ||
	    open_loop(in, e))
		return -e->code;
	make_fd_room(in);
	if (in->wait_fd < 0)
		return 0;
	touch_all();
	group_make_any(in);
	in->spec_fd = keeper_wait(in, in->wait_fd, e);
	return in->spec_fd < 0 || launch_open_newer(in, e) ? -e->code : 0;
}

static int boot(struct instance *in, struct err *e)
{
	if (volumes_wake(in, e) || (in->is_anew && stateless_begin(in, e)))
		return -e->code;
	return in->machine ? machine_start(in, e) : launch(in, e);
}

static int start(struct instance *in, struct err *e)
{
	if (start_any(in, e) || spec_read(in->spec_fd, &in->spec, e))
		return -e->code;
	close(take_fd(&in->spec_fd));
	if (boot_open_image(in, e) || state_open(in, e) ||
	    (in->spec.is_machine && machine_open(in, e)))
		return -e->code;
	if (in->is_resumed && !in->is_clone && in->spec.sleep.is_stateless &&
	    stateless_slept(in)) {
		in->is_resumed = false;
		in->is_anew = true;
	}
	if (prepare(in, e) || open_trace(in, e) || core_start(in, e) ||
	    broker_bind_ports(in, e))
		return -e->code;
	if (!in->machine)
		stdio_look(in);
	logfile_begin(in);
	in->boot->phase_ns[BOOT_T_CLI] = in->is_again ? in->asked_ns
						      : in->spec.started_ns;
	in->boot->phase_ns[BOOT_T_MONITOR] = in->started_ns;
	raw_terminal(in);
	/* A kernel that is to be woken starts while we get its memory. */
	if ((in->is_resumed && launch(in, e)) || control_open(in, e) ||
	    watch(in, in->broker_fd, e))
		return -e->code;
	if (in->is_resumed ? resume_go_on(in, e) : boot(in, e))
		return -e->code;
	group_limit(in);
	/* Not before the program goes on: the host's journal may take long. */
	state_write(in);
	if (in->is_resumed && !in->is_clone)
		resume_settle(in);
	if (in->has_kept_kernel)
		kernels_tidy(in);
	return 0;
}

int instance_exit_code(const struct instance *in)
{
	switch (in->end) {
	case END_EXIT:
	case END_REFUSED:
		return WIFSIGNALED(in->status) ? 128 + WTERMSIG(in->status)
					       : WEXITSTATUS(in->status);
	case END_OOM:
	case END_KILLED:
		return 128 + SIGKILL;
	case END_SUSPENDED:
		return 0;
	case END_NONE:
	case END_CRASH:
		break;
	}
	return EXIT_JIFFY;
}

/* Did the program run, so that it leaves a record? The kernel's word for it may
 * still be on its way when a short program has ended. */
static bool was_started(const struct instance *in)
{
	return in->is_ready || in->end == END_EXIT ||
	       (!in->is_resumed && in->boot->phase_ns[BOOT_T_USER]);
}

/* One line to whoever waits for the start. */
static void tell_starter(const struct instance *in, const char *reason)
{
	char line[sizeof(in->reason)];
	size_t n;

	/* It may hold what the instance wrote. */
	for (n = 0; reason[n] && n < sizeof(line) - 1; n++)
		line[n] = reason[n] < ' ' || reason[n] > '~' ? '?' : reason[n];
	line[n] = '\0';
	if (in->ready_fd >= 0)
		dprintf(in->ready_fd, "error: %s\n", line);
	else
		fprintf(stderr, "jiffy: %s: %s\n",
			in->is_again ? "resume" : "run", line);
}

static void report_end(struct instance *in)
{
	if (!was_started(in)) {
		if (in->end != END_CRASH || in->ready_fd >= 0)
			tell_starter(in, in->reason);
		if (!in->is_again)
			in->spec.is_removed_at_exit = true;
	} else if (in->ready_fd >= 0) {
		dprintf(in->ready_fd, "ok\n");
	}
	if (in->end == END_CRASH)
		report_crash(in);
	else if (in->end == END_OOM)
		fprintf(stderr, "jiffy: instance %s: %s\n", in->spec.name,
			in->reason);
}

static int finish(struct instance *in)
{
	/* After an orderly end nothing below depends on the processes: they
	 * come down while the files are removed. */
	if (in->end == END_EXIT)
		launch_kill(in);
	else
		launch_end(in);
	stateless_ended(in);
	machine_end(in);
	if (in->has_raw_terminal)
		tcsetattr(0, TCSADRAIN, &in->saved_termios);
	report_end(in);
	report_stats(in);
	logfile_end(in);
	state_close(in);
	launch_end(in);
	snapshot_end(in);
	control_finish(in);
	if (in->end == END_SUSPENDED)
		sync_let_go(in);
	else
		group_end(in);
	return instance_exit_code(in);
}

/* A spare monitor that nobody needed. */
static int unused(struct instance *in)
{
	group_end(in);
	return 0;
}

static int fail(struct instance *in, const struct err *e)
{
	launch_end(in);
	group_end(in);
	if (in->has_raw_terminal)
		tcsetattr(0, TCSADRAIN, &in->saved_termios);
	tell_starter(in, e->msg);
	instance_end(in, END_CRASH, 0, "%s", e->msg);
	if (!in->is_again)
		in->spec.is_removed_at_exit = true;
	/* A checkpoint that is still there is still good. */
	if (in->is_anew
		    ? in->is_anew_begun
		    : !in->is_resumed || in->is_clone || resume_is_used_up(in))
		state_close(in);
	return EXIT_JIFFY;
}

static int parse_fd(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *text && !*end && n >= 0 && n < 1 << 20 ? (int)n : -1;
}

/* An instance that has a record: from its checkpoint, or from its image. */
static void set_again(struct instance *in, const char *how)
{
	in->is_again = true;
	in->is_resumed = strcmp(how, "checkpoint") == 0;
}

static void set_clone(struct instance *in, const char *fd)
{
	in->template_fd = parse_fd(fd);
	in->is_clone = in->is_resumed = true;
}

/* All of a checkpoint, its pages, too. */
static int verify(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct checkpoint cp = { .fd = fd };
	struct err e = ERR_INIT;

	if (fd < 0)
		err_sys(&e, errno, "%s", path);
	else if (!checkpoint_read(&cp, fd, &e))
		checkpoint_verify_pages(&cp, &e);
	if (!e.code)
		return 0;
	fprintf(stderr, "jiffy: snapshot: %s\n", e.msg);
	return EXIT_JIFFY;
}

static int export(struct instance *in, const char *dir, const char *format)
{
	struct err e = ERR_INIT;

	if (!export_write(in, dir, strcmp(format, "raw") == 0, &e))
		return 0;
	fprintf(stderr, "jiffy: image export: %s\n", e.msg);
	return EXIT_JIFFY;
}

int main(int argc, char **argv)
{
	static struct instance in;
	const char *export_dir = NULL, *export_format = "";
	struct err e = ERR_INIT;
	ssize_t n;

	in.started_ns = clock_now_ns();
	in.ready_fd = in.control_fd = in.lock_fd = in.stop_client = -1;
	in.checkpoint_fd = in.checkpoint_dir = -1;
	in.suspend_client = in.keeper_fd = in.spec_fd = in.wait_fd = -1;
	in.template_fd = in.turn.fd = -1;
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--spec") == 0)
			in.spec_fd = parse_fd(argv[i + 1]);
		else if (strcmp(argv[i], "--ready-fd") == 0)
			in.ready_fd = parse_fd(argv[i + 1]);
		else if (strcmp(argv[i], "--verify") == 0)
			return verify(argv[i + 1]);
		else if (strcmp(argv[i], "--again") == 0)
			set_again(&in, argv[i + 1]);
		else if (strcmp(argv[i], "--wait") == 0)
			in.wait_fd = parse_fd(argv[i + 1]);
		else if (strcmp(argv[i], "--from") == 0)
			set_clone(&in, argv[i + 1]);
		else if (strcmp(argv[i], "--export") == 0)
			export_dir = argv[i + 1];
		else if (strcmp(argv[i], "--format") == 0)
			export_format = argv[i + 1];
	}
	if (in.wait_fd >= 0)
		set_again(&in, "checkpoint");
	else if (in.spec_fd < 0) {
		fprintf(stderr, "usage: jiffy-monitor --spec FD "
				"[--ready-fd FD] [--again cold|checkpoint] "
				"[--from FD]\n"
				"       jiffy-monitor --wait FD\n"
				"       jiffy-monitor --spec FD --export DIR "
				"--format raw|elf+initrd\n"
				"       jiffy-monitor --verify CHECKPOINT\n");
		return EXIT_JIFFY;
	}
	n = readlink("/proc/self/exe", in.self_dir, sizeof(in.self_dir) - 1);
	if (n > 0)
		*strrchr(in.self_dir, '/') = '\0';
	json_init_seed();
	if (export_dir)
		return export(&in, export_dir, export_format);
	if (start(&in, &e))
		return in.wait_fd >= 0 && !in.has_kept ? unused(&in)
						       : fail(&in, &e);
	loop(&in);
	return finish(&in);
}
