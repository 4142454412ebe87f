/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs in an instance that is suspended and resumed: private memory must keep
 * what it holds, and be what Linux makes of it: zero when it was given up or
 * has grown, wiped in a child where that was asked for. A line each round.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEN 262144

static int is_all(const unsigned char *p, int value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != value)
			return 0;
	return 1;
}

static unsigned char *memory(void)
{
	return mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

int main(void)
{
	unsigned char *kept = memory(), *given = memory(), *wiped = memory();

	memset(kept, 7, LEN);
	memset(wiped, 9, LEN);
	if (madvise(wiped, LEN, MADV_WIPEONFORK))
		return 1;
	for (int round = 1;; round++) {
		unsigned char *grown = memory();
		const char *bad = "";
		int status = 0;
		pid_t pid;

		memset(given, round & 127, LEN);
		memset(grown, 5, LEN);
		usleep(20000);
		if (!is_all(kept, 7, LEN) || !is_all(given, round & 127, LEN))
			bad = " lost";
		madvise(given, LEN, MADV_DONTNEED);
		if (!is_all(given, 0, LEN))
			bad = " given up, but not zero";
		grown = mremap(grown, LEN, 2 * LEN, MREMAP_MAYMOVE);
		if (grown == MAP_FAILED)
			return 2;
		if (!is_all(grown, 5, LEN) || !is_all(grown + LEN, 0, LEN))
			bad = " not grown by zeros";
		munmap(grown, 2 * LEN);
		pid = fork();
		if (pid == 0)
			_exit(!is_all(wiped, 0, LEN) || !is_all(kept, 7, LEN));
		waitpid(pid, &status, 0);
		if (status)
			bad = " not wiped on fork";
		printf("round %d%s\n", round, bad);
		fflush(stdout);
	}
}
