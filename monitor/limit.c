/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory limit. What counts is what the instance has touched: private pages
 * of its host processes plus the allocated part of its two shared objects. It
 * is sampled, the more often the nearer to the limit, but only if as much
 * processor time has been used as filling what is left takes. One that rests is
 * asked for that more seldom, too, and may be the more over the limit when it
 * is noticed. The cheap sum counts pages shared after fork twice, so a
 * proportional count decides. Over it the kernel is asked to kill a process; if
 * that does not help soon, or if there is none but the first, the instance
 * ends.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/broker.h"
#include "host/cleanup.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"

#define FASTEST_GROWTH (4ULL << 30) /* bytes per second we plan for */
#define MS 1000000ULL
#define CHECK_MIN_NS (10 * MS)
#define CHECK_MAX_NS (1000 * MS)
#define REST_PART 32	      /* of a processor: less is rest */
#define REST_FACTOR 4	      /* so much more seldom is it looked at */
#define OVER_NS 3000000000ULL /* so long it may be over the limit, and */
#define OVER_BYTES(limit) ((limit) / 4 + (64ULL << 20)) /* by so much */

static uint64_t object_bytes(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : (uint64_t)st.st_blocks * 512;
}

static ssize_t read_proc(int pid, const char *name, char *buf, size_t size)
{
	cleanup_close int fd = -1;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, buf, size - 1);
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

uint64_t limit_private_bytes(int pid)
{
	unsigned long long size, resident, shared;
	char buf[256];

	if (read_proc((int)task_alive(pid), "statm", buf, sizeof(buf)) <= 0 ||
	    sscanf(buf, "%llu %llu %llu", &size, &resident, &shared) != 3 ||
	    shared > resident)
		return 0;
	return (resident - shared) * 4096;
}

static uint64_t anonymous_pss(int pid)
{
	char buf[4096];
	const char *p;

	if (read_proc((int)task_alive(pid), "smaps_rollup", buf, sizeof(buf)) <=
	    0)
		return 0;
	p = strstr(buf, "Pss_Anon:");
	return p ? strtoull(p + 9, NULL, 10) * 1024 : 0;
}

/* Sum over our children, which are exactly the instance's host processes. */
static uint64_t sum_children(uint64_t (*bytes)(int pid))
{
	char *text = malloc(65536), *p, *end;
	uint64_t sum = 0;
	char name[64];
	ssize_t n;

	if (!text)
		return 0;
	snprintf(name, sizeof(name), "task/%d/children", (int)getpid());
	n = read_proc(getpid(), name, text, 65536);
	for (p = text; n > 0; p = end) {
		long pid = strtol(p, &end, 10);

		if (end == p)
			break;
		sum += bytes((int)pid);
	}
	free(text);
	return sum;
}

uint64_t limit_usage(const struct instance *in, uint64_t *pss)
{
	uint64_t objects =
		object_bytes(in->kernel_fd) + object_bytes(in->cache_fd);

	if (pss)
		*pss = objects + sum_children(anonymous_pss);
	return objects + sum_children(limit_private_bytes);
}

void limit_end(struct instance *in, uint64_t used)
{
	instance_end(in, END_OOM, 0,
		     "out of memory: %llu KiB used, limit %llu KiB",
		     (unsigned long long)used >> 10,
		     (unsigned long long)in->spec.memory_bytes >> 10);
}

static void over_limit(struct instance *in, uint64_t used, uint64_t limit,
		       uint64_t now)
{
	bool was_over = in->over_since_ns != 0;

	in->limit.room_ns = 0;
	if (!was_over)
		in->over_since_ns = now;
	if (!in->is_ready || now - in->over_since_ns > OVER_NS ||
	    (was_over && used > limit + OVER_BYTES(limit)))
		limit_end(in, used);
	else
		broker_event(in, EVENT_OOM, 0, 0);
}

static void look(struct instance *in, uint64_t limit, uint64_t now)
{
	uint64_t used = limit_usage(in, NULL), exact;

	if (used > limit) {
		limit_usage(in, &exact);
		used = exact;
	}
	if (used > in->memory_peak)
		in->memory_peak = used;
	if (used > limit) {
		over_limit(in, used, limit, now);
		return;
	}
	in->over_since_ns = 0;
	in->limit.room_ns = (limit - used) * 1000 / FASTEST_GROWTH * MS;
}

/* How long what was left at the last look cannot have been filled; 0: it can.
 */
static uint64_t left_ns(struct limit_state *l, uint64_t cpu)
{
	uint64_t spent = cpu - l->cpu_ns;

	if (cpu == UINT64_MAX || cpu < l->cpu_ns ||
	    spent + CHECK_MIN_NS >= l->room_ns)
		return 0;
	return l->room_ns - spent;
}

static void check(struct instance *in, uint64_t limit, uint64_t now)
{
	struct limit_state *l = &in->limit;
	uint64_t cpu = task_children_cpu_ns(), left = left_ns(l, cpu);
	bool rests = cpu >= l->seen_cpu_ns &&
		     cpu - l->seen_cpu_ns < (now - l->seen_ns) / REST_PART;

	if (!left) {
		look(in, limit, now);
		l->cpu_ns = cpu;
		left = l->room_ns;
	}
	l->seen_ns = now;
	l->seen_cpu_ns = cpu;
	left *= rests ? REST_FACTOR : 1;
	l->check_ns = now + MIN(MAX(left, CHECK_MIN_NS), CHECK_MAX_NS);
}

/* Returns milliseconds until the next look. Not while it starts or wakes, which
 * nothing may hold up. */
int limit_check(struct instance *in)
{
	struct limit_state *l = &in->limit;
	uint64_t limit = in->spec.memory_bytes, now;

	/* A machine has no more than its memory. */
	if (!limit || in->machine || in->end != END_NONE)
		return -1;
	now = clock_now_ns();
	if (!l->check_ns)
		l->check_ns = now + CHECK_MIN_NS;
	if (now >= l->check_ns)
		check(in, limit, now);
	return in->end == END_NONE ? (int)((l->check_ns - now) / MS) + 1 : -1;
}
