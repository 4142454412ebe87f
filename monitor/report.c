/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person reads afterwards: the crash report on stderr and the --stats
 * JSON. Both read the boot block, which the instance may have filled with
 * anything: text is escaped, lengths are bounded.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/json.h"
#include "monitor/instance.h"
#include "monitor/machine.h"
#include "monitor/syscall_names.h"
#include "monitor/symbols.h"

static void put_escaped(FILE *f, const char *s, size_t n)
{
	for (size_t i = 0; i < n && s[i]; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '\n' || (c >= ' ' && c <= '~'))
			fputc(c, f);
		else
			fprintf(f, "\\x%02x", c);
	}
}

static void put_registers(FILE *f, const struct crash_record *c)
{
	static const char *const names[21] = {
		"r15", "r14",	   "r13", "r12", "rbp",	   "rbx", "r11",
		"r10", "r9",	   "r8",  "rax", "rcx",	   "rdx", "rsi",
		"rdi", "orig_rax", "rip", "cs",	 "eflags", "rsp", "ss"
	};

	for (int i = 0; i < 21; i++)
		fprintf(f, "  %-8s %016llx%s", names[i],
			(unsigned long long)c->regs[i], i % 3 == 2 ? "\n" : "");
}

static void put_backtrace(FILE *f, const struct crash_record *c,
			  const struct symbols *s)
{
	char name[128];

	fprintf(f, "kernel backtrace:\n");
	for (int i = 0; i < 32 && c->backtrace[i]; i++) {
		symbols_name(s, c->backtrace[i], name, sizeof(name));
		fprintf(f, "  %016llx %s\n",
			(unsigned long long)c->backtrace[i], name);
	}
}

void report_crash(const struct instance *in)
{
	struct crash_record c;
	struct symbols *s;
	char path[32];

	fprintf(stderr, "jiffy: instance %s crashed: ", in->spec.name);
	put_escaped(stderr, in->reason, sizeof(in->reason));
	fputc('\n', stderr);
	memcpy(&c, &in->boot->crash, sizeof(c));
	if (c.magic != CRASH_MAGIC)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", in->kernel_exe_fd);
	s = symbols_load(path);
	fprintf(stderr, "thread %d (", c.tid);
	put_escaped(stderr, c.comm, sizeof(c.comm));
	fprintf(stderr, ") of process %d, fault address %#llx\n", c.pid,
		(unsigned long long)c.fault_address);
	put_registers(stderr, &c);
	put_backtrace(stderr, &c, s);
	put_escaped(stderr, c.text,
		    c.text_len < sizeof(c.text) ? c.text_len : sizeof(c.text));
	symbols_free(s);
}

/* Microseconds from phase a to phase b, or 0 if one is missing or lies. */
static json_int_t phase_us(const uint64_t *t, int a, int b)
{
	if (!t[a] || !t[b] || t[b] < t[a])
		return 0;
	return (json_int_t)((t[b] - t[a]) / 1000);
}

static json_t *stats_phases(const uint64_t *t)
{
	int first = t[BOOT_T_CLI] ? BOOT_T_CLI : BOOT_T_MONITOR;

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "cli_us",
			 phase_us(t, BOOT_T_CLI, BOOT_T_MONITOR), "monitor_us",
			 phase_us(t, BOOT_T_MONITOR, BOOT_T_KERNEL), "map_us",
			 phase_us(t, BOOT_T_KERNEL, BOOT_T_MAPPED), "kernel_us",
			 phase_us(t, BOOT_T_MAPPED, BOOT_T_INIT), "exec_us",
			 phase_us(t, BOOT_T_INIT, BOOT_T_EXEC), "first_user_us",
			 phase_us(t, BOOT_T_EXEC, BOOT_T_USER), "total_us",
			 phase_us(t, first, BOOT_T_USER));
}

/* When each step of the last wake was done. Some run side by side. */
static json_t *wake_steps(const uint64_t *t)
{
	static const struct {
		const char *name;
		int phase;
	} steps[] = {
		{ "monitor_us", BOOT_T_MONITOR },
		{ "read_us", BOOT_T_READ },
		{ "copied_us", BOOT_T_COPIED },
		{ "spawn_us", BOOT_T_SPAWN },
		{ "kernel_us", BOOT_T_KERNEL },
		{ "mapped_us", BOOT_T_MAPPED },
		{ "first_us", BOOT_T_USER },
		{ "processes_us", BOOT_T_PROCESSES },
		{ "threads_us", BOOT_T_THREADS },
	};
	int first = t[BOOT_T_CLI] ? BOOT_T_CLI : BOOT_T_MONITOR;
	json_t *o = json_pack("{s:I}", "asked_ns", (json_int_t)t[first]);

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		json_object_set_new(
			o, steps[i].name,
			json_integer(phase_us(t, first, steps[i].phase)));
	return o;
}

static json_t *stats_syscalls(const struct boot_stats *st)
{
	json_t *o = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(st->syscalls); i++) {
		const char *name = syscall_name(i);
		char number[16];

		if (!st->syscalls[i])
			continue;
		snprintf(number, sizeof(number), "%zu", i);
		json_object_set_new(o, name ? name : number,
				    json_integer((json_int_t)st->syscalls[i]));
	}
	return o;
}

static json_t *stats_unsupported(const struct boot_stats *st)
{
	char text[sizeof(st->unsupported) + 1], *line, *rest = text;
	json_t *list = json_array();

	memcpy(text, st->unsupported, sizeof(st->unsupported));
	text[st->unsupported_len < sizeof(st->unsupported)
		     ? st->unsupported_len
		     : sizeof(st->unsupported)] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		if (*line)
			json_array_append_new(list, json_text(line));
	}
	return list;
}

static json_t *stats_object(const struct instance *in)
{
	static struct boot_stats st;
	uint64_t phases[BOOT_T_COUNT];

	memcpy(&st, &in->boot->stats, sizeof(st));
	memcpy(phases, in->boot->phase_ns, sizeof(phases));
	return json_pack(
		"{s:o, s:{s:I, s:I, s:I, s:I}, s:{s:I, s:I, s:I}, s:I, s:I, "
		"s:o, s:o}",
		in->is_resumed ? "wake" : "startup",
		in->is_resumed ? wake_steps(phases) : stats_phases(phases),
		"memory", "heap_bytes", (json_int_t)st.heap_bytes,
		"heap_objects", (json_int_t)st.heap_objects, "cache_bytes",
		(json_int_t)(st.cache_pages * 4096), "peak_bytes",
		(json_int_t)in->memory_peak, "counts", "processes",
		(json_int_t)st.nprocesses, "threads", (json_int_t)st.nthreads,
		"files", (json_int_t)st.nfiles, "sites_patched",
		(json_int_t)st.nsites_patched, "syscalls_total",
		(json_int_t)st.nsyscalls, "syscalls", stats_syscalls(&st),
		"unsupported", stats_unsupported(&st));
}

void report_stats(const struct instance *in)
{
	cleanup_json json_t *o = NULL;
	cleanup_file FILE *f = NULL;
	FILE *out = stderr;

	if (!in->spec.stats)
		return;
	o = stats_object(in);
	if (in->machine)
		json_object_set_new(o, "machine", machine_describe(in));
	if (strcmp(in->spec.stats, "-") != 0) {
		f = fopen(in->spec.stats, "we");
		if (!f) {
			fprintf(stderr, "jiffy: stats: %s: %s\n",
				in->spec.stats, strerror(errno));
			return;
		}
		out = f;
	}
	json_dumpf(o, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	fputc('\n', out);
}
