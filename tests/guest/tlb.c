// SPDX-License-Identifier: Apache-2.0
/* What a thread may still do with a page that another one has taken away: no
 * processor may go on with what it remembers of a mapping. One thread writes
 * all the time; the other protects, unmaps, moves, drops or shares the page and
 * looks whether anything is written after the call has returned. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/mman.h>

#include "tap.h"

#define PAGE 4096UL
#define ROUNDS 40
#define LOOKS 300
#define MAGIC 0x5ca1ab1e00000000UL

#define load(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define store(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)

static uint64_t *target; /* where the writer writes; atomic */
static uint64_t *scratch;
static int is_stopped, is_over; /* atomic */
static uint64_t written;	/* by the writer; atomic */
static sigjmp_buf back;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static void *writer(void *arg)
{
	if (sigsetjmp(back, 1)) {
		store(&target, scratch);
		store(&is_stopped, 1);
		while (load(&is_stopped) && !load(&is_over))
			sched_yield();
	}
	while (!load(&is_over)) {
		store(load(&target), MAGIC + load(&written));
		store(&written, load(&written) + 1);
	}
	return arg;
}

static uint64_t *fresh(void)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	return p;
}

/* The writer writes to p, and has begun. */
static void aim(uint64_t *p)
{
	store(&target, p);
	store(&is_stopped, 0);
	while (load(p) < MAGIC)
		sched_yield();
}

static void await_stop(void)
{
	while (!load(&is_stopped))
		sched_yield();
}

/* How often it is not the same while one looks: nobody may write it now. */
static int changes(uint64_t *p)
{
	uint64_t first = load(p);
	int n = 0;

	for (int i = 0; i < LOOKS; i++)
		n += load(p) != first;
	return n;
}

static void check_protect(void)
{
	uint64_t *p = fresh();
	int n = 0;

	for (int i = 0; i < ROUNDS; i++) {
		aim(p);
		must(mprotect(p, PAGE, PROT_READ) == 0);
		n += changes(p);
		await_stop();
		must(mprotect(p, PAGE, PROT_READ | PROT_WRITE) == 0);
		store(p, 0UL);
	}
	is_int(n, 0, "a page that may only be read");
	munmap(p, PAGE);
}

/* The memory is somebody else's at once: it stays zero there. */
static void check_unmap(void)
{
	int n = 0;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t *p = fresh(), *q[8];

		for (size_t k = 0; k < ARRAY_SIZE(q); k++)
			q[k] = fresh();
		aim(p);
		must(munmap(p, PAGE) == 0);
		for (size_t k = 0; k < ARRAY_SIZE(q); k++)
			q[k][1] = 1; /* the first touch takes the memory */
		for (size_t k = 0; k < ARRAY_SIZE(q); k++)
			n += changes(q[k]) || load(q[k]);
		await_stop();
		for (size_t k = 0; k < ARRAY_SIZE(q); k++)
			munmap(q[k], PAGE);
	}
	is_int(n, 0, "memory of a page that was unmapped");
}

static void check_move(void)
{
	int n = 0;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t *p = fresh(), *q = fresh();

		aim(p);
		must(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) ==
		     q);
		n += load(q) < MAGIC || changes(q);
		await_stop();
		munmap(q, PAGE);
	}
	is_int(n, 0, "a page that was moved");
}

/* Dropped again and again: nothing that was there before comes back. */
static void check_drop(void)
{
	uint64_t *p = fresh(), seen;
	int n = 0;

	aim(p);
	for (int i = 0; i < ROUNDS; i++) {
		seen = load(p);
		must(madvise(p, PAGE, MADV_DONTNEED) == 0);
		n += load(p) && load(p) < seen;
	}
	is_int(n, 0, "memory that was dropped");
	must(munmap(p, PAGE) == 0);
	await_stop();
}

/* The parent's thread goes on writing; the child's copy stays as it was. */
static void check_fork(void)
{
	uint64_t *p = fresh();
	int n = 0, status = 0;

	for (int i = 0; i < ROUNDS / 4; i++) {
		pid_t pid;

		aim(p);
		pid = tap_fork();
		if (pid == 0)
			_exit(changes(p) != 0);
		must(waitpid(pid, &status, 0) == pid);
		n += status != 0;
	}
	is_int(n, 0, "a copy of a page");
	must(munmap(p, PAGE) == 0);
	await_stop();
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_fault };
	pthread_t t;

	tap_start();
	scratch = fresh();
	target = scratch;
	must(sigaction(SIGSEGV, &sa, NULL) == 0);
	must(pthread_create(&t, NULL, writer, NULL) == 0);
	check_protect();
	check_unmap();
	check_move();
	check_drop();
	check_fork();
	store(&is_over, 1);
	must(pthread_join(t, NULL) == 0);
	return tap_done();
}
