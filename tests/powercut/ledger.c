/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that must not lose what it was promised: `ledger write DIR` makes
 * changes, syncs them and prints the number of each, for ever; `ledger check
 * DIR N` tells whether all up to number N are there, after whatever has
 * happened.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NSLOTS 32
#define NFILES 48
#define RECORD_MAX 9000

struct record {
	unsigned int number, len; /* of what follows */
};

static char path[512], other[512];

static void die(const char *what, unsigned int n)
{
	fprintf(stderr, "ledger: %s (%u): %s\n", what, n, strerror(errno));
	exit(1);
}

static const char *in(const char *dir, const char *name, unsigned int n)
{
	snprintf(path, sizeof(path), "%s/%s%u", dir, name, n);
	return path;
}

static unsigned int len_of(unsigned int n)
{
	return 16 + n * 2654435761U % (RECORD_MAX - 16);
}

/* Valid records at the beginning of the log, and where they end. */
static unsigned int read_log(int fd, off_t *end)
{
	static unsigned char buf[RECORD_MAX];
	struct record r;
	unsigned int n = 0;

	*end = 0;
	while (pread(fd, &r, sizeof(r), *end) == (ssize_t)sizeof(r) &&
	       r.number == n + 1 && r.len == len_of(n + 1) &&
	       pread(fd, buf, r.len, *end + (off_t)sizeof(r)) ==
		       (ssize_t)r.len) {
		for (unsigned int i = 0; i < r.len; i++)
			if (buf[i] != (unsigned char)(r.number + i))
				return n;
		*end += (off_t)(sizeof(r) + r.len);
		n++;
	}
	return n;
}

static unsigned int slot_at(int fd, unsigned int slot)
{
	unsigned int n = 0;

	return pread(fd, &n, sizeof(n), slot * 4096L) == (ssize_t)sizeof(n) ? n
									    : 0;
}

/* --- Writing ------------------------------------------------------------- */

static void add_record(int fd, unsigned int n)
{
	static unsigned char buf[sizeof(struct record) + RECORD_MAX];
	struct record *r = (struct record *)buf;

	r->number = n;
	r->len = len_of(n);
	for (unsigned int i = 0; i < r->len; i++)
		buf[sizeof(*r) + i] = (unsigned char)(n + i);
	if (write(fd, buf, sizeof(*r) + r->len) !=
	    (ssize_t)(sizeof(*r) + r->len))
		die("write", n);
	if (n % 2 ? fsync(fd) : fdatasync(fd))
		die("fsync", n);
}

static void set_slot(int fd, unsigned int n)
{
	if (pwrite(fd, &n, sizeof(n), n % NSLOTS * 4096L) != sizeof(n) ||
	    fdatasync(fd))
		die("slot", n);
}

/* As programs replace a file: beside it, sync, rename, sync the directory. */
static void replace_file(const char *dir, int dirfd, unsigned int n)
{
	int fd = open(in(dir, "new", n), O_CREAT | O_TRUNC | O_WRONLY, 0644);

	if (fd < 0 || write(fd, &n, sizeof(n)) != sizeof(n) || fsync(fd) ||
	    close(fd))
		die("new file", n);
	snprintf(other, sizeof(other), "%s/f%u", dir, n % NFILES);
	if (rename(path, other) || fsync(dirfd))
		die("rename", n);
}

static void finish(const char *dir, int dirfd, int table, unsigned int n)
{
	set_slot(table, n);
	if (n % 3 == 0)
		replace_file(dir, dirfd, n);
}

static void do_write(const char *dir)
{
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	int log = open(in(dir, "log", 0), O_RDWR | O_CREAT, 0644);
	int table = open(in(dir, "table", 0), O_RDWR | O_CREAT, 0644);
	unsigned int n;
	off_t end;

	if (dirfd < 0 || log < 0 || table < 0)
		die(dir, 0);
	n = read_log(log, &end);
	if (ftruncate(log, end) || lseek(log, end, SEEK_SET) != end ||
	    fsync(log) || fsync(dirfd))
		die("log", n);
	setvbuf(stdout, NULL, _IONBF, 0);
	/* Of the last one only the record may be there. */
	if (n > 0)
		finish(dir, dirfd, table, n);
	for (;;) {
		n++;
		add_record(log, n);
		finish(dir, dirfd, table, n);
		printf("%u\n", n);
		if (end > 0 && n % 500 == 0 && unlink(in(dir, "new", n)) &&
		    errno != ENOENT)
			die("unlink", n);
	}
}

/* --- Checking ------------------------------------------------------------ */

static int complain(const char *what, unsigned int which, unsigned int is,
		    unsigned int want)
{
	fprintf(stderr, "ledger: LOST: %s %u is of %u, %u was promised\n", what,
		which, is, want);
	return 1;
}

static int do_check(const char *dir, unsigned int promised)
{
	int log = open(in(dir, "log", 0), O_RDONLY);
	int table = open(in(dir, "table", 0), O_RDONLY);
	unsigned int n, is;
	int bad = 0;
	off_t end;

	n = log < 0 ? 0 : read_log(log, &end);
	if (n < promised)
		bad = complain("log", 0, n, promised);
	for (n = promised; n > 0 && n + NSLOTS > promised; n--) {
		is = slot_at(table, n % NSLOTS);
		if (is < n)
			bad = complain("slot", n % NSLOTS, is, n);
	}
	for (n = promised; n > 0 && n + NFILES > promised; n--) {
		int fd;

		if (n % 3)
			continue;
		fd = open(in(dir, "f", n % NFILES), O_RDONLY);
		is = fd < 0 ? 0 : slot_at(fd, 0);
		if (is < n)
			bad = complain("file", n % NFILES, is, n);
		close(fd);
	}
	return bad;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "write"))
		do_write(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "check"))
		return do_check(argv[2], (unsigned int)atoi(argv[3]));
	fprintf(stderr, "usage: ledger write DIR | check DIR N\n");
	return 2;
}
