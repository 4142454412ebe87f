/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups, in directories that look like those of the host: versions 1
 * and 2 and both, delegated or not, and the texts that are written there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cgroup.h"
#include "host/cleanup.h"
#include "host/io.h"

#define ALL (1u << CGROUP_CPU | 1u << CGROUP_MEMORY | 1u << CGROUP_PIDS)
#define NAME CGROUP_PREFIX "7"

static char root[64];

static int begin(void **state)
{
	(void)state;
	strcpy(root, "/tmp/jiffy-cgroup-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return io_remove_tree(AT_FDCWD, root, &e);
}

static void path_of(char path[256], const char *name)
{
	assert_true(snprintf(path, 256, "%s/%s", root, name) < 256);
}

/* A file, and the directories it is in. */
static void put(const char *name, const char *text)
{
	char path[256], *slash;
	struct err e = ERR_INIT;
	cleanup_close int fd = -1;

	path_of(path, name);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(io_mkdirs(path, 0755, &e), 0);
	*slash = '/';
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void assert_text(const char *name, const char *text)
{
	char path[256];
	struct err e = ERR_INIT;
	cleanup_free char *found = NULL;

	path_of(path, name);
	assert_int_equal(io_read_file(AT_FDCWD, path, 4096, &found, NULL, &e),
			 0);
	assert_string_equal(found, text);
}

static bool exists(const char *name)
{
	char path[256];

	path_of(path, name);
	return access(path, F_OK) == 0;
}

static void limit(struct cgroup *g)
{
	const struct cgroup_limits limits = { .memory_bytes = 1 << 20,
					      .cpus = 2,
					      .pids = 99 };

	cgroup_limit(g, &limits);
}

static void version_1(void **state)
{
	static const char membership[] = "4:name=systemd:/x\n"
					 "3:cpu,cpuacct:/a\n"
					 "2:memory:/b/c\n"
					 "1:pids:/\n"
					 "0::/\n";
	struct cgroup g;

	(void)state;
	put("cpu/a/" NAME "/tasks", "");
	put("cpu/a/" NAME "/cpu.cfs_quota_us", "");
	put("memory/b/c/" NAME "/tasks", "");
	put("memory/b/c/" NAME "/memory.limit_in_bytes", "");
	put("memory/b/c/" NAME "/memory.oom_control", "oom_kill 0\n");
	put("pids/" NAME "/tasks", "");
	put("pids/" NAME "/pids.max", "");
	cgroup_make(&g, root, membership, NAME, ALL);
	assert_string_equal(g.why, "");
	assert_int_equal(g.controllers, ALL);
	assert_int_equal(g.nplaces, 3);
	assert_int_equal(cgroup_unified_fd(&g), -1);
	assert_int_equal(cgroup_join(&g, 1u << CGROUP_PIDS, false), 0);
	assert_text("cpu/a/" NAME "/tasks", "");
	assert_text("pids/" NAME "/tasks", "0");
	assert_int_equal(cgroup_join(&g, 1u << CGROUP_CPU, false), 0);
	assert_text("cpu/a/" NAME "/tasks", "0");
	assert_text("pids/" NAME "/tasks", "0");
	limit(&g);
	assert_int_equal(g.limits, ALL);
	assert_text("cpu/a/" NAME "/cpu.cfs_quota_us", "200000");
	assert_text("memory/b/c/" NAME "/memory.limit_in_bytes", "1048576");
	assert_text("pids/" NAME "/pids.max", "99");
	assert_false(cgroup_has_killed(&g));
	put("memory/b/c/" NAME "/memory.oom_control",
	    "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
	assert_true(cgroup_has_killed(&g));
	cgroup_remove(&g);
}

static void version_2(void **state)
{
	struct cgroup g;

	(void)state;
	put("cgroup.procs", "1\n");
	put("unit/cgroup.controllers", "cpuset cpu io memory pids\n");
	put("unit/cgroup.subtree_control", "memory pids cpu\n");
	put("unit/" NAME "/cgroup.procs", "");
	put("unit/" NAME "/cpu.max", "");
	put("unit/" NAME "/memory.max", "");
	put("unit/" NAME "/pids.max", "");
	put("unit/" NAME "/memory.events", "oom 3\noom_kill 0\n");
	cgroup_make(&g, root, "0::/unit\n", NAME, ALL);
	assert_string_equal(g.why, "");
	assert_int_equal(g.nplaces, 1);
	assert_true(cgroup_unified_fd(&g) >= 0);
	assert_int_equal(cgroup_join(&g, ALL, false), 0);
	assert_text("unit/" NAME "/cgroup.procs", "");
	assert_int_equal(cgroup_join(&g, ALL, true), 0);
	assert_text("unit/" NAME "/cgroup.procs", "0");
	limit(&g);
	assert_int_equal(g.limits, ALL);
	assert_text("unit/" NAME "/cpu.max", "200000 100000");
	assert_text("unit/" NAME "/memory.max", "1048576");
	assert_false(cgroup_has_killed(&g));
	put("unit/" NAME "/memory.events", "oom 3\noom_kill 2\n");
	assert_true(cgroup_has_killed(&g));
	cgroup_remove(&g);
}

/* We are in the leaf: groups are beside it. Controllers that are not there yet
 * are asked for, one by one. */
static void version_2_from_the_leaf(void **state)
{
	struct cgroup g;

	(void)state;
	put("cgroup.procs", "1\n");
	put("unit/cgroup.controllers", "memory pids\n");
	put("unit/cgroup.subtree_control", "pids\n");
	put("unit/jiffy.programs/cgroup.procs", "1\n");
	put("unit/" NAME "/cgroup.procs", "");
	cgroup_make(&g, root, "0::/unit/jiffy.programs\n", NAME, ALL);
	assert_int_equal(g.controllers,
			 1u << CGROUP_MEMORY | 1u << CGROUP_PIDS);
	assert_true(strlen(g.why) > 0); /* no cpu */
	assert_text("unit/cgroup.subtree_control", "+memory");
	cgroup_remove(&g);
}

/* Others are where the groups would be: nothing is changed there. */
static void version_2_among_others(void **state)
{
	struct cgroup g;

	(void)state;
	put("cgroup.procs", "1\n");
	put("unit/cgroup.type", "domain\n");
	put("unit/cgroup.procs", "1\n2\n");
	put("unit/cgroup.controllers", "cpu memory pids\n");
	put("unit/cgroup.subtree_control", "\n");
	cgroup_make(&g, root, "0::/unit\n", NAME, ALL);
	assert_int_equal(g.nplaces, 0);
	assert_true(strlen(g.why) > 0);
	assert_text("unit/cgroup.subtree_control", "\n");
	assert_false(exists("unit/jiffy.programs"));
	cgroup_remove(&g);
}

/* Version 1, and version 2 with what is left. */
static void both(void **state)
{
	struct cgroup g;

	(void)state;
	put("cpu/tasks", "");
	put("cpu/" NAME "/tasks", "");
	put("unified/cgroup.controllers", "memory\n");
	put("unified/cgroup.subtree_control", "memory\n");
	put("unified/" NAME "/cgroup.procs", "");
	cgroup_make(&g, root, "1:cpu:/\n0::/\n", NAME,
		    1u << CGROUP_CPU | 1u << CGROUP_MEMORY);
	assert_string_equal(g.why, "");
	assert_int_equal(g.nplaces, 2);
	limit(&g); /* the files are missing */
	assert_int_equal(g.limits, 0);
	assert_true(strlen(g.why) > 0);
	cgroup_remove(&g);
}

/* Made and removed; what cannot be had is no failure. */
static void as_far_as_it_goes(void **state)
{
	struct cgroup g;

	(void)state;
	put("memory/tasks", "");
	cgroup_make(&g, root, "1:memory:/\n", NAME, ALL);
	assert_int_equal(g.controllers, 0); /* no list to join by */
	assert_true(strlen(g.why) > 0);
	assert_false(exists("memory/" NAME));
	cgroup_remove(&g);
	cgroup_make(&g, root, "", NAME, ALL);
	assert_int_equal(g.nplaces, 0);
	assert_true(strlen(g.why) > 0);
	assert_int_equal(cgroup_join(&g, ALL, true), 0);
	cgroup_remove(&g);
	cgroup_make(&g, root, "nonsense\n:\n::\n1:memory\n0::", NAME, ALL);
	assert_int_equal(g.nplaces, 0);
	cgroup_remove(&g);
}

/* Whoever removes by a path from a file removes nothing but what is ours. */
static void others_stay(void **state)
{
	char path[256];

	(void)state;
	put("a/b", "");
	put(NAME "/x", "");
	path_of(path, "a");
	cgroup_remove_path(path);
	path_of(path, NAME);
	cgroup_remove_path(path);
	assert_true(exists("a") && exists(NAME "/x"));
	path_of(path, NAME "/x");
	assert_int_equal(unlink(path), 0);
	path_of(path, NAME);
	cgroup_remove_path(path);
	assert_false(exists(NAME));
	cgroup_remove_path("");
	/* Beside it: of a process that is gone, and of one that is not. */
	put(CGROUP_PREFIX "999999999/x", "");
	put(CGROUP_PREFIX "1/x", "");
	path_of(path, CGROUP_PREFIX "999999999/x");
	assert_int_equal(unlink(path), 0);
	path_of(path, CGROUP_PREFIX "1/x");
	assert_int_equal(unlink(path), 0);
	path_of(path, NAME);
	cgroup_remove_path(path);
	assert_false(exists(CGROUP_PREFIX "999999999"));
	assert_true(exists(CGROUP_PREFIX "1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(version_1, begin, end),
		cmocka_unit_test_setup_teardown(version_2, begin, end),
		cmocka_unit_test_setup_teardown(version_2_from_the_leaf, begin,
						end),
		cmocka_unit_test_setup_teardown(version_2_among_others, begin,
						end),
		cmocka_unit_test_setup_teardown(both, begin, end),
		cmocka_unit_test_setup_teardown(as_far_as_it_goes, begin, end),
		cmocka_unit_test_setup_teardown(others_stay, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
