// SPDX-License-Identifier: Apache-2.0
/* Shared memory between processes: SysV segments, files in /dev/shm, POSIX
 * semaphores and mutexes inside them; the way PostgreSQL and Python use it. */
#include "tap.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

#define PG 4096UL
#define RW (PROT_READ | PROT_WRITE)

static int shmid;
static char name[64];

static long nattch(void)
{
	struct shmid_ds ds;

	return shmctl(shmid, IPC_STAT, &ds) < 0 ? -1 : (long)ds.shm_nattch;
}

static int attach_child(void)
{
	char *p = shmat(shmid, NULL, 0);

	must(p != (void *)-1 && nattch() == 3);
	must(strcmp(p, "parent") == 0);
	strcpy(p, "child");
	must(shmdt(p) == 0 && nattch() == 2);
	must(shmdt(p) == -1 && errno == EINVAL);
	p = shmat(shmid, NULL, SHM_RDONLY);
	must(p != (void *)-1 && p[0] == 'c');
	return 0;
}

static int killed_child(void)
{
	must(shmat(shmid, NULL, 0) != (void *)-1);
	raise(SIGKILL);
	return 0;
}

static int exec_child(void)
{
	must(shmat(shmid, NULL, 0) != (void *)-1);
	execl("/bin/sh", "sh", "-c", "exit 0", NULL);
	return 1;
}

static int user_child(void)
{
	struct shmid_ds ds;

	must(shmat(shmid, NULL, 0) == (void *)-1 && errno == EACCES);
	must(shmctl(shmid, IPC_STAT, &ds) == -1 && errno == EACCES);
	must(shmctl(shmid, IPC_RMID, NULL) == -1 && errno == EPERM);
	return 0;
}

static void check_sysv(void)
{
	struct shmid_ds ds;
	char *p, *q;
	/* A key of our own: the pid keeps parallel runs apart. */
	key_t key = (key_t)(0x4a000000 | getpid());

	tap_group("SysV segments");
	shmid = shmget(key, 56, IPC_CREAT | IPC_EXCL | 0600);
	ok(shmid >= 0, "shmget");
	is_errno(shmget(key, 56, IPC_CREAT | IPC_EXCL | 0600), EEXIST, "EXCL");
	is_int(shmget(key, 56, 0600), shmid, "the same key");
	is_errno(shmget(key, 100000, 0600), EINVAL, "bigger than it is");
	is_errno(shmget(key + 0x100000, 56, 0600), ENOENT, "no such key");
	is_int(shmctl(shmid, IPC_STAT, &ds), 0, "IPC_STAT");
	ok(ds.shm_segsz == 56 && ds.shm_nattch == 0 &&
		   ds.shm_cpid == getpid() && (ds.shm_perm.mode & 0777) == 0600,
	   "size, count, maker, mode");
	p = shmat(shmid, NULL, 0);
	ok(p != (void *)-1 && (uintptr_t)p % PG == 0, "shmat");
	is_int(nattch(), 1, "attached once");
	q = shmat(shmid, NULL, 0);
	ok(q != p, "a second time");
	strcpy(p, "parent");
	is_str(q, "parent", "the same memory");
	is_int(nattch(), 2, "attached twice");
	is_int(shmdt(q), 0, "shmdt");
	is_int(nattch(), 1, "once again");
	is_errno(shmdt(p + PG), EINVAL, "shmdt of nothing");
	is_errno(shmdt(p + 1), EINVAL, "shmdt unaligned");
	is_errno((long)shmat(shmid, p + 1, 0), EINVAL, "shmat unaligned");
	is_errno((long)shmat(shmid, p, 0), EINVAL, "shmat over something");
	is_errno((long)shmat(0x7ffffff0, NULL, 0), EINVAL, "no such segment");
	is_int(tap_child(attach_child), 0, "a child inherits and attaches");
	is_str(p, "child", "what it wrote");
	is_int(nattch(), 1, "its end detached it");
	is_int(tap_child(killed_child), 1000 + SIGKILL, "killed");
	is_int(nattch(), 1, "detached too");
	is_int(tap_child(exec_child), 0, "an exec");
	is_int(nattch(), 1, "detaches too");
	is_int(tap_user_child(user_child), 0, "rights");
	is_efault(shmctl(shmid, IPC_STAT, bp), "IPC_STAT to bad addresses");
	is_errno(shmctl(shmid, 9999, &ds), EINVAL, "bad command");
	is_int(shmctl(shmid, IPC_RMID, NULL), 0, "IPC_RMID");
	is_int(nattch(), 1, "lives while attached");
	is_errno(shmget(key, 56, 0600), ENOENT, "without its key");
	p[10] = 'x';
	is_int(shmdt(p), 0, "the last shmdt");
	is_int(nattch(), -1, "ends it");
	is_errno(shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600), EINVAL, "no size");
	shmid = shmget(IPC_PRIVATE, 1 << 20, IPC_CREAT | 0600);
	p = shmat(shmid, NULL, 0);
	shmctl(shmid, IPC_RMID, NULL);
	bool zero = true;
	for (int i = 0; i < 1 << 20; i++)
		zero &= p[i] == 0;
	ok(zero, "1 MiB of zeros");
	munmap(p, 1 << 20);
	is_int(nattch(), -1, "munmap of all detaches");
}

static char *area;

static int reader_child(void)
{
	int fd = shm_open(name, O_RDWR, 0);

	must(fd >= 0);
	char *p = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0);

	must(p != MAP_FAILED && strcmp(p, "one") == 0);
	strcpy(p + 3 * PG, "two");
	return 0;
}

static int unlinked_child(void)
{
	must(shm_open(name, O_RDWR, 0) == -1 && errno == ENOENT);
	must(strcmp(area, "one") == 0);
	strcpy(area, "three");
	return 0;
}

static void check_posix(void)
{
	int fd;
	struct stat st;
	char *p;

	tap_group("/dev/shm");
	snprintf(name, sizeof(name), "/guest-%d", (int)getpid());
	fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	ok(fd >= 0, "shm_open");
	is_int(fstat(fd, &st) == 0 && st.st_size == 0, 1, "empty");
	is_int(posix_fallocate(fd, 0, 4 * PG), 0, "posix_fallocate");
	area = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0);
	ok(area != MAP_FAILED, "mmap");
	strcpy(area, "one");
	is_int(tap_child(reader_child), 0, "another process opens it");
	is_str(area + 3 * PG, "two", "what it wrote");
	is_int(shm_unlink(name), 0, "shm_unlink");
	is_errno(shm_unlink(name), ENOENT, "again");
	is_int(tap_child(unlinked_child), 0, "mapped while unlinked");
	is_str(area, "three", "and shared");
	is_int(ftruncate(fd, 8 * PG), 0, "grows while mapped");
	p = mmap(NULL, 8 * PG, RW, MAP_SHARED, fd, 0);
	ok(p != MAP_FAILED && strcmp(p, "three") == 0 && p[8 * PG - 1] == 0,
	   "a second, larger mapping");
	close(fd);
	p[0] = 'T';
	is_str(area, "Three", "after the close");
	munmap(p, 8 * PG);
	munmap(area, 4 * PG);
}

struct shared {
	sem_t sem, done;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	pthread_barrier_t barrier;
	long count, turn;
};

static struct shared *sh;

static int worker(long me)
{
	for (int i = 0; i < 2000; i++) {
		must(sem_wait(&sh->sem) == 0);
		sh->count++;
		must(sem_post(&sh->sem) == 0);
	}
	pthread_barrier_wait(&sh->barrier);
	must(sh->count == 4 * 2000);
	pthread_mutex_lock(&sh->mutex);
	for (int i = 0; i < 50; i++) {
		while (sh->turn % 4 != me)
			pthread_cond_wait(&sh->cond, &sh->mutex);
		sh->turn++;
		pthread_cond_broadcast(&sh->cond);
	}
	pthread_mutex_unlock(&sh->mutex);
	return 0;
}

static void check_sync(void)
{
	pthread_mutexattr_t ma;
	pthread_condattr_t ca;
	pthread_barrierattr_t ba;
	struct timespec past = { 1, 0 };
	int sum = 0, v = -1;
	pid_t pids[4];
	sem_t *named;

	tap_group("semaphores and locks in shared memory");
	sh = mmap(NULL, PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	is_int(sem_init(&sh->sem, 1, 1), 0, "sem_init");
	pthread_mutexattr_init(&ma);
	pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&sh->mutex, &ma);
	pthread_condattr_init(&ca);
	pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&sh->cond, &ca);
	pthread_barrierattr_init(&ba);
	pthread_barrierattr_setpshared(&ba, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&sh->barrier, &ba, 4);
	for (long i = 0; i < 4; i++) {
		pids[i] = tap_fork();
		if (pids[i] == 0)
			_exit(worker(i));
	}
	for (int i = 0; i < 4; i++)
		sum += tap_wait(pids[i]);
	is_int(sum, 0, "four processes");
	is_int(sh->count, 8000, "semaphore");
	is_int(sh->turn, 200, "mutex and condition variable");
	is_int(sem_getvalue(&sh->sem, &v) == 0 ? v : -1, 1, "sem_getvalue");
	is_int(sem_trywait(&sh->sem), 0, "sem_trywait");
	is_errno(sem_trywait(&sh->sem), EAGAIN, "at zero");
	is_errno(sem_timedwait(&sh->sem, &past), ETIMEDOUT, "sem_timedwait");
	named = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
	ok(named != SEM_FAILED, "sem_open, as Python does");
	if (tap_fork() == 0) {
		sem_t *s = sem_open(name, 0);

		must(s != SEM_FAILED && sem_post(s) == 0);
		_exit(0);
	}
	is_int(sem_wait(named), 0, "posted by another process");
	wait(NULL);
	is_int(sem_unlink(name), 0, "sem_unlink");
	sem_close(named);
	munmap(sh, PG);
}

/* 128 MiB shared, hardly touched, over several forks: shared_buffers. */
static void check_big(void)
{
	size_t size = 128 << 20;
	char *p = mmap(NULL, size, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool good = true;

	tap_group("a large one");
	ok(p != MAP_FAILED, "mmap of 128 MiB");
	for (size_t i = 0; i < 8; i++) {
		pid_t pid = tap_fork();

		if (pid == 0) {
			p[i * (size / 8)] = (char)(i + 1);
			_exit(0);
		}
		tap_wait(pid);
		good &= p[i * (size / 8)] == (char)(i + 1);
	}
	ok(good, "each child's page is seen");
	munmap(p, size);
}

int main(void)
{
	tap_start();
	tap_dir();
	check_sysv();
	check_posix();
	check_sync();
	check_big();
	return tap_done();
}
