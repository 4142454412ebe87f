// SPDX-License-Identifier: Apache-2.0
/* Hostile arguments for every served call, made from the kernel's table: each
 * argument in turn is bad (pointers, descriptors, lengths, offsets, numbers)
 * while the others are plausible. The lines say what came of it, so that the
 * host's Linux and an instance are compared word by word. Calls in hand_made[]
 * have their hostile cases elsewhere. Each case is a child, an ordinary user.
 */
#include "tap.h"

#include <limits.h>
#include <sys/mman.h>
#include <sys/time.h>

#define REGION ((char *)0x200000000000UL) /* nothing near it */
#define REGION_SIZE 0x10000UL
#define USER 12345
#define BLOCK_MS 2000

struct row {
	long nr;
	const char *name, *format;
};

#define SYS(n, id, words) { n, #id, words },
#define STUB(n, id, err, why)
static const struct row rows[] = {
#include "../../kernel/sys/table.h"
};

/* HAND(call, file): blocks, ends the process, or changes the machine; its bad
 * arguments are tried in tests/guest/FILE.c (tools/check-docs looks). */
#define HAND(call, file) { #call, #file },
static const struct {
	const char *call, *file;
} hand_made[] = {
	HAND(rt_sigreturn, sigframe) HAND(pause, signal) HAND(clone, fork) HAND(
		fork, fork) HAND(vfork,
				 fork) HAND(exit,
					    thread) HAND(exit_group,
							 fork) HAND(kill,
								    signal)
		HAND(tkill, signal) HAND(tgkill, signal) HAND(
			rt_sigsuspend,
			signal) HAND(clone3,
				     fork) HAND(rt_sigqueueinfo,
						signal) HAND(rt_tgsigqueueinfo,
							     signal)
			HAND(arch_prctl, elf_start) HAND(rseq, rseq) HAND(
				unshare, admin) HAND(set_tid_address,
						     thread) HAND(prctl, cred)
				HAND(shmget, shm) HAND(semget, sysv) HAND(
					msgget,
					sysv) HAND(restart_syscall,
						   time) HAND(close_range,
							      fd) HAND(futex,
								       futex)
					HAND(personality, admin) HAND(
						shmat, sysv) HAND(sched_yield,
								  sched)
						HAND(mlockall, memlock) HAND(
							setsid,
							tty) HAND(sync, files2)
							HAND(setpgid, tty) HAND(
								pkey_mprotect,
								memlock)
};

/* Differences that are meant, by "call argument what". */
static const char *const skipped[] = {
#include "badargs.skip"
};

enum type { HEX, FD, PTR, LEN, STR, INT, LONG, NTYPES };

static int file_fd, closed_fd;
static char *page;	/* good memory, zeros */
static char *text;	/* a path that is there */
static char *long_path; /* longer than PATH_MAX */

static enum type type_of(const char *word)
{
	static const struct {
		const char *word;
		enum type type;
	} types[] = {
		{ "fd", FD },	     { "dirfd", FD },	  { "ptr", PTR },
		{ "len", LEN },	     { "str", STR },	  { "in", PTR },
		{ "out", PTR },	     { "iov", PTR },	  { "sigset", PTR },
		{ "sockaddr", PTR }, { "timespec", PTR }, { "int", INT },
		{ "uint", INT },     { "pid", INT },	  { "sig", INT },
		{ "whence", INT },   { "domain", INT },	  { "socktype", INT },
		{ "long", LONG },
	};
	const char *colon = strchr(word, ':');

	if (strncmp(word, "buf:", 4) == 0)
		return PTR;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(types[i].word, colon ? colon + 1 : word) == 0)
			return types[i].type;
	return HEX;
}

struct call {
	const struct row *row;
	char words[6][24];
	enum type types[6];
	long base[6];
	unsigned n;
};

static long base_of(const struct call *c, unsigned i)
{
	bool is_map = strstr(c->words[i], "addr:ptr") ||
		      strstr(c->words[i], "old:ptr");

	switch (c->types[i]) {
	case FD:
		return strcmp(c->words[i], "dirfd") == 0 ? AT_FDCWD : file_fd;
	case PTR:
		return is_map ? (long)REGION : (long)page;
	case LEN:
		return is_map || (i > 0 && strstr(c->words[i - 1], "addr"))
			       ? 4096
			       : 8;
	case STR:
		return (long)text;
	default:
		return 0;
	}
}

static void parse(struct call *c, const struct row *row)
{
	const char *p = row->format;

	memset(c, 0, sizeof(*c));
	c->row = row;
	while (*p && *p != '>' && c->n < 6) {
		size_t n = strcspn(p, " ");

		snprintf(c->words[c->n], sizeof(c->words[0]), "%.*s", (int)n,
			 p);
		c->types[c->n] = type_of(c->words[c->n]);
		c->n++;
		p += n + strspn(p + n, " ");
	}
	for (unsigned i = 0; i < c->n; i++)
		c->base[i] = base_of(c, i);
}

struct bad {
	const char *what;
	long value;
};

static unsigned bad_values(const struct call *c, unsigned i, struct bad *b)
{
	static const struct bad pointers[] = {
		{ "low", 16 },
		{ "kernel", (long)0xffff800000000000UL },
		{ "edge", 0x7ffffffff000L },
		{ "last", -1 },
	};
	static const struct bad lengths[] = {
		{ "-1", -1 },
		{ "LONG_MAX", LONG_MAX },
		{ "LONG_MIN", LONG_MIN },
		{ "2^31", 1L << 31 },
	};
	static const struct bad ints[] = {
		{ "INT_MAX", INT_MAX },
		{ "INT_MIN", INT_MIN },
		{ "-2", -2 },
	};
	unsigned n = 0;

	switch (c->types[i]) {
	case FD:
		b[n++] = (struct bad){ "closed", closed_fd };
		b[n++] = (struct bad){ "-1", -1 };
		b[n++] = (struct bad){ "INT_MAX", INT_MAX };
		return n;
	case STR:
		b[n++] = (struct bad){ "empty", (long)(page + 2048) };
		b[n++] = (struct bad){ "long", (long)long_path };
		/* fallthrough */
	case PTR:
		memcpy(b + n, pointers, sizeof(pointers));
		return n + ARRAY_SIZE(pointers);
	case LEN:
	case LONG:
		memcpy(b, lengths, sizeof(lengths));
		return ARRAY_SIZE(lengths);
	case INT:
		memcpy(b, ints, sizeof(ints));
		return ARRAY_SIZE(ints);
	default:
		b[n++] = (struct bad){ "all bits", -1 };
		return n;
	}
}

static const char *error_name(int err)
{
	static char text_of[16];
	const char *name = strerrorname_np(err);

	if (name)
		return name;
	snprintf(text_of, sizeof(text_of), "E%d", err);
	return text_of;
}

/* In the child: the call; its end is the exit status: 0 or an errno. */
static void make_call(const struct call *c, const long *a)
{
	long r;

	syscall(SYS_setgroups, 0, NULL);
	must(setresgid(USER, USER, USER) == 0);
	must(setresuid(USER, USER, USER) == 0);
	errno = 0;
	r = syscall(c->row->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	_exit(r == -1 && errno ? errno : 0);
}

static void outcome(const struct call *c, const long *a, char *out, size_t n)
{
	pid_t pid = fork();
	int pidfd, status;

	if (pid == 0)
		make_call(c, a);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (poll(&(struct pollfd){ pidfd, POLLIN, 0 }, 1, BLOCK_MS) != 1) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		snprintf(out, n, "blocks");
	} else {
		waitpid(pid, &status, 0);
		if (WIFSIGNALED(status))
			snprintf(out, n, "signal %d", WTERMSIG(status));
		else
			snprintf(out, n, "%s",
				 WEXITSTATUS(status)
					 ? error_name(WEXITSTATUS(status))
					 : "done");
	}
	close(pidfd);
}

static bool is_skipped(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(skipped); i++)
		if (skipped[i] && strcmp(skipped[i], name) == 0)
			return true;
	return false;
}

static void check_case(const struct call *c, unsigned i, const struct bad *b)
{
	char name[128], line[200], result[32];
	long a[6];

	snprintf(name, sizeof(name), "%s %u %s", c->row->name, i, b->what);
	if (is_skipped(name))
		return;
	/* Times out of bounds are for the tests of waiting. */
	if (strstr(c->words[i], "timeout") && c->types[i] == INT)
		return;
	memcpy(a, c->base, sizeof(a));
	a[i] = b->value;
	outcome(c, a, result, sizeof(result));
	snprintf(line, sizeof(line), "%s: %s", name, result);
	ok(true, line);
}

static bool is_hand_made(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(hand_made); i++)
		if (strcmp(hand_made[i].call, name) == 0)
			return true;
	return false;
}

static void prepare(void)
{
	file_fd = open("file", O_RDWR | O_CREAT, 0666);
	must(file_fd >= 0 && ftruncate(file_fd, 8192) == 0);
	must(chmod("file", 0666) == 0);
	closed_fd = 777;
	/* Nothing behind it, or huge lengths would reach all memory. */
	page = mmap(NULL, 12288, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(page != MAP_FAILED && mprotect(page + 8192, 4096, PROT_NONE) == 0);
	text = page + 4096;
	strcpy(text, "file");
	long_path = malloc(PATH_MAX + 10);
	memset(long_path, 'x', PATH_MAX + 9);
	long_path[PATH_MAX + 9] = '\0';
	must(mmap(REGION, REGION_SIZE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		  0) == REGION);
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : NULL;

	tap_start();
	alarm(110);
	tap_dir();
	must(chmod(".", 0755) == 0);
	prepare();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct call c;
		struct bad bad[8];

		if (is_hand_made(rows[i].name) ||
		    (only && strcmp(only, rows[i].name) != 0))
			continue;
		parse(&c, &rows[i]);
		for (unsigned j = 0; j < c.n; j++) {
			unsigned n = bad_values(&c, j, bad);

			for (unsigned k = 0; k < n; k++)
				check_case(&c, j, &bad[k]);
		}
	}
	return tap_done();
}
