/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of SysV shared memory, semaphores and message queues. What happens
 * while a call sleeps is a callback: the test's stand-in for another process.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/sysv.h"
#include "kernel/kernel.h"
#include "kernel/mm/area.h"
#include "kernel/mm/heap.h"
#include "tests/unit/stub_plat.h"
#include "tests/unit/stub_process.h"

/* What calls copy to or from is static: the stack lies above USER_END. */

struct shmid {
	struct linux_ipc_perm perm;
	u64 segsz;
	s64 atime, dtime, ctime;
	s32 cpid, lpid;
	u64 nattch, unused[2];
};

static u64 nattch(s32 id)
{
	static struct shmid ds;

	assert_int_equal(shm_control(id, SYSV_STAT, (uaddr_t)&ds), 0);
	return ds.nattch;
}

static void shm_lives_until_detached(void **state)
{
	static struct shmid ds;
	struct mm *child;
	u64 v = 5;
	s64 a, b;
	s32 id;

	(void)state;
	assert_int_equal(shm_get(77, 56, 0600), -ENOENT);
	id = (s32)shm_get(77, 56, SYSV_CREAT | SYSV_EXCL | 0600);
	assert_true(id >= 0);
	assert_int_equal(shm_get(77, 56, SYSV_CREAT | SYSV_EXCL), -EEXIST);
	assert_int_equal(shm_get(77, 56, 0), id);
	assert_int_equal(shm_get(77, 57, 0), -EINVAL);
	assert_int_equal(shm_control(id, SYSV_STAT, (uaddr_t)&ds), 0);
	assert_int_equal(ds.segsz, 56);
	assert_int_equal(ds.perm.mode, 0600);
	assert_int_equal(ds.perm.key, 77);

	a = shm_attach(id, 0, 0);
	b = shm_attach(id, 0, 010000);
	assert_true(a > 0 && b > 0);
	assert_int_equal(nattch(id), 2);
	assert_int_equal(user_copy_out((uaddr_t)a, &v, 8), 0);
	assert_int_equal(user_copy_in(&v, (uaddr_t)b, 8), 0);
	assert_int_equal(v, 5);
	assert_int_equal(user_copy_out((uaddr_t)b, &v, 8), -EFAULT);
	assert_int_equal(mm_protect((uaddr_t)b, 4096, 3), -EACCES);
	assert_int_equal(shm_attach(id, (uaddr_t)a, 0), -EINVAL);
	assert_int_equal(shm_attach(id, (uaddr_t)a + 1, 0), -EINVAL);

	assert_int_equal(mm_fork(&child), 0);
	mm_fork_finish(child);
	assert_int_equal(nattch(id), 4);
	mm_put(child);
	assert_int_equal(nattch(id), 2);

	assert_int_equal(shm_control(id, SYSV_RMID, 0), 0);
	assert_int_equal(shm_get(77, 56, 0), -ENOENT);
	assert_int_equal(nattch(id), 2);
	assert_int_equal(shm_detach((uaddr_t)a + 4096), -EINVAL);
	assert_int_equal(shm_detach((uaddr_t)a), 0);
	assert_int_equal(shm_detach((uaddr_t)a), -EINVAL);
	assert_int_equal(nattch(id), 1);
	mm_reset(mm_current());
	assert_int_equal(shm_control(id, SYSV_STAT, (uaddr_t)&ds), -EINVAL);
	assert_int_equal(shm_get(0, 0, 0600), -EINVAL);
}

static void shm_asks_for_permission(void **state)
{
	static struct shmid ds;
	s32 id = (s32)shm_get(SYSV_PRIVATE, 4096, 0640);

	(void)state;
	stub_process.is_capable = false;
	stub_process.cred.euid = 1000;
	stub_process.cred.egid = 1000;
	assert_int_equal(shm_attach(id, 0, 0), -EACCES);
	assert_int_equal(shm_control(id, SYSV_STAT, (uaddr_t)&ds), -EACCES);
	assert_int_equal(shm_control(id, SYSV_RMID, 0), -EPERM);
	stub_process.cred.egid = 0;
	assert_int_equal(shm_control(id, SYSV_STAT, (uaddr_t)&ds), 0);
	assert_int_equal(shm_attach(id, 0, 0), -EACCES);
	stub_process.is_capable = true;
	stub_process.cred.euid = 0;
	assert_int_equal(shm_control(id, SYSV_RMID, 0), 0);
}

static s32 sem_id;

static int other_posts(void)
{
	struct linux_sembuf op = { 0, 1, 0 };

	assert_int_equal(sem_control(sem_id, 0, 14, 0), 1); /* GETNCNT */
	assert_int_equal(sem_operate(sem_id, &op, 1, NSEC_MAX), 0);
	return 0;
}

static int other_removes(void)
{
	assert_int_equal(sem_control(sem_id, 0, SYSV_RMID, 0), 0);
	return 0;
}

static void sem_operations_are_atomic(void **state)
{
	struct linux_sembuf both[2] = { { 0, -1, SYSV_NOWAIT },
					{ 1, -1, SYSV_NOWAIT } };
	struct linux_sembuf wait = { 0, -2, 0 };
	struct linux_sembuf undo = { 1, 3, 0x1000 };
	static u16 values[2] = { 1, 0 };

	(void)state;
	sem_id = (s32)sem_get(5, 2, SYSV_CREAT | 0600);
	assert_true(sem_id >= 0);
	assert_int_equal(sem_get(5, 3, 0), -EINVAL);
	assert_int_equal(sem_control(sem_id, 0, 17, (u64)values), 0);
	assert_int_equal(sem_operate(sem_id, both, 2, NSEC_MAX), -EAGAIN);
	assert_int_equal(sem_control(sem_id, 0, 12, 0), 1);
	stub_process.on_sleep = other_posts;
	assert_int_equal(sem_operate(sem_id, &wait, 1, NSEC_MAX), 0);
	assert_int_equal(sem_control(sem_id, 0, 12, 0), 0);
	assert_int_equal(sem_control(sem_id, 0, 14, 0), 0);
	assert_int_equal(sem_control(sem_id, 0, 16, 40000), -ERANGE);
	assert_int_equal(sem_operate(sem_id, &undo, 1, NSEC_MAX), 0);
	assert_int_equal(sem_control(sem_id, 1, 12, 0), 3);
	process_hooks.sem_exit(&stub_process.process);
	assert_int_equal(sem_control(sem_id, 1, 12, 0), 0);
	undo.num = 2;
	assert_int_equal(sem_operate(sem_id, &undo, 1, NSEC_MAX), -EFBIG);
	stub_process.on_sleep = NULL;
	assert_int_equal(sem_operate(sem_id, &wait, 1, NSEC_MAX), -EINTR);
	stub_process.on_sleep = other_removes;
	assert_int_equal(sem_operate(sem_id, &wait, 1, NSEC_MAX), -EIDRM);
	assert_int_equal(sem_operate(sem_id, &wait, 1, NSEC_MAX), -EINVAL);
}

struct text {
	s64 type;
	char data[64];
};

static s32 msg_id;

static int other_sends(void)
{
	static struct text m = { 9, "late" };

	assert_int_equal(msg_send(msg_id, (uaddr_t)&m, 5, 0), 0);
	return 0;
}

static s64 receive(s64 type, u32 flags, struct text *m)
{
	memset(m, 0, sizeof(*m));
	return msg_receive(msg_id, (uaddr_t)m, 10, type, flags);
}

static void msg_types_select(void **state)
{
	static struct text m;

	(void)state;
	msg_id = (s32)msg_get(SYSV_PRIVATE, 0600);
	for (int i = 5; i > 0; i--) {
		m.type = i;
		memset(m.data, 'a' + i, 8);
		assert_int_equal(msg_send(msg_id, (uaddr_t)&m, 8, 0), 0);
	}
	assert_int_equal(receive(0, 0, &m), 8);
	assert_int_equal(m.type, 5);
	assert_int_equal(receive(3, 0, &m), 8);
	assert_int_equal(m.data[0], 'a' + 3);
	assert_int_equal(receive(-3, 0, &m), 8);
	assert_int_equal(m.type, 1);
	assert_int_equal(receive(4, 020000, &m), 8);
	assert_int_equal(m.type, 2);
	assert_int_equal(receive(3, SYSV_NOWAIT, &m), -ENOMSG);
	stub_process.on_sleep = other_sends;
	assert_int_equal(receive(9, 0, &m), 5);
	assert_string_equal(m.data, "late");
	m.type = 0;
	assert_int_equal(msg_send(msg_id, (uaddr_t)&m, 1, 0), -EINVAL);
	m.type = 1;
	assert_int_equal(msg_send(msg_id, (uaddr_t)&m, 20, 0), 0);
	assert_int_equal(receive(1, 0, &m), -E2BIG);
	assert_int_equal(receive(1, 010000, &m), 10);
	stub_process.on_sleep = NULL;
	assert_int_equal(receive(7, 0, &m), -ERESTARTNOHAND);
	assert_int_equal(msg_control(msg_id, SYSV_RMID, 0), 0);
	assert_int_equal(receive(0, 0, &m), -EINVAL);
}

static void tables_are_shown(void **state)
{
	struct fmt_buf out;
	char text[2048];
	s32 a = (s32)shm_get(1, 1, SYSV_CREAT | 0600);
	s32 b = (s32)sem_get(1, 1, SYSV_CREAT | 0600);
	s32 c = (s32)msg_get(1, SYSV_CREAT | 0600);

	(void)state;
	fmt_buf_init(&out, text, sizeof(text));
	shm_show(&out);
	sem_show(&out);
	msg_show(&out);
	assert_non_null(strstr(text, "shmid"));
	assert_non_null(strstr(text, "semid"));
	assert_non_null(strstr(text, "msqid"));
	assert_int_equal(shm_control(a, SYSV_RMID, 0), 0);
	assert_int_equal(sem_control(b, 0, SYSV_RMID, 0), 0);
	assert_int_equal(msg_control(c, SYSV_RMID, 0), 0);
}

/* See area_test.c. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static int check_heap(void **state)
{
	struct heap_stats s;

	(void)state;
	heap_stats(&s);
	/* The mm and the three tables. */
	return s.nobjects <= 4 && s.bytes_used < 4096 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shm_lives_until_detached),
		cmocka_unit_test(shm_asks_for_permission),
		cmocka_unit_test(sem_operations_are_atomic),
		cmocka_unit_test(msg_types_select),
		cmocka_unit_test(tables_are_shown),
	};

	stub_plat_start();
	heap_init();
	stub_process_start();
	mm_reset(mm_current());
	return cmocka_run_group_tests(tests, NULL, check_heap);
}
