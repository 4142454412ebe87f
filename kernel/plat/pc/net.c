/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lwIP over the network device (vnet.c). One thread takes what has arrived and
 * runs the stack's timers; who sends does it himself.
 */
#include "kernel/plat/pc/net.h"

#include "kernel/dev/random.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/pc/virtio.h"
#include "kernel/plat/pc/vnet.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/timeouts.h"

struct mutex net_lock;
static struct netif netif;
static bool has_device;
static u32 news; /* goes up with interrupts and timers; waited for */

u32 net_random(void)
{
	return (u32)random_u64();
}

#define HEAP_MAX 2048 /* bytes that the kernel's heap is for */

/* In front of a large piece. */
struct large {
	u64 order, pad;
};

void *net_malloc(size_t n)
{
	struct large *l;
	unsigned int order = 0;
	paddr_t pa;

	if (n <= HEAP_MAX)
		return kmalloc(n);
	while ((PAGE_SIZE << order) < n + sizeof(*l))
		order++;
	pa = order < FRAME_ORDERS ? frame_alloc(order) : FRAME_NONE;
	if (pa == FRAME_NONE)
		return NULL;
	l = physical(pa);
	l->order = order;
	return l + 1;
}

void net_free(void *p)
{
	struct large *l = (struct large *)p - 1;

	if ((u64)p >= PHYSICAL_BASE)
		frame_put((u64)l - PHYSICAL_BASE, (unsigned int)l->order);
	else
		kfree(p);
}

u32 sys_now(void);
u32 sys_now(void)
{
	return (u32)(clock_now() / NSEC_PER_MSEC);
}

void net_look(void)
{
	atomic_fetch_add(&news, 1);
	plat_wake(&news, 1);
}

bool net_is_up(void)
{
	return has_device;
}

static void on_irq(UNUSED struct virtio *d)
{
	net_look();
}

void net_enter(void)
{
	mutex_lock(&net_lock);
}

void net_leave(void)
{
	vnet_flush();
	mutex_unlock(&net_lock);
}

/* --- The thread
 * ------------------------------------------------------------------ */

static nsec_t next_timer(void)
{
	u32 ms = sys_timeouts_sleeptime();

	return ms == SYS_TIMEOUTS_SLEEPTIME_INFINITE
		       ? NSEC_MAX
		       : clock_now() + ms * NSEC_PER_MSEC;
}

static void net_main(UNUSED struct thread *t)
{
	for (;;) {
		u32 seen = atomic_load_acquire(&news);
		nsec_t deadline;
		bool more;

		net_enter();
		vnet_take(&netif);
		sys_check_timeouts();
		deadline = next_timer();
		more = vnet_listen();
		net_leave();
		if (!more)
			plat_wait(&news, seen, deadline);
	}
}

/* --- The beginning
 * ---------------------------------------------------------------- */

static void thread_begin(void)
{
	struct plat_slot *s = slot_new();

	if (!s)
		kpanic("no memory for the network's thread");
	s->cpu.current = current();
	s->entry = net_main;
	thread_prepare_stack(s);
	sched_ready(s);
}

void virtio_net_begin(struct virtio *d)
{
	if (has_device)
		return; /* one is enough */
	if (!vnet_begin(d, on_irq))
		virtio_broken(d, "refuses to be a network");
	has_device = true;
	net_begin();
}

void net_begin(void)
{
	lwip_init();
	netif_add(&netif, NULL, NULL, NULL, NULL, vnet_netif, netif_input);
	netif_set_default(&netif);
	netif_set_hostname(&netif, kernel.hostname);
	address_begin(&netif);
	thread_begin();
}
