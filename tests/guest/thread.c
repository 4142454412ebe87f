// SPDX-License-Identifier: Apache-2.0
/* Threads as libcs use them: create and join, TLS, locks, cancellation,
 * exit in every order, robust mutexes, and clone's own errors. */
#include "tap.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#define NT 8
#define PG 4096UL

static __thread int tls_word = 11;
static __thread char tls_big[20000];

static pid_t gettid_(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static void *tls_thread(void *arg)
{
	long bad = tls_word != 11 || tls_big[19999] != 0;

	tls_word = (int)(long)arg;
	memset(tls_big, (int)(long)arg, sizeof(tls_big));
	for (int i = 0; i < 100; i++)
		sched_yield();
	bad += tls_word != (int)(long)arg || tls_big[777] != (char)(long)arg;
	return (void *)bad;
}

static void *ret_arg(void *arg)
{
	return arg;
}

static void *exit_arg(void *arg)
{
	pthread_exit(arg);
}

static void *tid_thread(void *arg)
{
	pid_t *ids = arg;

	ids[0] = gettid_();
	ids[1] = getpid();
	ids[2] = getppid();
	return NULL;
}

static void check_create(void)
{
	pthread_t t, ts[NT];
	pthread_attr_t at;
	void *res, *stack;
	pid_t ids[3];
	long bad = 0;
	bool good = true;

	tap_group("create and join");
	is_int(pthread_create(&t, NULL, ret_arg, (void *)42L), 0, "create");
	is_int(pthread_join(t, &res), 0, "join");
	is_int((long)res, 42, "its value");
	pthread_create(&t, NULL, exit_arg, (void *)43L);
	pthread_join(t, &res);
	is_int((long)res, 43, "pthread_exit");
	pthread_create(&t, NULL, tid_thread, ids);
	pthread_join(t, NULL);
	ok(ids[0] != getpid() && ids[1] == getpid() && ids[2] == getppid(),
	   "its own tid, our pid and parent");
	for (long i = 0; i < NT; i++)
		pthread_create(&ts[i], NULL, tls_thread, (void *)(i + 20));
	for (long i = 0; i < NT; i++) {
		pthread_join(ts[i], &res);
		bad += (long)res;
	}
	is_int(bad, 0, "thread-local storage");
	is_int(tls_word, 11, "ours is untouched");
	for (long i = 0; i < 500; i++) {
		good &= pthread_create(&t, NULL, ret_arg, (void *)i) == 0;
		pthread_join(t, &res);
		good &= (long)res == i;
	}
	ok(good, "five hundred one after the other");
	pthread_attr_init(&at);
	stack = mmap(NULL, 64 * PG, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_setstack(&at, stack, 64 * PG);
	is_int(pthread_create(&t, &at, ret_arg, (void *)1L), 0, "own stack");
	pthread_join(t, NULL);
	munmap(stack, 64 * PG);
	pthread_attr_destroy(&at);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static long counter, serial, turn;

static void *count_thread(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	return arg;
}

static void *barrier_thread(void *arg)
{
	for (int i = 0; i < 50; i++)
		if (pthread_barrier_wait(&barrier) ==
		    PTHREAD_BARRIER_SERIAL_THREAD)
			__atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
	return arg;
}

/* Threads take turns in a ring. */
static void *turn_thread(void *arg)
{
	long me = (long)arg;

	pthread_mutex_lock(&mutex);
	for (int i = 0; i < 100; i++) {
		while (turn % NT != me)
			pthread_cond_wait(&cond, &mutex);
		turn++;
		pthread_cond_broadcast(&cond);
	}
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void *rw_thread(void *arg)
{
	long bad = 0;

	for (int i = 0; i < 3000; i++) {
		if (i % 8 == (int)(long)arg) {
			pthread_rwlock_wrlock(&rwlock);
			counter++;
			serial++;
		} else {
			pthread_rwlock_rdlock(&rwlock);
			bad += counter != serial;
		}
		pthread_rwlock_unlock(&rwlock);
	}
	return (void *)bad;
}

static long run(void *(*fn)(void *))
{
	pthread_t ts[NT];
	void *res;
	long sum = 0;

	for (long i = 0; i < NT; i++)
		if (pthread_create(&ts[i], NULL, fn, (void *)i))
			return -1;
	for (long i = 0; i < NT; i++) {
		pthread_join(ts[i], &res);
		sum += (long)res;
	}
	return sum;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_count;

static void once_fn(void)
{
	once_count++;
}

static void *once_thread(void *arg)
{
	pthread_once(&once, once_fn);
	return once_count == 1 ? NULL : arg;
}

static void check_locks(void)
{
	struct timespec past = { 1, 0 };

	tap_group("locks");
	run(count_thread);
	is_int(counter, NT * 20000, "a mutex counts");
	pthread_barrier_init(&barrier, NULL, NT);
	run(barrier_thread);
	is_int(serial, 50, "barriers");
	pthread_barrier_destroy(&barrier);
	run(turn_thread);
	is_int(turn, NT * 100, "turns by condition variable");
	counter = serial = 0;
	is_int(run(rw_thread), 0, "readers see what a writer finished");
	is_int(counter, NT * 3000 / 8, "writers");
	run(once_thread);
	is_int(once_count, 1, "pthread_once");
	pthread_mutex_lock(&mutex);
	is_int(pthread_mutex_trylock(&mutex), EBUSY, "trylock");
	is_int(pthread_mutex_timedlock(&mutex, &past), ETIMEDOUT, "timedlock");
	is_int(pthread_cond_timedwait(&cond, &mutex, &past), ETIMEDOUT,
	       "cond_timedwait");
	pthread_mutex_unlock(&mutex);
}

static int clean_ups;
static int block_fds[2];

static void clean_up(void *arg)
{
	clean_ups += (int)(long)arg;
}

static void *cancel_thread(void *arg)
{
	char c;

	pthread_cleanup_push(clean_up, (void *)1L);
	pthread_cleanup_push(clean_up, (void *)10L);
	tap_post(*(int *)arg);
	(void)!read(block_fds[0], &c, 1);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *async_thread(void *arg)
{
	volatile unsigned long spin = 0;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	tap_post(*(int *)arg);
	for (;;)
		spin++;
	return NULL;
}

static void *disabled_thread(void *arg)
{
	int *fds = arg;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	tap_post(fds[1]);
	tap_await(block_fds[0]);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	pthread_testcancel();
	return NULL;
}

static void check_cancel(void)
{
	pthread_t t;
	void *res;
	int fds[2];

	tap_group("cancellation");
	(void)!pipe(fds);
	(void)!pipe(block_fds);
	pthread_create(&t, NULL, cancel_thread, &fds[1]);
	tap_await(fds[0]);
	is_int(pthread_cancel(t), 0, "in a blocking read");
	pthread_join(t, &res);
	ok(res == PTHREAD_CANCELED, "is told to join");
	is_int(clean_ups, 11, "clean-up handlers ran");
	pthread_create(&t, NULL, async_thread, &fds[1]);
	tap_await(fds[0]);
	pthread_cancel(t);
	pthread_join(t, &res);
	ok(res == PTHREAD_CANCELED, "asynchronous, in a busy loop");
	pthread_create(&t, NULL, disabled_thread, fds);
	tap_await(fds[0]);
	pthread_cancel(t);
	tap_post(block_fds[1]);
	pthread_join(t, &res);
	ok(res == PTHREAD_CANCELED, "later, when disabled first");
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(block_fds[i]);
	}
}

static void *wait_forever(void *arg)
{
	while (arg || !arg)
		pause();
	return NULL;
}

static void *exit_process(void *arg)
{
	exit((int)(long)arg);
}

static int exit_by_thread(void)
{
	pthread_t t;

	for (int i = 0; i < 4; i++)
		pthread_create(&t, NULL, wait_forever, NULL);
	pthread_create(&t, NULL, exit_process, (void *)5L);
	return pause();
}

static int count_tasks(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = 0;

	while (d && readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void *outlive(void *arg)
{
	/* Until the main thread is a zombie. */
	must(tap_await_state(getpid(), "Z"));
	must(count_tasks() == 2);
	exit((int)(long)arg);
}

static int main_thread_first(void)
{
	pthread_t t;

	pthread_create(&t, NULL, outlive, (void *)6L);
	syscall(SYS_exit, 1);
	return 0;
}

static int fork_in_thread_child;

static void *fork_thread(void *arg)
{
	pid_t pid = tap_fork();

	if (pid == 0) {
		/* The only thread of the new process, and its leader. */
		must(gettid_() == getpid());
		tls_word++;
		pthread_t t;
		must(pthread_create(&t, NULL, ret_arg, NULL) == 0);
		must(pthread_join(t, NULL) == 0);
		_exit(7);
	}
	fork_in_thread_child = tap_wait(pid);
	return arg;
}

static int kill_with_threads(void)
{
	pthread_t t;

	for (int i = 0; i < 4; i++)
		pthread_create(&t, NULL, wait_forever, NULL);
	kill(getpid(), SIGTERM);
	return pause();
}

static int many_threads(void)
{
	static pthread_t ts[200];
	pthread_attr_t at;

	pthread_attr_init(&at);
	pthread_attr_setstacksize(&at, 64 * 1024);
	pthread_mutex_lock(&mutex);
	for (int i = 0; i < 200; i++)
		must(pthread_create(&ts[i], &at, count_thread, NULL) == 0);
	counter = 0;
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < 200; i++)
		must(pthread_join(ts[i], NULL) == 0);
	must(counter == 200 * 20000);
	return 0;
}

static void check_exit(void)
{
	pthread_t t;

	tap_group("exit");
	is_int(tap_child(exit_by_thread), 5, "exit() in one ends all");
	is_int(tap_child(main_thread_first), 6, "the main thread may go first");
	is_int(tap_child(kill_with_threads), 1000 + SIGTERM, "a signal to all");
	is_int(tap_child(many_threads), 0, "two hundred at once");
	pthread_create(&t, NULL, fork_thread, NULL);
	pthread_join(t, NULL);
	is_int(fork_in_thread_child, 7, "fork in a thread");
}

static pthread_mutex_t *robust;

static void *die_locked(void *arg)
{
	pthread_mutex_lock(robust);
	return arg;
}

static int die_locked_child(void)
{
	pthread_mutex_lock(robust);
	raise(SIGKILL);
	return 0;
}

static void check_robust(void)
{
	pthread_mutexattr_t at;
	pthread_t t;

	tap_group("robust mutexes");
	robust = mmap(NULL, PG, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&at);
	pthread_mutexattr_setrobust(&at, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&at, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(robust, &at);
	pthread_create(&t, NULL, die_locked, NULL);
	pthread_join(t, NULL);
	is_int(pthread_mutex_lock(robust), EOWNERDEAD, "a thread died with it");
	is_int(pthread_mutex_consistent(robust), 0, "made consistent");
	is_int(pthread_mutex_unlock(robust), 0, "unlocked");
	is_int(tap_child(die_locked_child), 1000 + SIGKILL, "a process died");
	is_int(pthread_mutex_lock(robust), EOWNERDEAD, "is told");
	pthread_mutex_unlock(robust);
	is_int(pthread_mutex_lock(robust), ENOTRECOVERABLE, "never again");
	munmap(robust, PG);
}

/* A thread made by hand: flags as libcs give them. */
static volatile int raw_tid, raw_clear;
static char raw_stack[32768] __attribute__((aligned(16)));

static int raw_thread(void *arg)
{
	*(volatile int *)arg = gettid_();
	return 0;
}

#define THREAD_FLAGS                                                        \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | \
	 CLONE_SYSVSEM)

static void check_clone(void)
{
	volatile int got = 0, ptid = 0;
	int tid;

	tap_group("clone");
	raw_clear = 1;
	tid = clone(raw_thread, raw_stack + sizeof(raw_stack),
		    THREAD_FLAGS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
		    (void *)(uintptr_t)&got, &ptid, NULL, &raw_clear);
	while (raw_clear)
		syscall(SYS_futex, &raw_clear, 0, 1, NULL);
	ok(tid > 0 && got == tid && ptid == tid, "tid told everywhere");
	is_int(raw_clear, 0, "CLEARTID clears and wakes");
	while (syscall(SYS_tgkill, getpid(), tid, 0) == 0)
		sched_yield();
	is_errno(syscall(SYS_tgkill, getpid(), tid, 0), ESRCH,
		 "the thread is gone");
	is_errno(syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0),
		 EINVAL, "CLONE_THREAD without CLONE_VM");
	is_errno(waitpid(tid, NULL, __WALL), ECHILD, "is no child");
	is_errno(sched_getaffinity(0x3fffffff, 8, (cpu_set_t[1]){ 0 }), ESRCH,
		 "affinity of nobody");
}

static void *name_thread(void *arg)
{
	char name[32] = "", path[64];
	int fd;

	pthread_setname_np(pthread_self(), "worker-name");
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", gettid_());
	fd = open(path, O_RDONLY);
	(void)!read(fd, name, sizeof(name) - 1);
	close(fd);
	return strcmp(name, "worker-name\n") == 0 ? NULL : arg;
}

static void check_self(void)
{
	pthread_t t;
	pthread_attr_t at;
	void *res, *base = NULL;
	size_t size = 0;
	char here;

	tap_group("about oneself");
	pthread_create(&t, NULL, name_thread, (void *)1L);
	pthread_join(t, &res);
	ok(res == NULL, "a name, seen in /proc");
	is_int(pthread_getattr_np(pthread_self(), &at), 0,
	       "pthread_getattr_np of the main thread");
	pthread_attr_getstack(&at, &base, &size);
	ok(&here > (char *)base && &here < (char *)base + size,
	   "knows its stack");
	pthread_attr_destroy(&at);
}

/* A thread that parts with the others: its directory and umask are its own,
 * also for what it starts. */
static void *unshare_thread(void *arg)
{
	long bad = unshare(CLONE_FS) != 0, status = -1;
	char cwd[64];
	pid_t pid;

	bad += chdir("/proc") != 0;
	bad += umask(077) != 022;
	pid = fork();
	if (pid == 0)
		_exit(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/proc") &&
		      umask(0) == 077);
	waitpid(pid, (int *)&status, 0);
	bad += WEXITSTATUS(status) != 1;
	(void)arg;
	return (void *)bad;
}

static void *mask_thread(void *arg)
{
	(void)arg;
	return (void *)(long)umask(027);
}

static void check_unshare(void)
{
	char before[256] = "", after[256] = "";
	pthread_t t;
	void *res;

	tap_group("unshare");
	umask(022);
	(void)!getcwd(before, sizeof(before));
	pthread_create(&t, NULL, unshare_thread, NULL);
	pthread_join(t, &res);
	ok(res == NULL, "CLONE_FS in one of two threads");
	(void)!getcwd(after, sizeof(after));
	ok(!strcmp(before, after), "the others stay where they are");
	is_int(umask(022), 022, "and keep their umask");
	pthread_create(&t, NULL, mask_thread, NULL);
	pthread_join(t, &res);
	is_int((long)res, 022, "a thread shares the umask by default");
	is_int(umask(022), 027, "in both directions");
	is_int(unshare(CLONE_FS), 0, "CLONE_FS where nothing is shared");
	is_errno(unshare(0x4), EINVAL, "flags that do not exist");
}

int main(void)
{
	tap_start();
	check_create();
	check_locks();
	check_cancel();
	check_exit();
	check_robust();
	check_clone();
	check_self();
	check_unshare();
	return tap_done();
}
