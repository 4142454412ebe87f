/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running jiffy-image for a source. Its progress and errors go straight to our
 * stderr; it prints the digest.
 */
#include "cli/source.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/libexec.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "image/ref.h"

#define PREFIX "sha256:"

bool source_is(const char *operand)
{
	static const char *const schemes[] = {
#define SOURCE(scheme, arg, help) #scheme ":",
#include "image/sources.h"
#undef SOURCE
	};

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
		if (!strncmp(operand, schemes[i], strlen(schemes[i])))
			return true;
	return false;
}

static NORETURN void child(const char *path, const char *source, int out)
{
	const char *const argv[] = { "jiffy-image", "build", "--no-tag",
				     "--",	    source,  NULL };

	dup2(out, STDOUT_FILENO);
	execv(path, (char *const *)argv);
	_exit(127);
}

static int read_digest(int fd, char digest[SHA256_HEX_SIZE])
{
	char line[sizeof(PREFIX) + SHA256_HEX_SIZE] = "";

	if (io_read_full(fd, line, sizeof(line) - 1) <
	    (ssize_t)(sizeof(PREFIX) + SHA256_HEX_SIZE - 2))
		return -EIO;
	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, PREFIX, strlen(PREFIX)) != 0 ||
	    !ref_is_hex(line + strlen(PREFIX), SHA256_HEX_SIZE - 1))
		return -EIO;
	memcpy(digest, line + strlen(PREFIX), SHA256_HEX_SIZE);
	return 0;
}

int source_build(const char *source, char digest[SHA256_HEX_SIZE],
		 struct err *e)
{
	cleanup_close int reader = -1;
	cleanup_free char *path = NULL;
	int ends[2];
	int status = 0;
	pid_t pid;
	int r;

	r = libexec_find("jiffy-image", &path, e);
	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	reader = ends[0];
	/* Ctrl-C: the builder cleans up and ends, then so do we */
	signal(SIGINT, SIG_IGN);
	pid = fork();
	if (pid == 0)
		child(path, source, ends[1]);
	close(ends[1]);
	if (pid < 0)
		return err_sys(e, errno, "fork");
	r = read_digest(reader, digest);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	signal(SIGINT, SIG_DFL);
	if (status)
		return 1;
	return r < 0 ? err_set(e, EIO, "jiffy-image gave no digest") : 0;
}
