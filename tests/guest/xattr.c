// SPDX-License-Identifier: Apache-2.0
/* Extended attributes: by name, by name of a link, by descriptor. */
#include "tap.h"

#include <sys/xattr.h>

static char value[70000];

/* Is `name` one of the n bytes of names in list? */
static bool has_name(const char *list, ssize_t n, const char *name)
{
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(list + at) + 1)
		if (!strcmp(list + at, name))
			return true;
	return false;
}

static void check_name(void)
{
	char list[512];
	ssize_t n;

	tap_group("by name");
	is_errno(getxattr("f", "user.a", value, 100), ENODATA, "none");
	is_int(setxattr("f", "user.a", "hello", 5, 0), 0, "setxattr");
	is_int(getxattr("f", "user.a", value, 100), 5, "getxattr");
	ok(!memcmp(value, "hello", 5), "the same bytes");
	is_int(getxattr("f", "user.a", NULL, 0), 5, "only its size");
	is_errno(getxattr("f", "user.a", value, 4), ERANGE, "too small");
	is_errno(setxattr("f", "user.a", "x", 1, XATTR_CREATE), EEXIST,
		 "XATTR_CREATE");
	is_errno(setxattr("f", "user.b", "x", 1, XATTR_REPLACE), ENODATA,
		 "XATTR_REPLACE");
	is_int(setxattr("f", "user.a", "bye", 3, XATTR_REPLACE), 0, "replaced");
	is_int(getxattr("f", "user.a", value, 100), 3, "shorter");
	is_int(setxattr("f", "user.empty", "", 0, XATTR_CREATE), 0, "empty");
	is_int(getxattr("f", "user.empty", value, 100), 0, "no bytes");
	n = listxattr("f", list, sizeof(list));
	ok(n > 0 && has_name(list, n, "user.a") &&
		   has_name(list, n, "user.empty"),
	   "listxattr");
	is_int(listxattr("f", NULL, 0), n, "only its size");
	is_errno(listxattr("f", list, 3), ERANGE, "a list too small");
	is_int(removexattr("f", "user.empty"), 0, "removexattr");
	is_errno(removexattr("f", "user.empty"), ENODATA, "once");
	n = listxattr("f", list, sizeof(list));
	ok(!has_name(list, n, "user.empty"), "not listed any more");
	is_int(setxattr("d", "user.dir", "d", 1, 0), 0, "on a directory");
	is_int(getxattr("d", "user.dir", value, 10), 1, "read back");
}

static void check_link(void)
{
	char list[512];
	ssize_t n;

	tap_group("by name of a link");
	is_int(getxattr("l", "user.a", value, 100), 3, "getxattr follows");
	is_errno(lgetxattr("l", "user.a", value, 100), ENODATA,
		 "lgetxattr does not");
	is_errno(lsetxattr("l", "user.a", "x", 1, 0), EPERM,
		 "no user names on a link");
	is_errno(lremovexattr("l", "user.a"), EPERM, "nor removed");
	is_int(lsetxattr("f", "user.l", "link", 4, 0), 0, "lsetxattr");
	is_int(lgetxattr("f", "user.l", value, 100), 4, "lgetxattr");
	n = llistxattr("f", list, sizeof(list));
	ok(n > 0 && has_name(list, n, "user.l"), "llistxattr");
	n = llistxattr("l", list, sizeof(list));
	ok(n >= 0 && !has_name(list, n, "user.a"), "llistxattr of a link");
	is_int(lremovexattr("f", "user.l"), 0, "lremovexattr");
}

static void check_fd(void)
{
	int fd = open("f", O_RDONLY), path = open("f", O_PATH);
	char list[512];
	ssize_t n;

	tap_group("by descriptor");
	is_int(fsetxattr(fd, "user.f", "fd", 2, 0), 0, "fsetxattr");
	is_int(fgetxattr(fd, "user.f", value, 100), 2, "fgetxattr");
	n = flistxattr(fd, list, sizeof(list));
	ok(n > 0 && has_name(list, n, "user.f"), "flistxattr");
	is_int(fremovexattr(fd, "user.f"), 0, "fremovexattr");
	is_errno(fgetxattr(fd, "user.f", value, 100), ENODATA, "gone");
	is_errno(fgetxattr(path, "user.a", value, 100), EBADF, "O_PATH get");
	is_errno(fsetxattr(path, "user.a", "x", 1, 0), EBADF, "O_PATH set");
	is_errno(flistxattr(path, list, 100), EBADF, "O_PATH list");
	is_errno(fremovexattr(path, "user.a"), EBADF, "O_PATH remove");
	is_errno(fgetxattr(-1, "user.a", value, 1), EBADF, "get of -1");
	is_errno(fsetxattr(-1, "user.a", "x", 1, 0), EBADF, "set of -1");
	is_errno(flistxattr(-1, list, 1), EBADF, "list of -1");
	is_errno(fremovexattr(-1, "user.a"), EBADF, "remove of -1");
	close(fd);
	close(path);
}

static void check_hostile(void)
{
	char name[300];

	tap_group("bad arguments");
	memset(name, 'n', sizeof(name));
	memcpy(name, "user.", 5);
	name[255] = '\0';
	is_int(setxattr("f", name, "x", 1, 0), 0, "a name of 255");
	is_int(removexattr("f", name), 0, "removed");
	name[255] = 'n';
	name[256] = '\0';
	is_errno(setxattr("f", name, "x", 1, 0), ERANGE, "a name of 256");
	is_errno(getxattr("f", name, value, 1), ERANGE, "not to get");
	is_errno(removexattr("f", name), ERANGE, "nor to remove");
	is_errno(setxattr("f", "", "x", 1, 0), ERANGE, "an empty name");
	is_errno(setxattr("f", "user.", "x", 1, 0), EINVAL, "only a prefix");
	is_errno(setxattr("f", "none.a", "x", 1, 0), EOPNOTSUPP,
		 "an unknown prefix");
	is_errno(getxattr("f", "none.a", value, 1), EOPNOTSUPP, "to get");
	is_errno(setxattr("f", "user.a", "x", 1, 4), EINVAL, "a bad flag");
	is_errno(setxattr("f", "user.a", value, 65537, 0), E2BIG,
		 "a value of 64 KiB and 1");
	is_errno(setxattr("none", "user.a", "x", 1, 0), ENOENT, "no file");
	is_errno(getxattr("f/x", "user.a", value, 1), ENOTDIR, "no directory");
	is_errno(listxattr("", value, 1), ENOENT, "an empty path");
	is_efault(syscall(SYS_setxattr, bp, "user.a", "x", 1, 0),
		  "setxattr: the path");
	is_efault(syscall(SYS_setxattr, "f", bp, "x", 1, 0),
		  "setxattr: the name");
	is_efault(syscall(SYS_setxattr, "f", "user.a", bp, 1, 0),
		  "setxattr: the value");
	is_efault(syscall(SYS_getxattr, "f", bp, value, 1),
		  "getxattr: the name");
	is_efault(syscall(SYS_getxattr, "f", "user.a", bp, 100),
		  "getxattr: the value");
	is_efault(syscall(SYS_listxattr, "f", bp, 100), "listxattr");
	is_efault(syscall(SYS_removexattr, "f", bp), "removexattr");
}

static int as_user(void)
{
	char list[512];
	ssize_t n;

	if (setxattr("f", "user.a", "x", 1, 0) == 0 || errno != EACCES)
		return 1;
	if (getxattr("f", "user.a", value, 10) != 3)
		return 2;
	if (setxattr("f", "trusted.t", "x", 1, 0) == 0 || errno != EPERM)
		return 3;
	if (getxattr("f", "trusted.t", value, 1) >= 0 || errno != ENODATA)
		return 4;
	n = listxattr("f", list, sizeof(list));
	if (n < 0 || has_name(list, n, "trusted.t"))
		return 5;
	return removexattr("f", "user.a") < 0 && errno == EACCES ? 0 : 6;
}

static void check_rights(void)
{
	tap_group("rights");
	chmod(".", 0755);
	is_int(setxattr("f", "trusted.t", "x", 1, 0), 0, "root sets trusted.*");
	is_int(getxattr("f", "trusted.t", value, 10), 1, "and gets it");
	is_int(tap_user_child(as_user), 0, "others may not");
}

int main(void)
{
	tap_start();
	tap_dir();
	close(open("f", O_CREAT | O_WRONLY, 0644));
	(void)!mkdir("d", 0755);
	(void)!symlink("f", "l");
	check_name();
	check_link();
	check_fd();
	check_hostile();
	check_rights();
	return tap_done();
}
