/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's socket numbers and structures: families, types, flags, addresses,
 * message headers. Option numbers of SOL_SOCKET and SIOC* come from the UAPI.
 */
#ifndef JIFFY_KERNEL_LINUX_SOCKET_H
#define JIFFY_KERNEL_LINUX_SOCKET_H

#include <asm/socket.h>
#include <asm/sockios.h>
#include <linux/sockios.h>

#include "lib/compiler.h"

enum {
	AF_UNSPEC = 0,
	AF_UNIX = 1,
	AF_INET = 2,
	AF_INET6 = 10,
	AF_NETLINK = 16,
	AF_PACKET = 17,
	AF_MAX = 46,
};

enum {
	SOCK_STREAM = 1,
	SOCK_DGRAM = 2,
	SOCK_RAW = 3,
	SOCK_RDM = 4,
	SOCK_SEQPACKET = 5,
	SOCK_TYPE_MASK = 0xf,
	SOCK_NONBLOCK = 04000,
	SOCK_CLOEXEC = 02000000,
};

enum {
	SOL_IP = 0,
	SOL_TCP = 6,
	SOL_UDP = 17,
	SOL_IPV6 = 41,
	SOL_UDPLITE = 136,
	SOL_RAW = 255,
	SOL_NETLINK = 270,
};

enum {
	SHUT_RD = 0,
	SHUT_WR = 1,
	SHUT_RDWR = 2,
	SCM_RIGHTS = 1,
	SCM_CREDENTIALS = 2,
	SCM_MAX_FD = 253,
	SOCK_MAX_BACKLOG = 4096, /* net.core.somaxconn */
	SOCK_ADDR_MAX = 128,	 /* struct sockaddr_storage */
};

enum {
	MSG_OOB = 0x1,
	MSG_PEEK = 0x2,
	MSG_DONTROUTE = 0x4,
	MSG_CTRUNC = 0x8,
	MSG_TRUNC = 0x20,
	MSG_DONTWAIT = 0x40,
	MSG_EOR = 0x80,
	MSG_WAITALL = 0x100,
	MSG_CONFIRM = 0x800,
	MSG_ERRQUEUE = 0x2000,
	MSG_NOSIGNAL = 0x4000,
	MSG_MORE = 0x8000,
	MSG_WAITFORONE = 0x10000,
	MSG_BATCH = 0x40000,
	MSG_ZEROCOPY = 0x4000000,
	MSG_FASTOPEN = 0x20000000,
	MSG_CMSG_CLOEXEC = 0x40000000,
};

enum { IFNAMSIZ = 16 };

struct linux_iovec {
	u64 base;
	u64 len;
};
struct linux_msghdr {
	u64 name;
	u32 name_len, pad0;
	u64 iov, iov_len;
	u64 control, control_len;
	u32 flags, pad1;
};
struct linux_mmsghdr {
	struct linux_msghdr hdr;
	u32 len, pad;
};
_Static_assert(sizeof(struct linux_mmsghdr) == 64, "Linux ABI");

struct linux_cmsghdr {
	u64 len; /* with this header */
	s32 level;
	s32 type;
};
#define CMSG_ROUND(n) ROUND_UP((u64)(n), 8)

struct linux_ucred {
	s32 pid;
	u32 uid, gid;
};
struct linux_linger {
	s32 on;
	s32 seconds;
};

struct linux_sockaddr_in {
	u16 family;
	u16 port; /* network order */
	u8 ip[4];
	u8 zero[8];
};
struct linux_sockaddr_in6 {
	u16 family;
	u16 port; /* network order */
	u32 flowinfo;
	u8 ip[16];
	u32 scope_id;
};
#define UNIX_PATH_MAX 108
struct linux_sockaddr_un {
	u16 family;
	char path[UNIX_PATH_MAX];
};
struct linux_sockaddr_nl {
	u16 family, pad;
	u32 pid, groups;
};

#endif
