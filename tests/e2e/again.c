/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is suspended and resumed time after time, and after each wake touches what it
 * touched first after the one before: shared memory, and a file that children
 * read one after the other and it never does itself. Prints a line each time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LEN (1UL << 20)
#define CHILDREN 20

static unsigned char *shared;
static int file;

static void must(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

/* Time that was slept: it grows with each wake. */
static long slept_ns(void)
{
	struct timespec boot, mono;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	return (boot.tv_sec - mono.tv_sec) * 1000000000L + boot.tv_nsec -
	       mono.tv_nsec;
}

static void make(void)
{
	unsigned seed = 1;

	shared = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(shared != MAP_FAILED, "mmap");
	for (size_t i = 0; i < LEN; i++)
		shared[i] = (unsigned char)rand_r(&seed);
	file = open("/tmp/file", O_RDWR | O_CREAT, 0600);
	must(file >= 0 && write(file, shared, LEN) == (ssize_t)LEN, "file");
}

static int child_reads(void)
{
	unsigned char a[512], b[512];
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (pread(file, a, sizeof(a), LEN / 2) != sizeof(a))
			_exit(2);
		memcpy(b, shared + LEN / 2, sizeof(b));
		_exit(memcmp(a, b, sizeof(a)) != 0);
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid, "waitpid");
	return status == 0;
}

int main(void)
{
	unsigned char first;
	long slept = slept_ns();

	make();
	first = shared[0];
	puts("made");
	fflush(stdout);
	for (int wakes = 0;;) {
		long now = slept_ns();

		if (now - slept < 1000000) {
			usleep(500);
			continue;
		}
		slept = now;
		must(*(volatile unsigned char *)shared == first, "shared");
		for (int i = 0; i < CHILDREN; i++)
			must(child_reads(), "child");
		printf("woken %d\n", ++wakes);
		fflush(stdout);
	}
}
