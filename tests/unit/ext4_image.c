/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ext4_image.h says, by the shell.
 */
#include "tests/unit/ext4_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/vfs/vfs.h"
#include "tests/unit/stub_log.h"
#include "tests/unit/stub_proc.h"

static char dir[] = "/tmp/ext4_test.XXXXXX";
struct stub_disk image_disk;

void assert_call(long got, long expected, const char *what, int line)
{
	if (got != expected)
		fail_msg("line %d: %s gave %ld, not %ld (%s)", line, what, got,
			 expected, stub_log_last);
}

void image_shell(const char *script)
{
	char *command;

	if (asprintf(&command, "set -e; cd %s; %s", dir, script) < 0)
		abort();
	if (system(command) != 0)
		fail_msg("shell: %s", command);
	free(command);
}

static const char *image(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/img", dir);
	return path;
}

void image_load(struct stub_disk *d)
{
	stub_disk_load(d, image());
}

void image_save(const struct stub_disk *d)
{
	stub_disk_save(d, image());
}

void image_mount(const char *options)
{
	stub_disk_load(&image_disk, image());
	OK(0, stub_ext4_mount(&image_disk.device, options));
}

void image_unmount(void)
{
	OK(0, stub_ext4_unmount());
	stub_disk_save(&image_disk, image());
	stub_disk_fini(&image_disk);
}

void image_fsck(void)
{
	image_shell("e2fsck -fn img >log 2>&1 || { cat log; false; }");
}

int image_setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir) || vfs_init())
		return -1;
	stub_proc_start();
	return 0;
}

int image_teardown(void **state)
{
	(void)state;
	stub_proc_stop();
	image_shell("rm -rf \"$PWD\"");
	return 0;
}
