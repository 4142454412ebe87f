// SPDX-License-Identifier: Apache-2.0
/* inotify: what a watch reports, and how watches come and go. */
#include "tap.h"

#include <sys/inotify.h>
#include <sys/ioctl.h>

static int in = -1;

/* The next event as "MASK:NAME", or "none". *ev: the event itself. */
static const char *next(struct inotify_event *ev)
{
	static char buf[4096], text[600];
	static ssize_t have, at;
	struct inotify_event e;

	if (at >= have) {
		at = 0;
		have = read(in, buf, sizeof(buf));
		if (have <= 0)
			return "none";
	}
	memcpy(&e, buf + at, sizeof(e));
	snprintf(text, sizeof(text), "%x:%s", e.mask,
		 e.len ? buf + at + sizeof(e) : "");
	at += (ssize_t)(sizeof(e) + e.len);
	if (ev)
		*ev = e;
	return text;
}

static void drain(void)
{
	while (strcmp(next(NULL), "none"))
		;
}

static void make(const char *path)
{
	close(open(path, O_CREAT | O_WRONLY, 0644));
}

static void check_events(void)
{
	int wd = inotify_add_watch(in, "d", IN_ALL_EVENTS), fd;
	struct inotify_event ev, ev2;
	char c;

	tap_group("events of a directory");
	ok(wd > 0, "a watch");
	is_str(next(NULL), "none", "nothing yet");
	fd = open("d/f", O_CREAT | O_RDWR, 0644);
	is_str(next(&ev), "100:f", "IN_CREATE");
	is_int(ev.wd, wd, "of this watch");
	is_int(ev.len % sizeof(ev), 0, "its name is padded");
	is_str(next(NULL), "20:f", "IN_OPEN");
	(void)!write(fd, "x", 1);
	(void)!write(fd, "y", 1);
	is_str(next(NULL), "2:f", "IN_MODIFY, once for two");
	is_str(next(NULL), "none", "no more");
	(void)!pread(fd, &c, 1, 0);
	is_str(next(NULL), "1:f", "IN_ACCESS");
	fchmod(fd, 0600);
	is_str(next(NULL), "4:f", "IN_ATTRIB");
	(void)!ftruncate(fd, 0);
	is_str(next(NULL), "2:f", "IN_MODIFY by ftruncate");
	close(fd);
	is_str(next(NULL), "8:f", "IN_CLOSE_WRITE");
	close(open("d/f", O_RDONLY));
	is_str(next(NULL), "20:f", "opened");
	is_str(next(NULL), "10:f", "IN_CLOSE_NOWRITE");
	(void)!rename("d/f", "d/g");
	is_str(next(&ev), "40:f", "IN_MOVED_FROM");
	is_str(next(&ev2), "80:g", "IN_MOVED_TO");
	ok(ev.cookie && ev.cookie == ev2.cookie, "with the same cookie");
	(void)!link("d/g", "d/h");
	is_str(next(NULL), "100:h", "IN_CREATE by link");
	unlink("d/h");
	is_str(next(NULL), "200:h", "IN_DELETE");
	(void)!rename("d/g", "g");
	is_str(next(NULL), "40:g", "moved out");
	(void)!rename("g", "d/g");
	is_str(next(NULL), "80:g", "moved in");
	(void)!mkdir("d/s", 0755);
	is_str(next(NULL), "40000100:s", "IN_CREATE of a directory");
	(void)!rmdir("d/s");
	is_str(next(NULL), "40000200:s", "IN_DELETE of a directory");
	(void)!symlink("none", "d/l");
	is_str(next(NULL), "100:l", "IN_CREATE by symlink");
	unlink("d/l");
	drain();
	is_int(inotify_rm_watch(in, wd), 0, "inotify_rm_watch");
	is_str(next(&ev), "8000:", "IN_IGNORED");
	is_int(ev.wd, wd, "of this watch");
	make("d/z");
	is_str(next(NULL), "none", "then silence");
	is_errno(inotify_rm_watch(in, wd), EINVAL, "only once");
}

static void check_self(void)
{
	int wd;

	tap_group("events of a file");
	make("f");
	wd = inotify_add_watch(in, "f", IN_ALL_EVENTS);
	make("f");
	is_str(next(NULL), "20:", "IN_OPEN, no name");
	is_str(next(NULL), "8:", "IN_CLOSE_WRITE");
	(void)!rename("f", "f2");
	is_str(next(NULL), "800:", "IN_MOVE_SELF");
	unlink("f2");
	is_str(next(NULL), "4:", "IN_ATTRIB: one name less");
	is_str(next(NULL), "400:", "IN_DELETE_SELF");
	is_str(next(NULL), "8000:", "IN_IGNORED");
	is_errno(inotify_rm_watch(in, wd), EINVAL, "no watch any more");
}

static void check_masks(void)
{
	int wd, n = 0;

	tap_group("masks");
	make("f");
	wd = inotify_add_watch(in, "f", IN_OPEN);
	is_int(inotify_add_watch(in, "f", IN_CLOSE_WRITE), wd,
	       "the same watch");
	make("f");
	is_str(next(NULL), "8:", "with a new mask");
	inotify_add_watch(in, "f", IN_OPEN | IN_MASK_ADD);
	make("f");
	is_str(next(NULL), "20:", "IN_MASK_ADD");
	is_str(next(NULL), "8:", "keeps the old");
	is_errno(inotify_add_watch(in, "f", IN_OPEN | IN_MASK_CREATE), EEXIST,
		 "IN_MASK_CREATE");
	inotify_rm_watch(in, wd);
	drain();
	wd = inotify_add_watch(in, "f", IN_OPEN | IN_ONESHOT);
	make("f");
	is_str(next(NULL), "20:", "IN_ONESHOT");
	is_str(next(NULL), "8000:", "is gone at once");
	is_errno(inotify_add_watch(in, "f", IN_OPEN | IN_ONLYDIR), ENOTDIR,
		 "IN_ONLYDIR");
	(void)!symlink("f", "l");
	wd = inotify_add_watch(in, "l", IN_ALL_EVENTS | IN_DONT_FOLLOW);
	make("f");
	is_str(next(NULL), "none", "IN_DONT_FOLLOW");
	unlink("l");
	drain();
	wd = inotify_add_watch(in, "d", IN_CREATE);
	make("d/one");
	make("d/two");
	is_int(ioctl(in, FIONREAD, &n), 0, "FIONREAD");
	is_int(n, 64, "two events with names");
	drain();
	inotify_rm_watch(in, wd);
	drain();
}

static void check_waiting(void)
{
	struct pollfd p = { .fd = in, .events = POLLIN | POLLOUT };
	struct inotify_event ev;
	int fd = inotify_init(), wd;
	char buf[256];
	pid_t pid;

	tap_group("waiting");
	is_int(poll(&p, 1, 0), 0, "nothing to read");
	wd = inotify_add_watch(in, "d", IN_CREATE);
	make("d/new");
	is_int(poll(&p, 1, 0), 1, "something");
	is_int(p.revents, POLLIN, "to read, never to write");
	is_errno(read(in, &ev, sizeof(ev) - 1), EINVAL, "half an event");
	is_errno(read(in, bad_ptr, 256), EFAULT, "to a bad address");
	is_errno(write(in, "x", 1), EBADF, "not for writing");
	is_int(lseek(in, 0, SEEK_SET), 0, "seeking does nothing");
	inotify_rm_watch(in, wd);
	drain();
	inotify_add_watch(fd, "d", IN_DELETE);
	pid = tap_fork();
	if (pid == 0)
		_exit(read(fd, buf, sizeof(buf)) == 32 ? 0 : 1);
	tap_await_state(pid, "S");
	unlink("d/new");
	is_int(tap_wait(pid), 0, "a reader is woken");
	close(fd);
}

static void check_hostile(void)
{
	int fd, wd;

	tap_group("bad arguments");
	fd = inotify_init1(IN_CLOEXEC);
	is_int(fcntl(fd, F_GETFD), FD_CLOEXEC, "IN_CLOEXEC");
	close(fd);
	is_errno(inotify_init1(1), EINVAL, "a bad flag");
	is_errno(inotify_add_watch(in, "none", IN_OPEN), ENOENT, "no file");
	is_errno(inotify_add_watch(in, "f", 0), EINVAL, "no events");
	is_errno(inotify_add_watch(-1, "f", IN_OPEN), EBADF, "descriptor -1");
	fd = open("f", O_RDONLY);
	is_errno(inotify_add_watch(fd, "f", IN_OPEN), EINVAL, "another file");
	is_errno(inotify_rm_watch(fd, 1), EINVAL, "another file to remove");
	close(fd);
	is_errno(inotify_rm_watch(-1, 1), EBADF, "remove of -1");
	is_errno(inotify_rm_watch(in, -1), EINVAL, "watch -1");
	is_errno(inotify_rm_watch(in, 12345), EINVAL, "no such watch");
	is_efault(syscall(SYS_inotify_add_watch, in, bp, IN_OPEN),
		  "a path at bad addresses");
	is_errno(inotify_add_watch(in, "f",
				   IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE),
		 EINVAL, "two ways at once");
	fd = inotify_init1(IN_NONBLOCK);
	for (int i = 0; i < 50; i++) {
		char name[16];

		snprintf(name, sizeof(name), "d/%d", i);
		make(name);
		wd = inotify_add_watch(fd, name, IN_ALL_EVENTS);
		if (wd < 0)
			break;
	}
	is_int(wd, 50, "fifty watches");
	is_int(close(fd), 0, "closed with all of them");
	make("d/0");
	is_str(next(NULL), "none", "no one is told");
}

/* The signal that came, its descriptor in *fd; 0: none. */
static int signalled(int *fd)
{
	struct timespec now = { 0, 0 };
	siginfo_t info;
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIGRTMIN + 1);
	memset(&info, 0, sizeof(info));
	sig = sigtimedwait(&set, &info, &now);
	*fd = sig > 0 && info.si_code == POLL_MSG ? info.si_fd : -1;
	return sig > 0 ? sig : 0;
}

static void check_dnotify(void)
{
	const int sig = SIGRTMIN + 1;
	int fd = open(".", O_RDONLY | O_DIRECTORY), file, other, from;
	sigset_t set;

	tap_group("F_NOTIFY");
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, NULL);
	is_int(fcntl(fd, F_NOTIFY, DN_MULTISHOT), 0, "nothing to remove");
	is_int(fcntl(fd, F_NOTIFY, DN_CREATE), 0, "creation");
	is_int(fcntl(fd, F_GETOWN), getpid(), "its owner");
	make("n1");
	is_int(signalled(&from), SIGIO, "SIGIO");
	make("n2");
	is_int(signalled(&from), 0, "once");
	is_int(fcntl(fd, F_SETSIG, sig), 0, "another signal");
	is_int(fcntl(fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT), 0, "creation");
	is_int(fcntl(fd, F_NOTIFY, DN_DELETE | DN_MULTISHOT), 0, "and more");
	make("n3");
	is_int(signalled(&from), sig, "created");
	is_int(from, fd, "the descriptor is told");
	unlink("n3");
	is_int(signalled(&from), sig, "removed");
	chmod("n2", 0600);
	is_int(signalled(&from), 0, "not asked for");
	is_int(fcntl(fd, F_NOTIFY, 0), 0, "remove");
	make("n3");
	is_int(signalled(&from), 0, "silent");
	fcntl(fd, F_NOTIFY, DN_RENAME | DN_MULTISHOT);
	rename("n3", "n4");
	is_int(signalled(&from), sig, "renamed");
	rename("n4", "d/n4");
	is_int(signalled(&from), 0, "not when it goes elsewhere");
	fcntl(fd, F_NOTIFY, DN_MODIFY | DN_ATTRIB | DN_ACCESS | DN_MULTISHOT);
	file = open("n2", O_RDWR);
	(void)!write(file, "x", 1);
	is_int(signalled(&from), sig, "written");
	(void)!pread(file, &set, 1, 0);
	is_int(signalled(&from), sig, "read");
	fchmod(file, 0644);
	is_int(signalled(&from), sig, "changed");
	other = dup(fd);
	close(other);
	fchmod(file, 0600);
	is_int(signalled(&from), 0, "any close ends it");
	is_errno(fcntl(file, F_NOTIFY, DN_CREATE), ENOTDIR, "of a file");
	is_int(fcntl(file, F_NOTIFY, 0), 0, "but for nothing");
	is_errno(fcntl(-1, F_NOTIFY, DN_CREATE), EBADF, "closed");
	close(file);
	close(fd);
	unlink("n1");
	unlink("n2");
	unlink("d/n4");
}

int main(void)
{
	tap_start();
	tap_dir();
	(void)!mkdir("d", 0755);
	in = inotify_init1(IN_NONBLOCK);
	ok(in >= 0, "inotify_init1");
	check_events();
	check_self();
	check_masks();
	check_waiting();
	check_dnotify();
	check_hostile();
	close(in);
	return tap_done();
}
