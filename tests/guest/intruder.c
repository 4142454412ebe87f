// SPDX-License-Identifier: Apache-2.0
/* A hostile program that uses what the host-call filter lets through, and its
 * write access to the kernel's memory, to do harm. tests/e2e/hostile.bats runs
 * each kind and looks at what is left. Platform `process` only. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define KERNEL_BASE 0x7d0000000000UL
#define BOOT_BASE 0x7d0020000000UL
#define BOOT_SIZE (512UL << 10)
#define SLOTS_BASE 0x7d0100000000UL
#define HEAP_BASE 0x7d0200000000UL
#define CLONE_PROCESS 0x108411

static const unsigned char *stub;

static long host(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("call *%[stub]"
			 : "=a"(result), "+r"(r10), "+r"(r8), "+r"(r9)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), [stub] "r"(stub)
			 : "rcx", "r11", "memory");
	return result;
}

/* `syscall; ret` that reaches the host: as pid 1 we have no parent. */
static void find_stub(void)
{
	const unsigned char *p = (const unsigned char *)KERNEL_BASE;

	for (size_t i = 0; i < 1 << 16; i++) {
		if (p[i] != 0x0f || p[i + 1] != 0x05 || p[i + 2] != 0xc3)
			continue;
		stub = p + i;
		if (host(SYS_getppid, 0, 0, 0, 0, 0, 0) > 0)
			return;
	}
	puts("no stub");
	exit(3);
}

static uint64_t seed = 88172645463325252ULL;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void say(const char *what, long n)
{
	printf("%s %ld\n", what, n);
	fflush(stdout);
}

static void host_wait(void)
{
	static int word;

	for (;;)
		host(SYS_futex, (long)&word, 9, 0, 0, 0, -1);
}

static void bomb(const char *arg)
{
	static int tid;
	long n, r;

	(void)arg;
	for (n = 0;; n++) {
		r = host(SYS_clone, CLONE_PROCESS, 0, (long)&tid, 0, 0, 0);
		if (r == 0)
			host_wait();
		if (r < 0)
			break;
	}
	say("processes", n);
	host_wait();
}

static void descriptors(const char *arg)
{
	long n = 0;

	(void)arg;
	while (host(SYS_eventfd2, 0, 02004000, 0, 0, 0, 0) >= 0)
		n++;
	say("descriptors", n);
	host_wait();
}

static void kick(const char *arg)
{
	long pid = atol(arg);

	say("kick", host(SYS_tgkill, pid, pid, 34, 0, 0, 0));
	say("kick", host(SYS_tgkill, host(SYS_getppid, 0, 0, 0, 0, 0, 0),
			 host(SYS_getppid, 0, 0, 0, 0, 0, 0), 34, 0, 0, 0));
}

static void shutdown_all(const char *arg)
{
	(void)arg;
	for (int fd = 3; fd < 64; fd++)
		host(SYS_shutdown, fd, 2, 0, 0, 0, 0);
	host_wait();
}

static void close_all(const char *arg)
{
	(void)arg;
	for (int fd = 0; fd < 1024; fd++)
		host(SYS_close, fd, 0, 0, 0, 0, 0);
	exit(0);
}

static void garbage(const char *arg)
{
	static uint64_t data[1024];

	(void)arg;
	for (int i = 0; i < 2000; i++) {
		struct iovec iov = { data, draw() % sizeof(data) };
		uint32_t head[12] = { (uint32_t)draw() % 12,
				      (uint32_t)draw() % 100, 16 };

		for (size_t w = 0; w < 1024; w++)
			data[w] = draw();
		if (draw() & 1) { /* almost right: a small request */
			head[3] = (uint32_t)draw() % 64;
			head[4] = 2;
			iov.iov_len = 48 + head[3];
			memcpy(data, head, sizeof(head));
		}
		for (int fd = 3; fd < 12; fd++)
			host(SYS_writev, fd, (long)&iov, 1, 0, 0, 0);
	}
	host_wait();
}

static void quiet_exit(const char *arg)
{
	(void)arg;
	host(SYS_exit_group, 0x4a, 0, 0, 0, 0, 0);
}

static void fill(uint64_t from, uint64_t len)
{
	uint64_t *p = (uint64_t *)from;

	for (uint64_t i = 0; i < len / 8; i++)
		p[i] = draw();
}

static void scribble_boot(const char *arg)
{
	(void)arg;
	fill(BOOT_BASE, BOOT_SIZE);
	host(SYS_exit_group, 0x4b, 0, 0, 0, 0, 0);
}

static void scribble_heap(const char *arg)
{
	(void)arg;
	fill(HEAP_BASE, 1 << 20);
	for (;;)
		getppid();
}

static void scribble_slots(const char *arg)
{
	(void)arg;
	fill(SLOTS_BASE, 1 << 20);
	for (;;)
		getppid();
}

static void remove_shared(const char *arg)
{
	(void)arg;
	host(SYS_madvise, BOOT_BASE, BOOT_SIZE, 9, 0, 0, 0);
	host(SYS_madvise, HEAP_BASE, 1L << 30, 9, 0, 0, 0);
	host(SYS_madvise, SLOTS_BASE, 1L << 30, 9, 0, 0, 0);
	for (;;)
		getppid();
}

static void unmap(const char *arg)
{
	(void)arg;
	host(SYS_munmap, HEAP_BASE, 1L << 38, 0, 0, 0, 0);
	for (;;)
		getppid();
}

static void jump(const char *arg)
{
	uint64_t at = KERNEL_BASE + strtoul(arg, NULL, 0);

	((void (*)(void))at)();
	_exit(0);
}

static void stack(const char *arg)
{
	volatile char room[4096];

	room[0] = arg[0];
	stack((const char *)room);
	room[1] = 0;
}

static void memory(const char *arg)
{
	(void)arg;
	for (;;) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p != MAP_FAILED)
			memset(p, 1, 1 << 20);
	}
}

static void fork_bomb(const char *arg)
{
	(void)arg;
	for (;;)
		fork();
}

static const struct kind {
	const char *name;
	void (*run)(const char *arg);
	int needs_stub;
} kinds[] = {
	{ "bomb", bomb, 1 },
	{ "descriptors", descriptors, 1 },
	{ "kick", kick, 1 },
	{ "shutdown", shutdown_all, 1 },
	{ "close", close_all, 1 },
	{ "garbage", garbage, 1 },
	{ "quiet-exit", quiet_exit, 1 },
	{ "scribble-boot", scribble_boot, 1 },
	{ "scribble-heap", scribble_heap, 0 },
	{ "scribble-slots", scribble_slots, 0 },
	{ "remove", remove_shared, 1 },
	{ "unmap", unmap, 1 },
	{ "jump", jump, 0 },
	{ "stack", stack, 0 },
	{ "memory", memory, 0 },
	{ "fork", fork_bomb, 0 },
};

int main(int argc, char **argv)
{
	const char *arg = argc > 2 ? argv[2] : "0";

	for (size_t i = 0; argc > 1 && i < sizeof(kinds) / sizeof(kinds[0]);
	     i++) {
		if (strcmp(argv[1], kinds[i].name) != 0)
			continue;
		if (kinds[i].needs_stub)
			find_stub();
		say("begin", 0);
		kinds[i].run(arg);
		return 0;
	}
	return 2;
}
