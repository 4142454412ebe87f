// SPDX-License-Identifier: Apache-2.0
/* The pseudo-files that programs read: they exist, parse, and agree with what
 * calls say. Shape is checked, not values. */
#include "tap.h"

#include <ctype.h>
#include <dirent.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

static char text[1 << 20];

/* Reads a whole file into text; its length or -1. */
static long slurp(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long len = 0, n;

	text[0] = '\0';
	if (fd < 0)
		return -1;
	while ((n = read(fd, text + len, sizeof(text) - 1 - (size_t)len)) > 0)
		len += n;
	close(fd);
	text[len] = '\0';
	return n < 0 ? -1 : len;
}

/* The number after `key` at the start of a line; -1 if there is none. */
static long field(const char *key)
{
	size_t len = strlen(key);

	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, key, len) == 0)
			return strtol(p + len, NULL, 0);
	}
	return -1;
}

static bool has(const char *s)
{
	return strstr(text, s) != NULL;
}

static void check_self(void)
{
	char path[300], comm[64], state = 0, cwd[300], link[300];
	int pid = 0, ppid = 0, n;
	unsigned long pages[7] = { 0 };

	tap_group("/proc/self");
	memset(link, 0, sizeof(link));
	ok(readlink("/proc/self", link, sizeof(link) - 1) > 0 &&
		   atoi(link) == getpid(),
	   "is a link to our pid");
	memset(path, 0, sizeof(path));
	ok(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0 &&
		   path[0] == '/' && access(path, X_OK) == 0,
	   "exe");
	memset(link, 0, sizeof(link));
	(void)!readlink("/proc/self/cwd", link, sizeof(link) - 1);
	is_str(link, getcwd(cwd, sizeof(cwd)), "cwd");
	ok(readlink("/proc/self/root", link, sizeof(link)) == 1, "root");
	ok(slurp("/proc/self/stat") > 0, "stat");
	n = sscanf(text, "%d (%63[^)]) %c %d", &pid, comm, &state, &ppid);
	ok(n == 4 && pid == getpid() && state == 'R' && ppid == getppid(),
	   "pid, name, state, parent");
	n = 0;
	for (char *p = strrchr(text, ')'); *p; p++)
		n += *p == ' ';
	ok(n >= 50, "52 fields");
	ok(slurp("/proc/self/statm") > 0 &&
		   sscanf(text, "%lu %lu %lu %lu %lu %lu %lu", &pages[0],
			  &pages[1], &pages[2], &pages[3], &pages[4], &pages[5],
			  &pages[6]) == 7 &&
		   pages[0] > pages[1] && pages[1] > 0,
	   "statm");
	ok(slurp("/proc/self/status") > 0, "status");
	ok(field("Pid:") == getpid() && field("PPid:") == getppid() &&
		   field("Tgid:") == getpid() && field("Threads:") == 1,
	   "ids and threads");
	ok(field("VmSize:") > 0 && field("VmRSS:") > 0 && field("Uid:") == 0 &&
		   field("VmPeak:") > 0,
	   "memory and owner");
	ok(has("\nSigBlk:\t") && has("\nSigCgt:\t") && has("\nCapEff:\t") &&
		   has("\nCpus_allowed_list:\t") && has("\nState:\tR"),
	   "signals, capabilities, processors");
	ok(slurp("/proc/self/comm") > 0 && text[strlen(text) - 1] == '\n',
	   "comm");
	text[strlen(text) - 1] = '\0';
	is_str(text, comm, "is the name in stat");
	ok(slurp("/proc/self/limits") > 0 && has("Max open files") &&
		   has("Max stack size"),
	   "limits");
	ok(slurp("/proc/self/mountinfo") > 0 && has(" / / ") && has(" - "),
	   "mountinfo");
	ok(slurp("/proc/self/mounts") > 0 && has(" / ") && has("proc /proc "),
	   "mounts");
	ok(slurp("/proc/mounts") > 0 && has("proc /proc "), "/proc/mounts");
	ok(slurp("/proc/self/cgroup") > 0 && has(":"), "cgroup");
	ok(slurp("/proc/self/oom_score_adj") > 0 && isdigit(text[0]),
	   "oom_score_adj");
	ok(slurp("/proc/self/smaps") > 0 && has("\nRss:") && has("\nPss:") &&
		   has("\nPrivate_Dirty:"),
	   "smaps");
	ok(access("/proc/self/coredump_filter", R_OK) == 0, "coredump_filter");
}

static void check_strings(int argc, char **argv)
{
	long len = slurp("/proc/self/cmdline");
	size_t at = 0;
	bool good = true;
	unsigned long aux[128];

	tap_group("arguments and environment");
	for (int i = 0; i < argc; i++) {
		good &= strcmp(text + at, argv[i]) == 0;
		at += strlen(text + at) + 1;
	}
	ok(good && (long)at == len, "cmdline");
	len = slurp("/proc/self/environ");
	ok(len >= 0 && (environ[0] == NULL || strcmp(text, environ[0]) == 0),
	   "environ");
	len = slurp("/proc/self/auxv");
	memcpy(aux, text, sizeof(aux));
	good = false;
	for (long i = 0; i + 1 < len / 8 && i + 1 < 128; i += 2)
		good |= aux[i] == AT_ENTRY && aux[i + 1] == getauxval(AT_ENTRY);
	ok(good && len % 16 == 0, "auxv");
}

static size_t size_of(char **argv)
{
	char *last = argv[0];

	for (char **a = argv; *a; a++)
		last = *a;
	return (size_t)(last + strlen(last) + 1 - argv[0]);
}

/* The first bytes of another's arguments, each NUL as a dot, and whether they
 * have the size that exec gave them. */
static void show_title(const char *when, pid_t pid, char **argv)
{
	long size = (long)size_of(argv);
	char path[48], name[96];
	long n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	n = slurp(path);
	for (long i = 0; i < n; i++) {
		if (!text[i])
			text[i] = '.';
	}
	snprintf(name, sizeof(name), "%s: %s, %.8s", when,
		 n == size  ? "same size"
		 : n > size ? "longer"
			    : "shorter",
		 n > 0 ? text : "");
	ok(true, name);
}

/* A child that writes titles in the place of its arguments, when told to. */
static void titles_child(char **argv, int in, int out)
{
	size_t size = size_of(argv);
	char c;

	while (read(in, &c, 1) == 1) {
		memset(argv[0], 0, size);
		if (c == 's')
			strcpy(argv[0], "short");
		else if (c == 'f')
			memset(argv[0], 'x', size);
		must(write(out, &c, 1) == 1);
	}
	_exit(0);
}

/* What others read is what is there, as after setproctitle(). */
static void check_titles(char **argv)
{
	int to[2], from[2];
	pid_t pid;
	char c;

	must(pipe(to) == 0 && pipe(from) == 0);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		close(to[1]);
		titles_child(argv, to[0], from[1]);
	}
	close(to[0]);
	for (const char *how = "sfn"; *how; how++) {
		must(write(to[1], how, 1) == 1 && read(from[0], &c, 1) == 1);
		show_title(*how == 's'	 ? "short title"
			   : *how == 'f' ? "title up to the end"
					 : "nothing",
			   pid, argv);
	}
	close(to[1]);
	close(from[0]);
	close(from[1]);
	must(waitpid(pid, NULL, 0) == pid);
}

static int fds_in(const char *dir, int *wanted)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		if (wanted && atoi(e->d_name) == *wanted)
			*wanted = -1;
	}
	if (d)
		closedir(d);
	return n;
}

static void *wait_thread(void *arg)
{
	int tid = (int)syscall(SYS_gettid);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fds_in("/proc/self/task", &tid);
	return (void *)(long)(tid == -1 && access(path, R_OK) == 0 && arg);
}

static void check_fd(void)
{
	int fds[2], before = fds_in("/proc/self/fd", NULL), fd, want, sock = -1;
	char path[64], link[128];
	struct stat a, b;
	pthread_t t;
	void *res;

	tap_group("/proc/self/fd and task");
	(void)!pipe(fds);
	is_int(fds_in("/proc/self/fd", NULL), before + 2, "a pipe is two more");
	want = fds[1];
	fds_in("/proc/self/fd", &want);
	is_int(want, -1, "by number");
	memset(link, 0, sizeof(link));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	(void)!readlink(path, link, sizeof(link) - 1);
	fstat(fds[0], &a);
	snprintf(path, sizeof(path), "pipe:[%lu]", (unsigned long)a.st_ino);
	is_str(link, path, "what the link says");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	is_int(stat(path, &b) == 0 && a.st_ino == b.st_ino, 1, "followed");
	(void)!write(fds[1], "via proc", 8);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	is_int(read(fd, link, 8), 8, "opened again");
	close(fd);
	fd = open("/dev/null", O_WRONLY | O_APPEND);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	ok(slurp(path) > 0 && has("pos:\t0") && has("flags:\t0"), "fdinfo");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(link, 0, sizeof(link));
	(void)!readlink(path, link, sizeof(link) - 1);
	is_str(link, "/dev/null", "a device's path");
	close(fd);
	is_errno(readlink(path, link, sizeof(link)), ENOENT, "closed: gone");
	close(fds[0]);
	close(fds[1]);
	is_errno(open("/proc/self/fd/9999", O_RDONLY), ENOENT, "never there");
	is_int(fds_in("/proc/self/task", &sock), 1, "one task");
	pthread_create(&t, NULL, wait_thread, (void *)1L);
	pthread_join(t, &res);
	is_int((long)res, 1, "a thread finds itself");
}

static void check_system(void)
{
	double up = 0, idle = 0, load[3] = { -1, -1, -1 };
	long n;

	tap_group("/proc");
	ok(slurp("/proc/meminfo") > 0 && field("MemTotal:") > 0 &&
		   field("MemFree:") > 0 && field("MemAvailable:") > 0 &&
		   field("SwapTotal:") >= 0 && field("Cached:") >= 0 &&
		   field("Hugepagesize:") > 0,
	   "meminfo");
	ok(slurp("/proc/cpuinfo") > 0 && has("processor\t: 0\n") &&
		   has("model name\t: ") && has("flags\t\t: ") &&
		   has("cpu MHz\t\t: "),
	   "cpuinfo");
	ok(slurp("/proc/stat") > 0 && has("cpu  ") && has("\ncpu0 ") &&
		   has("\nbtime ") && has("\nprocesses "),
	   "stat");
	ok(slurp("/proc/loadavg") > 0 &&
		   sscanf(text, "%lf %lf %lf", &load[0], &load[1], &load[2]) ==
			   3 &&
		   has("/"),
	   "loadavg");
	ok(slurp("/proc/uptime") > 0 &&
		   sscanf(text, "%lf %lf", &up, &idle) == 2 && up > 0,
	   "uptime");
	ok(slurp("/proc/version") > 0 &&
		   strncmp(text, "Linux version ", 14) == 0,
	   "version");
	ok(slurp("/proc/filesystems") > 0 && has("\tproc\n"), "filesystems");
	ok(slurp("/proc/sys/kernel/osrelease") > 0 && isdigit(text[0]),
	   "kernel/osrelease");
	ok(slurp("/proc/sys/kernel/hostname") > 1, "kernel/hostname");
	ok(slurp("/proc/sys/kernel/random/uuid") == 37 && text[8] == '-',
	   "kernel/random/uuid");
	ok(slurp("/proc/sys/kernel/random/boot_id") == 37 && text[13] == '-',
	   "kernel/random/boot_id");
	slurp("/proc/sys/kernel/pid_max");
	ok(atol(text) >= 100, "kernel/pid_max");
	slurp("/proc/sys/kernel/threads-max");
	ok(atol(text) >= 10, "kernel/threads-max");
	ok(slurp("/proc/sys/kernel/core_pattern") > 0, "kernel/core_pattern");
	slurp("/proc/sys/kernel/ngroups_max");
	is_int(atol(text), 65536, "kernel/ngroups_max");
	slurp("/proc/sys/kernel/cap_last_cap");
	ok(atol(text) >= 37 && atol(text) < 64, "kernel/cap_last_cap");
	slurp("/proc/sys/net/core/somaxconn");
	ok(atol(text) >= 128, "net/core/somaxconn");
	slurp("/proc/sys/vm/overcommit_memory");
	ok(isdigit(text[0]), "vm/overcommit_memory");
	slurp("/proc/sys/vm/max_map_count");
	ok(atol(text) >= 65530, "vm/max_map_count");
	n = slurp("/proc/sys/net/ipv4/ip_local_port_range");
	ok(n > 0 && atol(text) > 0, "ipv4/ip_local_port_range");
	ok(slurp("/proc/net/unix") > 0 && has("Path"), "net/unix");
	ok(slurp("/proc/net/dev") > 0 && has("lo:"), "net/dev");
	ok(slurp("/proc/net/tcp") > 0 && has("local_address"), "net/tcp");
	ok(slurp("/proc/net/route") > 0 && has("Iface"), "net/route");
}

static void check_sysfs(void)
{
	static const char *const lists[] = { "online", "possible", "present" };
	char path[100];

	tap_group("/sys");
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/%s",
			 lists[i]);
		ok(slurp(path) >= 2 && text[0] == '0' &&
			   text[strlen(text) - 1] == '\n',
		   lists[i]);
	}
	ok(access("/sys/devices/system/cpu/cpu0", F_OK) == 0, "cpu0");
	ok(sysconf(_SC_NPROCESSORS_CONF) >= sysconf(_SC_NPROCESSORS_ONLN) &&
		   sysconf(_SC_NPROCESSORS_ONLN) >= 1,
	   "the libc counts processors");
}

static void check_devices(void)
{
	char a[64] = "", b[64] = "";
	int fd = open("/dev/null", O_RDWR);
	struct stat st;
	char *p;

	tap_group("/dev");
	is_int(read(fd, a, 64), 0, "null: end of file");
	is_int(write(fd, a, 64), 64, "null takes all");
	is_int(syscall(SYS_write, fd, bad_ptr, 64), 64, "and does not look");
	close(fd);
	fd = open("/dev/zero", O_RDWR);
	memset(a, 'a', sizeof(a));
	is_int(read(fd, a, 64) == 64 && a[0] == 0 && a[63] == 0, 1, "zero");
	is_int(write(fd, a, 64), 64, "zero takes all");
	is_efault(syscall(SYS_read, fd, bp, 64), "but needs memory to read to");
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ok(p != MAP_FAILED && p[8191] == 0 && (p[0] = 1), "mmap of zero");
	munmap(p, 8192);
	close(fd);
	fd = open("/dev/full", O_RDWR);
	is_int(read(fd, a, 64) == 64 && a[0] == 0, 1, "full reads as zero");
	is_errno(write(fd, a, 1), ENOSPC, "and takes nothing");
	close(fd);
	fd = open("/dev/urandom", O_RDONLY);
	is_int(read(fd, a, 64) + read(fd, b, 64), 128, "urandom");
	ok(memcmp(a, b, 64) != 0, "differs");
	close(fd);
	fd = open("/dev/random", O_RDONLY);
	is_int(read(fd, a, 16), 16, "random");
	close(fd);
	ok(lstat("/dev/fd", &st) == 0 && access("/dev/fd/1", F_OK) == 0, "fd");
	ok(lstat("/dev/stdin", &st) == 0 && lstat("/dev/stdout", &st) == 0 &&
		   lstat("/dev/stderr", &st) == 0,
	   "stdin, stdout, stderr");
	ok(stat("/dev/shm", &st) == 0 && (st.st_mode & 07777) == 01777, "shm");
	ok(stat("/dev/tty", &st) == 0 && st.st_rdev == makedev(5, 0), "tty");
	ok(stat("/dev/ptmx", &st) == 0 && S_ISCHR(st.st_mode), "ptmx");
}

static int no_tty(void)
{
	must(setsid() > 0);
	must(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO);
	return 0;
}

static void check_refusals(void)
{
	char buf[8];
	int fd;

	tap_group("refusals");
	is_int(tap_child(no_tty), 0, "no /dev/tty without a terminal");
	is_errno(open("/proc/nothing", O_RDONLY), ENOENT, "/proc/nothing");
	is_errno(open("/proc/self/nothing", O_RDONLY), ENOENT, "self/nothing");
	is_errno(open("/proc/999999999", O_RDONLY), ENOENT, "no such process");
	is_errno(mkdir("/proc/x", 0755), ENOENT, "mkdir in /proc");
	is_errno(open("/proc/x", O_CREAT | O_RDWR, 0600), ENOENT, "a new file");
	is_errno(open("/proc/self/stat", O_DIRECTORY), ENOTDIR, "O_DIRECTORY");
	fd = open("/proc/self/stat", O_RDONLY);
	is_int(read(fd, buf, 1), 1, "a byte at a time");
	is_efault(syscall(SYS_read, fd, bp, 8), "bad addresses");
	close(fd);
	fd = open("/proc/meminfo", O_RDONLY);
	is_errno(write(fd, "x", 1), EBADF, "not for writing");
	is_int(pread(fd, buf, 3, 0) == 3 && memcmp(buf, "Mem", 3) == 0, 1,
	       "pread");
	is_int(lseek(fd, 3, SEEK_SET), 3, "lseek");
	is_int(read(fd, buf, 5) == 5 && memcmp(buf, "Total", 5) == 0, 1,
	       "read from there");
	close(fd);
}

/* A thread's directory has no threads in it: a walk of /proc ends. */
static void check_task(void)
{
	char path[64];

	tap_group("a thread's directory");
	snprintf(path, sizeof(path), "/proc/self/task/%d", (int)getpid());
	must(chdir(path) == 0);
	is_int(access("status", F_OK), 0, "status is there");
	is_errno(access("task", F_OK), ENOENT, "task is not");
	is_errno(access("coredump_filter", F_OK), ENOENT,
		 "nor what is the process's alone");
	is_errno(access("mountstats", F_OK), ENOENT, "nor mountstats");
	must(chdir("/") == 0);
}

static void check_sched(void)
{
	char first[64];

	tap_group("sched");
	must(slurp("/proc/self/sched") > 0);
	snprintf(first, sizeof(first), "(%d, #threads: 1)", (int)getpid());
	ok(strstr(text, first) != NULL, "names thread and process");
	ok(strstr(text, "se.sum_exec_runtime ") != NULL, "time");
	ok(strstr(text, "nr_voluntary_switches ") != NULL, "switches");
	ok(strstr(text, "\npolicy ") != NULL, "policy");
	ok(strstr(text, "\nprio ") != NULL, "priority");
	is_errno(open("/proc/self/sched/x", O_RDONLY), ENOTDIR, "is a file");
}

int main(int argc, char **argv)
{
	tap_start();
	check_self();
	check_strings(argc, argv);
	check_titles(argv);
	check_fd();
	check_system();
	check_sysfs();
	check_devices();
	check_refusals();
	check_task();
	check_sched();
	return tap_done();
}
