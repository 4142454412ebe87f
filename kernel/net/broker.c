/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests for outside sockets (abi/broker.h), on the caller's thread.
 */
#include "abi/broker.h"

#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/net/inet.h"
#include "kernel/plat/plat.h"

static int call(const struct broker_request *r, struct broker_reply *reply,
		int *hfd)
{
	int n = plat_broker_call(r, sizeof(*r) + r->payload_len, reply,
				 sizeof(*reply), hfd, hfd ? 1 : 0);

	if (n < 0)
		return n;
	if (n < (int)sizeof(*reply))
		return -EIO;
	if (reply->error)
		return reply->error > 0 && reply->error < 4096 ? -reply->error
							       : -EIO;
	return hfd && *hfd < 0 ? -EIO : 0;
}

int broker_socket(u32 op, u32 arg, const struct inet_addr *addr, int *hfd,
		  struct inet_addr *local)
{
	struct broker_request r = { .op = op, .arg = arg };
	struct broker_reply reply;
	int err;

	*hfd = -1;
	r.addr_len = inet_addr_host(addr, r.addr);
	err = call(&r, &reply, hfd);
	if (!err && local)
		inet_addr_from_host(
			reply.addr,
			MIN(reply.addr_len, (u32)sizeof(reply.addr)), local);
	return err;
}

int broker_udp_send(u16 port, const struct inet_addr *to, struct uio *u)
{
	struct broker_reply reply;
	struct broker_request *r;
	u64 n = u->left;
	int err = 0;

	if (n > BROKER_PAYLOAD_MAX)
		return -EMSGSIZE;
	r = kmalloc(sizeof(*r) + n);
	if (!r)
		return -ENOMEM;
	memset(r, 0, sizeof(*r));
	r->op = BROKER_UDP_SEND;
	r->arg = port;
	r->addr_len = inet_addr_host(to, r->addr);
	r->payload_len = (u32)n;
	if (n && uio_get(u, r + 1, n) != (s64)n)
		err = -EFAULT;
	if (!err)
		err = call(r, &reply, NULL);
	kfree(r);
	return err;
}
