// SPDX-License-Identifier: Apache-2.0
/* Objects that calls made and later calls are given. */
#include "tests/fuzz/syscalls/fuzz.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

long pool_pick(struct fuzz *f, enum pool_id id)
{
	return f->w->pools[id][below(f, POOL_SIZE)];
}

void pool_add(struct fuzz *f, enum pool_id id, long value)
{
	f->w->pools[id][below(f, POOL_SIZE)] = value;
}

static void add_fd(struct fuzz *f, int kind, long fd)
{
	if (fd >= 0)
		pool_add(f, POOL_FD + (unsigned)kind, fd);
}

static void result_fd(struct fuzz *f, long fd)
{
	const char *c = f->call->name;
	static const struct {
		const char *part;
		int kind;
	} kinds[] = {
		{ "epoll", K_EPOLL },	  { "timerfd", K_TIMER },
		{ "signalfd", K_SIGNAL }, { "inotify", K_INOTIFY },
		{ "pidfd", K_PIDFD },	  { "socket", K_SOCK },
		{ "accept", K_SOCK },	  { "eventfd", K_EVENT },
		{ "memfd", K_FILE },	  { "open", K_FILE },
		{ "creat", K_FILE },	  { "mq_open", K_MQ },
	};
	int kind = (int)below(f, KINDS); /* dup and the like */

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strstr(c, kinds[i].part)) {
			kind = kinds[i].kind;
			break;
		}
	if (kind == K_FILE && (f->args[strstr(c, "at") ? 2 : 1] & O_DIRECTORY))
		kind = K_DIR;
	add_fd(f, kind, fd);
}

static void result_pair(struct fuzz *f, const char *c)
{
	const int *fds = (const int *)f->args[c[0] == 'p' ? 0 : 3];
	int kind = c[0] == 'p' ? K_PIPE : K_SOCK;

	/* Only where the call was given memory of ours. */
	if ((char *)(uintptr_t)fds < f->arena ||
	    (char *)(uintptr_t)fds > f->arena + ARENA_PAGES * PG - 8)
		return;
	add_fd(f, kind, fds[0]);
	add_fd(f, kind, fds[1]);
}

void pool_result(struct fuzz *f, long result)
{
	const char *c = f->call->name;

	if (strncmp(c, "pipe", 4) == 0 || strcmp(c, "socketpair") == 0)
		result_pair(f, c);
	else if (strcmp(c, "shmget") == 0)
		pool_add(f, POOL_SHM, result);
	else if (strcmp(c, "semget") == 0)
		pool_add(f, POOL_SEM, result);
	else if (strcmp(c, "msgget") == 0)
		pool_add(f, POOL_MSG, result);
	else if (strcmp(c, "inotify_add_watch") == 0)
		pool_add(f, POOL_WATCH, result);
	else if (strcmp(c, "pkey_alloc") == 0)
		pool_add(f, POOL_KEY, result);
	else if (strcmp(c, "mmap") == 0 || strcmp(c, "mremap") == 0 ||
		 strcmp(c, "shmat") == 0)
		pool_add(f, POOL_ADDR, result);
	else if (f->call->result == T_FD || strstr(c, "fd_create") ||
		 strncmp(c, "dup", 3) == 0 || strstr(c, "eventfd") ||
		 strstr(c, "signalfd") || strncmp(c, "epoll_create", 12) == 0)
		result_fd(f, result);
	else if (f->call->result == T_PID && result > 0)
		pool_add(f, POOL_PID, result);
}

static void fill_files(struct fuzz *f)
{
	static const char zeros[3 * PG];
	int fd = open("a", O_RDWR | O_CREAT | O_NONBLOCK, 0644);

	(void)!write(fd, zeros, sizeof(zeros));
	add_fd(f, K_FILE, fd);
	mkdir("d", 0755);
	mkdir("mnt", 0755);
	(void)!symlink("d", "link");
	(void)!symlink("loop", "loop");
	mkfifo("fifo", 0644);
	add_fd(f, K_FILE, open("fifo", O_RDWR | O_NONBLOCK));
	add_fd(f, K_FILE, memfd_create("m", MFD_ALLOW_SEALING));
	add_fd(f, K_FILE, open("/dev/zero", O_RDWR));
	add_fd(f, K_DIR, open(".", O_RDONLY | O_DIRECTORY));
	add_fd(f, K_DIR, open("/proc/self", O_RDONLY | O_DIRECTORY));
	add_fd(f, K_TTY, open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
}

static void fill_sockets(struct fuzz *f)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int nb = SOCK_NONBLOCK;
	int fds[2], fd;

	if (socketpair(AF_UNIX, SOCK_STREAM | nb, 0, fds) == 0) {
		add_fd(f, K_SOCK, fds[0]);
		add_fd(f, K_SOCK, fds[1]);
	}
	if (socketpair(AF_UNIX, SOCK_DGRAM | nb, 0, fds) == 0) {
		add_fd(f, K_SOCK, fds[0]);
		add_fd(f, K_SOCK, fds[1]);
	}
	fd = socket(AF_INET, SOCK_STREAM | nb, 0);
	bind(fd, (struct sockaddr *)&sin, sizeof(sin));
	listen(fd, 4);
	add_fd(f, K_SOCK, fd);
	add_fd(f, K_SOCK, socket(AF_INET, SOCK_DGRAM | nb, 0));
	add_fd(f, K_SOCK, socket(AF_INET6, SOCK_STREAM | nb, 0));
	add_fd(f, K_SOCK, socket(AF_NETLINK, SOCK_RAW | nb, 0));
}

void pool_fill(struct fuzz *f)
{
	sigset_t set;
	int fds[2];

	memset(f->w->pools, 0, sizeof(f->w->pools));
	for (unsigned k = 0; k < KINDS; k++)
		for (unsigned i = 0; i < POOL_SIZE; i++)
			f->w->pools[POOL_FD + k][i] = 3 + (long)below(f, 40);
	for (unsigned i = 0; i < POOL_SIZE; i++) {
		f->w->pools[POOL_PID][i] = getpid();
		f->w->pools[POOL_ADDR][i] =
			(long)f->w->play + (long)(below(f, 64) * PG);
	}
	fill_files(f);
	fill_sockets(f);
	if (pipe2(fds, O_NONBLOCK) == 0) {
		add_fd(f, K_PIPE, fds[0]);
		add_fd(f, K_PIPE, fds[1]);
	}
	sigfillset(&set);
	add_fd(f, K_EPOLL, epoll_create1(0));
	add_fd(f, K_EVENT, eventfd(1, EFD_NONBLOCK));
	add_fd(f, K_TIMER, timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	add_fd(f, K_SIGNAL, signalfd(-1, &set, SFD_NONBLOCK));
	add_fd(f, K_INOTIFY, inotify_init1(IN_NONBLOCK));
	add_fd(f, K_PIDFD, syscall(SYS_pidfd_open, getpid(), 0));
}
