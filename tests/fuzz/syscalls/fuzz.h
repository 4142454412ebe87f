// SPDX-License-Identifier: Apache-2.0
/* The syscall fuzzer: a guest program whose grammar is the kernel's own table
 * of calls (kernel/sys/table.h) and flags (kernel/sys/flags.h). Everything is
 * drawn from one seed per worker, so a printed seed repeats a run (as far as
 * its threads are scheduled alike). */
#ifndef TESTS_FUZZ_SYSCALLS_FUZZ_H
#define TESTS_FUZZ_SYSCALLS_FUZZ_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PG 4096UL
#define NR_MAX 512 /* more than any call's number */

/* Types of arguments: words of the table's formats. */
enum type {
	T_HEX, /* anything else */
	T_FD,
	T_DIRFD,
	T_INT,
	T_LONG,
	T_PTR,
	T_LEN,
	T_STR,
	T_BUF,
	T_IOV,
	T_SIG,
	T_SIGSET,
	T_MODE,
	T_SOCKADDR,
	T_TIMESPEC,
	T_PID,
	T_OFLAGS,
	T_ADDR, /* a place to map */
};

struct flag_group;

struct arg {
	enum type type;
	char label[16];
	const struct flag_group *group; /* first of its groups, or NULL */
	const struct flag_group *group2;
};

struct call {
	int nr;
	const char *name;
	const char *format;
	bool served;
	unsigned nargs;
	struct arg args[6];
	enum type result;
};

/* Kinds of descriptors, so that calls meet what they are made for. */
enum kind {
	K_FILE,
	K_DIR,
	K_PIPE,
	K_SOCK,
	K_EPOLL,
	K_EVENT,
	K_TIMER,
	K_SIGNAL,
	K_INOTIFY,
	K_PIDFD,
	K_TTY,
	K_MQ,
	KINDS,
};

enum pool_id {
	POOL_FD, /* one per kind: POOL_FD + kind */
	POOL_PID = POOL_FD + KINDS,
	POOL_ADDR,
	POOL_SHM,
	POOL_SEM,
	POOL_MSG,
	POOL_TIMER,
	POOL_WATCH,
	POOL_KEY,
	POOLS,
};

#define POOL_SIZE 16

struct worker; /* shared by the threads of a worker */

/* One thread's state. No TLS: calls may take it away. */
struct fuzz {
	uint64_t rng;
	struct worker *w;
	char *arena; /* ARENA_PAGES of what arguments point at, own */
	unsigned arena_used;
	const struct call *call; /* being drawn */
	long args[6];
	unsigned depth; /* of forks */
	unsigned left;	/* calls to make */
};

#define ARENA_PAGES 32UL
#define PLAY_PAGES 4096UL /* addresses for mmap and friends */

struct worker {
	uint64_t seed;
	unsigned nthreads;
	char *play;
	long pools[POOLS][POOL_SIZE]; /* racy on purpose */
};

/* Counts that outlive a worker: a shared mapping. */
struct counts {
	uint64_t calls;
	uint64_t ends[128]; /* of workers, by signal */
	uint64_t made[NR_MAX];
	uint64_t good[NR_MAX];
};
extern struct counts *counts;

/* grammar.c */
extern struct call calls[];
extern unsigned ncalls;
void grammar_init(void);
const struct call *grammar_find(const char *name);
/* A value of a group; several or-ed where that makes sense. */
uint64_t group_draw(struct fuzz *f, const struct flag_group *g);
const struct flag_group *group_find(const char *name);

/* draw.c */
uint64_t draw(struct fuzz *f);
static inline uint64_t below(struct fuzz *f, uint64_t n)
{
	return draw(f) % n;
}
static inline bool one_in(struct fuzz *f, unsigned n)
{
	return below(f, n) == 0;
}
uint64_t draw_number(struct fuzz *f); /* boundary values of all sizes */
uint64_t draw_len(struct fuzz *f);
long draw_fd(struct fuzz *f, int kind); /* -1: any kind */
uint64_t draw_bad_ptr(struct fuzz *f);
void *arena_take(struct fuzz *f, size_t n, bool at_end);
const char *draw_path(struct fuzz *f);
uint64_t draw_arg(struct fuzz *f, unsigned n);

/* build.c: structures that pointers point at; 0: none known for this. */
uint64_t build_struct(struct fuzz *f, unsigned n);
uint64_t build_timespec(struct fuzz *f);
uint64_t build_sockaddr(struct fuzz *f, uint32_t *len);
uint64_t build_iov(struct fuzz *f, unsigned count);
/* Adjusts the drawn arguments as a whole; false: do not make this call. */
bool build_call(struct fuzz *f);

/* pool.c */
long pool_pick(struct fuzz *f, enum pool_id id);
void pool_add(struct fuzz *f, enum pool_id id, long value);
void pool_result(struct fuzz *f, long result);
void pool_fill(struct fuzz *f); /* a first object of each kind */

/* main.c */
void fuzz_calls(struct fuzz *f);

#endif
