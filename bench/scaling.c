// SPDX-License-Identifier: Apache-2.0
/* Does work on things of their own go on side by side? For each operation one
 * thread, then two, each with its own file, pipe, futex word, epoll set or
 * mapping; prints "NAME ratio": operations per second of two threads over those
 * of one. On two idle CPUs 2.0 is best; 1.0 is what a lock over all gives. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SLICE_NS 60000000ULL
#define ROUNDS 9

struct work {
	int fd, other;
	uint32_t word;
	char name[32];
	uint64_t count;
};

static void pipe_op(struct work *w)
{
	char c = 0;

	if (write(w->other, &c, 1) != 1 || read(w->fd, &c, 1) != 1)
		abort();
}

static void pread_op(struct work *w)
{
	char buf[4096];

	if (pread(w->other, buf, sizeof(buf), 0) != sizeof(buf))
		abort();
}

static void pwrite_op(struct work *w)
{
	static const char buf[4096];

	if (pwrite(w->other, buf, sizeof(buf), 0) != sizeof(buf))
		abort();
}

static void futex_op(struct work *w)
{
	syscall(SYS_futex, &w->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void epoll_op(struct work *w)
{
	struct epoll_event ev = { .events = EPOLLIN };

	if (epoll_ctl(w->fd, EPOLL_CTL_MOD, w->other, &ev) != 0 ||
	    epoll_wait(w->fd, &ev, 1, 0) != 1)
		abort();
}

static void open_op(struct work *w)
{
	int fd = open(w->name, O_RDONLY);

	if (fd < 0 || close(fd) != 0)
		abort();
}

static void mmap_op(struct work *w)
{
	char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)w;
	if (p == MAP_FAILED || munmap(p, 65536) != 0)
		abort();
}

static void make_pipe(struct work *w)
{
	int fds[2];

	if (pipe(fds) != 0)
		abort();
	w->fd = fds[0];
	w->other = fds[1];
}

static void make_file(struct work *w)
{
	static const char zeros[4096];

	snprintf(w->name, sizeof(w->name), "/tmp/scalingXXXXXX");
	w->fd = -1;
	w->other = mkstemp(w->name);
	if (w->other < 0 || write(w->other, zeros, sizeof(zeros)) < 0)
		abort();
}

static void make_epoll(struct work *w)
{
	struct epoll_event ev = { .events = EPOLLIN };

	w->fd = epoll_create1(0);
	w->other = eventfd(1, 0);
	if (epoll_ctl(w->fd, EPOLL_CTL_ADD, w->other, &ev) != 0)
		abort();
}

static void make_nothing(struct work *w)
{
	w->fd = w->other = -1;
}

static const struct {
	const char *name;
	void (*make)(struct work *w);
	void (*op)(struct work *w);
} benches[] = {
	{ "pread", make_file, pread_op },  { "pwrite", make_file, pwrite_op },
	{ "pipe", make_pipe, pipe_op },	   { "futex", make_nothing, futex_op },
	{ "epoll", make_epoll, epoll_op }, { "open_close", make_file, open_op },
	{ "mmap", make_nothing, mmap_op },
};

static void (*op)(struct work *w);
static pthread_barrier_t barrier;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static void *run(void *arg)
{
	struct work *w = arg;
	uint64_t end;

	pthread_barrier_wait(&barrier);
	end = now() + SLICE_NS;
	for (w->count = 0; now() < end; w->count += 16)
		for (int i = 0; i < 16; i++)
			op(w);
	return NULL;
}

/* Operations of n threads in one slice. */
static double rate(struct work *w, int n)
{
	pthread_t t[2];
	double sum = 0;

	pthread_barrier_init(&barrier, NULL, (unsigned)n);
	for (int i = 0; i < n; i++)
		pthread_create(&t[i], NULL, run, &w[i]);
	for (int i = 0; i < n; i++) {
		pthread_join(t[i], NULL);
		sum += (double)w[i].count;
	}
	return sum;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(void)
{
	for (size_t b = 0; b < sizeof(benches) / sizeof(*benches); b++) {
		static struct work w[2] __attribute__((aligned(128)));
		double ratio[ROUNDS];

		for (int i = 0; i < 2; i++)
			benches[b].make(&w[i]);
		op = benches[b].op;
		for (int r = 0; r < ROUNDS; r++)
			ratio[r] = rate(w, 2) / rate(w, 1);
		qsort(ratio, ROUNDS, sizeof(*ratio), compare);
		printf("%s %.2f\n", benches[b].name, ratio[ROUNDS / 2]);
		fflush(stdout);
		for (int i = 0; i < 2; i++) {
			if (w[i].name[0])
				unlink(w[i].name);
			close(w[i].fd);
			close(w[i].other);
			memset(&w[i], 0, sizeof(w[i]));
		}
	}
	return 0;
}
