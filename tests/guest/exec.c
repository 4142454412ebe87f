// SPDX-License-Identifier: Apache-2.0
/* exec: what survives it, errors, scripts, limits, and from a thread. The
 * program execs itself; a first argument names the part to play. */
#include "tap.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>

#ifndef SYS_execveat
#define SYS_execveat 322
#endif

static char self[4096];

#define ARG(s) ((char *)(uintptr_t)(s))

/* Execs itself as `part` in a child made by fork. */
static int run_part(const char *part, const char *more)
{
	pid_t pid = tap_fork();

	if (pid == 0) {
		execv(self,
		      (char *[]){ ARG("exec"), ARG(part), ARG(more), NULL });
		_exit(98);
	}
	return tap_wait(pid);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	(void)!write(fd, text, strlen(text));
	fchmod(fd, mode);
	close(fd);
}

/* Runs path with arguments and puts its output (one read) in out. */
static int run_out(const char *path, char *const argv[], char *out, size_t size)
{
	int fds[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	(void)!pipe2(fds, O_CLOEXEC);
	pid = tap_fork();
	if (pid == 0) {
		dup2(fds[1], 1);
		execv(path, argv);
		_exit(200 + (errno == ENOEXEC) + 2 * (errno == ENOENT));
	}
	close(fds[1]);
	while ((n = read(fds[0], out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	status = tap_wait(pid);
	close(fds[0]);
	return status;
}

/* Part "keep": after an exec that set all this up. */
static int part_keep(void)
{
	sigset_t set;
	struct sigaction sa;
	char name[16] = "", cwd[256] = "";
	struct itimerval it;

	must(fcntl(100, F_GETFD) == -1 && errno == EBADF);
	must(fcntl(101, F_GETFD) == 0);
	must(lseek(101, 0, SEEK_CUR) == 3);
	sigprocmask(SIG_BLOCK, NULL, &set);
	must(sigismember(&set, SIGUSR1) && !sigismember(&set, SIGUSR2));
	sigpending(&set);
	must(sigismember(&set, SIGUSR1));
	sigaction(SIGUSR2, NULL, &sa);
	must(sa.sa_handler == SIG_DFL);
	sigaction(SIGPIPE, NULL, &sa);
	must(sa.sa_handler == SIG_IGN);
	must(umask(022) == 031);
	must(prctl(PR_GET_NAME, name) == 0 && strlen(name) > 0);
	must(strcmp(name, "before") != 0);
	must(getitimer(ITIMER_REAL, &it) == 0 && it.it_value.tv_sec > 0);
	must(getcwd(cwd, sizeof(cwd)) && strstr(cwd, "guest"));
	stack_t ss;
	must(sigaltstack(NULL, &ss) == 0 && ss.ss_flags == SS_DISABLE);
	return 0;
}

static char alt[16384];

static int keep_child(void)
{
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };
	int fd = open("data", O_RDONLY);
	sigset_t set;

	must(fd >= 0 && dup3(fd, 100, O_CLOEXEC) == 100 &&
	     dup2(fd, 101) == 101);
	lseek(fd, 3, SEEK_SET);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	signal(SIGUSR2, _exit);
	signal(SIGPIPE, SIG_IGN);
	sigaltstack(&ss, NULL);
	umask(031);
	prctl(PR_SET_NAME, "before");
	execv(self, (char *[]){ ARG("exec"), ARG("keep"), NULL });
	return 98;
}

static void *thread_exec(void *arg)
{
	(void)arg;
	execv(self, (char *[]){ ARG("exec"), ARG("single"), NULL });
	_exit(98);
}

static void *thread_idle(void *arg)
{
	while (pause() < 0)
		;
	return arg;
}

/* Part "single": an exec from a second thread became the process. */
static int part_single(void)
{
	char path[64];
	int threads = 0;

	must(syscall(SYS_gettid) == getpid());
	for (int i = 0; i < 2000 && threads != 1; i++) {
		struct stat st;

		snprintf(path, sizeof(path), "/proc/self/task");
		must(stat(path, &st) == 0);
		threads = (int)st.st_nlink - 2;
	}
	must(threads == 1);
	return 55;
}

static int thread_child(void)
{
	pthread_t t;

	must(pthread_create(&t, NULL, thread_idle, NULL) == 0);
	must(pthread_create(&t, NULL, thread_exec, NULL) == 0);
	for (;;)
		pause();
}

static void check_keep(void)
{
	write_file("data", "0123456789", 0600);
	tap_group("over exec");
	is_int(tap_child(keep_child), 0, "what stays and what goes");
	is_int(tap_child(thread_child), 55, "exec from a thread");
	is_int(run_part("exit", "33"), 33, "arguments");
}

static void check_errors(void)
{
	char *argv[] = { ARG("x"), NULL };
	char longname[300];
	int dir = open(".", O_RDONLY | O_DIRECTORY), fd;

	tap_group("errors");
	memset(longname, 'n', sizeof(longname) - 1);
	longname[sizeof(longname) - 1] = '\0';
	mkdir("dir", 0755);
	write_file("plain", "no magic here", 0600);
	write_file("junk", "\177ELFjunkjunkjunkjunk", 0755);
	write_file("empty", "", 0755);
	write_file("noexec", "no magic here", 0755);
	(void)!symlink("loop", "loop");
	is_errno(execv("nothing", argv), ENOENT, "no such file");
	is_errno(execv("", argv), ENOENT, "empty path");
	is_errno(execv("plain/x", argv), ENOTDIR, "below a file");
	is_errno(execv("dir", argv), EACCES, "a directory");
	is_errno(execv("plain", argv), EACCES, "no execute bit, even for root");
	is_errno(execv("junk", argv), ENOEXEC, "a broken ELF");
	is_errno(execv("empty", argv), ENOEXEC, "an empty file");
	is_errno(execv("noexec", argv), ENOEXEC, "no known format");
	is_errno(execv("loop", argv), ELOOP, "a symlink loop");
	is_errno(execv(longname, argv), ENAMETOOLONG, "a long name");
	is_efault(syscall(SYS_execve, bp, argv, NULL), "path: bad addresses");
	is_efault(syscall(SYS_execve, self, bp, NULL), "argv: bad addresses");
	is_efault(syscall(SYS_execve, self, argv, bp), "envp: bad addresses");
	argv[0] = bad_ptr;
	is_errno(syscall(SYS_execve, self, argv, NULL), EFAULT,
		 "argv[0]: a bad address");
	argv[0] = ARG("x");
	is_errno(syscall(SYS_execveat, dir, "nothing", argv, NULL, 0), ENOENT,
		 "execveat: no such file");
	is_errno(syscall(SYS_execveat, 9999, "x", argv, NULL, 0), EBADF,
		 "execveat: bad descriptor");
	is_errno(syscall(SYS_execveat, dir, "x", argv, NULL, 0x40), EINVAL,
		 "execveat: bad flags");
	is_errno(syscall(SYS_execveat, dir, "loop", argv, NULL,
			 AT_SYMLINK_NOFOLLOW),
		 ELOOP, "execveat: NOFOLLOW on a symlink");
	fd = open("plain", O_RDONLY);
	is_errno(syscall(SYS_execveat, fd, "", argv, NULL, AT_EMPTY_PATH),
		 EACCES, "execveat: a descriptor that cannot run");
	close(fd);
	close(dir);
}

static int fexec_child(void)
{
	int fd = open(self, O_RDONLY | O_CLOEXEC);
	char *argv[] = { ARG("exec"), ARG("exit"), ARG("34"), NULL };

	syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	return 98;
}

/* A copy that is being written cannot run. */
static int busy_child(void)
{
	char buf[65536];
	int in = open(self, O_RDONLY | O_CLOEXEC);
	int out = open("copy", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	char *argv[] = { ARG("exec"), ARG("exit"), ARG("35"), NULL };
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		must(write(out, buf, (size_t)n) == n);
	must(execv("./copy", argv) == -1 && errno == ETXTBSY);
	close(out);
	execv("./copy", argv);
	return 98;
}

static int part_busy(void)
{
	must(open("/proc/self/exe", O_WRONLY) == -1 && errno == ETXTBSY);
	must(open("/proc/self/exe", O_RDONLY) >= 0);
	return 0;
}

static void check_scripts(void)
{
	char out[512], script[4200];
	char *argv[] = { ARG("zero"), ARG("one"), ARG("two"), NULL };

	tap_group("scripts");
	write_file("s1", "#!/bin/sh\necho \"$0:$1:$2\"\n", 0755);
	is_int(run_out("./s1", argv, out, sizeof(out)), 0, "#! runs");
	is_str(out, "./s1:one:two\n", "$0 is the path, arguments follow");
	write_file("s2", "#! \t /bin/sh  -e \t\nfalse\necho not here\n", 0755);
	is_int(run_out("./s2", argv, out, sizeof(out)), 1, "one argument");
	write_file("s3", "#!./s1 -x y\n", 0755);
	is_int(run_out("./s3", argv, out, sizeof(out)), 0, "a script's script");
	is_str(out, "./s1:-x y:./s3\n", "the rest of the line is one argument");
	write_file("s4", "#!/none/such\n", 0755);
	is_int(run_out("./s4", argv, out, sizeof(out)), 202, "no interpreter");
	write_file("s5", "#!\n", 0755);
	is_int(run_out("./s5", argv, out, sizeof(out)), 201, "no name");
	write_file("s6", "#!./s6\n", 0755);
	is_int(run_out("./s6", argv, out, sizeof(out)), 200, "its own (ELOOP)");
	write_file("s7", "#!/bin/sh", 0755);
	is_int(run_out("./s7", argv, out, sizeof(out)), 0, "no newline");
	memset(script, 'a', sizeof(script));
	memcpy(script, "#!/", 3);
	script[sizeof(script) - 1] = '\0';
	write_file("s8", script, 0755);
	is_int(run_out("./s8", argv, out, sizeof(out)), 201, "a line too long");
	is_int(run_out("/bin/sh", (char *[]){ ARG("sh"), ARG("./s1"), NULL },
		       out, sizeof(out)),
	       0, "as an argument");
	is_int(tap_child(fexec_child), 34, "execveat of a descriptor");
	is_int(tap_child(busy_child), 35, "ETXTBSY while open for writing");
	is_int(run_part("busy", NULL), 0, "no writing to a running program");
}

/* Part "count": as many arguments as said, each as long as said. */
static int part_count(int argc, char **argv)
{
	size_t sum = 0;

	for (int i = 2; i < argc; i++)
		sum += strlen(argv[i]);
	return argc == 20002 && sum == 20000 * 50 ? 0 : 1;
}

static int many_child(void)
{
	char **argv = calloc(20003, sizeof(*argv));
	char word[51];

	memset(word, 'w', 50);
	word[50] = '\0';
	argv[0] = ARG("exec");
	argv[1] = ARG("count");
	for (int i = 2; i < 20002; i++)
		argv[i] = word;
	execv(self, argv);
	return 98;
}

static int big_child(void)
{
	size_t len = 32 * 4096;
	char *big = malloc(len + 1);
	char *argv[] = { ARG("exec"), ARG("exit"), ARG("36"), big, NULL };
	char **many = calloc(100, sizeof(*many));

	memset(big, 'b', len);
	big[len] = '\0';
	must(execv(self, argv) == -1 && errno == E2BIG);
	for (int i = 0; i < 99; i++)
		many[i] = big + 1;
	must(execv(self, many) == -1 && errno == E2BIG);
	big[len - 1] = '\0';
	execv(self, argv);
	return 98;
}

/* Linux gives a program without arguments one empty string. */
static int noargs_child(void)
{
	char *none[] = { NULL }, *env[] = { ARG("NOARGS=1"), NULL };

	execve(self, none, env);
	return 98;
}

static int user_child(void)
{
	char *argv[] = { ARG("x"), NULL };

	must(execv("/bin/sh/x", argv) == -1 && errno == ENOTDIR);
	must(execv("secret/s1", argv) == -1 && errno == EACCES);
	must(execv("xonly", argv) == -1 && errno == EACCES);
	must(execv("rootonly", argv) == -1 && errno == EACCES);
	return 0;
}

static void check_limits(void)
{
	tap_group("limits and rights");
	is_int(tap_child(many_child), 0, "20,000 arguments, 1 MB");
	is_int(tap_child(big_child), 36, "E2BIG: one string, all of them");
	is_int(tap_child(noargs_child), 37, "no arguments at all");
	chmod(".", 0755);
	mkdir("secret", 0700);
	write_file("secret/s1", "#!/bin/sh\n", 0755);
	write_file("xonly", "#!/bin/sh\n", 0644);
	write_file("rootonly", "#!/bin/sh\n", 0700);
	is_int(tap_user_child(user_child), 0, "EACCES for a user");
}

static int play(int argc, char **argv)
{
	const char *part = argv[1];

	if (strcmp(part, "keep") == 0)
		return part_keep();
	alarm(TAP_SECONDS);
	if (strcmp(part, "single") == 0)
		return part_single();
	if (strcmp(part, "exit") == 0)
		return atoi(argv[2]);
	if (strcmp(part, "busy") == 0)
		return part_busy();
	return part_count(argc, argv);
}

int main(int argc, char **argv)
{
	if (getenv("NOARGS"))
		return argc == 1 && argv[0][0] == '\0' ? 37 : 38;
	if (argc > 1)
		return play(argc, argv);
	tap_start();
	(void)!readlink("/proc/self/exe", self, sizeof(self) - 1);
	tap_dir();
	check_keep();
	check_errors();
	check_scripts();
	check_limits();
	return tap_done();
}
