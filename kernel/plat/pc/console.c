/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtio console (5.3): one port of it, that of the monitor. A port that is not
 * the first one is held up, not cut, when nobody reads: so several ports it
 * must have. What the device says about its ports is not asked for.
 */
#include "abi/boot.h"
#include "kernel/kernel.h"
#include "kernel/plat/pc/channel.h"
#include "kernel/plat/pc/virtio.h"

#define F_MULTIPORT (1UL << 1)
#define BUFFERS 4u /* each way */
/* Queues: two of port 0, two for control, two of port 1. */
enum { QUEUE_CONTROL_SEND = 3, QUEUE_RECEIVE = 4, QUEUE_SEND = 5 };
enum { DEVICE_READY = 0, PORT_READY = 3, PORT_OPEN = 6 };

struct config {
	u16 cols, rows;
	u32 max_ports;
};
struct control {
	u32 port;
	u16 event, value;
};

static struct virtio *device;
static struct virtq receive, send, control;
static struct spin spare_lock;
static u8 *spare[BUFFERS]; /* to send from */
static u32 nspare;
static u32 news;     /* something has arrived; waited for */
static u32 returned; /* a buffer is spare again; waited for */

static paddr_t where(const void *p)
{
	return (u64)p - PHYSICAL_BASE;
}

static void take_back(void)
{
	u8 *buffer;
	u64 flags;
	u32 len;

	while ((buffer = virtq_get(&send, &len))) {
		flags = spin_lock(&spare_lock);
		spare[nspare++] = buffer;
		spin_unlock(&spare_lock, flags);
	}
}

static void on_irq(UNUSED struct virtio *d)
{
	take_back();
	atomic_fetch_add(&returned, 1);
	plat_wake(&returned, ~0u);
	atomic_fetch_add(&news, 1);
	plat_wake(&news, 1);
}

static u8 *take_spare(u32 left)
{
	u64 flags = spin_lock(&spare_lock);
	u8 *buffer = nspare > left ? spare[--nspare] : NULL;

	spin_unlock(&spare_lock, flags);
	return buffer;
}

u8 *port_get(bool may_wait)
{
	for (;;) {
		u32 seen = atomic_load_acquire(&returned);
		u8 *buffer = take_spare(may_wait);

		if (buffer)
			return buffer;
		plat_wait(&returned, seen, NSEC_MAX);
	}
}

u32 port_spare(void)
{
	return nspare;
}

void port_put(u8 *buffer, u32 n)
{
	struct virtq_piece piece = { where(buffer), n, false };

	/* The queue has room for all buffers that there are. */
	if (!virtq_add(&send, &piece, 1, buffer))
		virtio_broken(device, "its queue is too short");
	virtq_notify(&send);
}

/* The device may never answer, nor the clock tick: also in a crash. */
void port_drain(nsec_t deadline)
{
	while (device && nspare < BUFFERS && clock_now() < deadline) {
		take_back();
		__builtin_ia32_pause();
	}
}

static void offer(u8 *buffer)
{
	struct virtq_piece piece = { where(buffer), PORT_BUFFER, true };

	if (!virtq_add(&receive, &piece, 1, buffer))
		virtio_broken(device, "its queue is too short");
}

static void receive_main(UNUSED struct thread *t)
{
	for (;;) {
		u32 seen = atomic_load_acquire(&news), len;
		bool any = false;
		u8 *buffer;

		while ((buffer = virtq_get(&receive, &len))) {
			if (len > PORT_BUFFER)
				virtio_broken(device, "wrote too much");
			channel_take(buffer, len);
			offer(buffer);
			any = true;
		}
		if (any)
			virtq_notify(&receive);
		else
			plat_wait(&news, seen, NSEC_MAX);
	}
}

static void start_thread(void)
{
	struct plat_slot *s = slot_new();

	if (!s)
		kpanic("no memory for the monitor's thread");
	s->cpu.current = current();
	s->entry = receive_main;
	thread_prepare_stack(s);
	sched_ready(s);
}

static u8 *page_new(void)
{
	paddr_t pa = frame_alloc(0);

	if (pa == FRAME_NONE)
		kpanic("no memory for the monitor's port");
	return physical(pa);
}

/* That we are here, and at which port. */
static void open_port(void)
{
	static const struct control words[] = {
		{ ~0u, DEVICE_READY, 1 },
		{ CHANNEL_PORT, PORT_READY, 1 },
		{ CHANNEL_PORT, PORT_OPEN, 1 },
	};
	u8 *page = page_new();

	memcpy(page, words, sizeof(words));
	for (u32 i = 0; i < ARRAY_SIZE(words); i++) {
		struct virtq_piece piece = { where(page) + i * sizeof(words[0]),
					     sizeof(words[0]), false };

		if (!virtq_add(&control, &piece, 1, page))
			virtio_broken(device, "its queue is too short");
	}
	virtq_notify(&control);
}

void virtio_console_begin(struct virtio *d)
{
	const struct boot_block *b = (const void *)KERNEL_BOOT_BASE;
	struct config c;

	if (device || b->broker_fd != CHANNEL_PORT)
		return; /* the serial line is enough */
	if (!virtio_begin(d, F_MULTIPORT) || !(d->features & F_MULTIPORT))
		return;
	virtio_config(d, 0, &c, sizeof(c));
	if (c.max_ports <= CHANNEL_PORT ||
	    !virtq_init(&control, d, QUEUE_CONTROL_SEND, 4) ||
	    !virtq_init(&receive, d, QUEUE_RECEIVE, BUFFERS) ||
	    !virtq_init(&send, d, QUEUE_SEND, BUFFERS) ||
	    receive.size < BUFFERS || send.size < BUFFERS)
		virtio_broken(d, "has no port for the monitor");
	d->on_irq = on_irq;
	device = d;
	virtio_go(d);
	while (nspare < BUFFERS)
		spare[nspare++] = page_new();
	for (u32 i = 0; i < BUFFERS; i++)
		offer(page_new());
	virtq_notify(&receive);
	open_port();
	channel_begin();
	start_thread();
}
