/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments and environment of exec, copied into kernel memory before the old
 * program's memory goes.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/resource.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/exec_int.h"

#define STRING_MAX KIB(128) /* MAX_ARG_STRLEN, terminator included */
#define FIRST_SIZE KIB(8)

/* Linux: a quarter of the stack limit, between 128 KiB and 6 MiB. */
static size_t args_limit(void)
{
	u64 limit = rlimit_current(RLIMIT_STACK) / 4;

	return MAX(MIN(limit, MIB(6)), KIB(128));
}

static int grow(struct exec_args *a, size_t need)
{
	size_t size = a->size ? a->size : FIRST_SIZE;
	char *data;

	while (size < a->len + need)
		size *= 2;
	data = krealloc(a->data, size);
	if (!data)
		return -ENOMEM;
	a->data = data;
	a->size = size;
	return 0;
}

/* Account for the string just added (len without terminator). */
static int added(struct exec_args *a, size_t len)
{
	size_t pointers = ((size_t)a->argc + a->envc + 1) * sizeof(u64);

	if (len >= STRING_MAX)
		return -E2BIG;
	a->len += len + 1;
	if (a->len + pointers > a->limit)
		return -E2BIG;
	return 0;
}

static int add_kernel(struct exec_args *a, const char *s)
{
	size_t len = strlen(s);
	int err = 0;

	if (a->len + len + 1 > a->size)
		err = grow(a, len + 1);
	if (err)
		return err;
	memcpy(a->data + a->len, s, len + 1);
	return added(a, len);
}

static int add_user(struct exec_args *a, uaddr_t s)
{
	size_t room;
	s64 len;
	int err;

	for (;;) {
		room = a->size - a->len;
		len = room ? user_string_in(a->data + a->len, s, room)
			   : -ENAMETOOLONG;
		if (len >= 0)
			return added(a, (size_t)len);
		if (len != -ENAMETOOLONG)
			return (int)len;
		if (room >= STRING_MAX || a->len > a->limit)
			return -E2BIG;
		err = grow(a, MAX(room * 2, 256UL));
		if (err)
			return err;
	}
}

static int add_user_array(struct exec_args *a, uaddr_t array, u32 *count)
{
	u64 s;
	int err;

	for (; array; array += sizeof(s)) {
		if (user_load_u64(&s, array))
			return -EFAULT;
		if (!s)
			break;
		err = add_user(a, s);
		if (err)
			return err;
		(*count)++;
	}
	return 0;
}

static int add_kernel_array(struct exec_args *a, const char *const *array,
			    u32 *count)
{
	int err;

	for (; array && *array; array++) {
		err = add_kernel(a, *array);
		if (err)
			return err;
		(*count)++;
	}
	return 0;
}

/* Programs that walk argv from 1 must not run into envp. */
static int ensure_argv0(struct exec_args *a)
{
	int err = 0;

	if (a->argc == 0) {
		err = add_kernel(a, "");
		a->argc = 1;
	}
	a->argv_len = a->len;
	return err;
}

int exec_args_from_user(struct exec_args *a, uaddr_t argv, uaddr_t envp)
{
	int err;

	a->limit = args_limit();
	err = grow(a, FIRST_SIZE);
	if (!err)
		err = add_user_array(a, argv, &a->argc);
	if (!err)
		err = ensure_argv0(a);
	if (!err)
		err = add_user_array(a, envp, &a->envc);
	return err;
}

int exec_args_from_kernel(struct exec_args *a, const char *const *argv,
			  const char *const *envp)
{
	int err;

	a->limit = args_limit();
	err = grow(a, FIRST_SIZE);
	if (!err)
		err = add_kernel_array(a, argv, &a->argc);
	if (!err)
		err = ensure_argv0(a);
	if (!err)
		err = add_kernel_array(a, envp, &a->envc);
	return err;
}

int exec_args_script(struct exec_args *a, const char *interp, const char *arg,
		     const char *path)
{
	size_t drop = strlen(a->data) + 1; /* argv[0] */
	struct exec_args n = { .limit = a->limit };
	int err;

	err = add_kernel(&n, interp);
	if (!err && arg)
		err = add_kernel(&n, arg);
	if (!err)
		err = add_kernel(&n, path);
	if (!err)
		err = grow(&n, a->len - drop);
	if (err) {
		kfree(n.data);
		return err;
	}
	n.argv_len = n.len + a->argv_len - drop;
	memcpy(n.data + n.len, a->data + drop, a->len - drop);
	n.len += a->len - drop;
	n.argc = a->argc - 1 + (arg ? 3 : 2);
	n.envc = a->envc;
	kfree(a->data);
	*a = n;
	return n.len > n.limit ? -E2BIG : 0;
}

void exec_args_free(struct exec_args *a)
{
	kfree(a->data);
	a->data = NULL;
}
