// SPDX-License-Identifier: Apache-2.0
/* Locked and resident memory, memory policies, protection keys. Mapping itself
 * has mem.c. */
#include "tap.h"

#include <linux/mempolicy.h>
#include <sys/mman.h>

#define PAGE 4096UL

static char *map(size_t pages)
{
	return mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* The value of a line of /proc/self/status, in KiB. */
static long status_kib(const char *key)
{
	static char buf[8192];
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);
	char *at;

	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	at = strstr(buf, key);
	return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

static void check_mincore(void)
{
	unsigned char vec[4] = { 9, 9, 9, 9 };
	char *p = map(4), *hole;

	tap_group("mincore");
	p[0] = 1;
	p[2 * PAGE] = 1;
	is_int(mincore(p, 4 * PAGE, vec), 0, "of four pages");
	ok((vec[0] & 1) && (vec[2] & 1), "two are there");
	ok(!(vec[1] & 1) && !(vec[3] & 1), "two are not");
	is_int(mincore(p, 0, vec), 0, "no bytes");
	is_int(mincore(p, 1, vec), 0, "one byte");
	is_errno(mincore(p + 1, PAGE, vec), EINVAL, "not on a page");
	is_efault(syscall(SYS_mincore, p, PAGE, bp), "to bad addresses");
	hole = p + PAGE;
	munmap(hole, PAGE);
	is_errno(mincore(p, 4 * PAGE, vec), ENOMEM, "with a hole");
	is_errno(syscall(SYS_mincore, p, ~0UL, vec), ENOMEM, "far too long");
	is_errno(syscall(SYS_mincore, 0xffff800000000000UL, PAGE, vec), ENOMEM,
		 "not the program's");
	munmap(p, 4 * PAGE);
}

static void check_lock(void)
{
	unsigned char vec[4] = { 0 };
	char *p = map(4);

	tap_group("mlock");
	is_int(mlock(p + 1, 2 * PAGE), 0, "three pages");
	is_int(status_kib("VmLck:"), 12, "VmLck");
	mincore(p, 4 * PAGE, vec);
	ok((vec[0] & 1) && (vec[1] & 1) && (vec[2] & 1), "are there");
	is_int(mlock(p, PAGE), 0, "again");
	is_int(status_kib("VmLck:"), 12, "counts once");
	is_int(munlock(p, PAGE), 0, "munlock one");
	is_int(status_kib("VmLck:"), 8, "leaves two");
	munmap(p + PAGE, PAGE);
	is_int(status_kib("VmLck:"), 4, "munmap unlocks");
	is_errno(mlock(p, 4 * PAGE), ENOMEM, "with a hole");
	is_errno(munlock(p, 4 * PAGE), ENOMEM, "munlock with a hole");
	is_int(mlock(p, 0), 0, "nothing");
	is_int(syscall(SYS_mlock2, p, PAGE, 0), 0, "mlock2");
	munlock(p, PAGE);
	is_int(syscall(SYS_mlock2, p + 3 * PAGE, PAGE, MLOCK_ONFAULT), 0,
	       "MLOCK_ONFAULT");
	mincore(p + 3 * PAGE, PAGE, vec);
	is_int(vec[0] & 1, 0, "only once it is used");
	is_errno(syscall(SYS_mlock2, p, PAGE, 2), EINVAL, "a bad flag");
	is_errno(mlock((void *)(16 * PAGE), PAGE), ENOMEM, "nothing there");
	is_errno(syscall(SYS_mlock, 0xffff800000000000UL, PAGE), ENOMEM,
		 "not the program's");
	is_errno(syscall(SYS_munlock, 0xffff800000000000UL, PAGE), ENOMEM,
		 "to unlock neither");
	is_errno(syscall(SYS_mlock, ~0UL - 2 * PAGE, 4 * PAGE), EINVAL,
		 "past the end of all");
	munmap(p, 4 * PAGE);
}

static int lock_all(void)
{
	char *p;

	must(mlockall(MCL_CURRENT) == 0);
	must(status_kib("VmLck:") > 0);
	must(munlockall() == 0);
	must(status_kib("VmLck:") == 0);
	must(mlockall(MCL_FUTURE) == 0);
	p = map(2);
	must(status_kib("VmLck:") == 8);
	must(p != MAP_FAILED);
	must(munlockall() == 0);
	p = map(2);
	must(status_kib("VmLck:") == 0);
	return 0;
}

static int lock_none(void)
{
	struct rlimit rl = { 0, 0 };
	char *p = map(2);

	setrlimit(RLIMIT_MEMLOCK, &rl);
	must(mlock(p, PAGE) < 0 && errno == EPERM);
	must(syscall(SYS_mlock2, p, PAGE, 0) < 0 && errno == EPERM);
	must(mlockall(MCL_CURRENT) < 0 && errno == EPERM);
	must(munlock(p, PAGE) == 0);
	return munlockall();
}

static int lock_little(void)
{
	struct rlimit rl = { 2 * PAGE, 2 * PAGE };
	char *p = map(4);

	setrlimit(RLIMIT_MEMLOCK, &rl);
	must(mlock(p, 2 * PAGE) == 0);
	must(mlock(p, 3 * PAGE) < 0 && errno == ENOMEM);
	must(mlock(p + 3 * PAGE, PAGE) < 0 && errno == ENOMEM);
	must(mlockall(MCL_CURRENT) < 0 && errno == ENOMEM);
	must(mmap(NULL, PAGE, PROT_READ,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1,
		  0) == MAP_FAILED &&
	     errno == EAGAIN);
	return 0;
}

static int lock_inherited(void)
{
	return (int)status_kib("VmLck:");
}

static void check_limits(void)
{
	char *p = map(1);

	tap_group("mlockall and limits");
	is_int(tap_child(lock_all), 0, "mlockall");
	is_errno(mlockall(0), EINVAL, "no flags");
	is_errno(mlockall(8), EINVAL, "a bad flag");
	is_errno(mlockall(MCL_ONFAULT), EINVAL, "MCL_ONFAULT alone");
	is_int(tap_user_child(lock_none), 0, "a limit of 0");
	is_int(tap_user_child(lock_little), 0, "a limit of two pages");
	mlock(p, PAGE);
	is_int(tap_child(lock_inherited), 0, "no lock goes to a child");
	munmap(p, PAGE);
}

static void check_policy(void)
{
	unsigned long nodes[2] = { 1, 0 }, none[2] = { 0, 0 };
	char *p = map(2);
	int mode = -1;

	tap_group("memory policies");
	is_int(syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0), 0,
	       "get_mempolicy");
	is_int(mode, MPOL_DEFAULT, "the default");
	is_int(syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0), 0, "set");
	is_int(syscall(SYS_mbind, p, 2 * PAGE, MPOL_DEFAULT, NULL, 0, 0), 0,
	       "mbind to the default");
	is_int(syscall(SYS_mbind, p, 2 * PAGE, MPOL_BIND, nodes, 65, 0), 0,
	       "mbind to node 0");
	is_errno(syscall(SYS_mbind, p, 2 * PAGE, MPOL_BIND, none, 65, 0),
		 EINVAL, "to no node");
	is_errno(syscall(SYS_mbind, p, 2 * PAGE, 99, nodes, 65, 0), EINVAL,
		 "no such policy");
	is_errno(syscall(SYS_mbind, p + 1, PAGE, MPOL_DEFAULT, NULL, 0, 0),
		 EINVAL, "not on a page");
	is_errno(syscall(SYS_mbind, p, PAGE, MPOL_DEFAULT, NULL, 0, 1 << 20),
		 EINVAL, "a bad flag");
	is_efault(syscall(SYS_mbind, p, PAGE, MPOL_BIND, bp, 65, 0),
		  "nodes at bad addresses");
	is_errno(syscall(SYS_set_mempolicy, 99, NULL, 0), EINVAL,
		 "set: no such policy");
	is_errno(syscall(SYS_set_mempolicy, MPOL_BIND, NULL, 0), EINVAL,
		 "set: no nodes");
	is_efault(syscall(SYS_set_mempolicy, MPOL_BIND, bp, 65),
		  "set: nodes at bad addresses");
	is_errno(syscall(SYS_get_mempolicy, &mode, NULL, 0, p, 0), EINVAL,
		 "an address, but no flag for it");
	is_errno(syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 64), EINVAL,
		 "get: a bad flag");
	is_errno(syscall(SYS_get_mempolicy, &mode, NULL, 0, bad_ptr,
			 MPOL_F_ADDR),
		 EFAULT, "get: nothing at the address");
	is_efault(syscall(SYS_get_mempolicy, bp, NULL, 0, NULL, 0),
		  "get: to bad addresses");
	munmap(p, 2 * PAGE);
}

static void check_keys(void)
{
	char *p = map(1);

	tap_group("protection keys");
	is_errno(syscall(SYS_pkey_alloc, 1, 0), EINVAL, "a flag");
	is_errno(syscall(SYS_pkey_alloc, 0, 4), EINVAL, "unknown rights");
	is_errno(syscall(SYS_pkey_free, 99), EINVAL, "no such key");
	is_errno(syscall(SYS_pkey_free, -1), EINVAL, "key -1");
	is_errno(syscall(SYS_pkey_mprotect, p, PAGE, PROT_READ, 99), EINVAL,
		 "protect with no such key");
	is_int(syscall(SYS_pkey_mprotect, p, PAGE, PROT_READ, -1), 0,
	       "protect with no key");
	is_errno(syscall(SYS_pkey_mprotect, p + 1, PAGE, PROT_READ, -1), EINVAL,
		 "not on a page");
	munmap(p, PAGE);
	is_errno(syscall(SYS_pkey_mprotect, p, PAGE, PROT_READ, -1), ENOMEM,
		 "nothing there");
}

int main(void)
{
	tap_start();
	check_mincore();
	check_lock();
	check_limits();
	check_policy();
	check_keys();
	return tap_done();
}
