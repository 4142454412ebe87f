/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formats system calls for --trace. A format is words separated by spaces, one
 * per argument: [label:]type; `> type` tells how the result is printed. Unknown
 * types print as hexadecimal, so a row never breaks the tracer. Buffers and
 * strings are read with usercopy and may be bad.
 */
#include "kernel/sys/trace.h"

#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"
#include "kernel/sys/dispatch.h"

#define TRACE_STRING_MAX 64
#define TRACE_BUFFER_MAX 32

static const char *const errno_names[] = {
	[EPERM] = "EPERM",
	[ENOENT] = "ENOENT",
	[ESRCH] = "ESRCH",
	[EINTR] = "EINTR",
	[EIO] = "EIO",
	[ENXIO] = "ENXIO",
	[E2BIG] = "E2BIG",
	[ENOEXEC] = "ENOEXEC",
	[EBADF] = "EBADF",
	[ECHILD] = "ECHILD",
	[EAGAIN] = "EAGAIN",
	[ENOMEM] = "ENOMEM",
	[EACCES] = "EACCES",
	[EFAULT] = "EFAULT",
	[EBUSY] = "EBUSY",
	[EEXIST] = "EEXIST",
	[EXDEV] = "EXDEV",
	[ENODEV] = "ENODEV",
	[ENOTDIR] = "ENOTDIR",
	[EISDIR] = "EISDIR",
	[EINVAL] = "EINVAL",
	[ENFILE] = "ENFILE",
	[EMFILE] = "EMFILE",
	[ENOTTY] = "ENOTTY",
	[ETXTBSY] = "ETXTBSY",
	[EFBIG] = "EFBIG",
	[ENOSPC] = "ENOSPC",
	[ESPIPE] = "ESPIPE",
	[EROFS] = "EROFS",
	[EMLINK] = "EMLINK",
	[EPIPE] = "EPIPE",
	[EDOM] = "EDOM",
	[ERANGE] = "ERANGE",
	[EDEADLK] = "EDEADLK",
	[ENAMETOOLONG] = "ENAMETOOLONG",
	[ENOSYS] = "ENOSYS",
	[ENOTEMPTY] = "ENOTEMPTY",
	[ELOOP] = "ELOOP",
	[EOVERFLOW] = "EOVERFLOW",
	[ENOTSOCK] = "ENOTSOCK",
	[EMSGSIZE] = "EMSGSIZE",
	[ENOPROTOOPT] = "ENOPROTOOPT",
	[EOPNOTSUPP] = "EOPNOTSUPP",
	[EAFNOSUPPORT] = "EAFNOSUPPORT",
	[EADDRINUSE] = "EADDRINUSE",
	[EADDRNOTAVAIL] = "EADDRNOTAVAIL",
	[ENETUNREACH] = "ENETUNREACH",
	[ECONNRESET] = "ECONNRESET",
	[EISCONN] = "EISCONN",
	[ENOTCONN] = "ENOTCONN",
	[ETIMEDOUT] = "ETIMEDOUT",
	[ECONNREFUSED] = "ECONNREFUSED",
	[EALREADY] = "EALREADY",
	[EINPROGRESS] = "EINPROGRESS",
};

/* One word of a format. */
struct word {
	const char *s;
	size_t n;
};

static bool word_next(const char **p, struct word *w)
{
	while (**p == ' ')
		(*p)++;
	w->s = *p;
	while (**p && **p != ' ')
		(*p)++;
	w->n = (size_t)(*p - w->s);
	return w->n > 0;
}

static bool word_is(const struct word *w, const char *type)
{
	size_t n = strlen(type);

	/* The whole word, or what follows a label's colon. */
	if (w->n == n)
		return memcmp(w->s, type, n) == 0;
	return w->n > n && w->s[w->n - n - 1] == ':' &&
	       memcmp(w->s + w->n - n, type, n) == 0;
}

static void put_bytes(struct fmt_buf *out, const char *bytes, size_t n,
		      bool is_cut)
{
	fmt_buf_put(out, "\"", 1);
	for (size_t i = 0; i < n; i++) {
		char c = bytes[i];

		if (c == '\n')
			fmt_buf_put(out, "\\n", 2);
		else if (c == '"' || c == '\\')
			fmt_buf_add(out, "\\%c", c);
		else if (c < ' ' || c > '~')
			fmt_buf_add(out, "\\x%02x", (u8)c);
		else
			fmt_buf_put(out, &c, 1);
	}
	fmt_buf_add(out, is_cut ? "\"..." : "\"");
}

static void put_string(struct fmt_buf *out, uaddr_t addr)
{
	char s[TRACE_STRING_MAX];
	s64 n;

	if (addr == 0) {
		fmt_buf_add(out, "NULL");
		return;
	}
	n = user_string_in(s, addr, sizeof(s));
	if (n == -EFAULT)
		fmt_buf_add(out, "%#lx", addr);
	else
		put_bytes(out, s, n < 0 ? sizeof(s) - 1 : (size_t)n, n < 0);
}

static void put_buffer(struct fmt_buf *out, uaddr_t addr, u64 len)
{
	char s[TRACE_BUFFER_MAX];
	size_t n = MIN(len, sizeof(s));

	if (addr == 0 || user_copy_in(s, addr, n))
		fmt_buf_add(out, "%#lx", addr);
	else
		put_bytes(out, s, n, len > n);
}

static void put_value(struct fmt_buf *out, const struct word *w, u64 v)
{
	if (word_is(w, "fd") || word_is(w, "int") || word_is(w, "pid") ||
	    word_is(w, "sig") || word_is(w, "whence"))
		fmt_buf_add(out, "%d", (int)v);
	else if (word_is(w, "dirfd") && (int)v == -100)
		fmt_buf_add(out, "AT_FDCWD");
	else if (word_is(w, "dirfd"))
		fmt_buf_add(out, "%d", (int)v);
	else if (word_is(w, "uint") || word_is(w, "len"))
		fmt_buf_add(out, "%lu", v);
	else if (word_is(w, "long"))
		fmt_buf_add(out, "%ld", (long)v);
	else if (word_is(w, "mode"))
		fmt_buf_add(out, "%#o", (u32)v);
	else if (word_is(w, "str"))
		put_string(out, v);
	else if (v == 0)
		fmt_buf_add(out, "0");
	else
		fmt_buf_add(out, "%#lx", v);
}

/* Print arguments from the word after the last printed one. Stops at output
 * buffers before the call (result NULL) and goes on after it. */
static void put_args(struct trace_call *c, bool after, long result)
{
	const char *p = c->row->format;
	struct word w;
	bool seen_out = false;

	for (u32 i = 0; i < 6 && word_next(&p, &w) && w.s[0] != '>'; i++) {
		bool is_out = word_is(&w, "buf:out");

		seen_out |= is_out;
		if (after != seen_out)
			continue;
		if (i > 0)
			fmt_buf_put(&c->out, ", ", 2);
		if (is_out)
			put_buffer(&c->out, c->args[i],
				   result > 0 ? (u64)result : 0);
		else if (word_is(&w, "buf:in"))
			put_buffer(&c->out, c->args[i],
				   i < 5 ? c->args[i + 1] : 0);
		else
			put_value(&c->out, &w, c->args[i]);
	}
}

void trace_enter(struct trace_call *c, const struct frame *f,
		 const struct syscall_row *row)
{
	struct thread *t = current();

	c->row = row;
	c->args[0] = f->rdi;
	c->args[1] = f->rsi;
	c->args[2] = f->rdx;
	c->args[3] = f->r10;
	c->args[4] = f->r8;
	c->args[5] = f->r9;
	fmt_buf_init(&c->out, c->line, sizeof(c->line) - 1);
	fmt_buf_add(&c->out, "[%d] %s(", t->tid, row->name);
	put_args(c, false, 0);
	if (!strncmp(row->name, "exit", 4)) { /* never comes back */
		fmt_buf_add(&c->out, ") = ?\n");
		plat_trace(c->line, c->out.len);
	}
}

/* Results that are addresses are declared `> ptr` or `> hex`. */
static bool is_address(const char *gt)
{
	return strncmp(gt, "> ptr", 5) == 0 || strncmp(gt, "> hex", 5) == 0;
}

static void put_result(struct trace_call *c, long result)
{
	const char *gt = strchr(c->row->format, '>');
	size_t code = (size_t)-result;

	if (result < 0 && result >= -4095) {
		if (code < ARRAY_SIZE(errno_names) && errno_names[code])
			fmt_buf_add(&c->out, ") = -1 %s", errno_names[code]);
		else if (code >= ERESTARTSYS && code <= ERESTART_RESTARTBLOCK)
			fmt_buf_add(&c->out, ") = ? (interrupted)");
		else
			fmt_buf_add(&c->out, ") = -1 E%zu", code);
	} else if (gt && is_address(gt)) {
		fmt_buf_add(&c->out, ") = %#lx", (u64)result);
	} else {
		fmt_buf_add(&c->out, ") = %ld", result);
	}
}

void trace_leave(struct trace_call *c, long result)
{
	put_args(c, true, result);
	put_result(c, result);
	c->line[c->out.len++] = '\n';
	plat_trace(c->line, c->out.len);
}

void trace_signal(int sig)
{
	char line[64];
	int n;

	if (!kernel.trace)
		return;
	n = fmt_format(line, sizeof(line), "[%d] --- signal %d ---\n",
		       current()->tid, sig);
	plat_trace(line, (size_t)n);
}
