/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy volume: the commands that make, list, copy and remove volumes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/table.h"
#include "engine/units.h"
#include "cli/volume_copy.h"
#include "cli/volume_mkfs.h"
#include "engine/volume_store.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "host/proc.h"
#include "host/xmalloc.h"

#define DEFAULT_SIZE (UINT64_C(8) << 30)

/* --- create -------------------------------------------------------------- */

struct create_args {
	const char *size;
	const char *label;
};

static const struct opt create_options[] = {
	OPT_TEXT('s', "size", "SIZE", struct create_args, size,
		 "how much it can hold (default 8G); takes room as it fills"),
	OPT_TEXT(0, "fs-label", "LABEL", struct create_args, label,
		 "label of the file system, up to 16 bytes"),
};

static int parse_size(const char *text, uint64_t *size, struct err *e)
{
	int r = units_parse_size(text, size, e);

	if (r < 0)
		return r;
	*size = *size / 4096 * 4096;
	if (*size < VOLUME_MIN)
		return err_set(e, EINVAL, "'%s' is too small: at least 16M",
			       text);
	return 0;
}

static int create(void *opaque, int argc, char **argv, struct err *e)
{
	const struct create_args *args = opaque;
	cleanup_store struct store s = STORE_INIT;
	cleanup_volume_draft struct volume_draft d = VOLUME_DRAFT_INIT;
	uint64_t size = DEFAULT_SIZE;
	int r = 0;

	(void)argc;
	if (args->size)
		r = parse_size(args->size, &size, e);
	if (!r && args->label && strlen(args->label) > 16)
		r = err_set(e, EINVAL, "--fs-label: more than 16 bytes");
	if (!r)
		r = store_open(&s, e);
	if (!r)
		r = volume_draft_new(&s, argv[0], &d, e);
	if (!r && ftruncate(d.fd, (off_t)size) < 0)
		r = err_sys(e, errno, "a file of %llu bytes",
			    (unsigned long long)size);
	if (!r)
		r = volume_mkfs(d.disk, size, args->label, e);
	if (!r)
		r = volume_draft_publish(&d, argv[0], "create", e);
	if (!r)
		printf("%s\n", argv[0]);
	return r;
}

/* --- ls, inspect, rm ----------------------------------------------------- */

struct ls_args {
	const char *output;
};

static const struct opt ls_options[] = {
	OPT_TEXT('o', "output", "FORMAT", struct ls_args, output,
		 "table or json"),
};

static const char *json_size(const json_t *o, const char *key,
			     char buf[UNITS_SIZE])
{
	const json_t *n = json_object_get(o, key);

	return n ? units_size((uint64_t)json_integer_value(n), buf) : "-";
}

static void add_row(struct strv *cells, const json_t *v)
{
	const json_t *fs = json_object_get(v, "filesystem");
	char buf[UNITS_SIZE];

	strv_add(cells, json_str_or(v, "name", ""));
	strv_add(cells, json_size(v, "size", buf));
	strv_add(cells, json_size(v, "allocated", buf));
	strv_add(cells, fs ? json_size(fs, "free", buf) : "-");
	strv_add(cells, json_str_or(v, "in_use", ""));
	strv_add(cells, json_str_or(v, "created", ""));
}

static int ls(void *opaque, int argc, char **argv, struct err *e)
{
	const struct ls_args *args = opaque;
	cleanup_store struct store s = STORE_INIT;
	cleanup_strv struct strv names = STRV_INIT;
	cleanup_strv struct strv cells = STRV_INIT;
	cleanup_json json_t *rows = json_array();
	int as_json = table_format(args->output, e);
	int r = as_json < 0 ? as_json : store_open(&s, e);

	(void)argc;
	(void)argv;
	if (!r)
		r = volume_names(&s, &names, e);
	if (r < 0)
		return r;
	strv_split(&cells, "NAME|SIZE|ALLOCATED|FREE|IN USE|CREATED", '|');
	for (size_t i = 0; i < names.count; i++) {
		struct err bad = ERR_INIT;
		json_t *v = NULL;

		if (volume_json(&s, names.items[i], &v, &bad) < 0) {
			fprintf(stderr, "jiffy: volume ls: %s\n", bad.msg);
			continue;
		}
		add_row(&cells, v);
		json_array_append_new(rows, v);
	}
	if (as_json) {
		json_dumpf(rows, stdout, JSON_INDENT(2));
		printf("\n");
	} else {
		table_print(&cells, 6);
	}
	return 0;
}

/* Do something with each operand; every failure is printed, the last one by the
 * caller. */
static int for_each(const struct store *s, const char *command, int argc,
		    char **argv,
		    int (*fn)(const struct store *s, const char *name,
			      void *context, struct err *e),
		    void *context, struct err *e)
{
	int result = 0;

	for (int i = 0; i < argc; i++) {
		struct err failed = ERR_INIT;
		int r = fn(s, argv[i], context, &failed);

		if (r >= 0)
			continue;
		if (result < 0)
			fprintf(stderr, "jiffy: volume %s: %s\n", command,
				e->msg);
		*e = failed;
		result = r;
	}
	return result;
}

static int inspect_one(const struct store *s, const char *name, void *rows,
		       struct err *e)
{
	json_t *v = NULL;
	int r = volume_json(s, name, &v, e);

	if (!r)
		json_array_append_new(rows, v);
	return r;
}

static int inspect(void *opaque, int argc, char **argv, struct err *e)
{
	cleanup_store struct store s = STORE_INIT;
	cleanup_json json_t *rows = json_array();
	int r = store_open(&s, e);

	(void)opaque;
	if (r < 0)
		return r;
	r = for_each(&s, "inspect", argc, argv, inspect_one, rows, e);
	json_dumpf(rows, stdout, JSON_INDENT(2));
	printf("\n");
	return r;
}

static int rm_one(const struct store *s, const char *name, void *context,
		  struct err *e)
{
	cleanup_close int fd = volume_open(s, name, O_RDWR, e);
	int r;

	(void)context;
	/* One that is write-protected can be removed, too. */
	if (fd < 0 && e->code == EACCES)
		fd = volume_open(s, name, O_RDONLY, e);
	if (fd < 0)
		return fd;
	r = volume_remove(s, name, e);
	if (!r)
		printf("%s\n", name);
	return r;
}

static int rm(void *opaque, int argc, char **argv, struct err *e)
{
	cleanup_store struct store s = STORE_INIT;
	int r = store_open(&s, e);

	(void)opaque;
	return r < 0 ? r : for_each(&s, "rm", argc, argv, rm_one, NULL, e);
}

/* --- resize -------------------------------------------------------------- */

static int resize(void *opaque, int argc, char **argv, struct err *e)
{
	cleanup_store struct store s = STORE_INIT;
	cleanup_free char *disk = NULL;
	cleanup_close int fd = -1;
	struct volume_fs fs;
	uint64_t size;
	struct stat st;
	int r = parse_size(argv[1], &size, e);

	(void)opaque;
	(void)argc;
	if (!r)
		r = store_open(&s, e);
	if (r < 0)
		return r;
	fd = volume_open(&s, argv[0], O_RDWR, e);
	if (fd == -EBUSY)
		return err_set(e, EBUSY,
			       "volume %s is in use: stop its instance first",
			       argv[0]);
	if (fd < 0)
		return fd;
	r = volume_fs_read(fd, argv[0], &fs, e);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "%s", argv[0]);
	if (size < (uint64_t)st.st_size)
		return err_set(e, EINVAL,
			       "volume %s has %lld bytes already: volumes only "
			       "grow",
			       argv[0], (long long)st.st_size);
	if (ftruncate(fd, (off_t)size) < 0)
		return err_sys(e, errno, "a file of %llu bytes",
			       (unsigned long long)size);
	disk = volume_disk(&s, argv[0]);
	r = volume_grow_fs(disk, &fs, e);
	if (!r && fsync(fd) < 0)
		r = err_sys(e, errno, "%s", disk);
	return r;
}

/* --- snapshot, import, export -------------------------------------------- */

/* The contents of a volume into an empty file: a clone, at one moment, even
 * while an instance writes to it; or a copy while nobody writes. */
static int volume_dup(const struct store *s, const char *name, int to,
		      struct err *e)
{
	cleanup_close int fd = volume_look(s, name, e);
	int r;

	if (fd < 0)
		return fd;
	r = volume_clone(fd, to);
	if (r != -EOPNOTSUPP)
		return r < 0 ? err_sys(e, -r, "cloning volume %s", name) : 0;
	close(take_fd(&fd));
	fd = volume_open(s, name, O_RDONLY, e);
	if (fd < 0 && e->code == EBUSY)
		return err_set(e, EBUSY,
			       "volume %s is in use, and the host's file "
			       "system cannot clone files",
			       name);
	return fd < 0 ? fd : volume_copy(fd, to, e);
}

static int snapshot(void *opaque, int argc, char **argv, struct err *e)
{
	cleanup_store struct store s = STORE_INIT;
	cleanup_volume_draft struct volume_draft d = VOLUME_DRAFT_INIT;
	cleanup_free char *from = xasprintf("snapshot of %s", argv[0]);
	int fd, r = store_open(&s, e);

	(void)opaque;
	(void)argc;
	proc_catch_signals();
	if (r < 0)
		return r;
	fd = volume_look(&s, argv[0], e);
	if (fd < 0)
		return fd;
	close(fd);
	r = volume_draft_new(&s, argv[1], &d, e);
	if (!r)
		r = volume_dup(&s, argv[0], d.fd, e);
	if (!r)
		r = volume_draft_publish(&d, argv[1], from, e);
	if (!r)
		printf("%s\n", argv[1]);
	return r;
}

static int open_input(const char *file, struct err *e)
{
	int fd = strcmp(file, "-") ? open(file, O_RDONLY | O_CLOEXEC) : dup(0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "%s", file);
	if (!S_ISDIR(st.st_mode) && !(S_ISCHR(st.st_mode) && isatty(fd)))
		return fd;
	close(fd);
	return err_set(e, EINVAL, "%s is no image of a disk", file);
}

static int import(void *opaque, int argc, char **argv, struct err *e)
{
	cleanup_store struct store s = STORE_INIT;
	cleanup_volume_draft struct volume_draft d = VOLUME_DRAFT_INIT;
	const char *file = argc > 1 ? argv[1] : "-";
	cleanup_free char *from = xasprintf("import of %s", file);
	cleanup_close int in = open_input(file, e);
	struct volume_fs fs;
	int r;

	(void)opaque;
	if (in < 0)
		return in;
	proc_catch_signals();
	r = store_open(&s, e);
	if (!r)
		r = volume_draft_new(&s, argv[0], &d, e);
	if (!r)
		r = volume_clone(in, d.fd);
	if (r == -EOPNOTSUPP)
		r = volume_copy(in, d.fd, e);
	if (r < 0)
		return e->code ? r : err_sys(e, -r, "%s", file);
	r = volume_fs_read(d.fd, file, &fs, e);
	if (!r)
		r = volume_draft_publish(&d, argv[0], from, e);
	if (!r)
		printf("%s\n", argv[0]);
	return r;
}

/* To a file beside the wanted one, which gets its name when it is whole. */
static int export_to(const struct store *s, const char *name, const char *file,
		     struct err *e)
{
	char id[ID_SIZE];
	cleanup_free char *temp = NULL;
	cleanup_close int fd = -1;
	int r;

	if (access(file, F_OK) == 0)
		return err_set(e, EEXIST, "%s exists already", file);
	id_generate(id);
	temp = xasprintf("%s.tmp-%s", file, id);
	fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return err_sys(e, errno, "%s", file);
	r = volume_dup(s, name, fd, e);
	if (!r && fsync(fd) < 0)
		r = err_sys(e, errno, "%s", file);
	if (!r && link(temp, file) < 0)
		r = err_sys(e, errno, "%s", file);
	unlink(temp);
	return r;
}

static int export(void *opaque, int argc, char **argv, struct err *e)
{
	cleanup_store struct store s = STORE_INIT;
	const char *file = argc > 1 ? argv[1] : "-";
	cleanup_close int fd = -1;
	int r = store_open(&s, e);

	(void)opaque;
	proc_catch_signals();
	if (r < 0)
		return r;
	if (strcmp(file, "-"))
		return export_to(&s, argv[0], file, e);
	if (isatty(1))
		return err_set(e, EINVAL,
			       "a disk is not written to a terminal");
	fd = volume_open(&s, argv[0], O_RDONLY, e);
	return fd < 0 ? fd : volume_copy(fd, 1, e);
}

/* --- The command --------------------------------------------------------- */

#define OPTIONS(table, type)                                            \
	.options = table, .noptions = sizeof(table) / sizeof(*(table)), \
	.args_size = sizeof(type)
#define OPERANDS(min, max) .min_operands = min, .max_operands = max

static const struct cmd create_cmd = { OPTIONS(create_options,
					       struct create_args),
				       OPERANDS(1, 1), .run = create };
static const struct cmd ls_cmd = { OPTIONS(ls_options, struct ls_args),
				   OPERANDS(0, 0), .run = ls };
static const struct cmd inspect_cmd = { .args_size = 1,
					OPERANDS(1, -1),
					.run = inspect };
static const struct cmd rm_cmd = { .args_size = 1, OPERANDS(1, -1), .run = rm };
static const struct cmd resize_cmd = { .args_size = 1,
				       OPERANDS(2, 2),
				       .run = resize };
static const struct cmd snapshot_cmd = { .args_size = 1,
					 OPERANDS(2, 2),
					 .run = snapshot };
static const struct cmd import_cmd = { .args_size = 1,
				       OPERANDS(1, 2),
				       .run = import };
static const struct cmd export_cmd = { .args_size = 1,
				       OPERANDS(1, 2),
				       .run = export };

/* clang-format off */
static const struct command subcommands[] = {
	{ "volume create",   "NAME",          "make an empty volume",             "jiffy", &create_cmd },
	{ "volume ls",       "",              "list volumes",                     "jiffy", &ls_cmd },
	{ "volume inspect",  "NAME...",       "print all that is known, as JSON", "jiffy", &inspect_cmd },
	{ "volume rm",       "NAME...",       "remove volumes that nobody uses",  "jiffy", &rm_cmd },
	{ "volume resize",   "NAME SIZE",     "let a volume grow",                "jiffy", &resize_cmd },
	{ "volume snapshot", "NAME NEW-NAME", "copy a volume as it is now",       "jiffy", &snapshot_cmd },
	{ "volume import",   "NAME [FILE|-]", "make a volume of an image of a disk", "jiffy", &import_cmd },
	{ "volume export",   "NAME [FILE|-]", "write a volume as an image of a disk", "jiffy", &export_cmd },
};
/* clang-format on */

static int volume(void *opaque, int argc, char **argv, struct err *e)
{
	const size_t n = sizeof(subcommands) / sizeof(subcommands[0]);
	const size_t skip = strlen("volume ");

	(void)opaque;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(subcommands[i].name + skip, argv[0]))
			return front_run(&subcommands[i], argc, argv);
	for (size_t i = 0; i < n; i++)
		if (opt_is_near(subcommands[i].name + skip, argv[0]))
			return err_set(e, EINVAL,
				       "unknown command '%s', perhaps '%s' "
				       "(see 'jiffy volume --help')",
				       argv[0], subcommands[i].name + skip);
	return err_set(e, EINVAL,
		       "unknown command '%s' (see 'jiffy volume --help')",
		       argv[0]);
}

const struct cmd cmd_volume = {
	.args_size = 1,
	.stop_at_operand = true,
	.min_operands = 1,
	.max_operands = -1,
	.notes = "commands:\n"
		 "  create    make an empty volume\n"
		 "  ls        list volumes\n"
		 "  inspect   print all that is known, as JSON\n"
		 "  rm        remove volumes that nobody uses\n"
		 "  resize    let a volume grow\n"
		 "  snapshot  copy a volume as it is now\n"
		 "  import    make a volume of an image of a disk\n"
		 "  export    write a volume as an image of a disk\n"
		 "\n'jiffy volume COMMAND --help' tells more. A volume is used "
		 "by 'jiffy run -v NAME:/path'.\n",
	.run = volume,
};
