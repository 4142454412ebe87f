/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands: programs that the outside starts beside pid 1 (EVENT_EXEC in
 * abi/broker.h). All are called by process 0's main thread, and none waits.
 */
#ifndef JIFFY_KERNEL_BOOT_COMMAND_H
#define JIFFY_KERNEL_BOOT_COMMAND_H

#include "lib/compiler.h"

/* Start the one that the monitor calls id; its end is told, whatever it is. */
void command_start(u32 id);
/* To its foreground group if it has a terminal; else what a terminal sends to
 * its group, all others to its process. Held back until its program runs. */
void command_signal(u32 id, int sig);
void command_winsize(u32 id, u32 rows, u32 cols);
/* Nobody is left outside: SIGHUP to its group, SIGKILL two seconds later. */
void command_hangup(u32 id);

#endif
