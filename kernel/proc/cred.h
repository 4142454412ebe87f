/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials: immutable once published, shared by reference, replaced whole.
 */
#ifndef JIFFY_KERNEL_PROC_CRED_H
#define JIFFY_KERNEL_PROC_CRED_H

#include "lib/atomic.h"

#define CRED_NGROUPS_MAX 65536

struct cred {
	struct ref ref;
	u32 uid, euid, suid, fsuid;
	u32 gid, egid, sgid, fsgid;
	u64 cap_effective, cap_permitted, cap_inheritable, cap_bounding,
		cap_ambient;
	u32 securebits;
	u32 ngroups;
	u32 *groups; /* sorted; NULL if none */
};

/* A copy with one reference to change and publish, or NULL (no memory). */
struct cred *cred_copy(const struct cred *c);
struct cred *cred_get(struct cred *c);
void cred_put(struct cred *c);
/* Make c (reference taken over) the current thread's credentials. */
void cred_install(struct cred *c);
const struct cred *cred_current(void);
/* Is the current thread's effective set holding capability cap (CAP_*)? */
bool cred_capable(int cap);
bool cred_has(const struct cred *c, int cap);
/* Root with all capabilities: the first program's and the kernel's own. */
struct cred *cred_new_root(void);
/* Another thread's credentials, with a reference. */
struct thread;
struct cred *cred_get_thread(struct thread *t);
/* For setuid() and friends and setfsuid(): adjust the capabilities of c, whose
 * ids differ from old's. */
void cred_fix_caps(struct cred *c, const struct cred *old);
void cred_fix_fs_caps(struct cred *c, const struct cred *old);
/* For exec of a file with these attributes (mode 0: set-id bits do not count):
 * true if the program is to be careful (AT_SECURE). */
bool cred_exec(struct cred *c, u32 mode, u32 file_uid, u32 file_gid);
void cred_sort_groups(u32 *groups, u32 n);
enum { /* securebits that act here */
       SECURE_NOROOT = 1,
       SECURE_NO_SETUID_FIXUP = 4,
       SECURE_KEEP_CAPS = 16,
};
/* Is gid the effective group or among the supplementary ones? */
bool cred_in_group(const struct cred *c, u32 gid);

#endif
