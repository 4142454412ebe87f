/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands. Each has a thread in process 0 for as long as it lasts, which makes
 * its process (a child of process 0), passes signals on, moves the bytes of its
 * terminal, and tells the monitor of its end. The process's own first thread
 * finds and loads the program. When the process ends, its pipes or terminal
 * end with it, whoever else in here still has them open.
 */
#include "kernel/boot/command.h"

#include "abi/broker.h"
#include "kernel/boot/fileserver.h"
#include "kernel/boot/program.h"
#include "kernel/dev/outpipe.h"
#include "kernel/dev/pty.h"
#include "kernel/dev/tty.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/signal.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/vfs.h"

#define CHUNK 16384U
#define HANGUP_PATIENCE (2 * NSEC_PER_SEC)

/* What of a terminal's bytes is on its way. */
struct line {
	int hfd; /* -1: none, or gone */
	u32 at, len;
	u8 bytes[512];
};

struct command {
	struct list node; /* commands.list */
	u32 id;
	struct thread *thread; /* that serves it; NULL: not yet or no longer */
	u64 signals;	       /* SIG_BIT()s to be sent; atomic */
	u32 winsize;	       /* new one, rows << 16 | cols, or 0; atomic */
	u32 has_hungup;	       /* atomic */
	nsec_t kill_at;	       /* NSEC_MAX: not */
	u32 left;     /* bytes of its terminal that are taken after its end */
	bool is_told; /* that it runs */

	struct broker_exec head;
	char *text; /* strings */
	u32 text_len;
	struct program program;
	struct exec_outside outside;
	struct refusal refusal;

	int hfds[3]; /* as handed in, -1: none or somebody else's now */
	struct outpipe *pipes[3];
	struct tty *tty;
	struct waitq *tty_wait;
	struct line in, out;

	struct process *process;
	s32 status;
};

static struct {
	struct mutex lock;
	struct list list;
} commands = { .list = LIST_INIT(commands.list) };

static void refuse(struct command *c, const char *why)
{
	refusal_set(&c->refusal, STATUS_CANNOT_RUN, "%s", why);
	c->status = c->refusal.status;
}

/* --- Taking its description from the monitor
 * ----------------------------------- */

struct piece {
	struct broker_request request;
	struct broker_reply reply;
	u8 bytes[CHUNK]; /* follow the reply */
};

/* Bytes from offset on: how many came, *total: how many there are; hfds: at
 * offset 0. */
static int take_piece(struct piece *p, u32 id, u64 offset, u32 *total,
		      int hfds[3])
{
	int n;

	p->request = (struct broker_request){ .op = BROKER_EXEC_TAKE,
					      .arg = id,
					      .addr_len = sizeof(offset) };
	memcpy(p->request.addr, &offset, sizeof(offset));
	n = plat_broker_call(&p->request, sizeof(p->request), &p->reply,
			     sizeof(p->reply) + sizeof(p->bytes), hfds,
			     offset ? 0 : 3);
	if (n < (int)sizeof(p->reply))
		return n < 0 ? n : -EIO;
	if (p->reply.error)
		return -EIO;
	*total = p->reply.arg;
	return n - (int)sizeof(p->reply);
}

static int take_all(struct command *c, struct piece *p)
{
	u32 len = 0, total;
	int n;

	do {
		n = take_piece(p, c->id, len, &total, c->hfds);
		if (n <= 0 || total > BROKER_EXEC_MAX ||
		    (u32)n > total - MIN(len, total))
			return n < 0 ? n : -EIO;
		if (!len)
			c->text = kmalloc(total);
		if (!c->text)
			return -ENOMEM;
		memcpy(c->text + len, p->bytes, (u32)n);
		len += (u32)n;
	} while (len < total);
	c->text_len = len;
	return 0;
}

/* The string at *at, which is moved behind it, or NULL. */
static char *next_string(struct command *c, u32 *at)
{
	char *s = c->text + *at;
	char *end = memchr(s, '\0', c->text_len - *at);

	if (!end)
		return NULL;
	*at += (u32)(end - s) + 1;
	return s;
}

static const char *variable(const char *const *envp, const char *name, size_t n)
{
	for (; *envp; envp++)
		if (!strncmp(*envp, name, n) && (*envp)[n] == '=')
			return *envp + n + 1;
	return NULL;
}

static int read_strings(struct command *c)
{
	u32 at = sizeof(c->head), argc = c->head.argc, envc = c->head.envc;
	const char **v;

	if (!argc || argc > c->text_len || envc > c->text_len)
		return -EINVAL;
	v = kzalloc((argc + envc + 3) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	c->program.argv = v;
	c->program.envp = v + argc + 1;
	c->program.user = next_string(c, &at);
	c->program.directory = next_string(c, &at);
	for (u32 i = 0; i < argc; i++)
		v[i] = next_string(c, &at);
	for (u32 i = 0; i < envc; i++)
		c->program.envp[i] = next_string(c, &at);
	if (at != c->text_len ||
	    (envc ? !c->program.envp[envc - 1] : !c->program.argv[argc - 1]))
		return -EINVAL;
	c->program.search_path = variable(c->program.envp, "PATH", 4);
	return 0;
}

static int take(struct command *c)
{
	struct piece *p = kmalloc(sizeof(*p));
	int err = p ? take_all(c, p) : -ENOMEM;

	kfree(p);
	if (!err && c->text_len < sizeof(c->head))
		err = -EINVAL;
	if (err)
		return err;
	memcpy(&c->head, c->text, sizeof(c->head));
	return c->head.flags & BROKER_EXEC_FILES ? 0 : read_strings(c);
}

/* --- Its standard input and output
 * ---------------------------------------------- */

/* Which of hfds[] is descriptor n's, or -1. */
static int hfd_index(const struct command *c, int n)
{
	int index = 0;

	for (int i = 0; i < n; i++)
		index += (c->head.flags & (u32)BROKER_EXEC_IN << i) != 0;
	return c->head.flags & (u32)BROKER_EXEC_IN << n ? index : -1;
}

static int take_hfd(struct command *c, int n)
{
	int i = hfd_index(c, n), hfd = i < 0 ? -1 : c->hfds[i];

	if (i >= 0)
		c->hfds[i] = -1;
	return hfd;
}

static int make_terminal(struct command *c)
{
	struct linux_winsize ws = { .rows = c->head.rows,
				    .cols = c->head.cols };

	c->in.hfd = take_hfd(c, 0);
	c->out.hfd = take_hfd(c, 1);
	c->tty = pty_new(&c->tty_wait);
	if (!c->tty)
		return -ENOMEM;
	c->tty->winsize = ws;
	return 0;
}

static int make_stdio(struct command *c)
{
	if (c->head.flags & BROKER_EXEC_TTY)
		return make_terminal(c);
	for (int n = 0; n < 3; n++) {
		int hfd = take_hfd(c, n);

		if (hfd < 0)
			continue;
		c->pipes[n] = outpipe_new(hfd);
		if (!c->pipes[n])
			return -ENOMEM;
	}
	return 0;
}

static void end_line(struct line *l)
{
	if (l->hfd >= 0)
		plat_hfd_close(l->hfd);
	l->hfd = -1;
}

static void end_stdio(struct command *c)
{
	for (int n = 0; n < 3; n++) {
		if (c->pipes[n])
			outpipe_end(c->pipes[n]);
		if (c->hfds[n] >= 0)
			plat_hfd_close(c->hfds[n]);
	}
	if (c->tty)
		pty_end(c->tty);
	end_line(&c->in);
	end_line(&c->out);
}

/* By the process's own thread: file n of the three. */
static int stdio_file(struct command *c, int n, struct file **f)
{
	char name[24];

	if (c->tty) {
		fmt_format(name, sizeof(name), "/dev/pts/%u", c->tty->index);
		return path_open(AT_FDCWD, name, O_RDWR, 0, 0, f);
	}
	if (!c->pipes[n])
		return path_open(AT_FDCWD, "/dev/null", O_RDWR, 0,
				 LOOKUP_FOLLOW, f);
	return outpipe_open(c->pipes[n], n ? O_WRONLY : O_RDONLY, f);
}

static int open_stdio(struct command *c)
{
	for (int n = 0; n < 3; n++) {
		struct file *f;
		int err = stdio_file(c, n, &f);

		if (!err)
			err = fd_install(f, n, false);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Bytes from outside to the terminal: whether any moved. */
static bool move_in(struct command *c)
{
	struct line *l = &c->in;
	struct plat_iovec iov = { (u64)(uintptr_t)l->bytes, sizeof(l->bytes) };
	size_t taken;
	s64 n;

	if (l->at == l->len && l->hfd >= 0) {
		n = plat_hfd_readv(l->hfd, &iov, 1);
		l->at = 0;
		l->len = n > 0 ? (u32)n : 0;
		if (n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR))
			end_line(l);
	}
	if (l->at == l->len)
		return false;
	taken = tty_input(c->tty, l->bytes + l->at, l->len - l->at);
	l->at += (u32)taken;
	return taken > 0;
}

/* The other way. What nobody outside takes any more is dropped. */
static bool move_out(struct command *c)
{
	struct line *l = &c->out;
	struct plat_iovec iov;
	s64 n;

	if (l->at == l->len) {
		l->at = 0;
		l->len = (u32)tty_output_take(c->tty, l->bytes,
					      MIN(c->left, sizeof(l->bytes)));
		if (atomic_load(&c->process->is_zombie))
			c->left -= l->len; /* others may go on writing */
	}
	if (l->at == l->len)
		return false;
	iov = (struct plat_iovec){ (u64)(uintptr_t)(l->bytes + l->at),
				   l->len - l->at };
	n = l->hfd >= 0 ? plat_hfd_writev(l->hfd, &iov, 1) : -EPIPE;
	if (n == -EAGAIN || n == -EINTR)
		return false;
	if (n < 0)
		end_line(l);
	l->at += n < 0 ? l->len - l->at : (u32)n;
	return true;
}

/* Move what can be moved; what to wait for: count. */
static int serve_terminal(struct command *c, struct plat_pollfd fds[2])
{
	int n = 0;
	bool moved;

	if (!c->tty)
		return 0;
	do {
		moved = move_in(c);
		moved = move_out(c) || moved;
	} while (moved);
	if (c->in.hfd >= 0 && c->in.at == c->in.len)
		fds[n++] = (struct plat_pollfd){ c->in.hfd, EV_IN, 0 };
	if (c->out.hfd >= 0 && c->out.at < c->out.len)
		fds[n++] = (struct plat_pollfd){ c->out.hfd, EV_OUT, 0 };
	return n;
}

/* --- Its process
 * ---------------------------------------------------------------- */

static s32 refuse_program(struct exec_outside *o, const char *path, int err)
{
	struct command *c = container_of(o, struct command, outside);

	refusal_set_program(&c->refusal, path, o->blame, err);
	return c->refusal.status;
}

/* The first steps of its process, up to the program. */
static void command_begin(struct frame *f, void *arg)
{
	struct command *c = arg;
	long err;

	if (open_stdio(c)) {
		refuse(c, "cannot open its standard input and output");
		process_exit(c->refusal.status);
	}
	if (program_prepare(&c->program, &c->refusal))
		process_exit(c->refusal.status);
	if (c->tty)
		pty_set_owner(c->tty->index, cred_current()->uid, PTY_GID,
			      PTY_MODE);
	err = process_exec_kernel(f, c->program.path, c->program.argv,
				  c->program.envp, &c->outside);
	if (err < 0)
		process_exit(
			refuse_program(&c->outside, c->program.path, (int)err));
}

static int start(struct command *c)
{
	int err = make_stdio(c);

	if (err) {
		refuse(c, "no memory for its standard input and output");
		return err;
	}
	c->outside.refuse = refuse_program;
	c->process = process_new();
	if (c->process) {
		process_get(c->process);
		err = process_start(c->process, command_begin, c);
	}
	if (!c->process || err)
		refuse(c, "no memory for another process");
	return c->process ? err : -ENOMEM;
}

/* --- Serving it
 * ------------------------------------------------------------------ */

/* Number and text about it to the monitor, whose answer does not matter. */
static void tell(u32 op, u32 id, u64 number, const char *text)
{
	struct {
		struct broker_request request;
		char text[sizeof(((struct refusal *)0)->text)];
	} call = { .request = {
			   .op = op, .arg = id, .addr_len = sizeof(number) } };
	struct broker_reply reply;
	u32 len = (u32)MIN(strlen(text), sizeof(call.text));

	memcpy(call.request.addr, &number, sizeof(number));
	memcpy(call.text, text, len);
	call.request.payload_len = len;
	(void)plat_broker_call(&call, sizeof(call.request) + len, &reply,
			       sizeof(reply), NULL, 0);
}

/* What a terminal would send to the group of its program. */
static bool is_for_group(int sig)
{
	return sig == LINUX_SIGINT || sig == LINUX_SIGQUIT ||
	       sig == LINUX_SIGHUP || sig == LINUX_SIGTSTP ||
	       sig == LINUX_SIGCONT;
}

static void send_signal(struct command *c, int sig)
{
	struct linux_siginfo info;

	if (c->tty && !tty_signal_foreground(c->tty, sig))
		return;
	siginfo_kernel(&info, sig);
	if (is_for_group(sig))
		signal_send_group(c->process->pid, sig, &info);
	else
		signal_send_process(c->process, sig, &info);
}

static void hang_up(struct command *c)
{
	if (c->tty) {
		tty_hangup(c->tty);
	} else {
		send_signal(c, LINUX_SIGHUP);
		send_signal(c, LINUX_SIGCONT);
	}
	c->kill_at = plat_clock(PLAT_MONOTONIC) + HANGUP_PATIENCE;
}

/* What came from outside for a program that runs. */
static void serve_outside(struct command *c)
{
	u64 signals = atomic_xchg(&c->signals, 0);
	u32 ws = atomic_xchg(&c->winsize, 0);

	if (!c->is_told) {
		c->is_told = true;
		tell(BROKER_EXEC_RUNS, c->id, (u64)c->process->pid, "");
	}
	if (ws && c->tty) {
		struct linux_winsize size = { .rows = (u16)(ws >> 16),
					      .cols = (u16)ws };

		tty_set_winsize(c->tty, &size);
	}
	for (int sig = 1; signals; sig++) {
		if (signals & SIG_BIT(sig))
			send_signal(c, sig);
		signals &= ~SIG_BIT(sig);
	}
	if (atomic_xchg(&c->has_hungup, 0))
		hang_up(c);
}

static void kill_group(struct process *p)
{
	struct linux_siginfo info;

	siginfo_kernel(&info, LINUX_SIGKILL);
	signal_send_group(p->pid, LINUX_SIGKILL, &info);
	process_kill(p, LINUX_SIGKILL); /* wherever it has gone */
}

/* Until the process has ended and its terminal's last bytes are out. */
static void serve(struct command *c)
{
	struct process *p = c->process;
	struct waiter at_exit, at_output;
	struct plat_pollfd fds[2];

	waiter_init(&at_exit);
	waiter_init(&at_output);
	waitq_add(&p->exit_wait, &at_exit);
	if (c->tty)
		waitq_add(c->tty_wait, &at_output);
	for (;;) {
		bool has_ended = atomic_load_acquire(&p->is_zombie);
		int n = serve_terminal(c, fds);

		if (has_ended && c->out.at == c->out.len)
			break;
		if (!has_ended && atomic_load_acquire(&p->is_vfork_done))
			serve_outside(c);
		if (thread_sleep_poll(fds, n, c->kill_at) == -ETIMEDOUT) {
			kill_group(p);
			c->kill_at = NSEC_MAX;
		}
	}
	waitq_remove(&at_exit);
	waitq_remove(&at_output);
	(void)process_collect(p, &c->status);
}

static void command_free(struct command *c)
{
	program_free(&c->program);
	kfree((void *)(uintptr_t)c->program.argv);
	kfree(c->text);
	kfree(c);
}

static void command_thread(void *arg)
{
	struct command *c = arg;

	mutex_lock(&commands.lock);
	c->thread = current();
	mutex_unlock(&commands.lock);
	if (take(c))
		refuse(c, "it cannot be taken from the monitor");
	else if (c->head.flags & BROKER_EXEC_FILES)
		fileserver_run(c->hfds[0], &c->has_hungup);
	else if (!start(c))
		serve(c);
	mutex_lock(&commands.lock);
	c->thread = NULL;
	list_del(&c->node);
	mutex_unlock(&commands.lock);
	end_stdio(c);
	process_put(c->process);
	tell(BROKER_EXEC_END, c->id, (u32)c->status, c->refusal.text);
	command_free(c);
}

/* --- From the monitor
 * ------------------------------------------------------------- */

void command_start(u32 id)
{
	struct command *c = kzalloc(sizeof(*c));
	int err = c ? 0 : -ENOMEM;

	if (c) {
		c->id = id;
		c->kill_at = NSEC_MAX;
		c->left = 2 * TTY_OUT_SIZE;
		c->in.hfd = c->out.hfd = -1;
		for (int n = 0; n < 3; n++)
			c->hfds[n] = -1;
		mutex_lock(&commands.lock);
		list_append(&commands.list, &c->node);
		mutex_unlock(&commands.lock);
		err = kernel_thread_start("command", command_thread, c);
	}
	if (!err)
		return;
	tell(BROKER_EXEC_END, id, STATUS_CANNOT_RUN,
	     "no memory for another command");
	if (!c)
		return;
	mutex_lock(&commands.lock);
	list_del(&c->node);
	mutex_unlock(&commands.lock);
	command_free(c);
}

/* With commands.lock held. */
static struct command *find(u32 id)
{
	struct command *c;

	list_for_each (c, &commands.list, node)
		if (c->id == id)
			return c;
	return NULL;
}

static void notify(const struct command *c)
{
	if (c->thread)
		thread_unpark(c->thread);
}

void command_signal(u32 id, int sig)
{
	struct command *c;

	if (sig < 1 || sig > 64)
		return;
	mutex_lock(&commands.lock);
	c = find(id);
	if (c) {
		atomic_fetch_or(&c->signals, SIG_BIT(sig));
		notify(c);
	}
	mutex_unlock(&commands.lock);
}

void command_winsize(u32 id, u32 rows, u32 cols)
{
	struct command *c;

	mutex_lock(&commands.lock);
	c = find(id);
	if (c) {
		atomic_store(&c->winsize, rows << 16 | cols);
		notify(c);
	}
	mutex_unlock(&commands.lock);
}

void command_hangup(u32 id)
{
	struct command *c;

	mutex_lock(&commands.lock);
	c = find(id);
	if (c) {
		atomic_store(&c->has_hungup, 1);
		notify(c);
	}
	mutex_unlock(&commands.lock);
}
