// SPDX-License-Identifier: Apache-2.0
/* Draws values: numbers at boundaries, pointers good and bad, paths, and the
 * argument that a type and a label ask for. */
#include "tests/fuzz/syscalls/fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

uint64_t draw(struct fuzz *f)
{
	f->rng ^= f->rng << 13;
	f->rng ^= f->rng >> 7;
	f->rng ^= f->rng << 17;
	return (f->rng * 0x2545f4914f6cdd1dULL) >> 8;
}

uint64_t draw_number(struct fuzz *f)
{
	uint64_t r = draw(f), bit = 1UL << (r >> 8 & 63);

	switch (r & 15) {
	case 0:
		return -(r >> 16 & 7);
	case 1:
		return bit;
	case 2:
		return bit - 1;
	case 3:
		return -bit;
	case 4:
		return draw(f) << 8 | (r >> 32 & 255);
	case 5:
		return (uint64_t)INT64_MAX - (r >> 16 & 1);
	case 6:
		return (uint64_t)INT32_MAX + (r >> 16 & 3);
	case 7:
	case 8:
		return (r >> 16 & 63) * PG + (r >> 30 & 3) - 1;
	case 9:
	case 10:
		return r >> 16 & 0xffff;
	default:
		return r >> 16 & 15;
	}
}

uint64_t draw_len(struct fuzz *f)
{
	uint64_t r = draw(f);

	switch (r & 15) {
	case 0:
		return draw_number(f);
	case 1:
	case 2:
		return (r >> 8 & 7) * PG;
	case 3:
		return r >> 8 & 0xffff;
	case 4:
	case 5:
		return 8; /* sets of signals and the like */
	case 6:
		return 0;
	default:
		return r >> 8 & 255;
	}
}

long draw_fd(struct fuzz *f, int kind)
{
	uint64_t r = draw(f);

	if ((r & 15) == 0)
		return (long)draw_number(f);
	if ((r & 15) < 4)
		return (long)(r >> 8 & 63);
	if (kind < 0 || (r >> 4 & 15) == 0)
		kind = (int)((r >> 16) % KINDS);
	return pool_pick(f, POOL_FD + (unsigned)kind);
}

uint64_t draw_bad_ptr(struct fuzz *f)
{
	static const uint64_t bad[] = {
		0,
		1,
		16,
		0xfff,
		0x7cffffffffffUL, /* the last byte of a program's */
		0x7cfffffff000UL,
		0x7d0000000000UL, /* the kernel's text, heap, stacks */
		0x7d0000000800UL,
		0x7d0100000000UL,
		0x7d0200000000UL,
		0x7ffffffff000UL,
		0x800000000000UL,
		0xffff800000000000UL,
		0xfffffffffffff000UL,
		UINT64_MAX,
		0x4141414141414141UL,
	};

	if (one_in(f, 4))
		return (uint64_t)f->w->play + below(f, PLAY_PAGES * PG);
	return bad[below(f, ARRAY_SIZE(bad))];
}

/* Memory for one call: at_end: the byte after it is not mapped. */
void *arena_take(struct fuzz *f, size_t n, bool at_end)
{
	char *p;

	if (n > PG)
		n = PG;
	if (at_end)
		return f->arena + ARENA_PAGES * PG - n;
	if (f->arena_used + n + 64 > (ARENA_PAGES - 2) * PG)
		f->arena_used = 0;
	p = f->arena + f->arena_used;
	f->arena_used += (unsigned)(n + 15) & ~15U;
	return p;
}

static uint64_t draw_buffer(struct fuzz *f)
{
	uint64_t r = draw(f);
	uint64_t *p;

	switch (r & 15) {
	case 0:
		return draw_bad_ptr(f);
	case 1: /* runs into nothing */
		return (uint64_t)arena_take(f, (r >> 8 & 255) + 1, true);
	case 2:
		return (uint64_t)pool_pick(f, POOL_ADDR);
	case 3: /* what some call before left there */
		return (uint64_t)f->arena + (r >> 8) % ((ARENA_PAGES - 1) * PG);
	default:
		p = arena_take(f, 512, false);
		for (unsigned i = 0; i < 16; i++)
			p[i] = draw_number(f);
		return (uint64_t)p;
	}
}

const char *draw_path(struct fuzz *f)
{
	static const char *const paths[] = {
		"a",
		"b",
		"c",
		"d",
		"a/b",
		"a/b/c",
		"./b",
		"../a",
		".",
		"..",
		"",
		"/",
		"/tmp",
		"a/",
		"link",
		"link/a",
		"loop",
		"fifo",
		"socket",
		"/dev/null",
		"/dev/zero",
		"/dev/full",
		"/dev/tty",
		"/dev/random",
		"/dev/ptmx",
		"/dev/pts/0",
		"/dev/pts/1",
		"/dev/shm/x",
		"/proc/self/fd/5",
		"/proc/self/mem",
		"/proc/self/maps",
		"/proc/self/exe",
		"/proc/self/cwd/a",
		"/proc/self/root",
		"/proc/self/status",
		"/proc/1/fd",
		"/proc/self/task",
		"/proc/self/environ",
		"/proc/self/smaps",
		"/proc/self/comm",
		"/proc/self/oom_score_adj",
		"/proc/stat",
		"/proc/meminfo",
		"/proc/mounts",
		"/proc/net/tcp",
		"/proc/net/unix",
		"/proc/sys/kernel/hostname",
		"/proc/sys/kernel/core_pattern",
		"/proc/sys/vm/overcommit_memory",
		"/proc/sysvipc/shm",
		"/proc/loadavg",
		"/sys",
		"/sys/fs/cgroup",
		"/sys/devices/system/cpu/online",
		"/etc/passwd",
		"/bin/x",
		"/queue",
		"mnt",
		"mnt/a",
		"tmpfs",
		"proc",
		"user.a",
		"security.capability",
		"trusted.x",
		"user.",
	};
	char *p;
	size_t n;

	switch (below(f, 24)) {
	case 0: /* too long, or just not */
		n = below(f, 2) ? 4080 + below(f, 16) : 250 + below(f, 10);
		p = arena_take(f, n + 1, one_in(f, 2));
		memset(p, 'n', n);
		p[n] = '\0';
		return p;
	case 1: /* deep */
		n = below(f, 1000) * 4;
		p = arena_take(f, n + 4, false);
		for (size_t i = 0; i < n; i += 4)
			memcpy(p + i, one_in(f, 3) ? "a/.." : "./a/", 4);
		p[n] = '\0';
		return p;
	case 2:
		return (const char *)draw_buffer(f);
	case 3:
		return (const char *)draw_bad_ptr(f);
	case 4:
	case 5:
		p = arena_take(f, 40, false);
		snprintf(p, 40, "/proc/%ld/%s", pool_pick(f, POOL_PID),
			 below(f, 2) ? "stat" : "cmdline");
		return p;
	case 6:
		p = arena_take(f, 40, false);
		snprintf(p, 40, "/proc/self/fd/%d", (int)below(f, 64));
		return p;
	case 7: /* many names: the storm of creation */
		p = arena_take(f, 40, false);
		snprintf(p, 40, "n%d", (int)below(f, 5000));
		return p;
	default:
		return paths[below(f, below(f, 2) ? 10 : ARRAY_SIZE(paths))];
	}
}

static uint64_t draw_pid(struct fuzz *f)
{
	uint64_t r = draw(f);

	switch (r & 15) {
	case 0:
		return draw_number(f);
	case 1:
		return 1;
	case 2:
	case 3:
		return 0;
	case 4:
	case 5:
	case 6:
		return (uint64_t)getpid();
	case 7:
		return (uint64_t)-pool_pick(f, POOL_PID);
	default:
		return (uint64_t)pool_pick(f, POOL_PID);
	}
}

static uint64_t draw_addr(struct fuzz *f)
{
	uint64_t r = draw(f), page = (r >> 16) % PLAY_PAGES;

	if ((r & 31) == 0)
		return draw_bad_ptr(f);
	if ((r & 31) == 1)
		return 0;
	if ((r & 31) < 10)
		return (uint64_t)pool_pick(f, POOL_ADDR);
	if ((r & 31) < 20)
		page &= 63;
	return (uint64_t)f->w->play + page * PG + ((r & 31) == 30 ? 1 : 0);
}

static int kind_of(struct fuzz *f, const struct arg *a)
{
	const char *c = f->call->name;
	static const struct {
		const char *part;
		int kind;
	} kinds[] = {
		{ "epoll", K_EPOLL },	  { "timerfd", K_TIMER },
		{ "signalfd", K_SIGNAL }, { "inotify", K_INOTIFY },
		{ "pidfd", K_PIDFD },	  { "sock", K_SOCK },
		{ "send", K_SOCK },	  { "recv", K_SOCK },
		{ "accept", K_SOCK },	  { "bind", K_SOCK },
		{ "listen", K_SOCK },	  { "connect", K_SOCK },
		{ "getpeer", K_SOCK },	  { "getsockname", K_SOCK },
		{ "shutdown", K_SOCK },	  { "getdents", K_DIR },
		{ "fchdir", K_DIR },	  { "splice", K_PIPE },
		{ "tee", K_PIPE },	  { "mq_", K_MQ },
		{ "truncate", K_FILE },	  { "fallocate", K_FILE },
		{ "pread", K_FILE },	  { "pwrite", K_FILE },
		{ "mmap", K_FILE },	  { "ioctl", K_TTY },
		{ "copy_file", K_FILE },
	};

	if (a->type == T_DIRFD)
		return K_DIR;
	if (strcmp(c, "epoll_ctl") == 0 && a != &f->call->args[0])
		return -1;
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strstr(c, kinds[i].part))
			return one_in(f, 4) ? -1 : kinds[i].kind;
	return -1;
}

static uint64_t draw_id(struct fuzz *f)
{
	const char *c = f->call->name;

	if (one_in(f, 12))
		return draw_number(f);
	if (strncmp(c, "shm", 3) == 0)
		return (uint64_t)pool_pick(f, POOL_SHM);
	if (strncmp(c, "sem", 3) == 0)
		return (uint64_t)pool_pick(f, POOL_SEM);
	if (strncmp(c, "msg", 3) == 0)
		return (uint64_t)pool_pick(f, POOL_MSG);
	return (uint64_t)pool_pick(f, POOL_TIMER);
}

static uint64_t draw_labelled(struct fuzz *f, const struct arg *a)
{
	if (strcmp(a->label, "id") == 0 && a->type == T_INT)
		return draw_id(f);
	if (strcmp(a->label, "key") == 0)
		return below(f, 8);
	if (strcmp(a->label, "pkey") == 0)
		return below(f, 2) ? UINT64_MAX
				   : (uint64_t)pool_pick(f, POOL_KEY);
	if (strcmp(a->label, "uid") == 0 || strcmp(a->label, "gid") == 0)
		return below(f, 3) ? 12345 : draw_number(f);
	if (strcmp(a->label, "count") == 0)
		return one_in(f, 10) ? draw_number(f) : below(f, 9);
	if (strcmp(a->label, "nice") == 0)
		return below(f, 40) - 20;
	if (strcmp(a->label, "timeout") == 0 && a->type == T_INT)
		return one_in(f, 8) ? draw_number(f) : below(f, 3);
	if (strcmp(a->label, "n") == 0 || strcmp(a->label, "max") == 0)
		return one_in(f, 10) ? draw_number(f) : below(f, 65);
	if (strcmp(a->label, "offset") == 0 && one_in(f, 2))
		return below(f, 16) * PG;
	return draw_number(f);
}

static uint64_t draw_typed(struct fuzz *f, const struct arg *a, unsigned n)
{
	static const unsigned char quiet[] = { 0,	SIGHUP,	 SIGUSR1,
					       SIGPIPE, SIGALRM, SIGCHLD,
					       SIGCONT, SIGURG,	 SIGWINCH,
					       35,	36,	 64 };
	static const char *const names[] = { "user.a",	  "user.b",
					     "trusted.c", "security.d",
					     "user.",	  "x" };
	uint64_t v;

	switch (a->type) {
	case T_FD:
		return (uint64_t)draw_fd(f, kind_of(f, a));
	case T_DIRFD:
		return below(f, 2) ? (uint64_t)AT_FDCWD
				   : (uint64_t)draw_fd(f, K_DIR);
	case T_STR:
		if (n > 0 && strstr(f->call->name, "xattr") && below(f, 8))
			return (uint64_t)names[below(f, ARRAY_SIZE(names))];
		return (uint64_t)draw_path(f);
	case T_LEN:
		return draw_len(f);
	case T_BUF:
		return draw_buffer(f);
	case T_IOV:
		return build_iov(f, 8);
	case T_SIG: /* mostly those that end no worker */
		if (one_in(f, 8))
			return one_in(f, 4) ? draw_number(f) : below(f, 66);
		return quiet[below(f, ARRAY_SIZE(quiet))];
	case T_SIGSET:
		v = draw_buffer(f);
		return v;
	case T_MODE:
		return one_in(f, 4) ? draw_number(f) : 0700;
	case T_SOCKADDR:
		return build_sockaddr(f, NULL);
	case T_TIMESPEC:
		return build_timespec(f);
	case T_PID:
		return draw_pid(f);
	case T_ADDR:
		return draw_addr(f);
	case T_PTR:
		v = build_struct(f, n);
		return v ? v : draw_buffer(f);
	default:
		return draw_labelled(f, a);
	}
}

uint64_t draw_arg(struct fuzz *f, unsigned n)
{
	const struct arg *a = &f->call->args[n];

	if (n >= f->call->nargs)
		return draw_number(f);
	if (one_in(f, 40))
		return draw_number(f);
	if (a->type == T_PTR && one_in(f, 8))
		return draw_bad_ptr(f);
	if (a->group2 && one_in(f, 2))
		return group_draw(f, a->group2);
	if (a->group)
		return group_draw(f, a->group);
	return draw_typed(f, a, n);
}
