/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Out of memory: choosing the process that has to go.
 */
#ifndef JIFFY_KERNEL_PROC_OOM_H
#define JIFFY_KERNEL_PROC_OOM_H

#include "lib/compiler.h"

enum oom_result { OOM_NOBODY, OOM_KILLED, OOM_DYING };

/* The instance is over its memory limit: as Linux does, kill the process that
 * uses most, counting its oom_score_adj, and all that share its memory.
 * OOM_KILLED: it is in *pid, its name in comm (16 bytes); OOM_DYING: the last
 * one has not gone yet; OOM_NOBODY: only the first process is left, or such as
 * may not be killed. Called by process 0 only. */
enum oom_result oom_kill(s32 *pid, char *comm);
/* Processes killed so far: memory.events, /proc/vmstat. */
u64 oom_kills(void);

#endif
