/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waking: a checkpoint becomes the memory, the boot block and the descriptors
 * of a new kernel. The file is used up before that starts, so that nothing can
 * ever run twice from it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"
#include "monitor/launch.h"

#define SPEC_MAX (4u << 20)

struct resume {
	struct checkpoint cp;
	int fd;
	int dir_fd;	 /* the state directory */
	bool is_used_up; /* the file is gone */
	struct checkpoint_copying copying;
	uint64_t read_ns;
};

int resume_file(const struct instance *in)
{
	return in->resume ? in->resume->fd : -1;
}

const struct checkpoint *resume_checkpoint(const struct instance *in)
{
	return in->resume && in->resume->cp.tables ? &in->resume->cp : NULL;
}

bool resume_is_used_up(const struct instance *in)
{
	return in->resume && in->resume->is_used_up;
}

static int match(struct resume *r, struct instance *in, struct err *e)
{
	cleanup_free char *spec = NULL;
	size_t len;

	if (memcmp(r->cp.h.build, in->build_id, sizeof(in->build_id)) != 0 &&
	    kernels_use(in, r->cp.h.build, e))
		return -e->code;
	if (in->is_clone)
		return checkpoint_match(&r->cp, in, in->build_id, NULL, 0, e) ||
				       clone_match(&r->cp, &in->spec, e)
			       ? -e->code
			       : 0;
	if (io_read_file(r->dir_fd, "spec.json", SPEC_MAX, &spec, &len, e))
		return -e->code;
	return checkpoint_match(&r->cp, in, in->build_id, spec, len, e);
}

int resume_open(struct instance *in, struct err *e)
{
	struct resume *r = calloc(1, sizeof(*r));

	in->resume = r;
	if (!r)
		return err_sys(e, ENOMEM, "checkpoint");
	r->fd = in->template_fd;
	if (!in->spec.state_dir)
		return err_set(e, EINVAL, "checkpoint: no state directory");
	r->dir_fd =
		open(in->spec.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->dir_fd < 0)
		return err_sys(e, errno, "%s", in->spec.state_dir);
	if (!in->is_clone)
		r->fd = openat(r->dir_fd, CHECKPOINT_NAME,
			       O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (r->fd < 0)
		return err_sys(e, errno, "checkpoint");
	if (checkpoint_read(&r->cp, r->fd, e))
		return -e->code;
	if (match(r, in, e))
		return -e->code;
	checkpoint_leave(&r->cp);
	r->read_ns = clock_now_ns();
	return 0;
}

#define OWN_FDS 64 /* the monitor's own, at most */

/* For all its descriptors twice, on the way to their numbers. */
static bool has_room(const struct instance *in)
{
	const struct checkpoint *cp = &in->resume->cp;
	uint64_t n = cp->h.fds.count;
	uint64_t last = n ? (uint64_t)cp->fds[n - 1].number : 0;

	return in->has_fd_room && last + 2 * n + OWN_FDS < INSTANCE_FD_ROOM;
}

int resume_block(struct instance *in, struct err *e)
{
	const int objects[CHECKPOINT_OBJECTS] = { -1, -1, in->boot_fd };
	const int memory[CHECKPOINT_OBJECTS] = { in->kernel_fd, in->cache_fd,
						 -1 };
	struct boot_block *b = in->boot;

	if (checkpoint_copy_objects(&in->resume->cp, objects, e))
		return -e->code;
	if (has_room(in))
		checkpoint_copy_begin(&in->resume->copying, &in->resume->cp,
				      memory);
	b->gate = BOOT_GATE_CLOSED;
	memset(b->taken, 0, sizeof(b->taken));
	memset(b->phase_ns, 0, sizeof(b->phase_ns));
	b->phase_ns[BOOT_T_READ] = in->resume->read_ns;
	return 0;
}

int resume_match_volumes(struct instance *in, struct err *e)
{
	return volumes_match(in, in->resume->cp.volumes, e);
}

static int use_up(struct resume *r, struct err *e)
{
	if (unlinkat(r->dir_fd, CHECKPOINT_NAME, 0))
		return err_sys(e, errno, "checkpoint");
	r->is_used_up = true;
	return 0;
}

static void open_gate(struct instance *in, uint32_t gate)
{
	__atomic_store_n(&in->boot->gate, gate, __ATOMIC_RELEASE);
	syscall(SYS_futex, &in->boot->gate, FUTEX_WAKE, INT32_MAX, NULL, NULL,
		0);
}

int resume_go_on(struct instance *in, struct err *e)
{
	const int memory[CHECKPOINT_OBJECTS] = { in->kernel_fd, in->cache_fd,
						 -1 };
	struct resume *r = in->resume;

	if ((r->copying.cp ? checkpoint_copy_end(&r->copying, e)
			   : checkpoint_copy_objects(&r->cp, memory, e)) ||
	    (!in->is_clone && use_up(in->resume, e))) /* there are others */
		return -e->code;
	in->boot->phase_ns[BOOT_T_COPIED] = clock_now_ns();
	open_gate(in, BOOT_GATE_MEMORY);
	/* It takes a sync: the first write waits for it. */
	if (volumes_wake(in, e))
		return -e->code;
	open_gate(in, BOOT_GATE_VOLUMES);
	return 0;
}

static void *sync_and_close(void *fd)
{
	if (fsync((int)(intptr_t)fd))
		perror("jiffy: the used checkpoint may come back after a power "
		       "cut");
	close((int)(intptr_t)fd);
	return NULL;
}

void resume_settle(const struct instance *in)
{
	intptr_t fd = fcntl(in->resume->dir_fd, F_DUPFD_CLOEXEC, 0);
	pthread_t thread;

	if (fd >= 0 &&
	    pthread_create(&thread, NULL, sync_and_close, (void *)fd) == 0)
		pthread_detach(thread);
	else if (fd >= 0)
		sync_and_close((void *)fd);
}

/* An end of a connection whose other end is gone. */
static int closed_socket(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       pair))
		return -1;
	close(pair[1]);
	return pair[0];
}

/* What the keeper had of one entry of the table. */
static void use_kept(struct instance *in, const struct checkpoint_fd *f, int fd)
{
	uint32_t port = (uint32_t)f->b;

	if (f->a != CHECKPOINT_SOCKET_LISTENING &&
	    f->a != CHECKPOINT_SOCKET_PORT)
		return;
	broker_note_port(in, port, fd);
	in->ports_out |= 1ULL << port;
	in->port_fds[port] = f->a == CHECKPOINT_SOCKET_PORT ||
					     in->spec.sleep.is_stateless
				     ? fcntl(fd, F_DUPFD_CLOEXEC, 0)
				     : -1;
}

void resume_sockets(struct instance *in)
{
	const struct checkpoint *cp = &in->resume->cp;
	uint32_t n = 0;

	for (uint64_t i = 0; i < cp->h.fds.count; i++) {
		const struct checkpoint_fd *f = &cp->fds[i];

		n += keeper_has(f);
	}
	if (n && !in->has_kept)
		keeper_take(in);
	if (n != in->nkept) {
		keeper_drop(in);
		return;
	}
	keeper_note_known(in);
	n = 0;
	for (uint64_t i = 0; i < cp->h.fds.count; i++)
		if (keeper_has(&cp->fds[i]))
			use_kept(in, &cp->fds[i], in->kept_fds[n++]);
}

/* Of a connection that nobody kept, a closed one; a port that the instance
 * listens at must be had, else nobody could reach it any more. */
static int make_socket(struct instance *in, const struct checkpoint_fd *f)
{
	uint32_t port = (uint32_t)f->b;
	int fd = -1;

	in->is_listening |= f->a == CHECKPOINT_SOCKET_LISTENING ||
			    f->a == CHECKPOINT_SOCKET_PORT;
	if (keeper_has(f) && in->kept_at < in->nkept)
		return in->kept_fds[in->kept_at++];

	switch (f->a) {
	case CHECKPOINT_SOCKET_LISTENING:
		fd = broker_take_port(in, port, (int)(f->b >> 32));
		if (fd < 0)
			errno = -fd;
		return fd;
	case CHECKPOINT_SOCKET_PORT:
		return fcntl(in->port_fds[port], F_DUPFD_CLOEXEC, 0);
	case CHECKPOINT_SOCKET_RESOLVER:
		fd = dns_open_client(in);
		break;
	}
	return fd >= 0 ? fd : closed_socket();
}

/* A descriptor for entry f; *is_own: to be closed when it is in place. */
static int make_fd(struct instance *in, const struct checkpoint_fd *f,
		   bool *is_own)
{
	*is_own = false;
	switch (f->kind) {
	case CHECKPOINT_FD_STDIO:
		return f->number;
	case CHECKPOINT_FD_IMAGE:
		return in->image_fd;
	case CHECKPOINT_FD_CACHE:
		return in->cache_fd;
	case CHECKPOINT_FD_BROKER:
		return in->broker_guest_fd;
	case CHECKPOINT_FD_EVENT:
		return in->event_guest_fd;
	case CHECKPOINT_FD_TRACE:
		return in->trace_fd;
	case CHECKPOINT_FD_VOLUME:
		/* Where the host has none now, the usual one does. */
		return f->b && in->direct_fds[f->a] >= 0 ? in->direct_fds[f->a]
							 : in->volume_fds[f->a];
	}
	*is_own = true;
	switch (f->kind) {
	case CHECKPOINT_FD_SOCKET:
		return make_socket(in, f);
	case CHECKPOINT_FD_EPOLL:
		return epoll_create1(EPOLL_CLOEXEC);
	case CHECKPOINT_FD_BELL:
		return eventfd((unsigned int)f->a, EFD_NONBLOCK | EFD_CLOEXEC);
	}
	return -1;
}

/* The lowest number from *next on that is not in the table. */
static int free_number(const struct checkpoint *cp, int *next)
{
	while (checkpoint_find_fd(cp, *next))
		(*next)++;
	return (*next)++;
}

/* Numbers above those of the instance, for the time until they are placed. */
static void raise_file_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
}

static int add(struct launch *l, int from, int to, int above, struct err *e)
{
	struct launch_fd *f = &l->fds[l->nfds];

	f->to = to;
	f->from = from == to && to <= 2 ? from
					: fcntl(from, F_DUPFD_CLOEXEC, above);
	if (f->from < 0)
		return err_sys(e, errno, "descriptor %d", to);
	l->nfds++;
	return 0;
}

static int add_table(struct launch *l, int above, struct err *e)
{
	const struct checkpoint *cp = &l->in->resume->cp;

	for (uint64_t i = 0; i < cp->h.fds.count; i++) {
		const struct checkpoint_fd *f = &cp->fds[i];
		bool is_own;
		int fd = make_fd(l->in, f, &is_own), r;

		if (fd < 0)
			return err_sys(e, errno ? errno : EBADF,
				       "descriptor %d", f->number);
		r = add(l, fd, f->number, above, e);
		if (is_own)
			close(fd);
		if (r)
			return r;
	}
	return 0;
}

/* The image's number, or -1. Others may be copies of it: those of descriptors
 * that have ended inside. */
static int image_number(const struct checkpoint *cp, int was)
{
	int found = -1;

	for (uint64_t i = 0; i < cp->h.fds.count; i++) {
		const struct checkpoint_fd *f = &cp->fds[i];

		if (f->kind == CHECKPOINT_FD_IMAGE && f->number > 2 &&
		    (found < 0 || f->number == was))
			found = f->number;
	}
	return found;
}

/* What the block says must be what is placed, whatever the file had in it. */
static void fix_numbers(struct instance *in)
{
	const struct checkpoint *cp = &in->resume->cp;
	struct boot_block *b = in->boot;

	b->image_fd = image_number(cp, b->image_fd);
	b->trace_fd = -1;
	for (uint64_t i = 0; i < cp->h.fds.count; i++) {
		const struct checkpoint_fd *f = &cp->fds[i];

		if (f->kind == CHECKPOINT_FD_CACHE)
			b->cache_fd = f->number;
		else if (f->kind == CHECKPOINT_FD_BROKER)
			b->broker_fd = f->number;
		else if (f->kind == CHECKPOINT_FD_EVENT)
			b->event_fd = f->number;
		else if (f->kind == CHECKPOINT_FD_TRACE)
			b->trace_fd = f->number;
		else if (f->kind == CHECKPOINT_FD_VOLUME && f->b)
			b->volumes[f->a].direct_fd = f->number;
		else if (f->kind == CHECKPOINT_FD_VOLUME)
			b->volumes[f->a].fd = f->number;
	}
	in->guest.broker = b->broker_fd;
	in->guest.event = b->event_fd;
	in->guest.trace = b->trace_fd;
}

/* The host's clock may be another one than that of the checkpoint. */
static void fix_status(struct status_block *s)
{
	s->tell = 0;
	for (int i = 0; i < STATUS_SHARDS; i++)
		s->shards[i].active_ns = 0;
}

static int fix_block(struct instance *in, struct err *e)
{
	const struct checkpoint_header *h = &in->resume->cp.h;
	struct boot_block *b = in->boot;

	b->magic = BOOT_MAGIC;
	b->version = BOOT_VERSION;
	b->size = BOOT_BLOCK_SIZE;
	b->flags |= BOOT_RESTORE;
	b->flags &= ~(uint32_t)BOOT_SLEEPS;
	if (in->spec.sleep.policy != SLEEP_OFF)
		b->flags |= BOOT_SLEEPS;
	b->image_size = in->image_size;
	b->nvolumes = in->spec.nvolumes;
#define TABLE(name)                                           \
	do {                                                  \
		b->checkpoint_##name.offset = h->name.offset; \
		b->checkpoint_##name.count = h->name.count;   \
	} while (0)
	TABLE(maps);
	TABLE(pieces);
	TABLE(reads);
	TABLE(runs);
	TABLE(spaces);
#undef TABLE
	b->checkpoint_sums.offset = h->page_sums.offset;
	b->checkpoint_sums.count = h->page_sums.count;
	b->checkpoint_pages = h->private_pages;
	b->checkpoint_size = h->size;
	b->checkpoint_left.offset =
		h->extents.offset +
		in->resume->cp.first_left * sizeof(struct checkpoint_extent);
	b->checkpoint_left.count = in->resume->cp.nleft;
	b->crash.magic = 0;
	fix_status(&b->status);
	in->last_command = b->last_command;
	if (clone_fill(in, e))
		return -e->code;
	if (getrandom(b->entropy, sizeof(b->entropy), 0) < 0)
		return err_sys(e, errno, "entropy");
	fix_numbers(in);
	return 0;
}

int resume_place(struct launch *l, struct err *e)
{
	struct instance *in = l->in;
	const struct checkpoint *cp = &in->resume->cp;
	int next = 3, boot, above;

	l->fds = calloc(cp->h.fds.count + 3, sizeof(*l->fds));
	if (!l->fds)
		return err_sys(e, ENOMEM, "descriptors");
	if (fix_block(in, e))
		return -e->code;
	boot = free_number(cp, &next);
	in->boot->kernel_fd = free_number(cp, &next);
	in->boot->checkpoint_fd = free_number(cp, &next);
	above = next;
	if (cp->h.fds.count)
		above = MAX(above, cp->fds[cp->h.fds.count - 1].number + 1);
	snprintf(l->boot_fd, sizeof(l->boot_fd), "%d", boot);
	raise_file_limit();
	if (add(l, in->boot_fd, boot, above, e) ||
	    add(l, in->kernel_fd, in->boot->kernel_fd, above, e) ||
	    add(l, in->resume->fd, in->boot->checkpoint_fd, above, e))
		return -e->code;
	in->kernel_exe_fd = fcntl(in->kernel_exe_fd, F_DUPFD_CLOEXEC, above);
	if (in->kernel_exe_fd < 0)
		return err_sys(e, errno, "kernel");
	return add_table(l, above, e);
}

int resume_fill_sets(const struct instance *in)
{
	const struct checkpoint *cp = &in->resume->cp;

	for (uint64_t i = 0; i < cp->h.fds.count; i++) {
		const struct checkpoint_fd *f = &cp->fds[i];

		if (f->kind != CHECKPOINT_FD_EPOLL)
			continue;
		for (uint64_t k = f->a; k < f->a + f->b; k++) {
			const struct checkpoint_member *m = &cp->members[k];
			struct epoll_event ev = { .events = m->events,
						  .data.u64 = m->data };

			if (epoll_ctl(f->number, EPOLL_CTL_ADD, m->number, &ev))
				return -errno;
		}
	}
	return 0;
}
