/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is bound to which port. One table per protocol, each under its
 * own lock, taken to bind, to find the other end of a connection and to route a
 * datagram; never while bytes move on a connection.
 */
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/net/inet.h"
#include "kernel/plat/plat.h"

#define BUCKETS 512
#define EPHEMERAL_FIRST 32768U /* net.ipv4.ip_local_port_range */
#define EPHEMERAL_COUNT 28232U

struct port_table {
	struct mutex lock;
	struct list buckets[BUCKETS]; /* struct inet_sock.port_node */
	bool is_started;
	u32 next;  /* ephemeral */
	u32 round; /* REUSEPORT: whose turn it is */
	u32 count;
	struct list children[BUCKETS]; /* accepted ones, port_node */
	u32 nchildren;
	struct lingerer *lingerers; /* LINGERERS of them, a ring; or NULL */
	u32 next_lingerer;
};
struct port_table tcp_ports, udp_ports, udplite_ports;

/* An end of a connection that closed first: Linux's TIME_WAIT. Nothing can
 * arrive for it here, but its port is not free for others at once. */
#define LINGERERS 4096U
#define LINGER_TIME (60 * NSEC_PER_SEC)
struct lingerer {
	struct inet_addr local, remote;
	nsec_t until;
	u32 flags; /* SF_* */
	u32 uid;
	u16 domain;
	bool is_v6only;
};

static void table_lock(struct port_table *t)
{
	mutex_lock(&t->lock);
	if (t->is_started)
		return;
	for (u32 i = 0; i < BUCKETS; i++)
		list_init(&t->buckets[i]), list_init(&t->children[i]);
	t->is_started = true;
}

static struct list *bucket(struct port_table *t, u16 port)
{
	return &t->buckets[port % BUCKETS];
}

static bool takes_both(const struct inet_sock *s)
{
	return s->sk.domain == AF_INET6 && !s->is_v6only &&
	       inet_is_any(&s->local) && !inet_is_v4(&s->local);
}

/* Could one address reach both? */
static bool overlap(const struct inet_sock *a, const struct inet_sock *b)
{
	if (takes_both(a) || takes_both(b))
		return true;
	if (inet_is_v4(&a->local) != inet_is_v4(&b->local))
		return false;
	return inet_is_any(&a->local) || inet_is_any(&b->local) ||
	       inet_ip_equal(&a->local, &b->local);
}

static bool may_share(const struct inet_sock *a, const struct inet_sock *b,
		      bool listens)
{
	u32 both = atomic_load(&a->sk.flags) & atomic_load(&b->sk.flags);
	bool listening = listens || a->sk.state == SS_LISTEN ||
			 b->sk.state == SS_LISTEN;

	if ((both & SF_REUSEPORT) && a->sk.cred.uid == b->sk.cred.uid)
		return true;
	if (a->sk.type != SOCK_STREAM)
		return both & SF_REUSEADDR;
	return (both & SF_REUSEADDR) && !listening;
}

/* An end that lingers is as a socket that does not listen. */
static bool lingerer_blocks(const struct lingerer *l,
			    const struct inet_sock *isk, u16 port)
{
	u32 both = l->flags & atomic_load(&isk->sk.flags);
	struct inet_sock ghost;

	if (l->local.port != port || l->domain == 0)
		return false;
	if ((both & SF_REUSEADDR) ||
	    ((both & SF_REUSEPORT) && l->uid == isk->sk.cred.uid))
		return false;
	ghost.sk.domain = l->domain;
	ghost.is_v6only = l->is_v6only;
	ghost.local = l->local;
	return overlap(&ghost, isk);
}

static bool is_lingering(struct port_table *t, const struct inet_sock *isk,
			 u16 port)
{
	nsec_t now;

	if (!t->lingerers)
		return false;
	now = plat_clock(PLAT_MONOTONIC);
	for (u32 i = 0; i < LINGERERS; i++) {
		if (t->lingerers[i].until > now &&
		    lingerer_blocks(&t->lingerers[i], isk, port))
			return true;
	}
	return false;
}

static bool is_taken(struct port_table *t, const struct inet_sock *isk,
		     u16 port)
{
	struct inet_sock *o;

	list_for_each (o, bucket(t, port), port_node) {
		if (o->local.port == port && o != isk && overlap(o, isk) &&
		    !may_share(o, isk, false))
			return true;
	}
	list_for_each (o, &t->children[port % BUCKETS], port_node) {
		if (o->local.port == port && overlap(o, isk) &&
		    !may_share(o, isk, false))
			return true;
	}
	return is_lingering(t, isk, port);
}

static bool is_used(struct port_table *t, u16 port)
{
	struct inet_sock *o;

	list_for_each (o, bucket(t, port), port_node) {
		if (o->local.port == port)
			return true;
	}
	return false;
}

static u16 find_ephemeral(struct port_table *t)
{
	for (u32 i = 0; i < EPHEMERAL_COUNT; i++) {
		u16 port = (u16)(EPHEMERAL_FIRST + t->next++ % EPHEMERAL_COUNT);

		if (!is_used(t, port))
			return port;
	}
	return 0;
}

int port_bind(struct port_table *t, struct inet_sock *isk)
{
	u16 port = isk->local.port;
	int err = 0;

	table_lock(t);
	if (t->next == 0)
		plat_entropy(&t->next, sizeof(t->next));
	if (port == 0)
		port = find_ephemeral(t);
	if (port == 0 || (isk->local.port && is_taken(t, isk, port))) {
		err = -EADDRINUSE;
	} else {
		isk->local.port = port;
		list_append(bucket(t, port), &isk->port_node);
		isk->is_bound = true;
		t->count++;
	}
	mutex_unlock(&t->lock);
	return err;
}

void port_unbind(struct port_table *t, struct inet_sock *isk)
{
	table_lock(t);
	if (isk->is_bound) {
		list_del(&isk->port_node);
		isk->is_bound = false;
		t->count--;
	} else if (isk->is_child) {
		list_del(&isk->port_node);
		isk->is_child = false;
		t->nchildren--;
	}
	mutex_unlock(&t->lock);
}

void port_add_child(struct port_table *t, struct inet_sock *isk)
{
	table_lock(t);
	list_append(&t->children[isk->local.port % BUCKETS], &isk->port_node);
	isk->is_child = true;
	t->nchildren++;
	mutex_unlock(&t->lock);
}

void port_linger(struct port_table *t, struct inet_sock *isk)
{
	struct lingerer *l;

	table_lock(t);
	if (!t->lingerers)
		t->lingerers = kzalloc(LINGERERS * sizeof(*t->lingerers));
	if (t->lingerers) {
		l = &t->lingerers[t->next_lingerer++ % LINGERERS];
		l->local = isk->local;
		l->remote = isk->remote;
		l->flags = atomic_load(&isk->sk.flags);
		l->uid = isk->sk.cred.uid;
		l->domain = isk->sk.domain;
		l->is_v6only = isk->is_v6only;
		l->until = plat_clock(PLAT_MONOTONIC) + LINGER_TIME;
	}
	mutex_unlock(&t->lock);
}

u32 port_count_lingering(struct port_table *t)
{
	nsec_t now = plat_clock(PLAT_MONOTONIC);
	u32 n = 0;

	table_lock(t);
	for (u32 i = 0; t->lingerers && i < LINGERERS; i++)
		n += t->lingerers[i].until > now;
	mutex_unlock(&t->lock);
	return n;
}

int port_listen(struct port_table *t, struct inet_sock *isk)
{
	struct inet_sock *o;
	int err = 0;

	table_lock(t);
	list_for_each (o, bucket(t, isk->local.port), port_node) {
		if (o->local.port == isk->local.port && o != isk &&
		    o->sk.state == SS_LISTEN && overlap(o, isk) &&
		    !may_share(o, isk, true))
			err = -EADDRINUSE;
	}
	if (!err)
		atomic_store_release(&isk->sk.state, SS_LISTEN);
	mutex_unlock(&t->lock);
	return err;
}

/* How well a socket fits the destination: 0 not at all. */
static u32 fit(const struct inet_sock *s, const struct inet_addr *dest)
{
	if (s->local.port != dest->port)
		return 0;
	if (inet_ip_equal(&s->local, dest))
		return 4;
	if (!inet_is_any(&s->local))
		return 0;
	if (inet_is_v4(&s->local))
		return inet_is_v4(dest) ? 2 : 0;
	if (inet_is_v4(dest))
		return takes_both(s) ? 1 : 0;
	return 2;
}

struct inet_sock *port_find_listener(struct port_table *t,
				     const struct inet_addr *dest)
{
	struct inet_sock *s, *found = NULL;
	u32 best = 0, n = 0, pick, f;

	table_lock(t);
	list_for_each (s, bucket(t, dest->port), port_node) {
		f = s->sk.state == SS_LISTEN ? fit(s, dest) : 0;
		if (f > best) {
			best = f;
			n = 0;
		}
		n += f && f == best;
	}
	pick = n > 1 ? t->round++ % n : 0;
	list_for_each (s, bucket(t, dest->port), port_node) {
		f = s->sk.state == SS_LISTEN ? fit(s, dest) : 0;
		if (f && f == best && pick-- == 0) {
			found = s;
			break;
		}
	}
	if (found)
		sock_get(&found->sk);
	mutex_unlock(&t->lock);
	return found;
}

static u32 fit_receiver(const struct inet_sock *s, const struct inet_addr *dest,
			const struct inet_addr *from)
{
	u32 f = fit(s, dest);

	if (f == 0 || s->remote.port == 0)
		return f;
	/* Connected: only from its peer, and then before all others. */
	return s->remote.port == from->port && inet_ip_equal(&s->remote, from)
		       ? f + 8
		       : 0;
}

struct inet_sock *port_find_receiver(struct port_table *t,
				     const struct inet_addr *dest,
				     const struct inet_addr *from)
{
	struct inet_sock *s, *found = NULL;
	u32 best = 0, n = 0, pick, f;

	table_lock(t);
	list_for_each (s, bucket(t, dest->port), port_node) {
		f = fit_receiver(s, dest, from);
		if (f > best) {
			best = f;
			n = 0;
		}
		n += f && f == best;
	}
	/* One sender stays with one receiver of a group. */
	pick = n > 1 ? (from->port * 2654435761U >> 16) % n : 0;
	list_for_each (s, bucket(t, dest->port), port_node) {
		f = fit_receiver(s, dest, from);
		if (f && f == best && pick-- == 0) {
			found = s;
			break;
		}
	}
	if (found)
		sock_get(&found->sk);
	mutex_unlock(&t->lock);
	return found;
}

static bool takes_group(struct inet_sock *s, const struct inet_addr *dest,
			const struct inet_addr *from, u32 ifindex)
{
	if (!fit_receiver(s, dest, from))
		return false;
	if (inet_is_v4(dest) && dest->ip[12] == 255)
		return true;
	return mcast_is_member(s, dest, ifindex);
}

u32 port_find_all(struct port_table *t, const struct inet_addr *dest,
		  const struct inet_addr *from, u32 ifindex,
		  struct inet_sock **found, u32 max)
{
	struct inet_sock *s;
	u32 n = 0;

	table_lock(t);
	list_for_each (s, bucket(t, dest->port), port_node) {
		if (n < max && takes_group(s, dest, from, ifindex)) {
			sock_get(&s->sk);
			found[n++] = s;
		}
	}
	mutex_unlock(&t->lock);
	return n;
}

static void
show_lingerers(struct port_table *t, u16 domain, struct fmt_buf *out, u32 n,
	       void (*row)(struct fmt_buf *out, u32 n, struct inet_sock *isk))
{
	nsec_t now = plat_clock(PLAT_MONOTONIC);
	struct inet_sock *ghost = kzalloc(sizeof(*ghost));

	for (u32 i = 0; ghost && i < LINGERERS; i++) {
		const struct lingerer *l = &t->lingerers[i];

		if (l->until <= now || l->domain != domain)
			continue;
		ghost->sk.domain = domain;
		ghost->sk.type = SOCK_STREAM;
		ghost->sk.state = SS_CLOSED;
		ghost->is_active_closer = true;
		ghost->local = l->local;
		ghost->remote = l->remote;
		row(out, n++, ghost);
	}
	kfree(ghost);
}

void port_show(struct port_table *t, u16 domain, struct fmt_buf *out,
	       void (*row)(struct fmt_buf *out, u32 n, struct inet_sock *isk))
{
	struct inet_sock *s;
	u32 n = 0;

	table_lock(t);
	for (u32 i = 0; i < BUCKETS; i++) {
		list_for_each (s, &t->buckets[i], port_node) {
			if (s->sk.domain == domain)
				row(out, n++, s);
		}
		list_for_each (s, &t->children[i], port_node) {
			if (s->sk.domain == domain)
				row(out, n++, s);
		}
	}
	if (t->lingerers)
		show_lingerers(t, domain, out, n, row);
	mutex_unlock(&t->lock);
}

u32 port_count(struct port_table *t)
{
	return atomic_load(&t->count) + atomic_load(&t->nchildren);
}

u32 port_count_children(struct port_table *t)
{
	return atomic_load(&t->nchildren);
}
