// SPDX-License-Identifier: Apache-2.0
/* The memory of another process: process_vm_readv and process_vm_writev,
 * /proc/PID/mem, environ, smaps, auxv, whoever sleeps or computes there. */
#include "tap.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/uio.h>

static char secret[8192] = "written by the parent's parent";
static volatile char *shared;

static pid_t start_child(bool busy, int *ready)
{
	int fd[2];
	pid_t pid;

	must(pipe(fd) == 0);
	pid = tap_fork();
	if (pid == 0) {
		strcpy(secret, "the child's own");
		memset(secret + 4096, 'c', 4096);
		tap_post(fd[1]);
		while (busy && !shared[0])
			;
		while (!shared[0])
			poll(NULL, 0, 10);
		_exit(strcmp(secret, "put there") == 0 ? 7 : 8);
	}
	close(fd[1]);
	*ready = tap_await(fd[0]);
	close(fd[0]);
	return pid;
}

static ssize_t vm(bool write, pid_t pid, void *near, void *far, size_t n)
{
	struct iovec l = { near, n }, r = { far, n };

	return write ? process_vm_writev(pid, &l, 1, &r, 1, 0)
		     : process_vm_readv(pid, &l, 1, &r, 1, 0);
}

static ssize_t slurp(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n, all = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf + all, size - 1 - (size_t)all)) > 0)
		all += n;
	close(fd);
	buf[all] = '\0';
	return all;
}

static void check_transfer(bool busy)
{
	char b[8192];
	pid_t pid;
	int ready = 0;

	tap_group(busy ? "a process that computes" : "a process that sleeps");
	shared[0] = 0;
	pid = start_child(busy, &ready);
	ok(ready, "started");
	is_int(vm(false, pid, b, secret, 16), 16, "read");
	is_str(b, "the child's own", "its memory, not ours");
	is_int(vm(false, pid, b, secret, 8192), 8192, "two pages");
	ok(b[4096] == 'c' && b[8191] == 'c', "whole");
	strcpy(b, "put there");
	is_int(vm(true, pid, b, secret, 10), 10, "write");
	ok(strncmp(secret, "written", 7) == 0, "ours is untouched");
	shared[0] = 1;
	is_int(tap_wait(pid), 7, "it saw what was written");
	is_errno(vm(false, pid, b, secret, 16), ESRCH, "it is gone");
}

static void check_vectors(pid_t pid)
{
	char a[4], b[8];
	struct iovec l[2] = { { a, 4 }, { b, 8 } };
	struct iovec r[2] = { { secret, 3 }, { secret + 4096, 9 } };

	tap_group("vectors and bad arguments");
	is_int(process_vm_readv(pid, l, 2, r, 2, 0), 12, "scattered");
	ok(memcmp(a, "thec", 4) == 0 && memcmp(b, "cccccccc", 8) == 0,
	   "in order");
	r[1].iov_base = bad_ptr;
	is_int(process_vm_readv(pid, l, 2, r, 2, 0), 3, "up to a bad piece");
	r[0].iov_base = bad_ptr;
	is_errno(process_vm_readv(pid, l, 2, r, 2, 0), EFAULT, "a bad piece");
	r[0].iov_base = secret;
	is_errno(process_vm_readv(pid, l, 2, r, 1, 1), EINVAL, "flags");
	is_errno(process_vm_readv(pid, l, 1025, r, 1, 0), EINVAL, "too many");
	is_errno(process_vm_writev(pid, l, 1, r, 1025, 0), EINVAL, "too many");
	is_int(process_vm_readv(pid, l, 0, r, 1, 0), 0, "nothing here");
	is_int(process_vm_readv(pid, l, 1, r, 0, 0), 0, "nothing there");
	is_efault(process_vm_readv(pid, bp, 1, r, 1, 0), "bad near vector");
	is_efault(process_vm_readv(pid, l, 1, bp, 1, 0), "bad far vector");
	is_efault(vm(true, pid, bp, secret, 8), "bad near buffer");
	is_efault(vm(false, pid, a, bp, 4), "bad far buffer");
	is_errno(process_vm_readv(0x3fffffff, l, 1, r, 1, 0), ESRCH, "nobody");
	is_int(vm(false, getpid(), a, secret, 4), 4, "oneself");
}

static int as_user(void)
{
	char b[16];

	/* Often: no refusal may cost the target a reference. */
	for (int i = 0; i < 8; i++) {
		errno = 0;
		if (vm(false, getppid(), b, secret, 4) != -1)
			return 0;
	}
	return errno;
}

static void check_files(pid_t pid)
{
	static char b[1 << 20];
	char path[64], v[16] = "";
	ssize_t n;
	int fd;

	tap_group("files of /proc");
	n = slurp(pid, "environ", b, sizeof(b));
	ok(n > 0 && strchr(b, '='), "environ");
	n = slurp(pid, "smaps", b, sizeof(b));
	ok(n > 0 && strstr(b, "\nRss:") && strstr(b, "\nVmFlags:"), "smaps");
	ok(strstr(b, "[stack]"), "with the stack");
	n = slurp(pid, "auxv", b, sizeof(b));
	ok(n > 0 && n % 16 == 0, "auxv");
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDWR);
	ok(fd >= 0, "mem");
	is_int(pread(fd, v, 15, (off_t)(uintptr_t)secret), 15, "read");
	is_str(v, "the child's own", "its memory");
	is_errno(pread(fd, v, 15, 16), EIO, "nothing mapped there");
	is_int(pwrite(fd, "T", 1, (off_t)(uintptr_t)secret), 1, "write");
	is_int(vm(false, pid, v, secret, 1), 1, "and it");
	ok(v[0] == 'T', "is there");
	pwrite(fd, "t", 1, (off_t)(uintptr_t)secret);
	close(fd);
}

static int entries(DIR *d)
{
	int n = 0;

	while (readdir(d))
		n++;
	return n;
}

static void check_rewind(const char *path)
{
	DIR *d = opendir(path);
	int n;

	must(d);
	n = entries(d);
	ok(n > 2, path);
	rewinddir(d);
	is_int(entries(d), n, "the same again");
	is_errno(lseek(dirfd(d), -1, SEEK_SET), EINVAL, "before the start");
	closedir(d);
}

int main(void)
{
	int ready = 0;
	pid_t pid;

	tap_start();
	setenv("SOME", "thing", 1);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check_transfer(false);
	check_transfer(true);
	shared[0] = 0;
	pid = start_child(false, &ready);
	check_vectors(pid);
	check_files(pid);
	kill(pid, SIGKILL);
	tap_wait(pid);
	check_rewind("/proc/self/task/..");
	check_rewind("/sys/devices/system/cpu");
	check_rewind("/dev/pts");
	is_int(tap_user_child(as_user), EPERM, "not another user's");
	return tap_done();
}
