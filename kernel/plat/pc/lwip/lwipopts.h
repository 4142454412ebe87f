/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TCP/IP stack as we build it: no threads of its own (net.c calls it under
 * one lock), its memory from the kernel's heap.
 */
#ifndef JIFFY_LWIPOPTS_H
#define JIFFY_LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 8

#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define LWIP_IPV6_AUTOCONFIG 1
#define LWIP_ARP 1
#define LWIP_ETHERNET 1
#define LWIP_ICMP 1
#define LWIP_DHCP 1
#define LWIP_DHCP_MAX_DNS_SERVERS 3
#define DHCP_DOES_ARP_CHECK 0 /* the server knows; it would take seconds */
#define LWIP_DNS 1	      /* leases name servers; nobody resolves here */
#define LWIP_UDP 1
#define LWIP_TCP 1
#define LWIP_RAW 0
#define IP_REASSEMBLY 1
#define IPV6_FRAG_COPYHEADER 1
#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_SINGLE_NETIF 0
#define LWIP_NETIF_LOOPBACK 0
#define LWIP_HAVE_LOOPIF 0

#define TCP_MSS 1460
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 4
#define TCP_WND (256 * 1024)
#define TCP_SND_BUF (256 * 1024)
#define TCP_SND_QUEUELEN 1024
#define TCP_SNDLOWAT (32 * 1024)
#define TCP_OVERSIZE TCP_MSS
#define TCP_QUEUE_OOSEQ 1
#define LWIP_TCP_SACK_OUT 1
#define LWIP_TCP_TIMESTAMPS 0
#define TCP_LISTEN_BACKLOG 1
#define TCP_DEFAULT_LISTEN_BACKLOG 0xff
#define TCP_MSL 1000UL	     /* TIME_WAIT: two seconds */
#define TCP_TMR_INTERVAL 100 /* ms: a delayed ACK waits so long at most */
#define SO_REUSE 1
#define LWIP_TCP_KEEPALIVE 1
#define MEMP_NUM_TCP_PCB 65536
#define MEMP_NUM_TCP_SEG 65536
#define PBUF_LINK_HLEN 14
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define LWIP_TCP_PCB_NUM_EXT_ARGS 1 /* 0: bytes the wire takes at once */

/* vnet.c: the device is told how to cut a large segment. */
struct tcp_pcb;
struct tcp_hdr;
struct pbuf;
unsigned int *vnet_segment(const struct pbuf *p, const struct tcp_pcb *pcb,
			   unsigned int *options);
#define LWIP_HOOK_TCP_OUT_ADD_TCPOPTS(p, hdr, pcb, options) \
	vnet_segment(p, pcb, options)

/* netaddr.c: what a lease says, and a router of the command line's. */
struct ip6_addr;
struct netif;
const struct ip6_addr *address_router6(struct netif *n,
				       const struct ip6_addr *to);
#define LWIP_HOOK_ND6_GET_GW(n, to) address_router6(n, to)

#define LWIP_STATS 0
#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_LIMITS_H 1
#define LWIP_NO_CTYPE_H 1
#define LWIP_NO_UNISTD_H 1

#endif
