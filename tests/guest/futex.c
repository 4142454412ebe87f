// SPDX-License-Identifier: Apache-2.0
/* The futex call itself: wait, wake, bitsets, requeue, wake-op, timeouts on
 * both clocks, keys shared between processes, signals, and refusals. */
#include "tap.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

enum {
	WAIT = 0,
	WAKE = 1,
	REQUEUE = 3,
	CMP_REQUEUE = 4,
	WAKE_OP = 5,
	LOCK_PI = 6,
	UNLOCK_PI = 7,
	WAIT_REQUEUE_PI = 11,
	CMP_REQUEUE_PI = 12,
	WAIT_BITSET = 9,
	WAKE_BITSET = 10,
	PRIVATE = 128,
	REALTIME = 256,
};

#define PG 4096UL
#define ALL 0xffffffffU

static long futex(volatile void *uaddr, int op, unsigned val,
		  const void *timeout, volatile void *uaddr2, unsigned val3)
{
	return syscall(SYS_futex, uaddr, op, val, timeout, uaddr2, val3);
}

static volatile int word, word2;

struct waiter {
	pthread_t thread;
	volatile pid_t tid;
	volatile void *addr;
	int op, val;
	int priority; /* SCHED_FIFO, if not 0 and allowed */
	unsigned bits;
	long ret;
	int err;
};

static void *wait_thread(void *arg)
{
	struct waiter *w = arg;

	struct sched_param param = { .sched_priority = w->priority };

	if (w->priority)
		pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);
	w->tid = (pid_t)syscall(SYS_gettid);
	w->ret = futex(w->addr, w->op, (unsigned)w->val, NULL, NULL, w->bits);
	w->err = errno;
	return NULL;
}

/* State of one thread of ours, from its own file. */
static bool asleep(pid_t tid)
{
	return tap_await_state(tid, "S");
}

/* Starts a waiter and returns once it sleeps. */
static void start_with(struct waiter *w, volatile void *addr, int op,
		       unsigned bits, int priority)
{
	*w = (struct waiter){
		.addr = addr, .op = op, .bits = bits, .priority = priority
	};
	w->val = *(volatile int *)addr;
	pthread_create(&w->thread, NULL, wait_thread, w);
	while (!w->tid)
		sched_yield();
	asleep(w->tid);
}

static void start(struct waiter *w, volatile void *addr, int op, unsigned bits)
{
	start_with(w, addr, op, bits, 0);
}

static bool joined(struct waiter *w)
{
	pthread_join(w->thread, NULL);
	return w->ret == 0;
}

static void check_wake(void)
{
	struct waiter w[4];
	long sum = 0;

	tap_group("wait and wake");
	is_int(futex(&word, WAKE, 1, NULL, NULL, 0), 0, "nobody to wake");
	word = 5;
	is_errno(futex(&word, WAIT, 4, NULL, NULL, 0), EAGAIN, "changed value");
	start(&w[0], &word, WAIT, 0);
	is_int(futex(&word, WAKE, 1, NULL, NULL, 0), 1, "one woken");
	ok(joined(&w[0]), "its wait returned 0");
	for (int i = 0; i < 4; i++)
		start(&w[i], &word, WAIT | PRIVATE, 0);
	is_int(futex(&word2, WAKE | PRIVATE, 9, NULL, NULL, 0), 0,
	       "another word wakes nobody");
	is_int(futex(&word, WAKE | PRIVATE, 1, NULL, NULL, 0), 1, "one of 4");
	is_int(futex(&word, WAKE | PRIVATE, 2, NULL, NULL, 0), 2, "two more");
	is_int(futex(&word, WAKE | PRIVATE, 0x7fffffff, NULL, NULL, 0), 1,
	       "and the last");
	for (int i = 0; i < 4; i++)
		sum += joined(&w[i]);
	is_int(sum, 4, "all came back");
	start(&w[0], &word, WAIT | PRIVATE, 0);
	is_int(futex(&word, WAKE, 9, NULL, NULL, 0), 0,
	       "the private flag is part of the key");
	is_int(futex(&word, WAKE | PRIVATE, 9, NULL, NULL, 0), 1,
	       "woken by it");
	joined(&w[0]);
}

/* Real-time priorities go first; the host may not allow them. */
static void check_priority(void)
{
	static const int priority[] = { 0, 2, 1, 2, 0 };
	static const int order[] = { 1, 3, 2, 0, 4 };
	struct sched_param old, param = { .sched_priority = 1 };
	struct waiter w[5];
	bool allowed;

	tap_group("priorities");
	word = 0;
	sched_getparam(0, &old);
	allowed = sched_setscheduler(0, SCHED_FIFO, &param) == 0;
	sched_setscheduler(0, SCHED_OTHER, &old);
	for (int i = 0; i < 5; i++)
		start_with(&w[i], &word, WAIT | PRIVATE, 0,
			   allowed ? priority[i] : 0);
	for (int i = 0; i < 5; i++) {
		struct waiter *next = &w[allowed ? order[i] : i];

		is_int(futex(&word, WAKE | PRIVATE, 1, NULL, NULL, 0), 1,
		       "wake one");
		ok(joined(next), "highest priority, then first come");
	}
}

static void check_bitset(void)
{
	struct waiter w[2];

	tap_group("bitsets");
	start(&w[0], &word, WAIT_BITSET | PRIVATE, 1);
	start(&w[1], &word, WAIT_BITSET | PRIVATE, 6);
	is_int(futex(&word, WAKE_BITSET | PRIVATE, 9, NULL, NULL, 8), 0,
	       "no common bit");
	is_int(futex(&word, WAKE_BITSET | PRIVATE, 9, NULL, NULL, 2), 1,
	       "one with the bit");
	ok(joined(&w[1]), "was the second");
	is_int(futex(&word, WAKE | PRIVATE, 9, NULL, NULL, 0), 1,
	       "plain wake matches any");
	ok(joined(&w[0]), "was the first");
	is_errno(futex(&word, WAIT_BITSET, 5, NULL, NULL, 0), EINVAL,
		 "an empty set to wait");
	is_errno(futex(&word, WAKE_BITSET, 5, NULL, NULL, 0), EINVAL,
		 "an empty set to wake");
}

static void check_requeue(void)
{
	struct waiter w[4];
	void *two = (void *)2UL;

	tap_group("requeue");
	word = word2 = 0;
	for (int i = 0; i < 4; i++)
		start(&w[i], &word, WAIT | PRIVATE, 0);
	is_errno(futex(&word, CMP_REQUEUE | PRIVATE, 1, two, &word2, 7), EAGAIN,
		 "the value differs");
	is_int(futex(&word, CMP_REQUEUE | PRIVATE, 1, two, &word2, 0), 3,
	       "CMP_REQUEUE counts woken and moved");
	is_int(futex(&word, WAKE | PRIVATE, 9, NULL, NULL, 0), 1, "one stayed");
	is_int(futex(&word2, WAKE | PRIVATE, 9, NULL, NULL, 0), 2, "two moved");
	for (int i = 0; i < 4; i++)
		joined(&w[i]);
	for (int i = 0; i < 3; i++)
		start(&w[i], &word, WAIT | PRIVATE, 0);
	is_int(futex(&word, REQUEUE | PRIVATE, 0, (void *)9UL, &word2, 0), 3,
	       "REQUEUE of all");
	is_int(futex(&word2, WAKE | PRIVATE, 9, NULL, NULL, 0), 3, "came over");
	for (int i = 0; i < 3; i++)
		joined(&w[i]);
	is_errno(futex(&word, CMP_REQUEUE, 1, two, (char *)&word2 + 1, 0),
		 EINVAL, "unaligned second");
	is_errno(futex(&word, CMP_REQUEUE, (unsigned)-1, two, &word2, 0),
		 EINVAL, "negative count");
	is_efault(futex(&word, CMP_REQUEUE, 1, two,
			(void *)((uintptr_t)bp & ~3UL), 0),
		  "second at bad addresses");
}

#define OP(op, oparg, cmp, cmparg)                      \
	((unsigned)(op) << 28 | (unsigned)(cmp) << 24 | \
	 (unsigned)(oparg) << 12 | (unsigned)(cmparg))

static void check_wake_op(void)
{
	struct waiter a, b;
	void *one = (void *)1UL;

	tap_group("wake-op");
	word = word2 = 0;
	start(&a, &word, WAIT | PRIVATE, 0);
	start(&b, &word2, WAIT | PRIVATE, 0);
	is_int(futex(&word, WAKE_OP | PRIVATE, 1, one, &word2, OP(0, 7, 0, 0)),
	       2, "set 7 if it was 0: wakes both");
	is_int(word2, 7, "the operation was done");
	joined(&a);
	joined(&b);
	start(&b, &word2, WAIT | PRIVATE, 0);
	is_int(futex(&word, WAKE_OP | PRIVATE, 1, one, &word2,
		     OP(1, 3, 4, 100)),
	       0, "add 3, greater than 100: no");
	is_int(word2, 10, "added all the same");
	is_int(futex(&word, WAKE_OP | PRIVATE, 1, one, &word2,
		     OP(8 | 2, 5, 1, 1)),
	       1, "or 1 << 5, unequal 1: yes");
	is_int(word2, 42, "shifted and or-ed");
	joined(&b);
	futex(&word, WAKE_OP | PRIVATE, 0, NULL, &word2, OP(3, 2, 0, 0));
	is_int(word2, 40, "and-not");
	futex(&word, WAKE_OP | PRIVATE, 0, NULL, &word2, OP(4, 0xff, 0, 0));
	is_int(word2, 40 ^ 0xff, "xor");
	futex(&word, WAKE_OP | PRIVATE, 0, NULL, &word2, OP(1, 0xfff, 0, 0));
	is_int(word2, (40 ^ 0xff) - 1, "arguments have a sign");
	is_errno(futex(&word, WAKE_OP, 1, one, &word2, OP(7, 0, 0, 0)), ENOSYS,
		 "an unknown operation");
	is_efault(futex(&word, WAKE_OP, 1, one, (void *)((uintptr_t)bp & ~3UL),
			OP(0, 0, 0, 0)),
		  "second at bad addresses");
}

static struct timespec after(clockid_t id, long ms)
{
	struct timespec t;

	clock_gettime(id, &t);
	t.tv_nsec += ms * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

static bool reached(clockid_t id, struct timespec t)
{
	struct timespec now;

	clock_gettime(id, &now);
	return now.tv_sec > t.tv_sec ||
	       (now.tv_sec == t.tv_sec && now.tv_nsec >= t.tv_nsec);
}

static void check_timeout(void)
{
	struct timespec ms = { 0, 5000000 }, end, past = { 1, 0 };
	struct timespec bad = { 0, 1000000000 }, neg = { -1, 0 };

	tap_group("timeouts");
	word = 0;
	end = after(CLOCK_MONOTONIC, 5);
	is_errno(futex(&word, WAIT, 0, &ms, NULL, 0), ETIMEDOUT, "relative");
	ok(reached(CLOCK_MONOTONIC, end), "not too early");
	end = after(CLOCK_MONOTONIC, 5);
	is_errno(futex(&word, WAIT_BITSET, 0, &end, NULL, ALL), ETIMEDOUT,
		 "absolute, monotonic");
	ok(reached(CLOCK_MONOTONIC, end), "not too early");
	end = after(CLOCK_REALTIME, 5);
	is_errno(futex(&word, WAIT_BITSET | REALTIME, 0, &end, NULL, ALL),
		 ETIMEDOUT, "absolute, realtime");
	ok(reached(CLOCK_REALTIME, end), "not too early");
	is_errno(futex(&word, WAIT_BITSET, 0, &past, NULL, ALL), ETIMEDOUT,
		 "in the past");
	is_errno(futex(&word, WAIT_BITSET | REALTIME | PRIVATE, 0, &past, NULL,
		       ALL),
		 ETIMEDOUT, "in the past, realtime");
	ms.tv_nsec = 0;
	is_errno(futex(&word, WAIT, 0, &ms, NULL, 0), ETIMEDOUT, "zero");
	is_errno(futex(&word, WAIT, 0, &bad, NULL, 0), EINVAL, "bad nsec");
	is_errno(futex(&word, WAIT, 0, &neg, NULL, 0), EINVAL, "negative");
	is_efault(futex(&word, WAIT, 0, bp, NULL, 0), "bad addresses");
	is_errno(futex(&word, WAIT, 1, &past, NULL, 0), EAGAIN,
		 "the value is looked at first");
}

static volatile int hits;

static void hit(int sig)
{
	(void)sig;
	hits++;
}

static void check_signal(void)
{
	struct sigaction sa = { .sa_handler = hit };
	struct waiter w;

	tap_group("signals");
	word = 0;
	sigaction(SIGUSR1, &sa, NULL);
	start(&w, &word, WAIT | PRIVATE, 0);
	syscall(SYS_tgkill, getpid(), w.tid, SIGUSR1);
	pthread_join(w.thread, NULL);
	ok(w.ret == -1 && w.err == EINTR && hits == 1, "EINTR");
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &sa, NULL);
	start(&w, &word, WAIT | PRIVATE, 0);
	syscall(SYS_tgkill, getpid(), w.tid, SIGUSR1);
	while (hits < 2)
		sched_yield();
	asleep(w.tid);
	is_int(futex(&word, WAKE | PRIVATE, 1, NULL, NULL, 0), 1,
	       "SA_RESTART waits on");
	ok(joined(&w), "and is woken");
}

static volatile int *map_shared(int fd)
{
	return mmap(NULL, PG, PROT_READ | PROT_WRITE,
		    MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
}

/* A child sleeps on addr; the parent wakes it through another address. */
static bool across(volatile int *theirs, volatile int *ours, int op)
{
	pid_t pid = tap_fork();
	int woken = 0;

	if (pid == 0)
		_exit(futex(theirs, op, 0, NULL, NULL, ALL) == 0 ? 3 : 4);
	tap_await_state(pid, "S");
	woken = (int)futex(ours, WAKE, 9, NULL, NULL, 0);
	if (woken == 0)
		kill(pid, SIGKILL);
	return tap_wait(pid) == 3 && woken == 1;
}

static int exec_child_fd = -1;

static int forked_copy(void)
{
	/* A private word is another word after fork. */
	return (int)futex(&word, WAKE, 9, NULL, NULL, 0);
}

static void check_shared(void)
{
	volatile int *anon = map_shared(-1), *a, *b, *p;
	struct waiter w;

	tap_group("between processes");
	is_int(across(anon, anon, WAIT), 1, "shared anonymous memory");
	is_int(across(anon + 5, anon + 5, WAIT_BITSET), 1, "at an offset");
	exec_child_fd = open("f", O_RDWR | O_CREAT, 0600);
	(void)!ftruncate(exec_child_fd, PG);
	a = map_shared(exec_child_fd);
	b = map_shared(exec_child_fd);
	is_int(across(a + 3, b + 3, WAIT), 1, "a file, two addresses");
	p = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, exec_child_fd,
		 0);
	*p = 0;
	start(&w, p, WAIT, 0);
	is_int(futex(a, WAKE, 9, NULL, NULL, 0), 0, "a private copy is apart");
	futex(p, WAKE, 9, NULL, NULL, 0);
	joined(&w);
	start(&w, a, WAIT | PRIVATE, 0);
	is_int(futex(b, WAKE | PRIVATE, 9, NULL, NULL, 0), 0,
	       "private keys go by address");
	is_int(futex(a, WAKE, 9, NULL, NULL, 0), 0, "not by file");
	is_int(futex(a, WAKE | PRIVATE, 9, NULL, NULL, 0), 1, "woken by it");
	joined(&w);
	word = 0;
	start(&w, &word, WAIT, 0);
	is_int(tap_child(forked_copy), 0, "fork copies no waiters");
	is_int(futex(&word, WAKE, 9, NULL, NULL, 0), 1, "ours still waits");
	joined(&w);
	munmap((void *)(uintptr_t)a, PG);
	munmap((void *)(uintptr_t)b, PG);
	munmap((void *)(uintptr_t)p, PG);
	munmap((void *)(uintptr_t)anon, PG);
	close(exec_child_fd);
	unlink("f");
}

static void check_refusals(void)
{
	char *ro =
		mmap(NULL, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	tap_group("refusals");
	is_errno(futex((char *)&word + 1, WAIT, 0, NULL, NULL, 0), EINVAL,
		 "unaligned wait");
	is_errno(futex((char *)&word + 2, WAKE, 1, NULL, NULL, 0), EINVAL,
		 "unaligned wake");
	is_efault(futex((void *)((uintptr_t)bp & ~3UL), WAIT, 0, NULL, NULL, 0),
		  "wait at bad addresses");
	is_errno(futex(&word, 77, 0, NULL, NULL, 0), ENOSYS, "unknown op");
	is_errno(futex(&word, WAKE | REALTIME, 1, NULL, NULL, 0), ENOSYS,
		 "a clock for wake");
	is_errno(futex(ro, WAIT | PRIVATE, 1, NULL, NULL, 0), EAGAIN,
		 "read-only memory can be waited on");
	munmap(ro, PG);
	is_errno(futex(ro, WAIT | PRIVATE, 0, NULL, NULL, 0), EFAULT,
		 "not if gone");
}

/* --- From a condition to a lock with an owner ---------------------------- */

static uint32_t cond, lock, other_lock;

struct pi_waiter {
	pthread_t thread;
	pid_t tid;
	long ret;
	uint32_t owner; /* of the lock, afterwards */
};

static void *pi_wait(void *arg)
{
	struct pi_waiter *w = arg;

	__atomic_store_n(&w->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	w->ret = futex(&cond, WAIT_REQUEUE_PI | PRIVATE, 0, NULL, &lock, 0);
	w->owner = lock & 0x3fffffff;
	if (w->ret == 0)
		futex(&lock, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0);
	return NULL;
}

static void pi_start(struct pi_waiter *w)
{
	w->tid = 0;
	must(pthread_create(&w->thread, NULL, pi_wait, w) == 0);
	while (!__atomic_load_n(&w->tid, __ATOMIC_SEQ_CST))
		sched_yield();
	must(tap_await_state(w->tid, "S"));
}

static long requeue_pi(int n, long nmove, uint32_t *to, uint32_t value)
{
	return futex(&cond, CMP_REQUEUE_PI | PRIVATE, n, (void *)nmove, to,
		     value);
}

static void check_requeue_pi(void)
{
	struct pi_waiter a, b;
	struct timespec past = { 1, 0 };

	tap_group("from a condition to a lock with an owner");
	is_int(requeue_pi(1, 5, &lock, 0), 0, "nobody waits");
	is_errno(requeue_pi(2, 5, &lock, 0), EINVAL, "two at once");
	is_errno(requeue_pi(1, 5, &cond, 0), EINVAL, "to where they are");
	is_errno(requeue_pi(1, 5, &lock, 1), EAGAIN, "another value");
	is_efault(requeue_pi(1, 5, (void *)((uintptr_t)bp & ~3UL), 0),
		  "to bad addresses");
	is_errno(futex(&cond, WAIT_REQUEUE_PI, 1, NULL, &lock, 0), EAGAIN,
		 "a wait for another value");
	is_errno(futex(&cond, WAIT_REQUEUE_PI, 0, NULL, &cond, 0), EINVAL,
		 "a wait for itself");
	is_errno(futex(&cond, WAIT_REQUEUE_PI, 0, &past, &lock, 0), ETIMEDOUT,
		 "a wait until the past");
	pi_start(&a);
	is_errno(futex(&cond, WAKE | PRIVATE, 1, NULL, NULL, 0), EINVAL,
		 "a plain wake of such a waiter");
	is_errno(requeue_pi(1, 5, &other_lock, 0), EINVAL, "to another lock");
	is_int(requeue_pi(1, 5, &lock, 0), 1, "to a lock that is free");
	pthread_join(a.thread, NULL);
	is_int(a.ret, 0, "ends the wait");
	ok(a.owner == (uint32_t)a.tid, "with the lock");
	is_int(lock, 0, "which is free again");
	is_int(futex(&lock, LOCK_PI | PRIVATE, 0, NULL, NULL, 0), 0, "take it");
	pi_start(&a);
	pi_start(&b);
	is_int(requeue_pi(1, 5, &lock, 0), 2, "two to a lock that is taken");
	ok(tap_await_state(a.tid, "S"), "still wait");
	is_int(futex(&lock, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0), 0,
	       "give it back");
	pthread_join(a.thread, NULL);
	pthread_join(b.thread, NULL);
	is_int(a.ret == 0 && b.ret == 0, 1, "both get it");
	ok(a.owner == (uint32_t)a.tid && b.owner == (uint32_t)b.tid,
	   "one after the other");
	is_int(lock, 0, "free in the end");
}

int main(void)
{
	tap_start();
	tap_dir();
	check_wake();
	check_priority();
	check_bitset();
	check_requeue();
	check_wake_op();
	check_timeout();
	check_signal();
	check_shared();
	check_requeue_pi();
	check_refusals();
	return tap_done();
}
