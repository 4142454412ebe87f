/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to apt: its files are read, its programs asked, nothing changed.
 */
#include "image/apt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/proc.h"
#include "host/xmalloc.h"
#include "image/progress.h"

#define LISTS "/var/lib/apt/lists"
#define SOURCES "/etc/apt/sources.list"
#define SOURCES_DIR "/etc/apt/sources.list.d"
#define OUTPUT_MAX (16 << 20)

static void on_line(void *context, const char *line)
{
	(void)context;
	(void)line;
	progress_tick();
}

static bool ends_with(const char *s, const char *end)
{
	size_t len = strlen(s);

	return len >= strlen(end) && !strcmp(s + len - strlen(end), end);
}

static bool is_source_file(const char *name)
{
	return name[0] != '.' &&
	       (ends_with(name, ".list") || ends_with(name, ".sources"));
}

static bool is_list(const char *name)
{
	return ends_with(name, "Release") || strstr(name, "_Packages");
}

/* Sorted paths of the files in dir that wanted() accepts. */
static void list_files(const char *path, bool (*wanted)(const char *),
		       struct strv *files)
{
	cleanup_strv struct strv found = STRV_INIT;
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (wanted(d->d_name))
			strv_addf(&found, "%s/%s", path, d->d_name);
	strv_sort(&found);
	strv_add_all(files, &found);
}

int apt_source_files(struct strv *files, struct err *e)
{
	struct stat st;

	if (stat(SOURCES, &st) == 0 && st.st_size > 0)
		strv_add(files, SOURCES);
	list_files(SOURCES_DIR, is_source_file, files);
	if (!files->count)
		return err_set(e, ENOENT, "no package sources in /etc/apt");
	return 0;
}

char *apt_suite(void)
{
	static const char key[] = "\nVERSION_CODENAME=";
	cleanup_free char *text = NULL;
	char *value;

	if (io_read_file(AT_FDCWD, "/etc/os-release", 1 << 16, &text, NULL,
			 NULL) < 0)
		return xstrdup("stable");
	value = strstr(text, key);
	if (!value)
		return xstrdup("stable");
	value += sizeof(key) - 1;
	value += *value == '"';
	return xstrndup(value, strcspn(value, "\"\n"));
}

static bool is_wanted_option(const char *line)
{
	static const char *const wanted[] = {
		"Acquire::http::",  "Acquire::https::",	  "Acquire::ftp::",
		"Acquire::Retries", "Acquire::Check-",	  "Acquire::ForceIPv",
		"Acquire::By-Hash", "Acquire::Languages",
	};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!strncmp(line, wanted[i], strlen(wanted[i])))
			return true;
	return false;
}

int apt_acquire_options(struct strv *lines, struct err *e)
{
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_strv struct strv all = STRV_INIT;
	cleanup_free char *output = NULL;
	struct proc p = { .argv = &argv,
			  .output = &output,
			  .output_limit = OUTPUT_MAX };
	int r;

	strv_add(&argv, "apt-config");
	strv_add(&argv, "dump");
	r = proc_run(&p, e);
	if (r)
		return r < 0 ? r : -e->code;
	strv_split(&all, output, '\n');
	for (size_t i = 0; i < all.count; i++)
		if (is_wanted_option(all.items[i]) &&
		    !strstr(all.items[i], " \"\";"))
			strv_add(lines, all.items[i]);
	return 0;
}

static void hash_files(const struct strv *files, struct sha256 *h)
{
	for (size_t i = 0; i < files->count; i++) {
		const char *path = files->items[i];
		struct stat st;
		int64_t facts[3];

		if (stat(path, &st) < 0)
			continue;
		facts[0] = st.st_size;
		facts[1] = st.st_mtim.tv_sec;
		facts[2] = st.st_mtim.tv_nsec;
		sha256_add(h, path, strlen(path) + 1);
		sha256_add(h, facts, sizeof(facts));
	}
}

int apt_fingerprint(struct sha256 *h, struct err *e)
{
	cleanup_strv struct strv files = STRV_INIT;
	cleanup_strv struct strv lists = STRV_INIT;
	int r;

	r = apt_source_files(&files, e);
	if (r < 0)
		return r;
	list_files(LISTS, is_list, &lists);
	if (!lists.count)
		return 1;
	list_files("/etc/apt/preferences.d", is_source_file, &files);
	strv_add(&files, "/etc/apt/preferences");
	hash_files(&files, h);
	hash_files(&lists, h);
	return 0;
}

/* "Inst NAME (VERSION …": keep what stands before the first space in the
 * parentheses, and nothing of other lines. */
static void hash_install_lines(const char *output, struct sha256 *h)
{
	cleanup_strv struct strv lines = STRV_INIT;
	cleanup_strv struct strv kept = STRV_INIT;

	strv_split(&lines, output, '\n');
	for (size_t i = 0; i < lines.count; i++) {
		const char *name = lines.items[i] + 5;
		const char *paren;
		size_t len;

		if (strncmp(lines.items[i], "Inst ", 5) != 0)
			continue;
		paren = strchr(name, '(');
		len = paren ? (size_t)(paren - name) + strcspn(paren, " )")
			    : strlen(name);
		strv_addf(&kept, "%.*s", (int)len, name);
	}
	strv_sort(&kept);
	for (size_t i = 0; i < kept.count; i++)
		sha256_add(h, kept.items[i], strlen(kept.items[i]) + 1);
}

int apt_versions(const struct strv *packages, struct sha256 *h, struct err *e)
{
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_strv struct strv env = STRV_INIT;
	cleanup_free char *output = NULL;
	struct proc p = { .argv = &argv,
			  .env = &env,
			  .output = &output,
			  .output_limit = OUTPUT_MAX,
			  .on_line = on_line };
	int r;

	progress_step("asking apt for versions");
	strv_add(&env, "LC_ALL=C.UTF-8");
	strv_add(&argv, "apt-get");
	strv_add(&argv, "--simulate");
	strv_add(&argv, "-oDir::State::status=/dev/null");
	strv_add(&argv, "-oAPT::Install-Recommends=false");
	strv_add(&argv, "-oDebug::NoLocking=true");
	strv_add(&argv, "install");
	strv_add(&argv, "?essential");
	strv_add_all(&argv, packages);
	r = proc_run(&p, e);
	if (r)
		return r < 0 ? r : -e->code;
	hash_install_lines(output, h);
	return 0;
}
