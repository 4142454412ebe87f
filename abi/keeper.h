/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between monitors and jiffy-keeper, which holds the sockets of
 * suspended instances: SOCK_SEQPACKET at keeper.sock in the store, descriptors
 * attached (SCM_RIGHTS). An instance is known by its state directory.
 *
 * KEEPER_KEEP gives `n` sockets, in as many messages as it takes. When that
 * connection ends, the keeper looks whether the instance has a checkpoint: then
 * it watches the sockets and has the instance resumed when one has something to
 * read, or room again where there was none; else it closes them. KEEPER_TAKE
 * asks for them: messages of the same kind come back, `total` in each, at least
 * one.
 *
 * While someone sleeps, the keeper holds a spare monitor (--wait FD), and
 * starts more when several are to be woken. One is told on a socketpair of its
 * own whom to wake: KEEPER_WAKE, with the sockets as in the answer to
 * KEEPER_TAKE. The monitor closes its end when the instance runs, or at its own
 * end.
 */
#ifndef JIFFY_ABI_KEEPER_H
#define JIFFY_ABI_KEEPER_H

#include <linux/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define KEEPER_SOCKET "keeper.sock"
#define KEEPER_LOCK "keeper.lock" /* held by who starts or ends one */
#define KEEPER_BATCH 250	  /* the host attaches 253 at most */
#define KEEPER_LISTEN_FD 3	  /* of the keeper, when it is started */

enum keeper_op { KEEPER_KEEP = 1, KEEPER_TAKE, KEEPER_WAKE };

struct keeper_message {
	uint32_t op; /* enum keeper_op */
	uint32_t n;  /* descriptors attached */
	uint32_t total;
	uint32_t pad;
	uint64_t asked_ns; /* KEEPER_WAKE: when, CLOCK_MONOTONIC */
	char state_dir[1024];
	/* KEEPER_KEEP, of each socket: its mark when the instance was last
	 * woken, if there was something to read already: that does not wake it
	 * again. 0: there is none. */
	uint64_t known[KEEPER_BATCH];
};

/* All that ever came over a connection, its end, too: two marks are the same
 * only if nothing came in between. 0: not a TCP connection. */
static inline uint64_t keeper_mark(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, 6 /* IPPROTO_TCP */, TCP_INFO, &info, &len) ||
	    info.tcpi_state == 10 /* TCP_LISTEN: numbers of its own */)
		return 0;
	return info.tcpi_bytes_received | (uint64_t)info.tcpi_state << 56;
}

#endif
