/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames between a kernel in a machine of its own (platform `pc`) and its
 * monitor, both ways over the bytes of one port of a virtio console. They carry
 * what two sockets and inherited descriptors carry on platform `process`: the
 * messages of abi/broker.h, and streams in place of descriptors. Little endian.
 * Each end takes the other's for hostile.
 */
#ifndef JIFFY_ABI_CHANNEL_H
#define JIFFY_ABI_CHANNEL_H

#include <assert.h>
#include <stdint.h>

/* boot_block.broker_fd: the number of the console's port (5.3 of virtio 1.2).
 * Anything else: there is no monitor, standard output is the serial line. */
#define CHANNEL_PORT 1

enum channel_kind {
	CHANNEL_REQUEST = 1, /* to the monitor: struct broker_request, payload
			      */
	CHANNEL_REPLY, /* to the kernel: struct broker_reply, bytes; each of its
			* nfds descriptors is a stream: `stream` and the numbers
			* after it */
	CHANNEL_EVENT, /* struct broker_event; to the monitor: EVENT_ACK */
	CHANNEL_DATA,  /* bytes of a stream, no more than there is room for */
	CHANNEL_ROOM,  /* uint32_t: so many more may come; none at first */
	CHANNEL_END,   /* no more bytes come this way */
	CHANNEL_CLOSE, /* the sender takes no more of them, and sends none. The
			* number is free when both have said so */
	CHANNEL_BLOCK, /* to the monitor: uint32_t offset; from there on the
			* boot block is now so: what the kernel writes in it */
};

struct channel_frame {
	uint16_t kind; /* enum channel_kind */
	uint16_t stream;
	uint32_t len; /* bytes that follow */
};
static_assert(sizeof(struct channel_frame) == 8, "ABI");

/* Streams that are there from the start. */
enum channel_stream {
	CHANNEL_STDIN,
	CHANNEL_STDOUT,
	CHANNEL_STDERR,
	CHANNEL_TRACE,
	CHANNEL_FIRST, /* of those that replies bring */
	CHANNEL_STREAMS = 256
};

/* The largest frame, behind its head, either way. */
#define CHANNEL_FRAME_MAX (128u << 10)
/* Most that may be under way in a stream. */
#define CHANNEL_ROOM_MAX (256u << 10)

#endif
