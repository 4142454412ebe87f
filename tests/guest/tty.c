// SPDX-License-Identifier: Apache-2.0
/* Pseudo-terminals: the line discipline as programs see it, settings, job
 * control, hangup. */
#include "tap.h"

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/sysmacros.h>
#include <termios.h>

static int master, slave;
static char slave_name[64];

static void open_pair(void)
{
	int zero = 0, n = -1;

	master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	must(master >= 0);
	must(ioctl(master, TIOCGPTN, &n) == 0);
	must(ioctl(master, TIOCSPTLCK, &zero) == 0);
	snprintf(slave_name, sizeof(slave_name), "/dev/pts/%d", n);
	slave = open(slave_name, O_RDWR | O_NOCTTY);
	must(slave >= 0);
}

static void close_pair(void)
{
	close(slave);
	close(master);
}

static void put(const char *s)
{
	must(write(master, s, strlen(s)) == (ssize_t)strlen(s));
}

/* What a read gives now, as text. */
static const char *get(int fd)
{
	static char buf[256];
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	buf[n > 0 ? n : 0] = '\0';
	return n < 0 ? "(error)" : buf;
}

static bool is_ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) == 1 && (p.revents & events);
}

/* What moves only forward cannot be positioned, nor be sent from. */
static void check_no_position(int fd)
{
	char c;

	is_errno(lseek(fd, 0, SEEK_CUR), ESPIPE, "no lseek");
	is_errno(pread(fd, &c, 1, 0), ESPIPE, "no pread");
	is_errno(sendfile(STDOUT_FILENO, fd, NULL, 1), EINVAL, "no sendfile");
}

static void check_names(void)
{
	char name[64];
	struct stat a, b;
	int n;

	tap_group("a pair");
	n = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	ok(n >= 0, "a master");
	ioctl(n, TIOCGPTN, &master);
	snprintf(name, sizeof(name), "/dev/pts/%d", master);
	is_errno(open(name, O_RDWR | O_NOCTTY), EIO, "locked at first");
	close(n);
	is_errno(stat(name, &a), ENOENT, "gone with the master");
	open_pair();
	is_str(ptsname(master), slave_name, "ptsname");
	is_str(ttyname(slave), slave_name, "ttyname");
	check_no_position(master);
	check_no_position(slave);
	ok(isatty(slave) && isatty(master), "both are terminals");
	fstat(slave, &a);
	stat(slave_name, &b);
	ok(S_ISCHR(a.st_mode) && major(a.st_rdev) == 136 &&
		   a.st_ino == b.st_ino && a.st_uid == getuid(),
	   "what stat says");
	close_pair();
}

static void check_lines(void)
{
	int n = 0;

	tap_group("canonical mode");
	open_pair();
	put("abc");
	ok(!is_ready(slave, POLLIN), "half a line is not readable");
	put("x\177\r");
	ok(is_ready(slave, POLLIN), "a line is");
	is_int(ioctl(slave, FIONREAD, &n) == 0 ? n : -1, 4, "FIONREAD");
	is_str(get(slave), "abc\n", "edited, CR is NL");
	is_str(get(master), "abcx\b \b\r\n", "echo");
	put("one\ntwo\n");
	is_str(get(slave), "one\n", "line");
	is_str(get(slave), "two\n", "by line");
	get(master);
	put("\004");
	is_int(read(slave, slave_name, 8), 0, "^D is an end of file");
	is_int(write(slave, "a\nb", 3), 3, "write");
	is_str(get(master), "a\r\nb", "NL is CR NL");
	fcntl(slave, F_SETFL, O_NONBLOCK);
	is_errno(read(slave, slave_name, 8), EAGAIN, "nothing to read");
	fcntl(master, F_SETFL, O_NONBLOCK);
	is_errno(read(master, slave_name, 8), EAGAIN, "nothing written");
	is_errno(lseek(slave, 0, SEEK_SET), ESPIPE, "lseek");
	close_pair();
}

static void check_raw(void)
{
	struct termios t, u;
	char buf[8];

	tap_group("raw mode");
	open_pair();
	is_int(tcgetattr(slave, &t), 0, "tcgetattr");
	ok((t.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG) &&
		   t.c_cc[VINTR] == 3 && t.c_cc[VMIN] == 1,
	   "the usual settings");
	cfmakeraw(&t);
	is_int(tcsetattr(slave, TCSANOW, &t), 0, "tcsetattr");
	tcgetattr(master, &u);
	is_int(memcmp(&t.c_lflag, &u.c_lflag, sizeof(t.c_lflag)), 0,
	       "the master sees them");
	put("\003\r");
	is_int(read(slave, buf, 8) == 2 && buf[0] == 3 && buf[1] == '\r', 1,
	       "all passes");
	ok(!is_ready(master, POLLIN), "no echo");
	is_int(write(slave, "\n", 1), 1, "write");
	is_str(get(master), "\n", "as it is");
	t.c_cc[VMIN] = 0;
	t.c_cc[VTIME] = 0;
	tcsetattr(slave, TCSANOW, &t);
	is_int(read(slave, buf, 8), 0, "MIN 0, TIME 0: at once");
	t.c_cc[VTIME] = 1;
	tcsetattr(slave, TCSANOW, &t);
	is_int(read(slave, buf, 8), 0, "MIN 0, TIME 1: after a while");
	t.c_cc[VMIN] = 3;
	t.c_cc[VTIME] = 0;
	tcsetattr(slave, TCSANOW, &t);
	put("ab");
	ok(!is_ready(slave, POLLIN), "MIN 3: two are not enough");
	put("c");
	is_int(read(slave, buf, 8), 3, "three are");
	put("zz");
	is_int(tcflush(slave, TCIFLUSH), 0, "tcflush");
	put("abc");
	is_int(read(slave, buf, 8) == 3 && buf[0] == 'a', 1, "flushed");
	is_efault(syscall(SYS_ioctl, slave, TCGETS, bp), "TCGETS");
	is_errno(ioctl(slave, TCFLSH, 9), EINVAL, "TCFLSH 9");
	close_pair();
}

static volatile sig_atomic_t got_signal;

static void on_signal(int sig)
{
	got_signal = sig;
}

static void catch (int sig)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(sig, &sa, NULL);
}

/* Leads a session with the slave as its terminal. */
static void lead(void)
{
	int fd;

	must(setsid() > 0);
	fd = open(slave_name, O_RDWR);
	must(fd >= 0);
	close(fd);
}

static int interrupted(void)
{
	struct winsize ws = { .ws_row = 50, .ws_col = 132 };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	lead();
	fd = open("/dev/tty", O_RDWR);
	must(fd >= 0);
	must(tcgetpgrp(fd) == getpid() && tcgetsid(fd) == getpid());
	must(ioctl(fd, TIOCSCTTY, 0) == 0);
	put("\003");
	must(sigwaitinfo(&set, NULL) == SIGINT);
	must(ioctl(master, TIOCSWINSZ, &ws) == 0);
	must(sigwaitinfo(&set, NULL) == SIGWINCH);
	return 0;
}

/* Wait until pid changes state; what waitpid says. */
static int wait_change(pid_t pid)
{
	int status = 0;

	must(waitpid(pid, &status, WUNTRACED) == pid);
	return status;
}

static int background(void)
{
	pid_t pid;
	int status;
	char c;

	lead();
	pid = fork();
	if (pid == 0) {
		alarm(TAP_SECONDS);
		setpgid(0, 0);
		must(read(slave, &c, 1) == 1 && c == 'x');
		_exit(7);
	}
	setpgid(pid, pid);
	status = wait_change(pid);
	must(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
	must(tcsetpgrp(slave, pid) == 0 && tcgetpgrp(slave) == pid);
	put("x\n");
	must(kill(pid, SIGCONT) == 0);
	status = wait_change(pid);
	must(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	signal(SIGTTOU, SIG_IGN);
	must(tcsetpgrp(slave, getpgrp()) == 0);
	must(tcsetpgrp(slave, 1) == -1 && (errno == EPERM || errno == ESRCH));
	return 0;
}

static int hung_up(void)
{
	char c;

	catch (SIGHUP);
	lead();
	close(master);
	must(got_signal == SIGHUP);
	must(read(slave, &c, 1) == 0);
	must(write(slave, "x", 1) == -1 && errno == EIO);
	must(is_ready(slave, POLLHUP));
	must(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO);
	return 0;
}

/* Each with a pair of its own, whose master the parent does not hold. */
static void in_session(int (*fn)(void), const char *name)
{
	pid_t pid = tap_fork();

	if (pid == 0) {
		open_pair();
		_exit(fn());
	}
	is_int(tap_wait(pid), 0, name);
}

/* struct termio; not every libc declares it. */
struct old_termio {
	unsigned short c_iflag, c_oflag, c_cflag, c_lflag;
	unsigned char c_line, c_cc[8];
};

static void check_old_settings(void)
{
	struct termios t, locked;
	struct old_termio old;

	tap_group("System V settings");
	open_pair();
	is_int(ioctl(slave, TCGETA, &old), 0, "TCGETA");
	must(tcgetattr(slave, &t) == 0);
	ok(old.c_lflag == t.c_lflag && old.c_iflag == (t.c_iflag & 0xffff) &&
		   old.c_cc[VINTR] == t.c_cc[VINTR] && old.c_cc[VMIN] == 1,
	   "shows what tcgetattr() shows");
	old.c_lflag &= (unsigned short)~ECHO;
	old.c_cc[VINTR] = 'q';
	is_int(ioctl(slave, TCSETA, &old), 0, "TCSETA");
	is_int(ioctl(slave, TCSETAW, &old), 0, "TCSETAW");
	put("typed\n");
	must(poll(&(struct pollfd){ slave, POLLIN, 0 }, 1, 5000) == 1);
	is_int(ioctl(slave, TCSETAF, &old), 0, "TCSETAF");
	ok(!is_ready(slave, POLLIN), "drops what was typed");
	must(tcgetattr(slave, &t) == 0);
	ok(!(t.c_lflag & ECHO) && t.c_cc[VINTR] == 'q' &&
		   (t.c_cflag & CBAUD) == B38400,
	   "and leaves the rest");
	is_int(ioctl(slave, TCGETA, 1), -1, "TCGETA to a bad address");
	is_int(ioctl(slave, TCSETA, 1), -1, "TCSETA from a bad address");
	memset(&locked, 1, sizeof(locked));
	is_int(ioctl(slave, TIOCGLCKTRMIOS, &locked), 0, "TIOCGLCKTRMIOS");
	ok(locked.c_lflag == 0 && locked.c_cc[5] == 0, "nothing is locked");
	close_pair();
}

static void check_flow(void)
{
	tap_group("flow control");
	open_pair();
	is_int(tcflow(slave, TCIOFF), 0, "tcflow(TCIOFF)");
	is_str(get(master), "\x13", "asks the other end to pause");
	is_int(tcflow(slave, TCION), 0, "tcflow(TCION)");
	is_str(get(master), "\x11", "and to go on");
	must(tcflow(slave, TCOOFF) == 0);
	must(tcflow(slave, TCIOFF) == 0);
	must(tcflow(slave, TCOON) == 0);
	ok(!is_ready(master, POLLIN), "but not while output is stopped");
	is_int(ioctl(slave, TCXONC, 4), -1, "tcflow(4)");
	close_pair();
}

static void check_jobs(void)
{
	struct winsize ws = { .ws_row = 24, .ws_col = 80 }, got = { 0 };

	tap_group("sessions and jobs");
	open_pair();
	is_int(ioctl(slave, TIOCSWINSZ, &ws), 0, "TIOCSWINSZ");
	ioctl(master, TIOCGWINSZ, &got);
	is_int(got.ws_row * 1000 + got.ws_col, 24080, "TIOCGWINSZ");
	is_errno(tcgetpgrp(slave), ENOTTY, "not our terminal");
	close_pair();
	in_session(interrupted, "^C and a new size interrupt the foreground");
	in_session(background, "reading in the background stops");
	in_session(hung_up, "hangup");
}

static void check_ends(void)
{
	char buf[8];

	tap_group("ends");
	open_pair();
	must(write(slave, "last", 4) == 4);
	close(slave);
	is_int(read(master, buf, 8), 4, "what was written is still there");
	is_errno(read(master, buf, 8), EIO, "then the slave is gone");
	ok(is_ready(master, POLLHUP), "hangup for the master");
	slave = open(slave_name, O_RDWR | O_NOCTTY);
	ok(slave >= 0 && !is_ready(master, POLLHUP), "it can come back");
	close_pair();
	is_errno(open(slave_name, O_RDWR | O_NOCTTY), ENOENT, "no more");
}

/* One packet: its first byte, or -1. */
static int packet(char *data, size_t size)
{
	unsigned char buf[256];
	ssize_t n = read(master, buf, sizeof(buf));

	if (n <= 0)
		return -1;
	n = n - 1 < (ssize_t)size - 1 ? n - 1 : (ssize_t)size - 1;
	memcpy(data, buf + 1, (size_t)n);
	data[n] = '\0';
	return buf[0];
}

static void check_packets(void)
{
	struct pollfd p = { .events = POLLIN | POLLPRI };
	struct termios tio;
	char data[64];
	int on = 1, is = 7;

	tap_group("packet mode");
	open_pair();
	p.fd = master;
	fcntl(master, F_SETFL, O_NONBLOCK);
	is_int(ioctl(master, TIOCPKT, &on), 0, "TIOCPKT");
	is_int(ioctl(master, TIOCGPKT, &is), 0, "TIOCGPKT");
	is_int(is, 1, "is on");
	is_errno(ioctl(slave, TIOCPKT, &on), ENOTTY, "not on the slave");
	is_efault(ioctl(master, TIOCPKT, bp), "from bad addresses");
	must(write(slave, "hi", 2) == 2);
	is_int(poll(&p, 1, 1000), 1, "output");
	is_int(p.revents, POLLIN, "is data");
	is_int(packet(data, sizeof(data)), TIOCPKT_DATA, "a data packet");
	is_str(data, "hi", "with it");
	is_int(packet(data, sizeof(data)), -1, "no more");
	tcflush(slave, TCIFLUSH);
	is_int(poll(&p, 1, 1000), 1, "a flush");
	is_int(p.revents, POLLIN | POLLPRI, "is urgent");
	is_int(packet(data, sizeof(data)), TIOCPKT_FLUSHREAD, "of input");
	tcflush(slave, TCOFLUSH);
	is_int(packet(data, sizeof(data)), TIOCPKT_FLUSHWRITE, "of output");
	tcflow(slave, TCOOFF);
	is_int(packet(data, sizeof(data)), TIOCPKT_STOP, "stop");
	tcflow(slave, TCOON);
	is_int(packet(data, sizeof(data)), TIOCPKT_START, "start");
	tcgetattr(slave, &tio);
	tio.c_iflag &= ~(tcflag_t)IXON;
	tcsetattr(slave, TCSANOW, &tio);
	is_int(packet(data, sizeof(data)), TIOCPKT_NOSTOP, "no ^S");
	tio.c_iflag |= IXON;
	tcsetattr(slave, TCSANOW, &tio);
	is_int(packet(data, sizeof(data)), TIOCPKT_DOSTOP, "^S again");
	on = 0;
	is_int(ioctl(master, TIOCPKT, &on), 0, "off");
	must(write(slave, "hi", 2) == 2);
	is_int(read(master, data, sizeof(data)), 2, "plain data");
	close_pair();
}

int main(void)
{
	tap_start();
	check_names();
	check_lines();
	check_raw();
	check_old_settings();
	check_flow();
	check_jobs();
	check_packets();
	check_ends();
	return tap_done();
}
