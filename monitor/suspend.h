/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a suspend and a template have in common: the freeze, and the checkpoint
 * of an instance that stands at its quiet point.
 */
#ifndef JIFFY_MONITOR_SUSPEND_H
#define JIFFY_MONITOR_SUSPEND_H

struct checkpoint_header;
struct checkpoint_out;
struct instance;

/* suspend.c: why it cannot be frozen now, or NULL; ask the kernel to freeze. */
const char *suspend_refusal(const struct instance *in);
void suspend_freeze(struct instance *in);
/* Of the frozen instance: memory, descriptors, clocks. Then, frozen or not: the
 * rest of the header, tables, spec. 0 or -errno with out->e filled. */
int suspend_copy(struct checkpoint_out *out, struct checkpoint_header *h,
		 const struct instance *in);
int suspend_finish(struct checkpoint_out *out, struct checkpoint_header *h,
		   const struct instance *in);

/* snapshot.c: the instance is frozen: copy it. There will be no template. */
void snapshot_frozen(struct instance *in);
void snapshot_fail(struct instance *in, const char *why);

#endif
