/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net (5.1). The device computes and checks TCP's checksums, cuts large
 * segments and joins arriving ones, as far as it can. What is sent stays where
 * it is, with one more reference, until the device is done with it. A packet
 * that arrives is copied if it is small; else the stack gets the page and the
 * device another one.
 */
#include "kernel/plat/pc/vnet.h"

#include "kernel/mm/heap.h"
#include "kernel/plat/pc/net.h"
#include "kernel/plat/pc/virtio.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"

enum { /* feature bits */
       F_CSUM = 1 << 0,
       F_GUEST_CSUM = 1 << 1,
       F_MAC = 1 << 5,
       F_GUEST_TSO4 = 1 << 7,
       F_GUEST_TSO6 = 1 << 8,
       F_HOST_TSO4 = 1 << 11,
       F_HOST_TSO6 = 1 << 12,
       F_MERGE = 1 << 15
};
enum { /* header.flags, header.gso_type */
       HEADER_NEEDS_CSUM = 1,
       HEADER_CSUM_VALID = 2,
       GSO_TCP4 = 1,
       GSO_TCP6 = 4
};

struct header { /* 5.1.6, with VERSION_1 */
	u8 flags, gso_type;
	u16 header_len, gso_size, csum_start, csum_offset, nbuffers;
};
_Static_assert(sizeof(struct header) == 12, "virtio");

#define MTU 1500
#define ETHERNET 14u /* bytes of its header */
#define QUEUE_MAX 256
#define RECEIVE_PAGES 64
#define PIECES_MAX 40	/* of a packet that is sent */
#define BUFFERS_MAX 18	/* of one that arrives: 64 KiB */
#define COPY_MAX 1024	/* bytes of a packet that is copied */
#define SEGMENTS_MAX 11 /* that the device may make of one */
#define SAFE_MSS 536	/* every host takes that */

/* On its way. The first word is the device's. */
struct outgoing {
	struct header header;
	struct pbuf *p;
	struct outgoing *next; /* while it is free */
};
/* A page that the stack has. */
struct incoming {
	struct pbuf_custom custom;
	void *page;
};

static struct virtio *device;
static struct virtq receive, send;
static u8 mac[6];
static struct outgoing *spare;
static bool must_notify;
static u16 mtu6 = MTU;
static u16 segment_mss; /* of the large segment that comes next */

u16 vnet_segment_max(u16 mss)
{
	const u64 tso = F_HOST_TSO4 | F_HOST_TSO6;

	return (device->features & tso) == tso ? (u16)(mss * SEGMENTS_MAX)
					       : mss;
}

/* --- Sending -----------------------------------------------------------------
 */

static void take_back(void)
{
	struct outgoing *o;
	u32 len;

	while ((o = virtq_get(&send, &len))) {
		pbuf_free(o->p);
		o->p = NULL;
		o->next = spare;
		spare = o;
	}
}

static paddr_t physical_of(const void *p)
{
	u64 va = (u64)p;

	if (va >= PHYSICAL_BASE)
		return va - PHYSICAL_BASE;
	return kernel_frame(ROUND_DOWN(va, PAGE_SIZE)) + va % PAGE_SIZE;
}

/* Bytes from p on that are one piece for the device, too. */
static u32 run_of(const void *p)
{
	return (u64)p >= PHYSICAL_BASE ? UINT16_MAX
				       : (u32)(PAGE_SIZE - (u64)p % PAGE_SIZE);
}

/* The memory of p for the device, after the first piece; the number of all, or
 * 0: too many. */
static u16 pieces_of(const struct pbuf *p, struct virtq_piece *pieces)
{
	u16 n = 1;

	for (; p; p = p->next) {
		for (u32 at = 0; at < p->len;) {
			const u8 *from = (const u8 *)p->payload + at;
			u32 len = MIN(p->len - at, run_of(from));

			if (n == PIECES_MAX)
				return 0;
			pieces[n++] = (struct virtq_piece){ physical_of(from),
							    len, false };
			at += len;
		}
	}
	return n;
}

/* Fields of a packet, from its first byte. */
static u16 get16(const u8 *p)
{
	return (u16)(p[0] << 8 | p[1]);
}

static u32 sum_of(const u8 *p, u32 n)
{
	u32 sum = 0;

	for (u32 i = 0; i < n; i += 2)
		sum += get16(p + i);
	return sum;
}

/* Where TCP's header begins in an Ethernet frame, and in *sum that of the
 * pseudo header; 0: it is no TCP, or only part of it. */
static u32 tcp_start(const u8 *frame, u32 len, u32 total, u32 *sum)
{
	u32 start;

	if (len < ETHERNET + IP_HLEN + TCP_HLEN)
		return 0;
	if (get16(frame + 12) == ETHTYPE_IP) {
		start = ETHERNET + (frame[14] & 15u) * 4u;
		if (frame[23] != IP_PROTO_TCP || get16(frame + 20) & 0x3fff)
			return 0;
		*sum = sum_of(frame + 26, 8);
	} else if (get16(frame + 12) == ETHTYPE_IPV6) {
		start = ETHERNET + IP6_HLEN;
		if (frame[20] != IP_PROTO_TCP)
			return 0;
		*sum = sum_of(frame + 22, 32);
	} else {
		return 0;
	}
	if (len < start + TCP_HLEN)
		return 0;
	*sum += IP_PROTO_TCP + (total - start);
	return start;
}

/* The device is to do the rest: false: it would have to cut what it cannot. */
static bool offload(struct header *h, struct pbuf *p)
{
	u8 *frame = p->payload;
	bool is_large = p->tot_len > MTU + ETHERNET;
	u32 sum, start = 0;

	memset(h, 0, sizeof(*h));
	if (device->features & F_CSUM)
		start = tcp_start(frame, p->len, p->tot_len, &sum);
	if (!start)
		return !is_large;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	frame[start + 16] = (u8)(sum >> 8);
	frame[start + 17] = (u8)sum;
	h->flags = HEADER_NEEDS_CSUM;
	h->csum_start = (u16)start;
	h->csum_offset = 16;
	if (!is_large)
		return true;
	h->gso_type = get16(frame + 12) == ETHTYPE_IP ? GSO_TCP4 : GSO_TCP6;
	h->gso_size = segment_mss ? segment_mss : SAFE_MSS;
	h->header_len = (u16)(start + (frame[start + 12] >> 4) * 4u);
	return true;
}

static err_t hand_over(struct outgoing *o, struct pbuf *p)
{
	struct virtq_piece pieces[PIECES_MAX];
	u16 n = pieces_of(p, pieces);
	struct pbuf *copy = NULL;

	if (!n) {
		copy = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
		if (!copy)
			return ERR_MEM;
		p = copy;
		n = pieces_of(p, pieces);
	}
	pieces[0] = (struct virtq_piece){ physical_of(&o->header),
					  sizeof(o->header), false };
	if (!virtq_add(&send, pieces, n, o)) {
		if (copy)
			pbuf_free(copy);
		return ERR_MEM;
	}
	if (!copy)
		pbuf_ref(p);
	o->p = p;
	must_notify = true;
	return ERR_OK;
}

static err_t link_output(UNUSED struct netif *n, struct pbuf *p)
{
	struct outgoing *o;

	if (!spare || send.ring.nfree < PIECES_MAX)
		take_back();
	o = spare;
	if (!o)
		return ERR_MEM; /* lost: it is sent again */
	if (!offload(&o->header, p))
		return ERR_IF;
	segment_mss = 0;
	spare = o->next;
	if (hand_over(o, p) == ERR_OK)
		return ERR_OK;
	o->next = spare;
	spare = o;
	return ERR_MEM;
}

void vnet_flush(void)
{
	if (!must_notify)
		return;
	must_notify = false;
	virtq_notify(&send);
}

/* --- Large segments: the stack is not to make fragments of them --------------
 */

static struct netif *the_netif;

unsigned int *vnet_segment(const struct pbuf *p, const struct tcp_pcb *pcb,
			   unsigned int *options)
{
	u32 ip = pcb && IP_IS_V6(&pcb->remote_ip) ? IP6_HLEN : IP_HLEN;

	if (!pcb || p->tot_len + ip <= MTU || pcb->state == LISTEN)
		return options;
	segment_mss = (u16)(u64)tcp_ext_arg_get(pcb, 0);
	the_netif->mtu = the_netif->mtu6 = 0;
	return options;
}

static void usual_mtu(struct netif *n)
{
	n->mtu = MTU;
	n->mtu6 = mtu6;
}

static err_t output_ip4(struct netif *n, struct pbuf *p, const ip4_addr_t *to)
{
	usual_mtu(n);
	return etharp_output(n, p, to);
}

static err_t output_ip6(struct netif *n, struct pbuf *p, const ip6_addr_t *to)
{
	usual_mtu(n);
	return ethip6_output(n, p, to);
}

/* --- Receiving ---------------------------------------------------------------
 */

static void offer(void *page)
{
	struct virtq_piece piece = { (u64)page - PHYSICAL_BASE, PAGE_SIZE,
				     true };

	if (!virtq_add(&receive, &piece, 1, page))
		frame_put((u64)page - PHYSICAL_BASE, 0);
}

static void *page_new(void)
{
	paddr_t pa = frame_alloc(0);

	return pa == FRAME_NONE ? NULL : physical(pa);
}

static void incoming_free(struct pbuf *p)
{
	struct incoming *in = container_of(p, struct incoming, custom.pbuf);

	frame_put((u64)in->page - PHYSICAL_BASE, 0);
	kfree(in);
}

/* The page as part of a packet; NULL: no memory. The device has one again. */
static struct pbuf *keep(void *page, u32 at, u32 len)
{
	struct incoming *in = kmalloc(sizeof(*in));
	void *other = in ? page_new() : NULL;

	if (!other) {
		kfree(in);
		offer(page);
		return NULL;
	}
	in->page = page;
	in->custom.custom_free_function = incoming_free;
	offer(other);
	return pbuf_alloced_custom(PBUF_RAW, (u16)len, PBUF_REF, &in->custom,
				   (u8 *)page + at, (u16)(PAGE_SIZE - at));
}

static struct pbuf *copy_of(void *page, u32 at, u32 len)
{
	struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16)len, PBUF_RAM);

	if (p)
		memcpy(p->payload, (u8 *)page + at, len);
	offer(page);
	return p;
}

/* The rest of a packet of n buffers, `first` its first; NULL: it is lost. */
static struct pbuf *take_rest(struct pbuf *first, u32 n)
{
	u32 total = first ? first->tot_len : 0;

	while (--n) {
		struct pbuf *p;
		u32 len;
		void *page = virtq_get(&receive, &len);

		if (!page)
			virtio_broken(device, "has not all of a packet");
		total += len;
		if (!first || !len || total > UINT16_MAX) {
			offer(page);
			p = NULL;
		} else {
			p = keep(page, 0, len);
		}
		if (p) {
			pbuf_cat(first, p);
		} else if (first) {
			pbuf_free(first);
			first = NULL;
		}
	}
	return first;
}

static u32 buffers_of(const struct header *h)
{
	u32 n = device->features & F_MERGE ? h->nbuffers : 1;

	if (!n || n > BUFFERS_MAX)
		virtio_broken(device, "has packets of too many buffers");
	return n;
}

/* What the device knows to be right is not computed again. */
static void set_checks(struct netif *n, const struct header *h)
{
	u16 flags = NETIF_CHECKSUM_ENABLE_ALL;

	if (device->features & F_CSUM)
		flags &= (u16)~NETIF_CHECKSUM_GEN_TCP;
	if (device->features & F_GUEST_CSUM &&
	    h->flags & (HEADER_NEEDS_CSUM | HEADER_CSUM_VALID))
		flags &= (u16) ~(NETIF_CHECKSUM_CHECK_TCP |
				 NETIF_CHECKSUM_CHECK_UDP);
	NETIF_SET_CHECKSUM_CTRL(n, flags);
}

static void take_packet(struct netif *n, void *page, u32 len)
{
	struct header h;
	struct pbuf *p;
	u32 nbuffers;

	if (len < sizeof(h))
		virtio_broken(device, "has a packet without its header");
	memcpy(&h, page, sizeof(h));
	nbuffers = buffers_of(&h);
	len -= (u32)sizeof(h);
	if (len > COPY_MAX)
		p = keep(page, sizeof(h), len);
	else
		p = copy_of(page, sizeof(h), len);
	p = take_rest(p, nbuffers);
	if (!p)
		return;
	set_checks(n, &h);
	if (n->input(p, n) != ERR_OK)
		pbuf_free(p);
	if (n->mtu6 && n->mtu6 != mtu6)
		mtu6 = n->mtu6; /* the router says so */
}

void vnet_take(struct netif *n)
{
	bool any = false;
	void *page;
	u32 len;

	ring_quiet(&receive.ring);
	take_back();
	while ((page = virtq_get(&receive, &len))) {
		take_packet(n, page, len);
		any = true;
	}
	if (any)
		virtq_notify(&receive);
}

bool vnet_listen(void)
{
	return ring_listen(&receive.ring);
}

/* --- The beginning -----------------------------------------------------------
 */

s8 vnet_netif(struct netif *n)
{
	struct header none = { 0 };

	the_netif = n;
	n->name[0] = 'e';
	n->name[1] = 'n';
	usual_mtu(n);
	n->hwaddr_len = sizeof(mac);
	memcpy(n->hwaddr, mac, sizeof(mac));
	n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP |
		   NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP | NETIF_FLAG_MLD6;
	n->output = output_ip4;
	n->output_ip6 = output_ip6;
	n->linkoutput = link_output;
	set_checks(n, &none);
	return ERR_OK;
}

/* One page of them; they are the device's to read. */
static bool make_outgoing(void)
{
	struct outgoing *o = page_new();

	if (!o)
		return false;
	memset(o, 0, PAGE_SIZE);
	for (u32 i = 0; i < PAGE_SIZE / sizeof(*o); i++) {
		o[i].next = spare;
		spare = &o[i];
	}
	return true;
}

bool vnet_begin(struct virtio *d, void (*on_irq)(struct virtio *d))
{
	u64 wanted = F_CSUM | F_GUEST_CSUM | F_MAC | F_HOST_TSO4 | F_HOST_TSO6 |
		     F_MERGE | VIRTIO_F_EVENT_IDX;
	u32 pages;

	device = d;
	/* Else each buffer would have to be of 64 KiB. */
	if (d->transport->features(d) & F_MERGE)
		wanted |= F_GUEST_TSO4 | F_GUEST_TSO6;
	if (!virtio_begin(d, wanted) || !(d->features & F_MAC) ||
	    !virtq_init(&receive, d, 0, QUEUE_MAX) ||
	    !virtq_init(&send, d, 1, QUEUE_MAX) || !make_outgoing())
		return false;
	virtio_config(d, 0, mac, sizeof(mac));
	d->on_irq = on_irq;
	ring_quiet(&send.ring);
	virtio_go(d);
	/* A small machine has fewer. */
	pages = MIN(RECEIVE_PAGES, (u32)(frames_total() / 64));
	for (u32 i = 0; i < MIN((u32)receive.size, pages); i++) {
		void *page = page_new();

		if (page)
			offer(page);
	}
	virtq_notify(&receive);
	return true;
}
