/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a suspend and a template have in common: the freeze, and the checkpoint
 * of an instance that stands at its quiet point.
 */
#ifndef JIFFY_MONITOR_SUSPEND_H
#define JIFFY_MONITOR_SUSPEND_H

#include <stdint.h>
#include <sys/types.h>

#include "abi/checkpoint.h"
#include "monitor/checkpoint.h"

struct instance;

/* suspend.c: why it cannot be frozen now, or NULL; ask the kernel to freeze. */
const char *suspend_refusal(const struct instance *in);
void suspend_freeze(struct instance *in);
/* Of the frozen instance: descriptors and clocks. Then its memory: objects that
 * are its own or copies of them, with what its boot block says of them (taken,
 * unneeded); each of its processes; those that the bits of
 * a copied boot block say are in the older checkpoint only. At last, frozen or
 * not: the rest of the header, tables, spec. 0 or -errno with out->e filled. */
int suspend_begin(struct checkpoint_out *out, struct checkpoint_header *h,
		  const struct instance *in);
int suspend_objects(struct checkpoint_out *out,
		    const int fds[CHECKPOINT_OBJECTS], const uint64_t *taken,
		    struct checkpoint_range unneeded);
struct checkpoint_range suspend_unneeded(const struct instance *in);
int suspend_processes(struct checkpoint_out *out, const struct instance *in,
		      int (*add)(struct checkpoint_out *out, pid_t pid));
int suspend_parked(struct checkpoint_out *out, const uint64_t *asleep);
int suspend_finish(struct checkpoint_out *out, struct checkpoint_header *h,
		   const struct instance *in);

/* snapshot.c: the instance is frozen: copy it. There will be no template. */
void snapshot_frozen(struct instance *in);
void snapshot_fail(struct instance *in, const char *why);

#endif
