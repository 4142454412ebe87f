/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy top: the processes in a running instance, as its /proc has them. What
 * is read there is whatever a guest may have made of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/table.h"
#include "engine/guest_files.h"
#include "engine/units.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/xmalloc.h"

#define TICK_MS 10 /* of /proc/PID/stat */
#define PAGE_BYTES 4096
#define TEXT_MAX 4096

struct top_args {
	const char *output;
};

static const struct opt top_options[] = {
	OPT_TEXT('o', "output", "FORMAT", struct top_args, output,
		 "table or json"),
};

struct process {
	long pid, ppid;
	char state;
	unsigned long long cpu_ms, rss_bytes;
	uint32_t uid;
	char command[TEXT_MAX];
};

struct top {
	struct guest_files *g;
	struct strv *cells;
	json_t *rows;
};

/* A file of process pid, terminated: its length, 0 if it has gone. */
static size_t read_text(struct guest_files *g, const char *pid,
			const char *name, char text[TEXT_MAX])
{
	cleanup_free char *path = xasprintf("/proc/%s/%s", pid, name);
	struct err e = ERR_INIT;
	ssize_t n;

	n = guest_open(g, path, 0, 0, &e)
		    ? 0
		    : guest_read(g, 0, text, TEXT_MAX - 1, &e);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* "PID (NAME) STATE PPID ...", where NAME may be anything. */
static bool parse_stat(char *text, struct process *p)
{
	unsigned long long user, system;
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	long rss;

	if (!open || !close || close < open ||
	    sscanf(close + 1,
		   " %c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu "
		   "%*d %*d %*d %*d %*d %*d %*u %*u %ld",
		   &p->state, &p->ppid, &user, &system, &rss) != 5)
		return false;
	p->cpu_ms = (user + system) * TICK_MS;
	p->rss_bytes = rss > 0 ? (unsigned long long)rss * PAGE_BYTES : 0;
	*close = '\0';
	snprintf(p->command, sizeof(p->command), "[%s]", open + 1);
	return true;
}

/* Arguments in one line that a terminal can be shown. */
static void take_command(struct process *p, const char *text, size_t len)
{
	if (len) {
		while (len > 1 && !text[len - 1])
			len--;
		memcpy(p->command, text, len);
		p->command[len] = '\0';
	}
	for (size_t i = 0; i < (len ? len : strlen(p->command)); i++) {
		if (!p->command[i])
			p->command[i] = ' ';
		else if (p->command[i] < ' ' || p->command[i] > '~')
			p->command[i] = '?';
	}
}

static void add(const struct top *t, const struct process *p)
{
	strv_addf(t->cells, "%ld", p->pid);
	strv_addf(t->cells, "%ld", p->ppid);
	strv_addf(t->cells, "%u", p->uid);
	strv_addf(t->cells, "%c", p->state);
	strv_addf(t->cells, "%llu.%02llu", p->cpu_ms / 1000,
		  p->cpu_ms / 10 % 100);
	strv_addf(t->cells, "%lluK", p->rss_bytes / 1024);
	strv_add(t->cells, p->command);
	json_array_append_new(t->rows,
			      json_pack("{s:I,s:I,s:I,s:o,s:I,s:I,s:o}", "pid",
					(json_int_t)p->pid, "ppid",
					(json_int_t)p->ppid, "uid",
					(json_int_t)p->uid, "state",
					json_stringn(&p->state, 1), "cpu_ms",
					(json_int_t)p->cpu_ms, "rss_bytes",
					(json_int_t)p->rss_bytes, "command",
					json_text(p->command)));
}

static int add_process(void *arg, const char *name, uint32_t type,
		       struct err *e)
{
	struct top *t = arg;
	struct process p = { .pid = strtol(name, NULL, 10) };
	cleanup_free char *path = NULL;
	struct err gone = ERR_INIT;
	struct files_attr a;
	char text[TEXT_MAX];

	(void)type;
	(void)e;
	if (p.pid <= 0 || strspn(name, "0123456789") != strlen(name) ||
	    !read_text(t->g, name, "stat", text) || !parse_stat(text, &p))
		return 0;
	if (p.state < '!' || p.state > '~')
		p.state = '?';
	path = xasprintf("/proc/%s", name);
	if (guest_stat(t->g, path, false, &a, &gone))
		return 0;
	p.uid = a.uid;
	take_command(&p, text, read_text(t->g, name, "cmdline", text));
	add(t, &p);
	return 0;
}

static int top(void *opaque, int argc, char **argv, struct err *e)
{
	const struct top_args *args = opaque;
	cleanup_instance struct instance in = INSTANCE_INIT;
	cleanup_store struct store s = STORE_INIT;
	cleanup_strv struct strv cells = STRV_INIT;
	cleanup_json json_t *rows = json_array();
	struct guest_files g = GUEST_FILES_INIT;
	struct top t = { .g = &g, .cells = &cells, .rows = rows };
	int as_json = table_format(args->output, e);

	(void)argc;
	if (as_json < 0 || store_open(&s, e) ||
	    instance_load(&s, argv[0], &in, e))
		return -e->code;
	if (in.status == INSTANCE_SUSPENDED)
		return err_set(e, EAGAIN, "%s is suspended", in.name);
	if (guest_files_open(&in, &g, e))
		return -e->code;
	strv_split(&cells, "PID|PPID|UID|STATE|CPU|RSS|COMMAND", '|');
	guest_list(&g, "/proc", add_process, &t, e);
	guest_files_close(&g);
	if (e->code)
		return -e->code;
	if (as_json)
		json_dumpf(rows, stdout, JSON_INDENT(2));
	else
		table_print(&cells, 7);
	if (as_json)
		printf("\n");
	return 0;
}

const struct cmd cmd_top = {
	.options = top_options,
	.noptions = ARRAY_SIZE(top_options),
	.args_size = sizeof(struct top_args),
	.min_operands = 1,
	.max_operands = 1,
	.run = top,
};
