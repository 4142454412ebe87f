/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the instance for the outside (abi/files.h).
 */
#ifndef JIFFY_KERNEL_BOOT_FILESERVER_H
#define JIFFY_KERNEL_BOOT_FILESERVER_H

#include "lib/compiler.h"

/* Serve a stream socket that does not block, as the calling thread of process
 * 0, until its other end is closed, says what is not understood, or *stop
 * (atomic; whoever sets it unparks the thread). */
void fileserver_run(int hfd, const u32 *stop);

#endif
