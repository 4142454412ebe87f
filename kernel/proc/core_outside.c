/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Core files that leave the instance (jiffy run --core): the monitor makes the
 * file and writes what it is sent, a page at a time.
 */
#include "abi/boot.h"
#include "abi/broker.h"
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/coredump.h"
#include "kernel/proc/proc_int.h"

struct core_outside {
	u32 id; /* the monitor's name for the file */
	struct broker_request request;
	u8 data[PAGE_SIZE];
};

bool core_goes_outside(void)
{
	return kernel.boot->flags & BOOT_CORES;
}

static int call(struct core_outside *o, u32 op, u32 arg, u32 len,
		struct broker_reply *reply)
{
	int n;

	o->request.op = op;
	o->request.arg = arg;
	o->request.payload_len = len;
	n = plat_broker_call(&o->request, sizeof(o->request) + len, reply,
			     sizeof(*reply), NULL, 0);
	if (n < 0)
		return n;
	return n < (int)sizeof(*reply) || reply->error ? -EIO : 0;
}

struct core_outside *core_outside_open(struct process *p)
{
	struct core_outside *o = kzalloc(sizeof(*o));
	struct broker_reply reply = { .error = 0 };
	char comm[16];
	u32 len;

	if (!o)
		return NULL;
	process_comm(p, comm);
	len = (u32)strlen(comm);
	memcpy(o->data, comm, len);
	if (call(o, BROKER_CORE_OPEN, (u32)p->pid, len, &reply)) {
		kfree(o);
		return NULL;
	}
	o->id = reply.arg;
	return o;
}

static void set_number(struct core_outside *o, u64 number)
{
	o->request.addr_len = sizeof(number);
	memcpy(o->request.addr, &number, sizeof(number));
}

int core_outside_write(struct core_outside *o, const void *data, u64 n, u64 pos)
{
	struct broker_reply reply = { .error = 0 };
	int err = 0;

	while (n && !err) {
		u32 step = (u32)MIN(n, PAGE_SIZE);

		memcpy(o->data, data, step);
		set_number(o, pos);
		err = call(o, BROKER_CORE_WRITE, o->id, step, &reply);
		data = (const u8 *)data + step;
		n -= step;
		pos += step;
	}
	return err;
}

void core_outside_close(struct core_outside *o, u64 size)
{
	struct broker_reply reply = { .error = 0 };

	set_number(o, size);
	(void)call(o, BROKER_CORE_CLOSE, o->id, 0, &reply);
	kfree(o);
}
