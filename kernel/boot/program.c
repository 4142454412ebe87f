/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes before the first instruction of a program that the outside wants
 * to run: become its user, enter its directory, find it in PATH. For pid 1 and
 * for commands.
 */
#include "kernel/boot/program.h"

#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/vfs.h"

/* Unless the caller or the image set one. */
static void add_home(const char **envp, const char *home)
{
	size_t n;

	for (n = 0; envp[n]; n++)
		if (!strncmp(envp[n], "HOME=", 5))
			return;
	envp[n] = home;
	envp[n + 1] = NULL;
}

static int look_up_directory(const char *name, struct path *path)
{
	return path_lookup(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY,
			   path);
}

static int enter_directory(const struct program *p, struct refusal *r)
{
	struct path path;
	int err;

	if (!p->directory[0])
		return 0;
	err = look_up_directory(p->directory, &path);
	if (err && p->makes_directory) {
		/* As the container engines do: the directory is made. */
		boot_make_directories(p->directory);
		err = look_up_directory(p->directory, &path);
	}
	if (err) {
		refusal_set(r, STATUS_CANNOT_RUN, "cannot enter %.200s: %s",
			    p->directory,
			    err == -ENOTDIR	 ? "not a directory"
			    : err == -EACCES	 ? "permission denied"
			    : p->makes_directory ? "it cannot be made"
						 : "no such directory");
		return err;
	}
	fs_context_set_cwd(process_current()->fs, &path);
	path_put(&path);
	return 0;
}

/* True if name in directory dir (of len bytes) can be looked up; its path is
 * in buf then. */
static bool try_directory(const char *dir, size_t len, const char *name,
			  char *buf, size_t size)
{
	struct path path;
	bool found;

	if (len == 0) {
		dir = ".";
		len = 1;
	}
	if (fmt_format(buf, size, "%.*s/%s", (int)len, dir, name) >= (int)size)
		return false;
	if (path_lookup(AT_FDCWD, buf, LOOKUP_FOLLOW, &path))
		return false;
	found = inode_is(path.dentry->inode, TYPE_REG) &&
		(path.dentry->inode->mode & 0111);
	path_put(&path);
	return found;
}

static bool search(const char *path, const char *name, char *buf, size_t size)
{
	for (;;) {
		const char *end = strchr(path, ':');
		size_t len = end ? (size_t)(end - path) : strlen(path);

		if (try_directory(path, len, name, buf, size))
			return true;
		if (!end)
			return false;
		path = end + 1;
	}
}

/* The program's path, searched in PATH as execvp() does. */
static int find(struct program *p, struct refusal *r)
{
	const char *name = p->argv[0];
	const char *path = p->search_path;

	if (strchr(name, '/')) {
		p->path = kstrdup(name);
		return p->path ? 0 : -ENOMEM;
	}
	if (!path || !path[0])
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
		       "/sbin:/bin";
	p->path = kmalloc(PATH_MAX_LEN);
	if (!p->path)
		return -ENOMEM;
	if (search(path, name, p->path, PATH_MAX_LEN))
		return 0;
	refusal_set(r, STATUS_NOT_FOUND, "cannot run %.200s: not found in PATH",
		    name);
	return -ENOENT;
}

int program_prepare(struct program *p, struct refusal *r)
{
	int err = boot_set_user(p->user, &p->home);

	if (err) {
		refusal_set(r, STATUS_CANNOT_RUN,
			    "no such user in the image: %.100s", p->user);
		return err;
	}
	if (p->home)
		add_home(p->envp, p->home);
	err = enter_directory(p, r);
	if (!err)
		err = find(p, r);
	if (err == -ENOMEM)
		refusal_set(r, STATUS_CANNOT_RUN,
			    "cannot run %.200s: no memory", p->argv[0]);
	return err;
}

void program_free(struct program *p)
{
	kfree(p->home);
	kfree(p->path);
	p->home = p->path = NULL;
}
