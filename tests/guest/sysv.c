// SPDX-License-Identifier: Apache-2.0
/* System V semaphores and message queues. Shared memory has shm.c. All objects
 * are private keys, or a key of this process, and are removed at the end. */
#include "tap.h"

#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <time.h>

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static int op1(int id, unsigned num, int op, int flags)
{
	struct sembuf b = { (unsigned short)num, (short)op, (short)flags };

	return semop(id, &b, 1);
}

static int get_value(int id, int num)
{
	return semctl(id, num, GETVAL);
}

static void check_sem_set(void)
{
	key_t key = 0x4a000000 + getpid();
	int id = semget(key, 3, IPC_CREAT | IPC_EXCL | 0640);
	union semun u;
	struct semid_ds ds;
	unsigned short all[3] = { 4, 5, 6 }, back[3] = { 0 };

	tap_group("semget and semctl");
	ok(id >= 0, "a set by key");
	is_int(semget(key, 0, 0), id, "found again");
	is_errno(semget(key, 1, IPC_CREAT | IPC_EXCL), EEXIST, "exclusive");
	is_errno(semget(key, 4, 0), EINVAL, "larger than it is");
	is_errno(semget(key + 1, 1, 0), ENOENT, "no such key");
	is_errno(semget(IPC_PRIVATE, 0, 0600), EINVAL, "no semaphores");
	is_errno(semget(IPC_PRIVATE, -1, 0600), EINVAL, "less than none");
	is_errno(semget(IPC_PRIVATE, 1 << 20, 0600), EINVAL, "far too many");
	u.array = all;
	is_int(semctl(id, 0, SETALL, u), 0, "SETALL");
	u.array = back;
	is_int(semctl(id, 0, GETALL, u), 0, "GETALL");
	ok(!memcmp(all, back, sizeof(all)), "gives the same");
	u.val = 9;
	is_int(semctl(id, 1, SETVAL, u), 0, "SETVAL");
	is_int(get_value(id, 1), 9, "GETVAL");
	is_int(semctl(id, 1, GETPID), getpid(), "GETPID is the last user");
	is_int(semctl(id, 1, GETNCNT), 0, "GETNCNT");
	is_int(semctl(id, 1, GETZCNT), 0, "GETZCNT");
	u.val = 32768;
	is_errno(semctl(id, 1, SETVAL, u), ERANGE, "a value too large");
	u.val = -1;
	is_errno(semctl(id, 1, SETVAL, u), ERANGE, "a value below 0");
	u.buf = &ds;
	is_int(semctl(id, 0, IPC_STAT, u), 0, "IPC_STAT");
	is_int(ds.sem_nsems, 3, "three semaphores");
	is_int(ds.sem_perm.mode & 0777, 0640, "its mode");
	is_int(ds.sem_perm.__key, key, "its key");
	ok(ds.sem_ctime != 0 && ds.sem_otime == 0, "its times");
	ds.sem_perm.mode = 0600;
	is_int(semctl(id, 0, IPC_SET, u), 0, "IPC_SET");
	semctl(id, 0, IPC_STAT, u);
	is_int(ds.sem_perm.mode & 0777, 0600, "changes the mode");
	is_errno(semctl(id, 3, GETVAL), EINVAL, "no such semaphore");
	is_errno(semctl(id, -1, GETVAL), EINVAL, "semaphore -1");
	is_errno(semctl(id, 0, 77), EINVAL, "no such command");
	is_errno(semctl(-1, 0, GETVAL), EINVAL, "id -1");
	is_errno(semctl(0x7fffffff, 0, GETVAL), EINVAL, "no such id");
	is_efault(syscall(SYS_semctl, id, 0, IPC_STAT, bp),
		  "IPC_STAT to bad addresses");
	is_efault(syscall(SYS_semctl, id, 0, IPC_SET, bp),
		  "IPC_SET from bad addresses");
	is_efault(syscall(SYS_semctl, id, 0, GETALL, bp),
		  "GETALL to bad addresses");
	is_efault(syscall(SYS_semctl, id, 0, SETALL, bp),
		  "SETALL from bad addresses");
	is_int(semctl(id, 0, IPC_RMID), 0, "IPC_RMID");
	is_errno(semctl(id, 0, GETVAL), EINVAL, "gone");
	is_errno(op1(id, 0, 1, 0), EINVAL, "nothing to operate on");
	is_errno(semget(key, 0, 0), ENOENT, "the key is free");
}

static void check_sem_op(void)
{
	int id = semget(IPC_PRIVATE, 2, 0600);
	struct sembuf two[2] = { { 0, 2, 0 }, { 1, -1, IPC_NOWAIT } };
	struct timespec soon = { 0, 2000000 }, wrong = { 0, 1000000000 };
	struct sembuf down = { 0, -5, 0 };

	tap_group("semop and semtimedop");
	is_int(get_value(id, 0), 0, "starts at 0");
	is_int(op1(id, 0, 3, 0), 0, "up by 3");
	is_int(op1(id, 0, -2, 0), 0, "down by 2");
	is_int(get_value(id, 0), 1, "leaves 1");
	is_errno(op1(id, 0, -2, IPC_NOWAIT), EAGAIN, "not enough");
	is_errno(op1(id, 0, 0, IPC_NOWAIT), EAGAIN, "not 0");
	is_int(op1(id, 1, 0, IPC_NOWAIT), 0, "is 0");
	is_errno(semop(id, two, 2), EAGAIN, "one of two fails");
	is_int(get_value(id, 0), 1, "the other is undone");
	is_errno(op1(id, 2, 1, 0), EFBIG, "no such semaphore");
	is_errno(op1(id, 0, 32767, 0), ERANGE, "past the largest value");
	is_errno(op1(-1, 0, 1, 0), EINVAL, "id -1");
	is_errno(op1(0x7ffffff0, 0, 1, 0), EINVAL, "no such id");
	is_errno(semop(id, two, 0), EINVAL, "no operations");
	is_errno(semop(id, two, 1 << 20), E2BIG, "too many operations");
	is_efault(syscall(SYS_semop, id, bp, 1), "from bad addresses");
	is_efault(syscall(SYS_semtimedop, id, two, 1, bp),
		  "a timeout at bad addresses");
	is_errno(semtimedop(id, &down, 1, &wrong), EINVAL, "a bad timeout");
	is_errno(semtimedop(id, &down, 1, &soon), EAGAIN, "times out");
	is_int(get_value(id, 0), 1, "and takes nothing");
	semctl(id, 0, IPC_RMID);
}

static int sem_id;

static int sem_waiter(void)
{
	return op1(sem_id, 0, -1, 0) == 0 ? 0 : errno;
}

static int sem_undo(void)
{
	return op1(sem_id, 0, 5, SEM_UNDO) == 0 ? 0 : errno;
}

static int sem_denied(void)
{
	union semun u = { .val = 1 };

	if (op1(sem_id, 0, 1, 0) == 0 || errno != EACCES)
		return 1;
	if (semctl(sem_id, 0, GETVAL) >= 0 || errno != EACCES)
		return 2;
	if (semctl(sem_id, 0, SETVAL, u) >= 0 || errno != EACCES)
		return 3;
	return semctl(sem_id, 0, IPC_RMID) < 0 && errno == EPERM ? 0 : 4;
}

static void on_signal(int sig)
{
	(void)sig;
}

static int sem_interrupted(void)
{
	struct sigaction sa = { .sa_handler = on_signal,
				.sa_flags = SA_RESTART };

	sigaction(SIGUSR1, &sa, NULL);
	return op1(sem_id, 0, -1, 0) < 0 ? errno : 0;
}

static pid_t sleeper(int (*fn)(void))
{
	pid_t pid = tap_fork();

	if (pid == 0)
		_exit(fn());
	if (!tap_await_state(pid, "S"))
		tap_line("# the child does not sleep");
	return pid;
}

static void check_sem_wait(void)
{
	union semun u = { .val = 0 };
	pid_t pid;

	tap_group("semaphores between processes");
	sem_id = semget(IPC_PRIVATE, 1, 0600);
	pid = sleeper(sem_waiter);
	is_int(semctl(sem_id, 0, GETNCNT), 1, "one waits");
	is_int(op1(sem_id, 0, 1, 0), 0, "up");
	is_int(tap_wait(pid), 0, "wakes it");
	is_int(get_value(sem_id, 0), 0, "which took it");
	is_int(tap_child(sem_undo), 0, "SEM_UNDO");
	is_int(get_value(sem_id, 0), 0, "undone at exit");
	pid = sleeper(sem_interrupted);
	kill(pid, SIGUSR1);
	is_int(tap_wait(pid), EINTR, "a signal: never restarted");
	pid = sleeper(sem_waiter);
	semctl(sem_id, 0, SETVAL, (union semun){ .val = 1 });
	is_int(tap_wait(pid), 0, "SETVAL wakes");
	is_int(tap_user_child(sem_denied), 0, "not for other users");
	semctl(sem_id, 0, SETVAL, u);
	pid = sleeper(sem_waiter);
	semctl(sem_id, 0, IPC_RMID);
	is_int(tap_wait(pid), EIDRM, "removed while one waits");
}

struct msg {
	long type;
	char text[64];
};

static void check_msg(void)
{
	key_t key = 0x4b000000 + getpid();
	int id = msgget(key, IPC_CREAT | IPC_EXCL | 0600);
	struct msg m = { 1, "one" };
	struct msqid_ds ds;

	tap_group("message queues");
	ok(id >= 0, "a queue by key");
	is_int(msgget(key, 0), id, "found again");
	is_errno(msgget(key, IPC_CREAT | IPC_EXCL), EEXIST, "exclusive");
	is_errno(msgget(key + 1, 0), ENOENT, "no such key");
	is_int(msgsnd(id, &m, 4, 0), 0, "msgsnd");
	m = (struct msg){ 3, "three" };
	is_int(msgsnd(id, &m, 6, 0), 0, "another type");
	m = (struct msg){ 2, "two" };
	is_int(msgsnd(id, &m, 4, 0), 0, "and another");
	is_int(msgctl(id, IPC_STAT, &ds), 0, "IPC_STAT");
	is_int(ds.msg_qnum, 3, "three messages");
	is_int(ds.__msg_cbytes, 14, "their bytes");
	is_int(ds.msg_lspid, getpid(), "the last sender");
	is_int(msgrcv(id, &m, 64, 3, 0), 6, "by type");
	is_str(m.text, "three", "the right one");
	is_int(msgrcv(id, &m, 64, -2, 0), 4, "the lowest type up to 2");
	is_int(m.type, 1, "is 1");
	is_errno(msgrcv(id, &m, 64, 9, IPC_NOWAIT), ENOMSG, "none of type 9");
	is_int(msgrcv(id, &m, 64, 1, MSG_EXCEPT | IPC_NOWAIT), 4, "MSG_EXCEPT");
	is_int(m.type, 2, "any type but 1");
	is_errno(msgrcv(id, &m, 64, 0, IPC_NOWAIT), ENOMSG, "empty");
	is_int(msgsnd(id, &m, 0, 0), 0, "an empty message");
	is_int(msgrcv(id, &m, 0, 0, 0), 0, "received");
	m.type = 5;
	msgsnd(id, &m, 40, 0);
	is_errno(msgrcv(id, &m, 8, 0, 0), E2BIG, "larger than the buffer");
	is_int(msgrcv(id, &m, 8, 0, MSG_NOERROR), 8, "MSG_NOERROR cuts it");
	m.type = 0;
	is_errno(msgsnd(id, &m, 1, 0), EINVAL, "type 0");
	m.type = -4;
	is_errno(msgsnd(id, &m, 1, 0), EINVAL, "a negative type");
	m.type = 1;
	is_errno(msgsnd(id, &m, (size_t)-1, 0), EINVAL, "size -1");
	is_errno(msgsnd(id, &m, 1 << 20, 0), EINVAL, "size 1 MiB");
	is_errno(msgrcv(id, &m, (size_t)-1, 0, 0), EINVAL, "to size -1");
	is_errno(msgsnd(-1, &m, 1, 0), EINVAL, "to id -1");
	is_errno(msgrcv(-1, &m, 1, 0, 0), EINVAL, "from id -1");
	is_efault(syscall(SYS_msgsnd, id, bp, 4, 0), "from bad addresses");
	for (unsigned i = 0; i < ARRAY_SIZE(tap_bad); i++) /* each is lost */
		(void)!msgsnd(id, &m, 1, IPC_NOWAIT);
	is_efault(syscall(SYS_msgrcv, id, bp, 8, 0, IPC_NOWAIT),
		  "to bad addresses");
	is_efault(syscall(SYS_msgctl, id, IPC_STAT, bp),
		  "IPC_STAT to bad addresses");
	is_errno(msgctl(id, 77, &ds), EINVAL, "no such command");
	is_int(msgctl(id, IPC_RMID, NULL), 0, "IPC_RMID");
	is_errno(msgsnd(id, &m, 1, 0), EINVAL, "gone");
}

static int msg_id;

static int msg_reader(void)
{
	struct msg m;

	return msgrcv(msg_id, &m, 64, 7, 0) < 0 ? errno : m.text[0];
}

static int msg_writer(void)
{
	struct msg m = { 1, "" };

	return msgsnd(msg_id, &m, 64, 0) < 0 ? errno : 0;
}

static int msg_denied(void)
{
	struct msg m = { 1, "" };

	if (msgsnd(msg_id, &m, 1, IPC_NOWAIT) == 0 || errno != EACCES)
		return 1;
	if (msgrcv(msg_id, &m, 1, 0, IPC_NOWAIT) >= 0 || errno != EACCES)
		return 2;
	return msgctl(msg_id, IPC_RMID, NULL) < 0 && errno == EPERM ? 0 : 3;
}

static void check_msg_wait(void)
{
	struct msg m = { 7, "z" };
	struct msqid_ds ds;
	pid_t pid;
	int n = 0;

	tap_group("message queues between processes");
	msg_id = msgget(IPC_PRIVATE, 0600);
	pid = sleeper(msg_reader);
	is_int(msgsnd(msg_id, &m, 1, 0), 0, "a message");
	is_int(tap_wait(pid), 'z', "wakes its reader");
	msgctl(msg_id, IPC_STAT, &ds);
	ds.msg_qbytes = 256;
	is_int(msgctl(msg_id, IPC_SET, &ds), 0, "a queue of 256 bytes");
	m.type = 1;
	while (n < 100 && msgsnd(msg_id, &m, 64, IPC_NOWAIT) == 0)
		n++;
	is_int(n, 4, "four of 64 fit");
	is_int(errno, EAGAIN, "then it is full");
	pid = sleeper(msg_writer);
	is_int(msgrcv(msg_id, &m, 64, 0, 0), 64, "taking one");
	is_int(tap_wait(pid), 0, "wakes its writer");
	is_int(tap_user_child(msg_denied), 0, "not for other users");
	pid = sleeper(msg_writer);
	msgctl(msg_id, IPC_RMID, NULL);
	is_int(tap_wait(pid), EIDRM, "removed while one waits");
}

int main(void)
{
	tap_start();
	check_sem_set();
	check_sem_op();
	check_sem_wait();
	check_msg();
	check_msg_wait();
	return tap_done();
}
