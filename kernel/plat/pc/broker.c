/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the monitor: those for sockets are answered inside, the others go
 * to the monitor, if there is one.
 */
#include "abi/broker.h"
#include "kernel/linux/signal.h"
#include "kernel/plat/pc/channel.h"
#include "kernel/plat/pc/net.h"

/* A socket: its hfd, or -errno. */
static int make_socket(const struct broker_request *request,
		       struct broker_reply *reply)
{
	u32 len = MIN(request->addr_len, (u32)sizeof(request->addr));

	if (!net_is_up())
		return -ENETUNREACH;
	reply->addr_len = sizeof(reply->addr);
	switch (request->op) {
	case BROKER_LISTEN:
		return socket_listen(request->addr, len, request->arg);
	case BROKER_CONNECT:
		return socket_connect(request->addr, len, reply->addr,
				      &reply->addr_len);
	default:
		return socket_udp(request->addr, len,
				  request->op == BROKER_UDP_CONNECT,
				  (u16)request->arg);
	}
}

static int answer(const struct broker_request *request,
		  struct broker_reply *reply, int *hfd)
{
	switch (request->op) {
	case BROKER_EXIT:
	case BROKER_READY:
		return 0;
	case BROKER_OOM:
		if (!request->arg)
			plat_refuse(LINUX_SIGKILL, "out of memory");
		return 0;
	case BROKER_LISTEN:
	case BROKER_UDP_BIND:
		if (!net_is_up())
			return -ENOENT;
		*hfd = make_socket(request, reply);
		return MIN(*hfd, 0);
	case BROKER_CONNECT:
	case BROKER_UDP_CONNECT:
		*hfd = make_socket(request, reply);
		return MIN(*hfd, 0);
	case BROKER_UDP_SEND:
		return socket_udp_send(
			(u16)request->arg, request->addr,
			MIN(request->addr_len, (u32)sizeof(request->addr)),
			request + 1, request->payload_len);
	default:
		return -ENOSYS;
	}
}

/* For the monitor: what it alone knows. */
static const u32 outside[] = {
	BROKER_EXIT,	  BROKER_READY,	    BROKER_WINSIZE_GET, BROKER_SETNAME,
	BROKER_EXEC_TAKE, BROKER_EXEC_RUNS, BROKER_EXEC_END,	BROKER_OOM,
};

static bool is_outside(u32 op)
{
	for (u32 i = 0; i < ARRAY_SIZE(outside); i++)
		if (outside[i] == op)
			return channel_is_up();
	return false;
}

int plat_broker_call(const void *request, size_t n, void *reply, size_t size,
		     int *hfds, int max_hfds)
{
	const struct broker_request *head = request;
	struct broker_reply r = { 0 };
	int hfd = -1;

	if (n < sizeof(struct broker_request) || size < sizeof(r))
		return -EINVAL;
	if (is_outside(head->op)) {
		if (head->op == BROKER_READY)
			channel_publish_phases();
		return channel_call(request, n, reply, size, hfds, max_hfds);
	}
	r.error = -answer(request, &r, &hfd);
	for (int i = 0; i < max_hfds; i++)
		hfds[i] = -1;
	if (!r.error && hfd >= 0 && max_hfds)
		hfds[0] = hfd;
	r.nfds = hfd >= 0;
	memcpy(reply, &r, sizeof(r));
	return sizeof(r);
}

void plat_broker_tell(UNUSED u32 op)
{
}

static u32 news; /* goes up when process 0 is to look */

void broker_look(void)
{
	atomic_fetch_add(&news, 1);
	plat_wake(&news, 1);
}

int plat_broker_event(void *event, size_t size, nsec_t deadline)
{
	struct broker_event e = { .type = EVENT_OOM };
	u32 seen = atomic_load_acquire(&news);
	int err;

	if (oom_is_wanted() || channel_event(&e)) {
		memcpy(event, &e, MIN(size, sizeof(e)));
		return sizeof(e);
	}
	err = plat_wait(&news, seen, deadline);
	return err == -ETIMEDOUT ? 0 : -EINTR;
}

void plat_broker_ack(void)
{
	if (channel_is_up()) {
		channel_publish_stats();
		channel_ack();
	}
}
