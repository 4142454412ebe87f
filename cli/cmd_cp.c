/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy cp: files and directories into and out of an instance by docker's
 * rules, without a program in there. A suspended one is woken.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/copy.h"
#include "engine/create.h"
#include "host/cleanup.h"
#include "host/xmalloc.h"

#define SUSPEND_SECONDS 60
#define TRIES 5

struct cp_args {
	bool keeps_owner;
};

static const struct opt cp_options[] = {
	OPT_FLAG('a', "archive", struct cp_args, keeps_owner,
		 "keep owners and set-id bits"),
};

/* An operand. */
struct place {
	char *instance; /* NULL: ours */
	char *path;	/* without trailing slashes and "/." */
	bool is_stream; /* "-" */
	bool is_inside; /* it ended in "/.": what is in the directory */
	bool has_slash; /* it ended so: it must be a directory */
};

static void place_free(struct place *p)
{
	free(p->instance);
	free(p->path);
}

static void trim(struct place *p)
{
	size_t n = strlen(p->path);

	if (n >= 2 && !strcmp(p->path + n - 2, "/.")) {
		p->is_inside = true;
		n -= 2;
	}
	for (; n > 1 && p->path[n - 1] == '/'; n--)
		p->has_slash = true;
	p->path[n] = '\0';
	if (!n) { /* it was "/." */
		free(p->path);
		p->path = xstrdup("/");
	}
}

static void place_parse(const char *text, struct place *p)
{
	const char *colon = strchr(text, ':');
	const char *slash = strchr(text, '/');

	*p = (struct place){ .is_stream = !strcmp(text, "-") };
	if (colon && colon > text && text[0] != '.' &&
	    (!slash || slash > colon)) {
		p->instance = xstrndup(text, (size_t)(colon - text));
		text = colon + 1;
		p->path = xasprintf("%s%s", text[0] == '/' ? "" : "/", text);
	} else {
		p->path = xstrdup(text);
	}
	trim(p);
}

static char *join(const char *dir, const char *name)
{
	return xasprintf("%s/%s", strcmp(dir, "/") ? dir : "", name);
}

/* What is at the other end: 1 a directory, 0 something else, -ENOENT. */
static int look_in_guest(struct guest_files *g, const char *path, struct err *e)
{
	struct files_attr a;

	if (!guest_stat(g, path, true, &a, e))
		return S_ISDIR(a.mode);
	if (e->code == ENOENT)
		*e = (struct err)ERR_INIT;
	return e->code ? -e->code : -ENOENT;
}

static int look_here(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	return S_ISDIR(st.st_mode);
}

/* The name under which a source goes to a destination: *name below a directory
 * that is there (docker's rules), or NULL: it becomes the destination. */
static int choose(const struct place *from, bool from_is_dir,
		  const struct place *to, int found, const char **name,
		  struct err *e)
{
	const char *slash = strrchr(from->path, '/');

	*name = NULL;
	if (found < 0 && found != -ENOENT)
		return e->code ? -e->code : err_sys(e, -found, "%s", to->path);
	if (found < 0 && to->has_slash && !from_is_dir)
		return err_set(e, ENOENT, "%s: no such directory", to->path);
	if (found == 0 && (from_is_dir || to->has_slash))
		return err_set(e, ENOTDIR, "%s is no directory", to->path);
	if (found == 1 && !from->is_inside)
		*name = slash ? slash + 1 : from->path;
	return 0;
}

/* --- Out
 * ------------------------------------------------------------------------ */

static int out_to_tar(struct guest_files *g, const struct place *from,
		      bool keeps_owner, struct err *e)
{
	struct copy_out o = { .g = g, .keeps_owner = keeps_owner };
	const char *name = strrchr(from->path, '/') + 1;

	if (isatty(STDOUT_FILENO))
		return err_set(e, EINVAL, "the tar would go to a terminal");
	if (!copy_out_begin(&o, STDOUT_FILENO, e))
		copy_out_tree(&o, from->path,
			      from->is_inside || !name[0] ? "." : name, e);
	copy_out_end(&o, e);
	return -e->code;
}

static int out_to_disk(struct guest_files *g, const struct place *from,
		       const struct place *to, bool keeps_owner, struct err *e)
{
	struct copy_out o = { .g = g,
			      .keeps_owner = keeps_owner,
			      .is_disk = true };
	cleanup_free char *copy = xstrdup(to->path), *base = xstrdup(to->path);
	const char *name, *dir = to->path;
	struct files_attr a;

	if (guest_stat(g, from->path, from->is_inside, &a, e) ||
	    choose(from, S_ISDIR(a.mode), to, look_here(to->path), &name, e))
		return -e->code;
	if (from->is_inside && !S_ISDIR(a.mode))
		return err_set(e, ENOTDIR, "%s is no directory", from->path);
	/* Where names of the instance go, which are below it. */
	if (!name && look_here(to->path) == 1) {
		name = ".";
	} else if (!name) {
		dir = dirname(copy);
		name = basename(base);
	} else if (!name[0]) {
		return err_set(e, EINVAL, "/ has no name: copy %s:/.", g->name);
	}
	if (chdir(dir))
		return err_sys(e, errno, "%s", dir);
	if (!copy_out_begin(&o, -1, e))
		copy_out_tree(&o, from->path, name, e);
	copy_out_end(&o, e);
	return -e->code;
}

/* --- In
 * ------------------------------------------------------------------------- */

static int in_from_tar(struct copy_in *c, const struct place *to, struct err *e)
{
	int found = look_in_guest(c->g, to->path, e);

	if (found != 1)
		return e->code ? -e->code
			       : err_set(e, ENOTDIR, "%s:%s: no such directory",
					 c->g->name, to->path);
	return copy_in_tar(c, STDIN_FILENO, to->path, e);
}

/* Ours may be named by a link. */
static int in_from_disk(struct copy_in *c, const struct place *from,
			const struct place *to, struct err *e)
{
	cleanup_free char *path = NULL;
	cleanup_free char *real = NULL;
	const char *name;
	struct stat st;

	if (from->is_inside || from->has_slash)
		real = realpath(from->path, NULL);
	else
		real = xstrdup(from->path);
	if (!real || lstat(real, &st))
		return err_sys(e, errno, "%s", from->path);
	if ((from->is_inside || from->has_slash) && !S_ISDIR(st.st_mode))
		return err_set(e, ENOTDIR, "%s is no directory", from->path);
	if (choose(from, S_ISDIR(st.st_mode), to,
		   look_in_guest(c->g, to->path, e), &name, e))
		return -e->code;
	if (name && (!strcmp(name, "..") || !strcmp(name, ".") || !name[0])) {
		free(real);
		real = realpath(from->path, NULL);
		name = real ? strrchr(real, '/') + 1 : name;
	}
	path = name ? join(to->path, name) : xstrdup(to->path);
	return copy_in_tree(c, AT_FDCWD, real, path, e);
}

static int copy_in(struct guest_files *g, const struct place *from,
		   const struct place *to, bool keeps_owner, struct err *e)
{
	struct copy_in c = { .g = g, .keeps_owner = keeps_owner };

	if (from->is_stream)
		in_from_tar(&c, to, e);
	else
		in_from_disk(&c, from, to, e);
	copy_in_end(&c, e);
	return -e->code;
}

static int copy_once(const struct store *s, const struct place *from,
		     const struct place *to, const struct cp_args *args,
		     struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	struct guest_files g = GUEST_FILES_INIT;
	struct files_attr a;

	if (instance_load_awake(s,
				from->instance ? from->instance : to->instance,
				&in, e) ||
	    guest_files_open(&in, &g, e))
		return -e->code;
	/* Before anything is read or made. */
	if (guest_stat(&g, "/", true, &a, e))
		(void)0;
	else if (to->instance)
		copy_in(&g, from, to, args->keeps_owner, e);
	else if (to->is_stream)
		out_to_tar(&g, from, args->keeps_owner, e);
	else
		out_to_disk(&g, from, to, args->keeps_owner, e);
	guest_files_close(&g);
	if (e->code == EAGAIN)
		(void)instance_wait(&in, SUSPEND_SECONDS);
	return -e->code;
}

static int cp(void *opaque, int argc, char **argv, struct err *e)
{
	cleanup_store struct store s = STORE_INIT;
	struct place from, to;
	int r = 0;

	(void)argc;
	place_parse(argv[0], &from);
	place_parse(argv[1], &to);
	if (!from.instance == !to.instance)
		r = err_set(e, EINVAL, "one of the two must be INSTANCE:PATH");
	else
		r = store_open(&s, e);
	for (int i = 0; !r && i < TRIES; i++) {
		*e = (struct err)ERR_INIT;
		if (copy_once(&s, &from, &to, opaque, e) != -EAGAIN)
			break;
	}
	place_free(&from);
	place_free(&to);
	return -e->code;
}

const struct cmd cmd_cp = {
	.options = cp_options,
	.noptions = ARRAY_SIZE(cp_options),
	.args_size = sizeof(struct cp_args),
	.min_operands = 2,
	.max_operands = 2,
	.notes = "With '-' in place of a path here, a tar is read or written. "
		 "SOURCE/. is what is in a\ndirectory. A suspended instance is "
		 "woken.\n",
	.run = cp,
};
