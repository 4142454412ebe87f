/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor, where there is one: frames of abi/channel.h through a port of a
 * virtio console. Functions that send may sleep; none may be called with
 * interrupts off, unless said so.
 */
#ifndef JIFFY_KERNEL_PLAT_PC_CHANNEL_H
#define JIFFY_KERNEL_PLAT_PC_CHANNEL_H

#include "abi/broker.h"
#include "abi/channel.h"
#include "kernel/plat/pc/pc.h"

struct stream;

/* console.c: the port's bytes. */
#define PORT_BUFFER ((u32)PAGE_SIZE)
/* A buffer of PORT_BUFFER bytes to fill; waits for one. Who may wait for others
 * while he has it never takes the last. */
u8 *port_get(bool may_wait);
/* How many there are. */
u32 port_spare(void);
/* Send the first n of it, after all that was sent before. */
void port_put(u8 *buffer, u32 n);
/* Wait until the device has taken all, or `deadline` has passed. */
void port_drain(nsec_t deadline);

/* channel.c. Is there a monitor? */
bool channel_is_up(void);
/* The port is there. */
void channel_begin(void);
/* Bytes from the monitor, in order; one thread. */
void channel_take(const u8 *bytes, u32 n);
/* One request: the reply's length; descriptors are streams, as hfds. -EMSGSIZE:
 * larger than a buffer. */
int channel_call(const void *request, size_t n, void *reply, size_t size,
		 int *hfds, int max_hfds);
/* The same without a reply. */
void channel_tell(const void *request, size_t n);
void channel_ack(void);
/* The oldest event that was not taken yet: false if there is none. */
bool channel_event(struct broker_event *e);
/* All of it, whoever is to be kicked. */
void channel_trace(const char *text, size_t n);
/* What the boot block has of the start's times; of numbers, for the monitor. */
void channel_publish_phases(void);
void channel_publish_stats(void);
/* The crash record, if there is a monitor and nobody is in the way. In any
 * context. */
void channel_publish_crash(void);

/* Streams, as plat.h has hfds. */
u32 stream_ready(struct stream *s, u32 wanted);
s64 stream_read(struct stream *s, const struct plat_iovec *iov, int n);
s64 stream_write(struct stream *s, const struct plat_iovec *iov, int n,
		 bool may_wait);
u32 stream_readable_bytes(struct stream *s);
void stream_shutdown(struct stream *s);
void stream_close(struct stream *s);

#endif
