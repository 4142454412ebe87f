/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What boots an instance on somebody else's hypervisor, in a directory: the
 * kernel of platform `pc`, its module (a boot block, and behind it the image),
 * or the image as a disk of its own. There is no monitor then: standard input
 * and output are the serial line.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/xmalloc.h"
#include "monitor/machine.h"

#define EXPORT_CPUS 16 /* as many as the machine has, up to that */

static int put(const char *dir, const char *name, const void *bytes, size_t len,
	       int from, struct err *e)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, name);
	cleanup_close int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || (len && io_write_full(fd, bytes, len) < 0))
		return err_sys(e, errno, "%s", path);
	if (from >= 0 && io_copy_fd(from, fd, e))
		return err_wrap(e, "%s", path);
	return 0;
}

static int fill(struct instance *in, struct err *e)
{
	struct boot_block *b = in->boot;

	in->spec.ncpus = EXPORT_CPUS;
	if (boot_fill(in, e))
		return -e->code;
	b->flags &= ~(uint32_t)BOOT_HOST_CPUS;
	b->host_memory = 0;
	b->stdio_hfd[0] = b->broker_fd = b->trace_fd = -1;
	b->stdio_hfd[1] = CHANNEL_STDOUT;
	b->stdio_hfd[2] = CHANNEL_STDERR;
	return 0;
}

int export_write(struct instance *in, const char *dir, bool is_disk,
		 struct err *e)
{
	in->boot = xcalloc(1, BOOT_BLOCK_SIZE);
	in->kernel_exe_fd = -1;
	if (spec_read(in->spec_fd, &in->spec, e) || boot_open_image(in, e) ||
	    fill(in, e) || machine_open_kernel(in, e) ||
	    io_mkdirs(dir, 0755, e))
		return -e->code;
	if (put(dir, "kernel", NULL, 0, in->kernel_exe_fd, e) ||
	    put(dir, "initrd", in->boot, BOOT_BLOCK_SIZE,
		is_disk ? -1 : in->image_fd, e))
		return -e->code;
	return is_disk ? put(dir, "root.raw", NULL, 0, in->image_fd, e) : 0;
}
