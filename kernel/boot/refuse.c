/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why the first program cannot run, in words: exit status 127 when it is not
 * there, 126 when it is and cannot run, as shells and container engines have
 * it.
 */
#include "kernel/boot/program.h"
#include "kernel/kernel.h"
#include "kernel/plat/plat.h"

void boot_refuse(int status, const char *fmt, ...)
{
	char line[400];
	va_list ap;

	va_start(ap, fmt);
	fmt_vformat(line, sizeof(line), fmt, ap);
	va_end(ap);
	plat_refuse(status, line);
}

static const char *reason(int err)
{
	switch (-err) {
	case ENOENT:
		return "not found in the image";
	case ENOTDIR:
		return "not found in the image (part of the path is no "
		       "directory)";
	case EACCES:
	case EPERM:
		return "not an executable file";
	case ENOEXEC:
		return "not a program for x86-64 Linux, nor a script";
	case ELIBBAD:
	case EINVAL:
		return "corrupt ELF file";
	case ENOMEM:
		return "no memory for its segments";
	case E2BIG:
		return "arguments and environment too long";
	case ELOOP:
		return "too many symbolic links or interpreters";
	case ENAMETOOLONG:
		return "name too long";
	case EIO:
		return "the image cannot be read there (corrupt or cut off)";
	default:
		return NULL;
	}
}

void refusal_set(struct refusal *r, int status, const char *fmt, ...)
{
	va_list ap;

	r->status = status;
	va_start(ap, fmt);
	fmt_vformat(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

void refusal_set_program(struct refusal *r, const char *path, const char *blame,
			 int err)
{
	const char *why = reason(err);
	/* The program is there if its interpreter is to blame. */
	bool is_absent = (err == -ENOENT || err == -ENOTDIR) && !blame[0];
	int status = is_absent ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN;

	if (!why)
		refusal_set(r, status, "cannot run %.150s: %s%.100s error %d",
			    path, blame[0] ? "interpreter " : "", blame, -err);
	else if (blame[0])
		refusal_set(r, status,
			    "cannot run %.150s: interpreter %.100s: %s", path,
			    blame, why);
	else
		refusal_set(r, status, "cannot run %.200s: %s", path, why);
}

void boot_refuse_program(const char *path, const char *blame, int err)
{
	struct refusal r;

	refusal_set_program(&r, path, blame, err);
	boot_refuse(r.status, "%s", r.text);
}
