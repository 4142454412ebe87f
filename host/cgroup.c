/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups, versions 1 and 2. Mounted where distributions do: version 2
 * at the root or at root/unified, the others at root/CONTROLLER.
 */
#include "host/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/xmalloc.h"

#define PATH_SIZE 4096
#define LEAF "jiffy.programs" /* we, where groups are beside us */
#define PERIOD_US 100000ULL   /* of which a part is a limit in time */

static const char *const names[] = { "cpu", "memory", "pids" };

static const struct {
	enum cgroup_controller controller;
	bool is_unified;
	const char *file;
} limit_files[] = {
	{ CGROUP_CPU, false, "cpu.cfs_quota_us" },
	{ CGROUP_CPU, true, "cpu.max" },
	{ CGROUP_MEMORY, false, "memory.limit_in_bytes" },
	{ CGROUP_MEMORY, true, "memory.max" },
	{ CGROUP_PIDS, false, "pids.max" },
	{ CGROUP_PIDS, true, "pids.max" },
};

static int open_in(const char *dir, const char *file, int flags)
{
	char path[PATH_SIZE];

	if (snprintf(path, sizeof(path), "%s/%s", dir, file) >=
	    (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(path, flags | O_CLOEXEC);
}

/* The file's text in buf, "" if there is none. */
static void read_text(const char *dir, const char *file, char *buf, size_t size)
{
	cleanup_close int fd = open_in(dir, file, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
}

static int write_text(const char *dir, const char *file, const char *text)
{
	cleanup_close int fd = open_in(dir, file, O_WRONLY);
	size_t len = strlen(text);

	if (fd < 0)
		return -errno;
	return write(fd, text, len) == (ssize_t)len ? 0 : -errno;
}

/* Is word one of a list of len bytes, whose words are divided by `by`? */
static bool has_word(const char *list, size_t len, const char *word,
		     const char *by)
{
	const char *end = list + len;
	size_t n;

	for (; list < end; list += n + 1) {
		n = strcspn(list, by);
		if (n == strlen(word) && !strncmp(list, word, n))
			return true;
	}
	return false;
}

/* The path of our own group of a controller, "" for version 2: from a line
 * "NUMBER:CONTROLLERS:PATH". NULL if there is none. */
static char *own_path(const char *membership, const char *controller)
{
	const char *line, *list, *path;
	size_t len;

	for (line = membership; *line; line += len + (line[len] == '\n')) {
		len = strcspn(line, "\n");
		list = memchr(line, ':', len);
		path = list ? memchr(list + 1, ':',
				     (size_t)(line + len - list - 1))
			    : NULL;
		if (path &&
		    (*controller ? has_word(list + 1, (size_t)(path - list - 1),
					    controller, ",:")
				 : path == list + 1))
			return xstrndup(path + 1,
					(size_t)(line + len - path - 1));
	}
	return NULL;
}

static void say_why(struct cgroup *g, const char *what, int error)
{
	if (!g->why[0])
		snprintf(g->why, sizeof(g->why), "%.100s: %s", what,
			 strerror(error));
}

/* --- Version 2 */

static unsigned int listed(const char *dir, const char *file)
{
	unsigned int found = 0;
	char text[256];

	read_text(dir, file, text, sizeof(text));
	for (unsigned int c = 0; c < CGROUP_CONTROLLERS; c++)
		if (has_word(text, strlen(text), names[c], " \n"))
			found |= 1u << c;
	return found;
}

/* Where only we, and who started us and waits for it, are: go to a leaf. */
static int go_to_leaf(const char *dir)
{
	char text[64], number[16], *p = text, *end;
	cleanup_free char *leaf = xasprintf("%s/" LEAF, dir);
	int r = 0;

	read_text(dir, "cgroup.procs", text, sizeof(text));
	if (!*text)
		return 0;
	for (; *p; p = end) {
		long pid = strtol(p, &end, 10);

		if (end == p || (pid != getpid() && pid != getppid()))
			return -EBUSY;
		end += *end == '\n';
	}
	if (mkdir(leaf, 0755) && errno != EEXIST)
		return -errno;
	for (p = text; *p && !r; p = end) {
		snprintf(number, sizeof(number), "%ld", strtol(p, &end, 10));
		end += *end == '\n';
		r = write_text(leaf, "cgroup.procs", number);
	}
	return r;
}

/* Let the children of dir have those controllers of it. A group that has
 * children with limits may have no processes of its own, but for the root,
 * which is of no type: some controllers could be had nevertheless, and would
 * make its children useless for others. 0 or -errno. */
static int enable(const char *dir, unsigned int controllers)
{
	unsigned int missing = controllers &
			       ~listed(dir, "cgroup.subtree_control");
	char text[16];
	int r = 0;

	read_text(dir, "cgroup.type", text, sizeof(text));
	if (missing && *text)
		r = go_to_leaf(dir);
	for (unsigned int c = 0; c < CGROUP_CONTROLLERS && !r; c++) {
		if (!(missing & 1u << c))
			continue;
		snprintf(text, sizeof(text), "+%s", names[c]);
		r = write_text(dir, "cgroup.subtree_control", text);
	}
	return r;
}

/* A path's last part is removed if it is the leaf. */
static void leave_leaf(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash && !strcmp(slash + 1, LEAF))
		*slash = '\0';
}

/* The directory below which groups of version 2 can be made, with those of the
 * controllers that they can have. NULL: none. */
static char *unified_parent(struct cgroup *g, const char *root,
			    const char *membership, unsigned int *controllers)
{
	cleanup_free char *own = own_path(membership, "");
	cleanup_free char *procs = xasprintf("%s/cgroup.procs", root);
	cleanup_free char *path =
		xasprintf("%s%s%s", root, access(procs, F_OK) ? "/unified" : "",
			  own && strcmp(own, "/") != 0 ? own : "");
	int r;

	if (!own)
		return NULL;
	leave_leaf(path);
	*controllers &= listed(path, "cgroup.controllers");
	if (!*controllers)
		return NULL;
	r = enable(path, *controllers);
	if (r) {
		say_why(g, path, -r);
		return NULL;
	}
	return take_ptr(path);
}

/* --- Both */

static struct cgroup_place *find_place(struct cgroup *g, const char *path)
{
	for (unsigned int i = 0; i < g->nplaces; i++)
		if (!strcmp(g->places[i].path, path))
			return &g->places[i];
	return NULL;
}

/* What another of the same name has left has limits of its own. */
static int make_anew(const char *path)
{
	if (mkdir(path, 0755) == 0)
		return 0;
	if (errno != EEXIST)
		return -1;
	return rmdir(path) == 0 ? mkdir(path, 0755) : 0;
}

/* Make parent/name for controllers; parent is taken over. */
static void add_place(struct cgroup *g, char *parent, const char *name,
		      unsigned int controllers, bool is_unified)
{
	cleanup_free char *above = parent;
	struct cgroup_place p = { .path = xasprintf("%s/%s", parent, name),
				  .controllers = controllers,
				  .is_unified = is_unified };
	struct cgroup_place *same = find_place(g, p.path);

	if (same) {
		same->controllers |= controllers;
		g->controllers |= controllers;
		free(p.path);
		return;
	}
	if (make_anew(p.path)) {
		say_why(g, above, errno);
		free(p.path);
		return;
	}
	p.fd = is_unified ? open_in(p.path, ".", O_RDONLY | O_DIRECTORY)
			  : open_in(p.path, "tasks", O_WRONLY);
	if (p.fd < 0) {
		say_why(g, p.path, errno);
		rmdir(p.path);
		free(p.path);
		return;
	}
	g->controllers |= controllers;
	g->places[g->nplaces++] = p;
}

void cgroup_make(struct cgroup *g, const char *root, const char *membership,
		 const char *name, unsigned int controllers)
{
	unsigned int left = controllers;
	char *parent;

	*g = (struct cgroup){ 0 };
	for (unsigned int c = 0; c < CGROUP_CONTROLLERS; c++) {
		cleanup_free char *own = own_path(membership, names[c]);

		if (!own || !(left & 1u << c))
			continue;
		left &= ~(1u << c);
		add_place(g,
			  xasprintf("%s/%s%s", root, names[c],
				    strcmp(own, "/") != 0 ? own : ""),
			  name, 1u << c, false);
	}
	parent = left ? unified_parent(g, root, membership, &left) : NULL;
	if (parent)
		add_place(g, parent, name, left, true);
	if (controllers & ~g->controllers)
		say_why(g, "cgroup", ENOTSUP);
}

void cgroup_make_own(struct cgroup *g, const char *name,
		     unsigned int controllers)
{
	char text[4096];

	read_text("/proc/self", "cgroup", text, sizeof(text));
	cgroup_make(g, CGROUP_ROOT, text, name, controllers);
}

static bool limit_text(const struct cgroup_limits *l, enum cgroup_controller c,
		       bool is_unified, char text[48])
{
	unsigned long long value = c == CGROUP_CPU	? l->cpus * PERIOD_US
				   : c == CGROUP_MEMORY ? l->memory_bytes
							: l->pids;

	if (c == CGROUP_CPU && is_unified)
		snprintf(text, 48, "%llu %llu", value, PERIOD_US);
	else
		snprintf(text, 48, "%llu", value);
	return value != 0;
}

void cgroup_limit(struct cgroup *g, const struct cgroup_limits *limits)
{
	char text[48];
	int r;

	for (unsigned int i = 0; i < g->nplaces; i++) {
		const struct cgroup_place *p = &g->places[i];

		for (size_t f = 0; f < ARRAY_SIZE(limit_files); f++) {
			enum cgroup_controller c = limit_files[f].controller;

			if (!(p->controllers & 1u << c) ||
			    limit_files[f].is_unified != p->is_unified ||
			    !limit_text(limits, c, p->is_unified, text))
				continue;
			r = write_text(p->path, limit_files[f].file, text);
			if (r)
				say_why(g, limit_files[f].file, -r);
			else
				g->limits |= 1u << c;
		}
	}
}

int cgroup_unified_fd(const struct cgroup *g)
{
	for (unsigned int i = 0; i < g->nplaces; i++)
		if (g->places[i].is_unified)
			return g->places[i].fd;
	return -1;
}

int cgroup_join(const struct cgroup *g, unsigned int controllers,
		bool with_unified)
{
	for (unsigned int i = 0; i < g->nplaces; i++) {
		const struct cgroup_place *p = &g->places[i];
		int fd = p->fd, r;

		if (!(p->controllers & controllers) ||
		    (p->is_unified && !with_unified))
			continue;
		if (p->is_unified)
			fd = openat(p->fd, "cgroup.procs",
				    O_WRONLY | O_CLOEXEC);
		r = write(fd, "0", 1) == 1 ? 0 : -errno;
		if (p->is_unified && fd >= 0)
			close(fd);
		if (r)
			return r;
	}
	return 0;
}

void cgroup_seal(struct cgroup *g)
{
	for (unsigned int i = 0; i < g->nplaces; i++)
		if (g->places[i].fd >= 0)
			close(take_fd(&g->places[i].fd));
}

bool cgroup_has_killed(const struct cgroup *g)
{
	static const char key[] = "oom_kill ";
	char text[512], *at;

	for (unsigned int i = 0; i < g->nplaces; i++) {
		const struct cgroup_place *p = &g->places[i];

		if (!(p->controllers & 1u << CGROUP_MEMORY))
			continue;
		read_text(p->path,
			  p->is_unified ? "memory.events"
					: "memory.oom_control",
			  text, sizeof(text));
		at = strstr(text, key);
		if (at && strtoull(at + strlen(key), NULL, 10))
			return true;
	}
	return false;
}

void cgroup_remove(struct cgroup *g)
{
	cgroup_seal(g);
	for (unsigned int i = 0; i < g->nplaces; i++) {
		rmdir(g->places[i].path);
		free(g->places[i].path);
	}
	*g = (struct cgroup){ 0 };
}

/* Those of the directory whose process is gone: one that was killed before it
 * had an instance is in nobody's record. Whoever is in one keeps it. */
static void sweep(const char *parent)
{
	cleanup_dir DIR *dir = opendir(parent);
	char proc[PATH_SIZE];
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		if (strncmp(d->d_name, CGROUP_PREFIX, strlen(CGROUP_PREFIX)))
			continue;
		snprintf(proc, sizeof(proc), "/proc/%s",
			 d->d_name + strlen(CGROUP_PREFIX));
		if (access(proc, F_OK))
			unlinkat(dirfd(dir), d->d_name, AT_REMOVEDIR);
	}
}

void cgroup_remove_path(const char *path)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *parent = NULL;

	if (!slash || strncmp(slash + 1, CGROUP_PREFIX, strlen(CGROUP_PREFIX)))
		return;
	rmdir(path);
	parent = xstrndup(path, (size_t)(slash - path));
	sweep(parent);
}
