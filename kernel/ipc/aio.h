/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asynchronous I/O (io_setup and its relatives). As with Linux's buffered I/O,
 * reads, writes and syncs are done when they are submitted; polls stay until
 * their file is ready. What has been completed lies in a ring that the program
 * sees at the address that is the context's id.
 */
#ifndef JIFFY_KERNEL_IPC_AIO_H
#define JIFFY_KERNEL_IPC_AIO_H

#include "kernel/kernel.h"

struct aio_ctx;
struct process;

#define AIO_MAX 65536 /* fs.aio-max-nr */

/* A context for nr requests at once; its id in *id. 0, -EINVAL, -EAGAIN,
 * -ENOMEM. */
long aio_setup(u32 nr, uaddr_t *id);
/* The current process's, with a reference, or NULL. */
struct aio_ctx *aio_get(uaddr_t id);
void aio_put(struct aio_ctx *c);
/* Cancel what is left, wait for what runs, forget the context. 0, -EINVAL. */
long aio_destroy(uaddr_t id);
/* How many requests one call may submit. */
u32 aio_capacity(const struct aio_ctx *c);
/* The request (struct iocb) at that address: 0 if it was begun or done. */
long aio_submit(struct aio_ctx *c, uaddr_t at);
/* -EINPROGRESS if it was cancelled (its event follows), -EINVAL. */
long aio_cancel(struct aio_ctx *c, uaddr_t at);
/* Between min and max events to `to`, waiting until the deadline (0: not at
 * all): how many, or -EINTR, -EFAULT, -EINVAL (destroyed meanwhile). */
long aio_events(struct aio_ctx *c, long min, long max, uaddr_t to,
		nsec_t deadline);
/* All contexts of a process that ends or begins another program. */
void aio_exit(struct process *p);
u64 aio_total(void); /* fs.aio-nr */

#endif
