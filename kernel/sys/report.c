/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters, unsupported-call list and crash text (report.h), and the kernel's
 * log and panic.
 */
#include "kernel/sys/report.h"

#include "abi/boot.h"
#include "kernel/cpu/patch.h"
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/object.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"
#include "kernel/sys/dispatch.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/counts.h"
#include "kernel/vfs/file.h"

#define UNSUPPORTED_MAX 64

static struct {
	u64 calls[SYSCALL_MAX]; /* atomic */
	struct mutex lock;	/* the list below */
	struct {
		const char *what;
		u64 value;
		u64 count;
	} unsupported[UNSUPPORTED_MAX];
	u32 nunsupported;
} report;

void report_count(u64 nr)
{
	if (nr < SYSCALL_MAX)
		atomic_fetch_add(&report.calls[nr], 1);
}

long syscall_unsupported(const char *what, u64 value, int err)
{
	u32 i;

	mutex_lock(&report.lock);
	for (i = 0; i < report.nunsupported; i++) {
		if (report.unsupported[i].value == value &&
		    strcmp(report.unsupported[i].what, what) == 0)
			break;
	}
	if (i == report.nunsupported && i < UNSUPPORTED_MAX) {
		report.unsupported[i].what = what;
		report.unsupported[i].value = value;
		report.nunsupported++;
	}
	if (i < UNSUPPORTED_MAX)
		report.unsupported[i].count++;
	mutex_unlock(&report.lock);
	return -err;
}

static void report_unsupported(struct boot_stats *s)
{
	struct fmt_buf b;

	fmt_buf_init(&b, s->unsupported, sizeof(s->unsupported));
	mutex_lock(&report.lock);
	for (u32 i = 0; i < report.nunsupported; i++)
		fmt_buf_add(&b, "%s %lu %lu\n", report.unsupported[i].what,
			    report.unsupported[i].value,
			    report.unsupported[i].count);
	mutex_unlock(&report.lock);
	s->unsupported_len = (u32)b.len;
}

void report_stats(struct boot_stats *s)
{
	struct heap_stats heap;
	u64 total = 0;

	heap_stats(&heap);
	s->heap_bytes = heap.bytes_used;
	s->heap_objects = heap.nobjects;
	s->cache_pages = object_total_pages();
	s->nprocesses = process_count();
	s->nthreads = thread_count();
	vfs_counts(&s->nfiles, NULL, NULL);
	s->nsites_patched = patch_count();
	for (u32 i = 0; i < SYSCALL_MAX; i++) {
		s->syscalls[i] = atomic_load(&report.calls[i]);
		total += s->syscalls[i];
	}
	s->nsyscalls = total;
	report_unsupported(s);
}

static void crash_calls(struct fmt_buf *out, const struct thread *t)
{
	u32 n = t->ncalls;
	u32 count = MIN(n, (u32)ARRAY_SIZE(t->calls));

	fmt_buf_add(out, "last system calls of thread %d (%s):\n", t->tid,
		    t->comm);
	for (u32 i = n - count; i != n; i++) {
		const struct thread_call *c =
			&t->calls[i % ARRAY_SIZE(t->calls)];
		const char *name =
			c->nr < SYSCALL_MAX ? syscall_rows[c->nr].name : NULL;

		fmt_buf_add(out, "  %s(%#lx, %#lx, ...) = ", name ? name : "?",
			    c->arg0, c->arg1);
		if (c->result == INT64_MIN)
			fmt_buf_add(out, "(running)\n");
		else
			fmt_buf_add(out, "%ld\n", c->result);
	}
}

static void crash_files(struct fmt_buf *out, struct process *p)
{
	struct file *f;
	int fd = 0;

	if (!p->files)
		return;
	fmt_buf_add(out, "open files of process %d:\n", p->pid);
	while ((fd = fdtable_next(p->files, fd, &f)) >= 0 && !out->is_cut) {
		fmt_buf_add(out, "  %d %s\n", fd,
			    f->ops && f->ops->name ? f->ops->name : "file");
		fd++;
	}
}

void crash_fill_text(struct fmt_buf *out)
{
	struct thread *t = current();

	if (!t)
		return;
	crash_calls(out, t);
	if (t->proc)
		crash_files(out, t->proc);
}

static struct {
	struct thread *thread;
	char *buf;
	size_t size, len;
} held;

void klog_hold(char *buf, size_t size)
{
	held.buf = buf;
	held.size = size;
	held.len = 0;
	if (buf)
		buf[0] = '\0';
	/* Pairs with klog(): only this thread finds itself there. */
	atomic_store_release(&held.thread, buf ? current() : NULL);
}

static void hold(const char *line)
{
	if (held.len + 2 >= held.size)
		return;
	held.len +=
		str_copy(held.buf + held.len, held.size - held.len - 1, line);
	held.len = MIN(held.len, held.size - 2);
	held.buf[held.len++] = '\n';
	held.buf[held.len] = '\0';
}

void klog(const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = fmt_vformat(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* Pairs with klog_hold(). */
	if (unlikely(atomic_load_acquire(&held.thread)) &&
	    held.thread == current()) {
		hold(line);
		return;
	}
	plat_log(line, MIN((size_t)n, sizeof(line) - 1));
}

void kpanic(const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	fmt_vformat(line, sizeof(line), fmt, ap);
	va_end(ap);
	plat_crash(line, NULL);
}
