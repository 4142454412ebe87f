/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of system calls for reports; made at build time from the kernel's
 * table (mk/host.mk), which the monitor does not include.
 */
#ifndef JIFFY_MONITOR_SYSCALL_NAMES_H
#define JIFFY_MONITOR_SYSCALL_NAMES_H

#include <stddef.h>

/* NULL if Linux has no such number. */
const char *syscall_name(size_t number);

#endif
