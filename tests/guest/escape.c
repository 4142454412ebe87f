// SPDX-License-Identifier: Apache-2.0
/* A hostile program that calls the kernel's own host-call stub: argument N
 * makes attempt N and prints its name. Attempts marked KILLED must end the
 * instance; the others must fail. tests/e2e/escape.bats runs each. Platform
 * `process` only. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KERNEL_BASE 0x7d0000000000UL
#define KILLED 0
#define FAILS 1
#define WORKS 2 /* the control: a listed call goes through */

static const char path[] = "/etc/passwd";
static char *const argv_sh[] = { (char *)"sh", NULL };
static long buf[64];
static long parent; /* the monitor */

static const struct attempt {
	const char *name;
	long nr;
	long args[6];
	int expect;
} attempts[] = {
	{ "getppid, the control", SYS_getppid, { 0 }, WORKS },
	{ "open", SYS_open, { (long)path }, KILLED },
	{ "openat", SYS_openat, { -100, (long)path }, KILLED },
	{ "openat2", 437, { -100, (long)path }, KILLED },
	{ "open_by_handle_at", SYS_open_by_handle_at, { 3 }, KILLED },
	{ "creat", SYS_creat, { (long)"/tmp/x", 0600 }, KILLED },
	{ "execve", SYS_execve, { (long)"/bin/sh", (long)argv_sh }, KILLED },
	{ "execveat", SYS_execveat, { -100, (long)"/bin/sh" }, KILLED },
	{ "socket", SYS_socket, { 2, 1, 0 }, KILLED },
	{ "socketpair", SYS_socketpair, { 1, 1, 0, (long)buf }, KILLED },
	{ "connect", SYS_connect, { 6, (long)buf, 16 }, KILLED },
	{ "bind", SYS_bind, { 6, (long)buf, 16 }, KILLED },
	{ "listen", SYS_listen, { 6, 1 }, KILLED },
	{ "sendto, fast open",
	  SYS_sendto,
	  { 6, (long)buf, 1, 0x20000000, (long)buf, 16 },
	  KILLED },
	{ "sendmsg with descriptors", SYS_sendmsg, { 6, (long)buf }, KILLED },
	{ "sendmmsg", SYS_sendmmsg, { 6, (long)buf, 1 }, KILLED },
	{ "recvmmsg", SYS_recvmmsg, { 6, (long)buf, 1 }, KILLED },
	{ "ptrace", SYS_ptrace, { 16, 1 }, KILLED },
	{ "process_vm_readv", SYS_process_vm_readv, { 1 }, KILLED },
	{ "process_vm_writev", SYS_process_vm_writev, { 1 }, KILLED },
	{ "pidfd_open", 434, { 1 }, KILLED },
	{ "pidfd_getfd", 438, { 1 }, KILLED },
	{ "kill", SYS_kill, { -1, 0 }, KILLED },
	{ "tkill", SYS_tkill, { 1, 9 }, KILLED },
	{ "tgkill with SIGKILL", SYS_tgkill, { 1, 1, 9 }, KILLED },
	{ "tgkill with signal 0", SYS_tgkill, { 1, 1, 0 }, KILLED },
	{ "rt_sigqueueinfo", SYS_rt_sigqueueinfo, { 1, 34 }, KILLED },
	{ "io_uring_setup", 425, { 8, (long)buf }, KILLED },
	{ "io_setup", SYS_io_setup, { 8, (long)buf }, KILLED },
	{ "bpf", SYS_bpf, { 0 }, KILLED },
	{ "perf_event_open", SYS_perf_event_open, { (long)buf }, KILLED },
	{ "userfaultfd", SYS_userfaultfd, { 0 }, KILLED },
	{ "memfd_create", SYS_memfd_create, { (long)path }, KILLED },
	{ "unshare", SYS_unshare, { 0x10000000 }, KILLED },
	{ "setns", SYS_setns, { 3, 0 }, KILLED },
	{ "mount", SYS_mount, { 0 }, KILLED },
	{ "chroot", SYS_chroot, { (long)"/" }, KILLED },
	{ "keyctl", SYS_keyctl, { 0 }, KILLED },
	{ "seccomp", SYS_seccomp, { 1, 0, (long)buf }, KILLED },
	{ "setuid", SYS_setuid, { 0 }, KILLED },
	{ "setrlimit", SYS_setrlimit, { 7, (long)buf }, KILLED },
	{ "prlimit64", SYS_prlimit64, { 1, 7, (long)buf }, KILLED },
	{ "fcntl F_SETOWN", SYS_fcntl, { 6, 8, 1 }, KILLED },
	{ "dup", SYS_dup, { 6 }, KILLED },
	{ "write", SYS_write, { 1, (long)path, 1 }, KILLED },
	{ "clone3", 435, { (long)buf, 64 }, KILLED },
	{ "fork", SYS_fork, { 0 }, KILLED },
	{ "clone out of the tree", SYS_clone, { 17 }, KILLED },
	{ "clone with CLONE_NEWUSER", SYS_clone, { 0x10008411 }, KILLED },
	{ "prctl PR_SET_DUMPABLE", SYS_prctl, { 4, 1 }, KILLED },
	{ "prctl no death signal", SYS_prctl, { 1, 0 }, KILLED },
	{ "mmap MAP_HUGETLB",
	  SYS_mmap,
	  { 0, 1 << 21, 3, 0x40022, -1 },
	  KILLED },
	{ "mmap MAP_LOCKED", SYS_mmap, { 0, 4096, 3, 0x2022, -1 }, KILLED },
	{ "madvise MADV_MERGEABLE", SYS_madvise, { 0, 0, 12 }, KILLED },
	{ "madvise MADV_HWPOISON", SYS_madvise, { 0, 0, 100 }, KILLED },
	{ "futex FUTEX_LOCK_PI", SYS_futex, { (long)buf, 6 }, KILLED },
	{ "ioctl TIOCSTI", SYS_ioctl, { 0, 0x5412, (long)path }, KILLED },
	{ "ioctl SIOCSIFFLAGS", SYS_ioctl, { 6, 0x8914, (long)buf }, KILLED },
	{ "setsockopt SO_ATTACH_FILTER",
	  SYS_setsockopt,
	  { 6, 1, 26, (long)buf, 16 },
	  KILLED },
	{ "setsockopt IPT_SO_SET_REPLACE",
	  SYS_setsockopt,
	  { 6, 0, 64, (long)buf, 16 },
	  KILLED },
	{ "setsockopt TCP_CONGESTION",
	  SYS_setsockopt,
	  { 6, 6, 13, (long)path, 4 },
	  KILLED },
	{ "getsockopt SO_PEERPIDFD",
	  SYS_getsockopt,
	  { 6, 1, 77, (long)buf, (long)(buf + 1) },
	  KILLED },
	{ "getsockopt SO_PEERCRED",
	  SYS_getsockopt,
	  { 6, 1, 17, (long)buf, (long)(buf + 1) },
	  KILLED },
	{ "membarrier for all", SYS_membarrier, { 1, 0 }, KILLED },
	{ "an x32 call", 0x40000000 | SYS_getppid, { 0 }, KILLED },
	{ "a kick for the monitor", SYS_tgkill, { -1, -1, 34 }, FAILS },
	{ "a kick for init", SYS_tgkill, { 1, 1, 34 }, FAILS },
};
#define NATTEMPTS (int)(sizeof(attempts) / sizeof(attempts[0]))

static long call_stub(const unsigned char *stub, long nr, const long *a)
{
	register long r10 __asm__("r10") = a[3];
	register long r8 __asm__("r8") = a[4];
	register long r9 __asm__("r9") = a[5];
	long result;

	__asm__ volatile("call *%[stub]"
			 : "=a"(result), "+r"(r10), "+r"(r8), "+r"(r9)
			 : "a"(nr), "D"(a[0]), "S"(a[1]),
			   "d"(a[2]), [stub] "r"(stub)
			 : "rcx", "r11", "memory");
	return result;
}

/* `syscall; ret` in the kernel's text that reaches the host: as pid 1 we have
 * no parent. The vDSO's own is before it. */
static const unsigned char *find_stub(void)
{
	const unsigned char *p = (const unsigned char *)KERNEL_BASE;
	long none[6] = { 0 };

	for (size_t i = 0; i < 1 << 16; i++) {
		if (p[i] != 0x0f || p[i + 1] != 0x05 || p[i + 2] != 0xc3)
			continue;
		parent = call_stub(p + i, SYS_getppid, none);
		if (parent > 0)
			return p + i;
	}
	fprintf(stderr, "no stub found\n");
	exit(3);
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : -1;
	const struct attempt *a = &attempts[n];
	const unsigned char *stub;
	long args[6], result;

	if (n < 0) { /* how many of which kind */
		for (n = 0; n < NATTEMPTS; n++)
			printf("%d %s\n", n,
			       attempts[n].expect == KILLED ? "killed"
							    : "fails");
		return 0;
	}
	if (n >= NATTEMPTS)
		return 2;
	stub = find_stub();
	memcpy(args, a->args, sizeof(args));
	for (int i = 0; i < 2 && a->expect == FAILS; i++)
		args[i] = args[i] == -1 ? parent : args[i];
	printf("%s\n", a->name);
	fflush(stdout);
	result = call_stub(stub, a->nr, args);
	printf("returned %ld\n", result);
	if (a->expect == WORKS)
		return result > 0 ? 0 : 1;
	return a->expect == FAILS && result < 0 ? 0 : 1;
}
