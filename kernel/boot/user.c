/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user the first program runs as: "name|uid[:group|gid]", resolved through
 * the image's /etc/passwd and /etc/group as container engines do.
 */
#include "kernel/boot/boot.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/cred.h"
#include "kernel/vfs/vfs.h"

#define DATABASE_MAX (256 * 1024)
#define GROUPS_MAX 64

/* The whole file, terminated, or NULL. The caller frees it. */
static char *read_database(const char *name)
{
	struct file *f;
	char *text;
	s64 n;

	if (path_open(-100, name, O_RDONLY, 0, LOOKUP_FOLLOW, &f))
		return NULL;
	text = kmalloc(DATABASE_MAX);
	n = text ? file_read_kernel(f, text, DATABASE_MAX - 1, 0) : -ENOMEM;
	file_put(f);
	if (n < 0) {
		kfree(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

/* Field i (from 0) of a line of fields between colons: its length. */
static size_t field(const char *line, int i, const char **start)
{
	size_t n = 0;

	for (; i > 0; line++) {
		if (*line == ':')
			i--;
		else if (*line == '\n' || *line == '\0')
			break;
	}
	*start = line;
	while (line[n] && line[n] != ':' && line[n] != '\n')
		n++;
	return n;
}

static bool field_is(const char *line, int i, const char *s, size_t n)
{
	const char *start;

	return field(line, i, &start) == n && !strncmp(start, s, n);
}

static bool field_number(const char *line, int i, u32 *value)
{
	const char *start;
	size_t n = field(line, i, &start);
	u64 v;

	if (str_to_u64(start, n, 10, &v) || v >= UINT32_MAX)
		return false;
	*value = (u32)v;
	return true;
}

static const char *next_line(const char *line)
{
	line = strchr(line, '\n');
	return line && line[1] ? line + 1 : NULL;
}

/* The line whose field 0 or 2 is the word, or NULL. */
static const char *find_line(const char *text, const char *word, size_t n)
{
	for (const char *l = text; l; l = next_line(l)) {
		if (field_is(l, 0, word, n))
			return l;
	}
	for (const char *l = text; l; l = next_line(l)) {
		if (field_is(l, 2, word, n))
			return l;
	}
	return NULL;
}

/* Is the name among the members (field 3) of a line of /etc/group? */
static bool has_member(const char *line, const char *name, size_t n)
{
	const char *p, *end;
	size_t len = field(line, 3, &p);

	for (end = p + len; p < end;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		size_t m = (size_t)((comma ? comma : end) - p);

		if (m == n && !strncmp(p, name, n))
			return true;
		p += m + 1;
	}
	return false;
}

/* Supplementary groups of the user named in the passwd line. */
static int add_groups(struct cred *c, const char *groups, const char *user)
{
	const char *name;
	size_t n = field(user, 0, &name);
	u32 *list = kmalloc(GROUPS_MAX * sizeof(u32));
	u32 count = 0;

	if (!list)
		return -ENOMEM;
	for (const char *l = groups; l && count < GROUPS_MAX;
	     l = next_line(l)) {
		if (has_member(l, name, n) && field_number(l, 2, &list[count]))
			count++;
	}
	if (!count) {
		kfree(list);
		return 0;
	}
	cred_sort_groups(list, count);
	c->groups = list;
	c->ngroups = count;
	return 0;
}

struct ids {
	u32 uid, gid;
	const char *line; /* of /etc/passwd, or NULL */
};

static int find_ids(const char *passwd, const char *groups, const char *name,
		    struct ids *ids)
{
	const char *colon = strchr(name, ':');
	size_t n = colon ? (size_t)(colon - name) : strlen(name);
	const char *line = passwd ? find_line(passwd, name, n) : NULL;
	u64 v;

	*ids = (struct ids){ 0, 0, line };
	if (line) {
		if (!field_number(line, 2, &ids->uid) ||
		    !field_number(line, 3, &ids->gid))
			return -EINVAL;
	} else {
		if (str_to_u64(name, n, 10, &v) || v >= UINT32_MAX)
			return -ENOENT;
		ids->uid = (u32)v;
	}
	if (!colon)
		return 0;
	name = colon + 1;
	line = groups ? find_line(groups, name, strlen(name)) : NULL;
	if (line)
		return field_number(line, 2, &ids->gid) ? 0 : -EINVAL;
	if (str_to_u64(name, strlen(name), 10, &v) || v >= UINT32_MAX)
		return -ENOENT;
	ids->gid = (u32)v;
	return 0;
}

static int become(const struct ids *ids, const char *groups, bool is_exact)
{
	struct cred *c = cred_copy(cred_current());
	const struct cred *old = cred_current();

	if (!c)
		return -ENOMEM;
	c->uid = c->euid = c->suid = c->fsuid = ids->uid;
	c->gid = c->egid = c->sgid = c->fsgid = ids->gid;
	/* A group that was named replaces the user's list. */
	if (ids->line && groups && !is_exact &&
	    add_groups(c, groups, ids->line)) {
		cred_put(c);
		return -ENOMEM;
	}
	cred_fix_caps(c, old);
	cred_install(c);
	return 0;
}

static char *home_variable(const char *line)
{
	const char *dir = "/";
	size_t n = line ? field(line, 5, &dir) : 1;
	char *v;

	if (n == 0) {
		dir = "/";
		n = 1;
	}
	v = kmalloc(n + 6);
	if (v)
		fmt_format(v, n + 6, "HOME=%.*s", (int)n, dir);
	return v;
}

int boot_set_user(const char *name, char **home)
{
	char *passwd, *groups;
	struct ids ids;
	int err;

	*home = NULL;
	if (!name[0])
		return 0;
	passwd = read_database("/etc/passwd");
	groups = read_database("/etc/group");
	err = find_ids(passwd, groups, name, &ids);
	if (!err)
		err = become(&ids, groups, strchr(name, ':') != NULL);
	if (!err)
		*home = home_variable(ids.line);
	kfree(passwd);
	kfree(groups);
	return err;
}
