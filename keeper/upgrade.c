/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper is replaced by the one that is installed now, by exec in the same
 * process: the sockets stay open at their numbers, and a table of them is
 * handed over in a memory file.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper/keeper.h"

#define TABLE_MAGIC 0x454c424154464a7fULL /* "\x7fJFTABLE" */
#define TABLE_VERSION 1

struct table_header {
	uint64_t magic;
	uint32_t version;
	uint32_t pad;
};

struct table_sleeper { /* its n sockets follow */
	char state_dir[1024];
	uint32_t n;
	int32_t child;
};

struct table_socket {
	int32_t fd;
	uint32_t pad;
	uint64_t known;
};

static bool put(int fd, const void *data, size_t n)
{
	return write(fd, data, n) == (ssize_t)n;
}

static bool put_sleeper(int fd, const struct sleeper *s)
{
	struct table_sleeper t = { .n = s->n, .child = s->child };

	memcpy(t.state_dir, s->state_dir, sizeof(t.state_dir));
	if (!put(fd, &t, sizeof(t)))
		return false;
	for (uint32_t i = 0; i < s->n; i++) {
		struct table_socket socket = { .fd = s->sockets[i].fd,
					       .known = s->sockets[i].known };

		if (!put(fd, &socket, sizeof(socket)))
			return false;
	}
	return true;
}

static bool put_all(int fd, const struct keeper *k)
{
	struct table_header h = { TABLE_MAGIC, TABLE_VERSION, 0 };

	if (!put(fd, &h, sizeof(h)))
		return false;
	for (const struct sleeper *s = k->sleepers; s; s = s->next)
		if (!put_sleeper(fd, s))
			return false;
	return true;
}

static void inherit(const struct keeper *k, bool on)
{
	int flags = on ? 0 : FD_CLOEXEC;

	fcntl(k->listen_fd, F_SETFD, flags);
	for (const struct sleeper *s = k->sleepers; s; s = s->next)
		for (uint32_t i = 0; i < s->n; i++)
			fcntl(s->sockets[i].fd, F_SETFD, flags);
}

void upgrade(struct keeper *k)
{
	char path[sizeof(k->self_dir) + 16], name[] = "jiffy-keeper";
	char number[12];
	char *argv[] = { name, k->store, number, NULL };
	int fd = memfd_create("table", 0);

	if (fd < 0)
		return;
	snprintf(number, sizeof(number), "%d", fd);
	snprintf(path, sizeof(path), "%s/%s", k->self_dir, name);
	if (put_all(fd, k)) {
		/* One that waits still ends; of the same build as the next. */
		spare_drop(k);
		inherit(k, true);
		execv(path, argv);
		inherit(k, false);
		if (k->sleepers)
			spare_start(k);
	}
	close(fd);
}

/* One sleeper of the table, which is long enough or is not believed; what is
 * left of it. */
static size_t take_sleeper(struct keeper *k, const uint8_t *p, size_t len)
{
	struct table_sleeper t;
	struct table_socket *sockets;
	size_t bytes;

	if (len < sizeof(t))
		return 0;
	memcpy(&t, p, sizeof(t));
	if (!memchr(t.state_dir, '\0', sizeof(t.state_dir)) ||
	    t.state_dir[0] != '/' ||
	    t.n > (len - sizeof(t)) / sizeof(struct table_socket))
		return 0;
	bytes = t.n * sizeof(struct table_socket);
	sockets = malloc(bytes + 1);
	if (!sockets)
		return 0;
	memcpy(sockets, p + sizeof(t), bytes);
	for (uint32_t i = 0; i < t.n; i++) {
		fcntl(sockets[i].fd, F_SETFD, FD_CLOEXEC);
		keeper_adopt(k, t.state_dir, sockets[i].fd, sockets[i].known);
	}
	free(sockets);
	keeper_adopted(k, t.state_dir, t.child);
	return len - sizeof(t) - bytes;
}

void upgrade_take(struct keeper *k, int fd)
{
	struct table_header h;
	const uint8_t *p;
	struct stat st;
	size_t left;

	if (fstat(fd, &st) || st.st_size < (off_t)sizeof(h))
		return;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return;
	memcpy(&h, p, sizeof(h));
	left = (size_t)st.st_size - sizeof(h);
	if (h.magic != TABLE_MAGIC || h.version != TABLE_VERSION)
		left = 0;
	while (left)
		left = take_sleeper(k, p + st.st_size - left, left);
	munmap((void *)p, (size_t)st.st_size);
}
