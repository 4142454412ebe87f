/* SPDX-License-Identifier: Apache-2.0 */
/* What the TCP/IP stack needs of the compiler and the kernel. */
#ifndef JIFFY_LWIP_CC_H
#define JIFFY_LWIP_CC_H

#include "kernel/kernel.h"
#include "kernel/mm/heap.h"

#define SSIZE_MAX INT64_MAX
typedef s64 ssize_t;
#define X8_F "x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "lu"
#define LWIP_CHKSUM_ALGORITHM 2

#define LWIP_PLATFORM_DIAG(x)
#define LWIP_PLATFORM_ASSERT(x) kpanic("tcp/ip: %s", x)
#define LWIP_RAND() net_random()
#define mem_clib_malloc net_malloc
#define mem_clib_calloc(n, size) kzalloc((n) * (size)) /* nobody does */
#define mem_clib_free net_free

u32 net_random(void);
/* Large pieces are of physical memory, for the device and for reuse without
 * being zeroed. */
void *net_malloc(size_t n);
void net_free(void *p);

/* libc's, for the stack's own sources. */
int atoi(const char *s);

#endif
