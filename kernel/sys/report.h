/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel can say of itself: counters for --stats, the list of
 * unsupported calls, and the text of a crash report.
 */
#ifndef JIFFY_KERNEL_SYS_REPORT_H
#define JIFFY_KERNEL_SYS_REPORT_H

#include "lib/compiler.h"

struct boot_stats;
struct fmt_buf;

/* Count one call of number nr (with --stats). */
void report_count(u64 nr);
/* Fill the statistics the monitor reads. Any thread. */
void report_stats(struct boot_stats *s);
/* Last calls of the current thread and open files of its process, a line each.
 * Takes no locks: the kernel is dying. */
void crash_fill_text(struct fmt_buf *out);

#endif
