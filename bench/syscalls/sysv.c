/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V semaphores and messages, POSIX message queues.
 */
#include "bench/syscalls/bench.h"

#include <fcntl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

static int id;
static mqd_t queue;

static struct {
	long type;
	char text[8];
} msg = { 1, "" };

static bool open_sem(void)
{
	id = semget(IPC_PRIVATE, 1, 0600);
	return id >= 0;
}

static void close_sem(void)
{
	semctl(id, 0, IPC_RMID);
}

static void op_semop(void)
{
	struct sembuf up = { 0, 1, 0 }, down = { 0, -1, 0 };

	MUST(semop(id, &up, 1) == 0 && semop(id, &down, 1) == 0);
}

static bool open_msg(void)
{
	id = msgget(IPC_PRIVATE, 0600);
	return id >= 0;
}

static void close_msg(void)
{
	msgctl(id, IPC_RMID, NULL);
}

static void op_msg(void)
{
	MUST(msgsnd(id, &msg, sizeof(msg.text), 0) == 0);
	MUST(msgrcv(id, &msg, sizeof(msg.text), 0, 0) == sizeof(msg.text));
}

static bool open_mq(void)
{
	struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 8 };

	queue = mq_open("/bench", O_RDWR | O_CREAT, 0600, &attr);
	return queue != (mqd_t)-1;
}

static void close_mq(void)
{
	mq_close(queue);
	mq_unlink("/bench");
}

static void op_mq(void)
{
	MUST(mq_send(queue, msg.text, 8, 0) == 0);
	MUST(mq_receive(queue, msg.text, 8, NULL) == 8);
}

const struct bench sysv_benches[] = {
	{ "semop_2", op_semop, open_sem, close_sem },
	{ "msgsnd_msgrcv", op_msg, open_msg, close_msg },
	{ "mq_send_receive", op_mq, open_mq, close_mq },
	{ NULL, NULL, NULL, NULL },
};
