/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs in an instance that is cloned: tells what it and a child of its find
 * when they go on. A line at the start, one for each time that the generation
 * has changed; "bad" and a word for what must not be.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEN 262144

struct generation {
	volatile uint64_t counter;
	uint8_t id[16];
};

static const struct generation *generation;
static unsigned char *secret, *plain;
static volatile sig_atomic_t signals;

static int is_all(const unsigned char *p, int value)
{
	for (size_t i = 0; i < LEN; i++)
		if (p[i] != value)
			return 0;
	return 1;
}

static void on_signal(int sig)
{
	(void)sig;
	signals = signals + 1;
}

static unsigned char *memory(void)
{
	unsigned char *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(2);
	return p;
}

/* True if a new generation was found, after which all is as at first. */
static int look(uint64_t *seen)
{
	uint64_t now = generation->counter;

	if (now != *seen && !is_all(secret, 0))
		printf("bad: not wiped\n");
	/* It may become a clone between two instructions. */
	if (now == *seen && !is_all(secret, 9) && generation->counter == now)
		printf("bad: wiped\n");
	if (!is_all(plain, 7))
		printf("bad: lost\n");
	if (now == *seen)
		return 0;
	memset(secret, 9, LEN);
	*seen = now;
	return 1;
}

/* Says by a byte that it has found the new generation. */
static void child(int out)
{
	uint64_t seen = generation->counter;

	memset(secret, 9, LEN); /* the fork wiped it */
	for (;;) {
		usleep(1000);
		if (look(&seen) && write(out, "", 1) != 1)
			exit(1);
		fflush(stdout);
	}
}

/* The line that the device reads, compared with its page. */
static void read_line(int fd, char *line, size_t size)
{
	char hex[40] = "", *p = hex;
	ssize_t n;

	lseek(fd, 0, SEEK_SET);
	n = read(fd, line, size - 1);
	line[n > 0 ? n - 1 : 0] = '\0'; /* without the newline */
	for (int i = 0; i < 16; i++)
		p += sprintf(p, "%02x", generation->id[i]);
	if (strtoull(line, NULL, 10) != generation->counter ||
	    !strstr(line, hex))
		printf("bad: page\n");
}

static int start(int out[2])
{
	int fd = open("/dev/generation", O_RDONLY);

	secret = memory();
	plain = memory();
	memset(plain, 7, LEN);
	memset(secret, 9, LEN);
	generation =
		mmap(NULL, sizeof(*generation), PROT_READ, MAP_SHARED, fd, 0);
	if (generation == MAP_FAILED || madvise(secret, LEN, MADV_WIPEONFORK) ||
	    pipe(out))
		exit(3);
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) !=
		    MAP_FAILED ||
	    mprotect((void *)generation, 4096, PROT_READ | PROT_WRITE) == 0)
		printf("bad: writable\n");
	signal(SIGUSR2, on_signal);
	fflush(stdout);
	if (fork() == 0)
		child(out[1]);
	close(out[1]);
	return fd;
}

int main(void)
{
	int out[2], fd = start(out), set = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLPRI };
	uint64_t seen = generation->counter;
	char line[80], byte, random[8];

	epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev);
	read_line(fd, line, sizeof(line));
	printf("start %s\n", line);
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(set, &ev, 1, 10);

		if (!look(&seen))
			continue;
		if (n < 0 && errno == EINTR)
			n = epoll_wait(set, &ev, 1, 5000);
		if (n != 1)
			n = epoll_wait(set, &ev, 1, 5000);
		if (n != 1 || !(ev.events & EPOLLPRI))
			printf("bad: not told\n");
		if (read(out[0], &byte, 1) != 1)
			printf("bad: no child\n");
		read_line(fd, line, sizeof(line));
		if (epoll_wait(set, &ev, 1, 0) != 0)
			printf("bad: told twice\n");
		if (getrandom(random, sizeof(random), 0) != sizeof(random))
			printf("bad: random\n");
		printf("clone %s %d ", line, (int)signals);
		for (size_t i = 0; i < sizeof(random); i++)
			printf("%02x", random[i] & 0xff);
		printf("\n");
		fflush(stdout);
	}
}
