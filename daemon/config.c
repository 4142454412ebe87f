/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of jiffyd, and the sockets that they name.
 */
#include "daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/json.h"
#include "host/opt.h"
#include "host/xmalloc.h"

#define FILE_MAX (1 << 20)
#define BACKLOG 128

static const struct opt options[] = {
	OPT_TEXT(0, "state", "DIR", struct config, state,
		 "the store (default: as for jiffy)"),
	OPT_LIST(0, "listen", "ADDR:PORT|unix:PATH", struct config, listen,
		 "serve the API there, too"),
	OPT_TEXT(0, "token", "T", struct config, token,
		 "the administrator's token"),
	OPT_TEXT(0, "token-file", "F", struct config, token_file,
		 "a file that holds it"),
	OPT_TEXT(0, "domain", "D", struct config, domain,
		 "services without a domain are NAME.D (default localhost)"),
	OPT_TEXT(0, "config", "FILE", struct config, file,
		 "a JSON object of these options"),
	OPT_FLAG(0, "openapi", struct config, wants_openapi,
		 "print the API's OpenAPI document"),
	OPT_FLAG(0, "version", struct config, wants_version,
		 "print the version"),
	OPT_FLAG(0, "help", struct config, wants_help, "print this"),
};

void config_help(void)
{
	printf("usage: jiffyd [OPTIONS]\n\nServes instances, services and "
	       "their API.\n\noptions:\n");
	opt_help(options, ARRAY_SIZE(options), stdout);
}

static void take_text(const json_t *o, const char *key, const char **to)
{
	if (!*to && json_has(o, key))
		*to = xstrdup(json_str_or(o, key, ""));
}

static int read_file(struct config *c, struct err *e)
{
	static const char *const keys[] = { "state",	  "listen", "token",
					    "token_file", "domain", NULL };
	cleanup_json json_t *o = NULL;

	if (json_read(AT_FDCWD, c->file, FILE_MAX, &o, e) ||
	    json_only(o, c->file, keys, e))
		return -e->code;
	take_text(o, "state", &c->state);
	take_text(o, "token", &c->token);
	take_text(o, "token_file", &c->token_file);
	take_text(o, "domain", &c->domain);
	if (c->listen.count || !json_has(o, "listen"))
		return 0;
	return json_get_strv(o, c->file, "listen", &c->listen, e);
}

/* Who lists processes is not to see it. */
static void hide_token(struct config *c)
{
	char *shown = (char *)(uintptr_t)c->token;

	if (!shown)
		return;
	c->token = xstrdup(shown);
	memset(shown, 'x', strlen(shown));
}

/* What was not given: from the environment, which programs that are started do
 * not see, or from systemd. */
static void find_token(struct config *c)
{
	const char *token = getenv("JIFFYD_TOKEN");
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char *path;

	if (c->token || c->token_file)
		return;
	if (token && *token) {
		c->token = xstrdup(token);
		return;
	}
	path = dir ? xasprintf("%s/jiffyd.token", dir) : NULL;
	if (path && !access(path, R_OK))
		c->token_file = path; /* as long as the process */
	else
		free(path);
}

int config_read(struct config *c, int argc, char **argv, struct err *e)
{
	int first = opt_parse(options, ARRAY_SIZE(options), false, argc - 1,
			      argv + 1, c, e);

	if (first < 0)
		return first;
	hide_token(c);
	if (first < argc - 1)
		return err_set(e, EINVAL, "unexpected operand '%s'",
			       argv[1 + first]);
	if (c->file && read_file(c, e))
		return -e->code;
	if (c->token && c->token_file)
		return err_set(e, EINVAL,
			       "--token and --token-file exclude each other");
	find_token(c);
	unsetenv("JIFFYD_TOKEN");
	return 0;
}

/* Remove the socket of one of ours that has ended, and nothing else. */
static int remove_old(const char *path, const struct sockaddr_un *sun,
		      struct err *e)
{
	cleanup_close int probe =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s", path);
	if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
		return err_set(e, EEXIST, "%s is there, and no socket of ours",
			       path);
	if (probe < 0 ||
	    !connect(probe, (const struct sockaddr *)sun, sizeof(*sun)) ||
	    errno != ECONNREFUSED)
		return err_set(e, EADDRINUSE, "%s is in use", path);
	return unlink(path) ? err_sys(e, errno, "%s", path) : 0;
}

static int listen_unix(const char *path, int *fd, struct err *e)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	cleanup_close int s =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t before;
	int r;

	if (strlen(path) >= sizeof(sun.sun_path))
		return err_set(e, ENAMETOOLONG, "%s: over 107 bytes", path);
	strcpy(sun.sun_path, path);
	if (remove_old(path, &sun, e))
		return -e->code;
	before = umask(0077);
	r = s < 0 ? -1 : bind(s, (struct sockaddr *)&sun, sizeof(sun));
	umask(before);
	if (r || listen(s, BACKLOG))
		return err_sys(e, errno, "%s", path);
	*fd = take_fd(&s);
	return 0;
}

static int listen_at(const struct addrinfo *a)
{
	cleanup_close int s = socket(
		a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (s < 0)
		return -errno;
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, a->ai_addr, a->ai_addrlen) || listen(s, BACKLOG))
		return -errno;
	return take_fd(&s);
}

int config_listen(const char *where, int *fd, struct err *e)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST |
						    AI_NUMERICSERV | AI_PASSIVE,
					.ai_socktype = SOCK_STREAM };
	cleanup_free char *host = NULL;
	struct addrinfo *a = NULL;
	const char *colon = strrchr(where, ':');
	size_t len;

	if (!strncmp(where, "unix:", 5))
		return listen_unix(where + 5, fd, e);
	if (!colon || colon == where)
		return err_set(e, EINVAL,
			       "--listen: '%.80s' is not ADDR:PORT or "
			       "unix:PATH",
			       where);
	len = (size_t)(colon - where);
	host = where[0] == '[' && where[len - 1] == ']'
		       ? xstrndup(where + 1, len - 2)
		       : xstrndup(where, len);
	if (getaddrinfo(host, colon + 1, &hints, &a))
		return err_set(e, EINVAL, "--listen: '%.80s' is no address",
			       where);
	*fd = listen_at(a);
	freeaddrinfo(a);
	return *fd < 0 ? err_sys(e, -*fd, "--listen %s", where) : 0;
}
