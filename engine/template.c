/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates on disk, and asking a running instance's monitor to write one.
 */
#include "engine/template.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/control.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "host/signame.h"
#include "host/xmalloc.h"

#define TEMPLATES "templates"
#define CHECKPOINT "checkpoint"
#define SPEC "spec.json"
#define SPEC_MAX (4 << 20)
#define ANSWER_SECONDS 60

char *template_file(const struct store *s, const char *name)
{
	return xasprintf("%s/" TEMPLATES "/%s/" CHECKPOINT, s->path, name);
}

void template_close(struct template *t)
{
	if (t->fd >= 0)
		close(t->fd);
	json_decref(t->spec);
	*t = (struct template)TEMPLATE_INIT;
}

/* --- Making -------------------------------------------------------------- */

static int check_free(const struct store *s, const char *name, struct err *e)
{
	cleanup_free char *dir = xasprintf("%s/" TEMPLATES, s->path);
	cleanup_free char *path = xasprintf(TEMPLATES "/%s", name);

	if (name_check(name, e) < 0)
		return -e->code;
	if (faccessat(s->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, EEXIST, "template '%s' exists already", name);
	return io_mkdirs(dir, 0700, e);
}

static int ask(const struct store *s, const struct instance *in,
	       const char *work, long *pause_us, struct err *e)
{
	cleanup_free char *dir = xasprintf("%s/%s", s->path, work);
	cleanup_json json_t *request = json_pack("{s:s, s:o}", "op", "snapshot",
						 "dir", json_text(dir));
	cleanup_json json_t *answer = NULL;

	if (control_call(in, request, ANSWER_SECONDS, &answer, e) < 0)
		return -e->code;
	*pause_us =
		(long)json_integer_value(json_object_get(answer, "pause_us"));
	return 0;
}

static int publish(const struct store *s, const char *work, int dir,
		   const struct template *t, const char *name, struct err *e)
{
	cleanup_free char *to = xasprintf(TEMPLATES "/%s", name);

	if (json_write(dir, SPEC, t->spec, e) < 0)
		return -e->code;
	if (fsync(dir) < 0 || renameat(s->fd, work, s->fd, to) < 0)
		return errno == EEXIST || errno == ENOTEMPTY
			       ? err_set(e, EEXIST,
					 "template '%s' exists already", name)
			       : err_sys(e, errno, "%s/%s", s->path, to);
	return io_sync_dir(s->fd, TEMPLATES, e);
}

static int fill(const struct store *s, const struct instance *in,
		const char *work, int dir, struct template *t, long *pause_us,
		struct err *e)
{
	if (ask(s, in, work, pause_us, e) < 0)
		return -e->code;
	t->fd = openat(dir, CHECKPOINT, O_RDONLY | O_CLOEXEC);
	return t->fd < 0 ? err_sys(e, errno, "%s/%s", s->path, work) : 0;
}

int template_make(struct store *s, const struct instance *in, const char *name,
		  const char *signal, struct template *t, long *pause_us,
		  struct err *e)
{
	cleanup_free char *work = NULL;
	int dir = -1;
	int r;

	if (signal && signame_parse(signal) < 0)
		return err_set(e, EINVAL, "--after-clone: no signal '%.40s'",
			       signal);
	if (name && check_free(s, name, e) < 0)
		return -e->code;
	t->spec = json_deep_copy(in->spec);
	if (signal)
		json_object_set_new(t->spec, "clone_signal", json_text(signal));
	r = store_work_begin(s, &work, &dir, e);
	if (r < 0)
		return r;
	r = fill(s, in, work, dir, t, pause_us, e);
	if (!r && name)
		r = publish(s, work, dir, t, name, e);
	/* Nothing is there any more if it was published. */
	store_work_end(s, work, &dir);
	return r;
}

/* --- Finding ------------------------------------------------------------- */

static int no_template(const char *name, struct err *e)
{
	return err_set(e, ENOENT,
		       "no template '%.80s' (see 'jiffy snapshot ls')", name);
}

int template_open(const struct store *s, const char *name, struct template *t,
		  struct err *e)
{
	cleanup_free char *file = template_file(s, name);
	cleanup_free char *spec = xasprintf(TEMPLATES "/%s/" SPEC, name);

	if (name_check(name, NULL) < 0)
		return no_template(name, e);
	t->fd = open(file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (t->fd < 0)
		return errno == ENOENT ? no_template(name, e)
				       : err_sys(e, errno, "%s", file);
	return json_read(s->fd, spec, SPEC_MAX, &t->spec, e);
}

int template_names(const struct store *s, struct strv *names, struct err *e)
{
	cleanup_dir DIR *dir = NULL;
	struct dirent *d;
	int fd = openat(s->fd, TEMPLATES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return 0;
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir)
		return err_sys(e, errno, "%s/" TEMPLATES, s->path);
	while ((d = readdir(dir)))
		if (d->d_name[0] != '.')
			strv_add(names, d->d_name);
	strv_sort(names);
	return 0;
}

int template_remove(const struct store *s, const char *name, struct err *e)
{
	cleanup_free char *from = xasprintf(TEMPLATES "/%s", name);
	cleanup_free char *to =
		xasprintf(TEMPLATES "/.removed-%ld-%s", (long)getpid(), name);

	if (name_check(name, NULL) < 0)
		return no_template(name, e);
	if (renameat(s->fd, from, s->fd, to) < 0)
		return errno == ENOENT ? no_template(name, e)
				       : err_sys(e, errno, "%s", from);
	return io_remove_tree(s->fd, to, e);
}
