/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/{mounts,mountinfo,mountstats}: the mounts below the reader's root.
 */
#include "kernel/fs/procfs_int.h"
#include "kernel/linux/mount.h"
#include "kernel/vfs/vfs.h"

#define ESCAPED " \t\n\\#"

static void put_flags(struct fmt_buf *out, u32 flags)
{
	static const struct {
		u32 flag;
		const char *name;
	} names[] = {
		{ LINUX_MS_NOSUID, ",nosuid" },
		{ LINUX_MS_NODEV, ",nodev" },
		{ LINUX_MS_NOEXEC, ",noexec" },
		{ LINUX_MS_NOATIME, ",noatime" },
		{ LINUX_MS_NODIRATIME, ",nodiratime" },
	};

	fmt_buf_add(out, (flags & LINUX_MS_RDONLY) ? "ro" : "rw");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].flag)
			fmt_buf_add(out, "%s", names[i].name);
	if (!(flags & LINUX_MS_NOATIME))
		fmt_buf_add(out, ",relatime");
}

static void put_escaped(struct fmt_buf *out, const char *text)
{
	for (; *text; text++) {
		if (strchr(ESCAPED, *text))
			fmt_buf_add(out, "\\%03o", (u8)*text);
		else
			fmt_buf_put(out, text, 1);
	}
}

static void put_mountpoint(struct fmt_buf *out, struct mount *m)
{
	struct path at = { .mount = m, .dentry = m->root };

	procfs_put_path(out, &at, ESCAPED, "/");
}

static void put_mount(struct fmt_buf *out, struct mount *m)
{
	put_escaped(out, m->source ? m->source : m->fs->type->name);
	fmt_buf_add(out, " ");
	put_mountpoint(out, m);
	fmt_buf_add(out, " %s ", m->fs->type->name);
	put_flags(out, m->flags);
	fmt_buf_add(out, " 0 0\n");
}

/* Path of the mount's root inside its filesystem: "/" but for bind mounts. */
static void put_inner_root(struct fmt_buf *out, struct mount *m)
{
	const struct dentry *names[32];
	size_t n = 0;

	for (const struct dentry *d = m->root;
	     d->parent && n < ARRAY_SIZE(names); d = d->parent)
		names[n++] = d;
	if (n == 0)
		fmt_buf_add(out, "/");
	while (n > 0) {
		fmt_buf_add(out, "/");
		put_escaped(out, names[--n]->name);
	}
}

static void put_mountinfo(struct fmt_buf *out, struct mount *m)
{
	u32 dev = m->fs->dev;

	fmt_buf_add(out, "%u %u %u:%u ", m->id, m->parent ? m->parent->id : 0,
		    (dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00));
	put_inner_root(out, m);
	fmt_buf_add(out, " ");
	put_mountpoint(out, m);
	fmt_buf_add(out, " ");
	put_flags(out, m->flags);
	fmt_buf_add(out, " - %s ", m->fs->type->name);
	put_escaped(out, m->source ? m->source : m->fs->type->name);
	fmt_buf_add(out, m->fs->is_readonly ? " ro\n" : " rw\n");
}

static void put_mountstats(struct fmt_buf *out, struct mount *m)
{
	fmt_buf_add(out, "device ");
	put_escaped(out, m->source ? m->source : m->fs->type->name);
	fmt_buf_add(out, " mounted on ");
	put_mountpoint(out, m);
	fmt_buf_add(out, " with fstype %s\n", m->fs->type->name);
}

static int show_all(struct fmt_buf *out,
		    void (*put)(struct fmt_buf *out, struct mount *m))
{
	for (struct mount *m = mount_next(NULL); m; m = mount_next(m))
		put(out, m);
	return 0;
}

int procfs_show_mounts(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	return show_all(out, put_mount);
}

int procfs_show_mountinfo(struct fmt_buf *out,
			  UNUSED const struct pseudo_node *n)
{
	return show_all(out, put_mountinfo);
}

int procfs_show_mountstats(struct fmt_buf *out,
			   UNUSED const struct pseudo_node *n)
{
	return show_all(out, put_mountstats);
}
