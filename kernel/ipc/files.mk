# SPDX-License-Identifier: Apache-2.0
KERNEL_SRCS +=
KERNEL_SRCS += kernel/ipc/pipe.c kernel/ipc/eventfd.c kernel/ipc/timerfd.c \
	kernel/ipc/signalfd.c kernel/ipc/poll.c kernel/ipc/epoll.c
KERNEL_SRCS += kernel/ipc/futex.c
KERNEL_SRCS += kernel/ipc/sysv.c kernel/ipc/shm.c kernel/ipc/sem.c kernel/ipc/msg.c
KERNEL_SRCS += kernel/ipc/inotify.c kernel/ipc/dnotify.c
KERNEL_SRCS += kernel/ipc/mqueue.c kernel/ipc/mqueue_fs.c
KERNEL_SRCS += kernel/ipc/splice.c kernel/ipc/aio.c kernel/ipc/aio_req.c
