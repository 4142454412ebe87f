/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket options that may be set (S) and read (G) on outside sockets: plain
 * ones of SOL_SOCKET and TCP, none that attaches programs, picks interfaces,
 * loads modules or hands out descriptors. HOSTOPT(level, number, S, G, "name"):
 * the filter kills for any other, so the kernel looks here first.
 */
/* clang-format off */
HOSTOPT(1, 2,  1, 1, "SO_REUSEADDR")
HOSTOPT(1, 3,  0, 1, "SO_TYPE")
HOSTOPT(1, 4,  0, 1, "SO_ERROR")
HOSTOPT(1, 6,  1, 1, "SO_BROADCAST")
HOSTOPT(1, 7,  1, 1, "SO_SNDBUF")
HOSTOPT(1, 8,  1, 1, "SO_RCVBUF")
HOSTOPT(1, 9,  1, 1, "SO_KEEPALIVE")
HOSTOPT(1, 10, 1, 1, "SO_OOBINLINE")
HOSTOPT(1, 12, 1, 1, "SO_PRIORITY")
HOSTOPT(1, 13, 1, 1, "SO_LINGER")
HOSTOPT(1, 18, 1, 1, "SO_RCVLOWAT")
HOSTOPT(1, 20, 1, 1, "SO_RCVTIMEO")
HOSTOPT(1, 21, 1, 1, "SO_SNDTIMEO")
HOSTOPT(1, 30, 0, 1, "SO_ACCEPTCONN")
HOSTOPT(1, 38, 0, 1, "SO_PROTOCOL")
HOSTOPT(1, 39, 0, 1, "SO_DOMAIN")
HOSTOPT(6, 1,  1, 1, "TCP_NODELAY")
HOSTOPT(6, 2,  1, 1, "TCP_MAXSEG")
HOSTOPT(6, 3,  1, 1, "TCP_CORK")
HOSTOPT(6, 4,  1, 1, "TCP_KEEPIDLE")
HOSTOPT(6, 5,  1, 1, "TCP_KEEPINTVL")
HOSTOPT(6, 6,  1, 1, "TCP_KEEPCNT")
HOSTOPT(6, 7,  1, 1, "TCP_SYNCNT")
HOSTOPT(6, 8,  1, 1, "TCP_LINGER2")
HOSTOPT(6, 9,  1, 1, "TCP_DEFER_ACCEPT")
HOSTOPT(6, 10, 1, 1, "TCP_WINDOW_CLAMP")
HOSTOPT(6, 11, 0, 1, "TCP_INFO")
HOSTOPT(6, 12, 1, 1, "TCP_QUICKACK")
HOSTOPT(6, 18, 1, 1, "TCP_USER_TIMEOUT")
HOSTOPT(6, 23, 1, 1, "TCP_FASTOPEN")
HOSTOPT(6, 25, 1, 1, "TCP_NOTSENT_LOWAT")
/* clang-format on */
