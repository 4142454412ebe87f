/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that hold each other in their queues.
 *
 * Theory of operation. A socket all of whose file references are in flight can
 * be received only from a queue; such sockets are candidates. References found
 * in the queues of candidates are taken off their counts; whoever has some left
 * is reachable from outside, and so is, step by step, all that is queued in a
 * reachable one. What remains is garbage: its queues are emptied, which drops
 * the files. scm_state.lock holds the graph still: references enter and leave
 * flight under it, and a file that a receiver has in hand but still counts as
 * in flight is in no queue, hence keeps its count.
 */
#include "kernel/kernel.h"
#include "kernel/net/msg.h"
#include "kernel/net/scm_int.h"
#include "kernel/net/sock.h"
#include "kernel/vfs/file.h"

#define GC_FILES_MIN 1024UL /* in flight, before a sender collects */

enum gc_state { GC_NONE, GC_CANDIDATE, GC_REACHABLE };

void scm_count(struct file *f, bool begins)
{
	struct sock *sk = scm_unix_sock(f);

	if (!sk)
		return;
	if (begins) {
		if (sk->inflight++ == 0) {
			list_append(&scm_state.socks, &sk->inflight_node);
			scm_state.nsocks++;
		}
	} else if (--sk->inflight == 0) {
		list_del(&sk->inflight_node);
		sk->gc_state = GC_NONE;
		scm_state.nsocks--;
	}
}

typedef void visit_fn(struct sock *sk);

static void visit_files(struct scm_files *f, visit_fn *fn)
{
	for (u32 i = 0; f && i < f->n; i++) {
		struct sock *sk = scm_unix_sock(f->file[i]);

		if (sk && sk->gc_state != GC_NONE)
			fn(sk);
	}
}

static void visit_queue(struct sock *sk, visit_fn *fn)
{
	struct stream_mark *m;
	struct msg *msg;

	mutex_lock(&sk->rx_lock);
	list_for_each (m, &sk->rx.marks, node)
		visit_files(m->files, fn);
	list_for_each (msg, &sk->msgs, node)
		visit_files(msg->scm.files, fn);
	mutex_unlock(&sk->rx_lock);
}

/* All that can be received through sk: its own queue, and those of connections
 * not accepted yet. */
static void visit_sock(struct sock *sk, visit_fn *fn)
{
	struct sock *child;

	visit_queue(sk, fn);
	mutex_lock(&sk->lock);
	list_for_each (child, &sk->accept_queue, accept_node)
		visit_queue(child, fn);
	mutex_unlock(&sk->lock);
}

static void visit_uncount(struct sock *sk)
{
	if (sk->gc_refs)
		sk->gc_refs--;
}

/* sk can be received: what it leads to is to be looked at. */
static void visit_reach(struct sock *sk)
{
	if (sk->gc_state != GC_CANDIDATE)
		return;
	sk->gc_state = GC_REACHABLE;
	list_del(&sk->inflight_node);
	list_append(&scm_state.work, &sk->inflight_node);
}

/* Move those with no file reference but from queues to `candidates`. */
static void choose_candidates(struct list *candidates)
{
	struct sock *sk, *tmp;

	list_for_each_safe (sk, tmp, &scm_state.socks, inflight_node) {
		struct file *f = sk->file;

		sk->gc_state = GC_NONE;
		sk->gc_refs = sk->inflight;
		if (!f || atomic_load(&f->ref.count) != sk->inflight)
			continue;
		sk->gc_state = GC_CANDIDATE;
		list_del(&sk->inflight_node);
		list_append(candidates, &sk->inflight_node);
	}
	list_for_each (sk, candidates, inflight_node)
		visit_sock(sk, visit_uncount);
}

/* Candidates with counts left, and all they lead to, are reachable. */
static void spread(struct list *candidates)
{
	struct sock *sk, *tmp;

	list_for_each_safe (sk, tmp, candidates, inflight_node) {
		if (sk->gc_refs)
			visit_reach(sk);
	}
	while (!list_empty(&scm_state.work)) {
		sk = list_first(&scm_state.work, struct sock, inflight_node);
		list_del(&sk->inflight_node);
		list_append(&scm_state.socks, &sk->inflight_node);
		visit_sock(sk, visit_reach);
	}
}

static void purge_queue(struct sock *sk, struct list *dead)
{
	struct stream_mark *m;
	struct msg *msg;

	mutex_lock(&sk->rx_lock);
	list_for_each (m, &sk->rx.marks, node) {
		if (m->files)
			list_append(dead, &m->files->node);
		m->files = NULL;
	}
	list_for_each (msg, &sk->msgs, node) {
		if (msg->scm.files)
			list_append(dead, &msg->scm.files->node);
		msg->scm.files = NULL;
	}
	mutex_unlock(&sk->rx_lock);
}

static void purge(struct sock *sk, struct list *dead)
{
	struct sock *child;

	purge_queue(sk, dead);
	mutex_lock(&sk->lock);
	list_for_each (child, &sk->accept_queue, accept_node)
		purge_queue(child, dead);
	mutex_unlock(&sk->lock);
}

void scm_collect(struct list *dead)
{
	struct list candidates;
	struct sock *sk;

	list_init(&candidates);
	mutex_lock(&scm_state.lock);
	choose_candidates(&candidates);
	spread(&candidates);
	list_for_each (sk, &candidates, inflight_node)
		purge(sk, dead);
	list_splice(&scm_state.socks, &candidates);
	list_for_each (sk, &scm_state.socks, inflight_node)
		sk->gc_state = GC_NONE;
	scm_state.gc_at = MAX(GC_FILES_MIN, scm_state.nfiles * 2);
	mutex_unlock(&scm_state.lock);
}
