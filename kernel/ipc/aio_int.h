/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What aio.c (contexts, the ring) and aio_req.c (requests) share.
 */
#ifndef JIFFY_KERNEL_IPC_AIO_INT_H
#define JIFFY_KERNEL_IPC_AIO_INT_H

#include "kernel/ipc/aio.h"
#include "kernel/proc/timer.h"
#include "kernel/proc/waitq.h"

struct file;

struct aio_ctx {
	struct list node; /* process.aio, under aio_lock */
	struct ref ref;	  /* the process, callers, polls */
	uaddr_t id;	  /* where the program sees the ring */
	u64 map_len;
	struct object *object; /* the ring's memory */
	u32 nr;		       /* events that the ring holds */
	u32 max_reqs;	       /* as asked for */
	struct mutex lock;     /* the rest, but for pages */
	u32 tail;
	u32 in_flight; /* submitted, no event yet */
	bool is_dead;
	struct list active;	/* polls that wait */
	struct list done;	/* polls that have their event */
	u32 noutside;		/* active ones that also wait for the outside */
	struct ktimer work;	/* look at polls whose files were woken */
	struct mutex reap_lock; /* polls' files stay while it is held */
	struct mutex read_lock; /* the ring's head */
	struct waitq wait;
	u8 *pages[]; /* kernel addresses of the ring */
};

/* A place in the ring for one request's event: 0, -EAGAIN. */
int aio_reserve(struct aio_ctx *c);
void aio_unreserve(struct aio_ctx *c);
/* Put the event of the request at `obj` into the ring; lock held. */
void aio_complete_locked(struct aio_ctx *c, uaddr_t obj, u64 data, s64 res);
/* Tell those who wait, and the eventfd, if there is one. No lock held. */
void aio_tell(struct aio_ctx *c, struct file *resfd);

/* aio_req.c: ktimer.fn of a context. */
void aio_work(struct ktimer *t);
/* Free the polls that are done. */
void aio_reap(struct aio_ctx *c);
/* Give all polls that wait an event of nothing. */
void aio_cancel_all(struct aio_ctx *c);
/* Look at the polls that wait for the outside; they cannot tell by themselves.
 */
void aio_look_outside(struct aio_ctx *c);
/* thread_sleep(), also until something outside is ready. */
int aio_sleep(struct aio_ctx *c, nsec_t deadline);

#endif
