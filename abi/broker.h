/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between a kernel and its monitor over two SOCK_SEQPACKET pairs.
 * `broker`: the kernel sends one request at a time and gets one reply, with
 * descriptors attached (SCM_RIGHTS) where said. `event`: the monitor tells
 * process 0. Fixed-width, little endian; unused bytes are zero. Addresses are
 * Linux sockaddrs (sockaddr_in, sockaddr_in6).
 */
#ifndef JIFFY_ABI_BROKER_H
#define JIFFY_ABI_BROKER_H

#include <assert.h>
#include <stdint.h>

/* Raised as BOOT_VERSION is. */
#define BROKER_VERSION 3

enum broker_op {
	BROKER_LISTEN = 1, /* published TCP port: addr has the guest's port, arg
			    * backlog -> listening socket, or error ENOENT:
			    * not published (the port is internal only) */
	BROKER_CONNECT,	   /* TCP to addr -> socket, connect() in progress or
			    * done; error: EACCES (policy), ENETUNREACH ... */
	BROKER_UDP_BIND,   /* published UDP port -> bound socket; ENOENT */
	BROKER_UDP_CONNECT, /* UDP from the port in arg (0 any) to addr ->
			     * connected socket (resolver address: a pair) */
	BROKER_UDP_SEND,    /* datagram in `payload` from published port arg to
			     * addr; error only */
	BROKER_READY,	    /* the program is about to run; no reply payload */
	BROKER_EXIT, /* the first program ended: arg is the wait status; with a
		      * payload it could not be started: one line, why */
	BROKER_WINSIZE_GET, /* -> arg rows << 16 | cols */
	BROKER_SETNAME,	    /* payload: new hostname, for inspect */
	BROKER_MEMORY, /* private resident memory of host process arg, which is
			* one of the instance's -> arg KiB */
	BROKER_OOM,    /* answers EVENT_OOM: process arg, named in the payload,
			* was killed; 0: there is none but the first */
	/* Core files, with BOOT_CORES; a number of 8 bytes is in addr. */
	BROKER_CORE_OPEN,  /* of process arg, called as in the payload -> arg:
			    * its id; EMFILE */
	BROKER_CORE_WRITE, /* the payload at offset `addr` of id arg; EFBIG */
	BROKER_CORE_CLOSE, /* id arg; its size is `addr` */
	BROKER_STDIO,  /* arg: enum broker_stdio << 8 | descriptor of stdio, a
			* regular file; two numbers of 8 bytes in addr, up to
			* four in the reply's */
	BROKER_FROZEN, /* all is quiet, the caller too: memory may be copied.
			* The reply thaws; whoever kills instead sends none.
			* With an error in arg: the instance cannot be frozen,
			* the payload says why; it has gone on */
	BROKER_WOKEN,  /* no reply: all processes that a woken instance begins
			* with are there */
	BROKER_LESS,   /* no reply: a number of the status block went down */
	/* Commands from outside, by the id of their EVENT_EXEC. */
	BROKER_EXEC_TAKE, /* command arg; a number of 8 bytes in addr: offset
			   * -> bytes of its description (struct broker_exec)
			   * from there on after the reply, arg: how many it
			   * has in all; offset 0: its descriptors; ENOENT */
	BROKER_EXEC_RUNS, /* command arg runs: its pid is `addr` */
	BROKER_EXEC_END,  /* command arg ended: its wait status is `addr`; with
			   * a payload it could not be started: one line, why */
	BROKER_OUTPUT, /* no reply: something was written to standard output */
};

/* A program that the outside wants started: BROKER_EXEC_TAKE. */
enum broker_exec_flags {
	BROKER_EXEC_TTY = 1 << 0, /* a terminal: input and output are its line
				   */
	BROKER_EXEC_IN = 1 << 1,  /* descriptors that are handed in, in this */
	BROKER_EXEC_OUT = 1 << 2, /* order: pipes or sockets that do not block,
				   * and that nobody else in here has */
	BROKER_EXEC_ERR = 1 << 3,
	BROKER_EXEC_FILES = 1 << 4, /* no program: serve abi/files.h on the one
				     * descriptor, a stream socket */
};

#define BROKER_EXEC_MAX (1u << 20) /* bytes of a description */

struct broker_exec {
	uint32_t flags; /* enum broker_exec_flags */
	uint32_t argc, envc;
	uint16_t rows, cols;
	/* Terminated strings follow: user, directory, argc arguments, envc
	 * variables. */
};
static_assert(sizeof(struct broker_exec) == 16, "ABI");

enum broker_stdio {
	BROKER_STDIO_STAT,     /* -> size, mode, mtime: seconds, nanoseconds */
	BROKER_STDIO_SEEK,     /* offset, whence -> offset */
	BROKER_STDIO_READ,     /* offset, length -> bytes after the reply */
	BROKER_STDIO_WRITE,    /* offset; payload: all of it, or an error */
	BROKER_STDIO_TRUNCATE, /* size */
	BROKER_STDIO_SYNC,
};

#define BROKER_PAYLOAD_MAX 65536

struct broker_request {
	uint32_t op; /* enum broker_op */
	uint32_t arg;
	uint32_t addr_len;
	uint32_t payload_len;
	uint8_t addr[32]; /* sockaddr */
			  /* payload_len bytes follow */
};
static_assert(sizeof(struct broker_request) == 48, "ABI");

struct broker_reply {
	int32_t error; /* 0, or a positive errno */
	uint32_t arg;
	uint32_t nfds; /* descriptors attached */
	uint32_t addr_len;
	uint8_t addr[32]; /* the local address where one is chosen */
};
static_assert(sizeof(struct broker_reply) == 48, "ABI");

enum broker_event_type {
	EVENT_SIGNAL = 1, /* send signal arg to pid 1 (to the foreground group
			   * of the console with arg2 = 1) */
	EVENT_WINSIZE,	  /* arg rows, arg2 cols */
	EVENT_STATS, /* refresh boot_block.stats, then EVENT_ACK on `event` */
	EVENT_SHUTDOWN, /* stop everything: SIGKILL to all, unmount, power off
			 */
	EVENT_ACK,	/* kernel to monitor: EVENT_STATS was served */
	EVENT_OOM,	/* over the memory limit: kill a process */
	EVENT_FREEZE,	/* reach the quiet point, then BROKER_FROZEN */
	EVENT_NOTIFY,	/* tell who reads /dev/jiffy/notify: the instance will
			 * sleep in arg2 ms (arg 1), or it will not (arg 0) */
	EVENT_EXEC,	/* start command arg: BROKER_EXEC_TAKE */
	EVENT_EXEC_SIGNAL,  /* send command arg signal arg2 */
	EVENT_EXEC_WINSIZE, /* the terminal of command arg has rows << 16 | cols
			     * in arg2 */
	EVENT_EXEC_HANGUP,  /* whoever wanted command arg has gone: end it */
};

struct broker_event {
	uint32_t type; /* enum broker_event_type */
	uint32_t arg;
	uint32_t arg2;
	uint32_t pad;
};
static_assert(sizeof(struct broker_event) == 16, "ABI");

#endif
