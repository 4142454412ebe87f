/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RWF_* flags of preadv2, pwritev2 and io_submit.
 */
#ifndef JIFFY_KERNEL_SYS_RW_H
#define JIFFY_KERNEL_SYS_RW_H

struct file;
struct uio;

/* May the file be read and written with them? 0, -EOPNOTSUPP. */
long rw_check_flags(const struct file *f, int flags);
/* Put those that a file's operations look at into the cursor. */
void rw_set_flags(struct uio *u, int flags);

#endif
