/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outside descriptors inside: a table of objects that know whether they are
 * ready and say when that changes.
 */
#ifndef JIFFY_KERNEL_PLAT_PC_HFD_H
#define JIFFY_KERNEL_PLAT_PC_HFD_H

#include "kernel/plat/pc/pc.h"

enum { /* as poll() and epoll have them */
       READY_IN = 0x1,
       READY_OUT = 0x4,
       READY_ERR = 0x8,
       READY_HUP = 0x10,
       READY_NVAL = 0x20,
       READY_RDHUP = 0x2000
};

enum hfd_kind {
	HFD_FREE,
	HFD_SERIAL,
	HFD_BELL,
	HFD_SET,
	HFD_SOCKET,
	HFD_STREAM, /* of the monitor: channel.h */
	HFD_ENDED   /* plat_hfd_end() */
};

/* A number for the object, or -EMFILE. */
int hfd_new(enum hfd_kind kind, void *object);
/* This number, one of standard input and output or the trace: it, or -ENOMEM.
 */
int hfd_place(int hfd, enum hfd_kind kind, void *object);
/* The object, if it is of that kind; NULL. */
void *hfd_object(int hfd, enum hfd_kind kind);
/* Its readiness may have changed. Any context. */
void hfd_changed(int hfd);

/* socket.c */
struct socket;
u32 socket_ready(struct socket *s);
void socket_close(struct socket *s);

#endif
