/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's asynchronous I/O (io_submit).
 */
#ifndef JIFFY_KERNEL_LINUX_AIO_H
#define JIFFY_KERNEL_LINUX_AIO_H

#include <linux/aio_abi.h>

#endif
