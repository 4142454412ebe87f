/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prctl and arch_prctl: one switch each, values that act or are refused.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/prctl.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"

#define SECUREBITS_ALL 0xffu
#define SECUREBITS_LOCKS 0xaau

static long set_name(uaddr_t at)
{
	struct thread *t = current();
	char name[16];
	s64 n = user_string_in(name, at, sizeof(name));

	if (n == -EFAULT)
		return -EFAULT;
	name[15] = '\0'; /* longer ones are cut */
	mutex_lock(&t->proc->lock);
	str_copy(t->comm, sizeof(t->comm), name);
	mutex_unlock(&t->proc->lock);
	return 0;
}

static struct cred *cred_change(void)
{
	return cred_copy(cred_current());
}

static long drop_bounding(u64 cap)
{
	struct cred *c;

	if (cap > CAP_LAST_CAP)
		return -EINVAL;
	if (!cred_capable(CAP_SETPCAP))
		return -EPERM;
	c = cred_change();
	if (!c)
		return -ENOMEM;
	c->cap_bounding &= ~(1UL << cap);
	cred_install(c);
	return 0;
}

static long set_securebits(u64 bits)
{
	const struct cred *old = cred_current();
	u32 locks = old->securebits & SECUREBITS_LOCKS;
	struct cred *c;

	/* A lock is for good, and so is the bit it locks (the one below). */
	if ((bits & ~(u64)SECUREBITS_ALL) || (locks & ~bits) ||
	    ((locks >> 1) & (old->securebits ^ bits)) ||
	    !cred_capable(CAP_SETPCAP))
		return -EPERM;
	c = cred_change();
	if (!c)
		return -ENOMEM;
	c->securebits = (u32)bits;
	cred_install(c);
	return 0;
}

static long set_keepcaps(u64 value)
{
	struct cred *c;

	if (value > 1)
		return -EINVAL;
	if (cred_current()->securebits & (SECURE_KEEP_CAPS << 1))
		return -EPERM;
	c = cred_change();
	if (!c)
		return -ENOMEM;
	c->securebits &= ~(u32)SECURE_KEEP_CAPS;
	if (value)
		c->securebits |= SECURE_KEEP_CAPS;
	cred_install(c);
	return 0;
}

static long ambient(u64 op, u64 cap, u64 a4, u64 a5)
{
	const struct cred *old = cred_current();
	u64 bit = 1UL << (cap & 63);
	struct cred *c;

	if (a4 || a5 ||
	    (op == PR_CAP_AMBIENT_CLEAR_ALL ? cap != 0 : cap > CAP_LAST_CAP))
		return -EINVAL;
	if (op == PR_CAP_AMBIENT_IS_SET)
		return (old->cap_ambient & bit) != 0;
	if (op == PR_CAP_AMBIENT_RAISE &&
	    (!(old->cap_permitted & old->cap_inheritable & bit) ||
	     (old->securebits & 64)))
		return -EPERM;
	c = cred_change();
	if (!c)
		return -ENOMEM;
	if (op == PR_CAP_AMBIENT_RAISE)
		c->cap_ambient |= bit;
	else if (op == PR_CAP_AMBIENT_LOWER)
		c->cap_ambient &= ~bit;
	else
		c->cap_ambient = 0;
	cred_install(c);
	return 0;
}

static long prctl_caps(int option, u64 a2, u64 a3, u64 a4, u64 a5)
{
	const struct cred *c = cred_current();

	switch (option) {
	case PR_CAPBSET_READ:
		if (a2 > CAP_LAST_CAP)
			return -EINVAL;
		return (c->cap_bounding >> a2) & 1;
	case PR_CAPBSET_DROP:
		return drop_bounding(a2);
	case PR_GET_SECUREBITS:
		return c->securebits;
	case PR_SET_SECUREBITS:
		return set_securebits(a2);
	case PR_GET_KEEPCAPS:
		return (c->securebits & SECURE_KEEP_CAPS) != 0;
	case PR_SET_KEEPCAPS:
		return set_keepcaps(a2);
	case PR_CAP_AMBIENT:
		if (a2 < PR_CAP_AMBIENT_IS_SET || a2 > PR_CAP_AMBIENT_CLEAR_ALL)
			return -EINVAL;
		return ambient(a2, a3, a4, a5);
	default:
		return syscall_unsupported("prctl", (u32)option, EINVAL);
	}
}

static long set_no_new_privs(u64 a2, u64 a3, u64 a4, u64 a5)
{
	if (a2 != 1 || a3 || a4 || a5)
		return -EINVAL;
	process_current()->no_new_privs = true;
	return 0;
}

static long set_slack(u64 value)
{
	current()->timer_slack = value ? value : 50 * NSEC_PER_USEC;
	return 0;
}

SYSCALL5(prctl, int, option, u64, a2, u64, a3, u64, a4, u64, a5)
{
	struct thread *t = current();
	struct process *p = t->proc;

	switch (option) {
	case PR_SET_NAME:
		return set_name(a2);
	case PR_GET_NAME:
		return user_copy_out(a2, t->comm, sizeof(t->comm));
	case PR_SET_PDEATHSIG:
		if (a2 > SIG_MAX)
			return -EINVAL;
		t->pdeathsig = (u32)a2;
		return 0;
	case PR_GET_PDEATHSIG:
		return user_store_u32(a2, t->pdeathsig);
	case PR_GET_DUMPABLE:
		return p->is_dumpable;
	case PR_SET_DUMPABLE:
		if (a2 > 1)
			return -EINVAL;
		p->is_dumpable = a2;
		return 0;
	case PR_SET_CHILD_SUBREAPER:
		process_set_subreaper(a2 != 0);
		return 0;
	case PR_GET_CHILD_SUBREAPER:
		return user_store_u32(a2, p->is_subreaper);
	case PR_SET_NO_NEW_PRIVS:
		return set_no_new_privs(a2, a3, a4, a5);
	case PR_GET_NO_NEW_PRIVS:
		return a2 || a3 || a4 || a5 ? -EINVAL : p->no_new_privs;
	case PR_SET_TIMERSLACK:
		return set_slack(a2);
	case PR_GET_TIMERSLACK:
		return (long)t->timer_slack;
	case PR_GET_TID_ADDRESS:
		return user_store_u64(a2, t->clear_child_tid);
	case PR_GET_SECCOMP: /* no filter can be installed */
	case PR_GET_THP_DISABLE:
	case PR_GET_TIMING:
		return 0;
	default:
		return prctl_caps(option, a2, a3, a4, a5);
	}
}

SYSCALL2(arch_prctl, int, option, u64, addr)
{
	switch (option) {
	case ARCH_SET_FS:
		if (addr >= 1UL << 47)
			return -EPERM;
		plat_set_fs_base(addr);
		return 0;
	case ARCH_GET_FS:
		return user_store_u64(addr, plat_get_fs_base());
	case ARCH_GET_GS: /* GS is the kernel's: the program has none */
		return user_store_u64(addr, 0);
	default:
		return syscall_unsupported("arch_prctl", (u32)option, EINVAL);
	}
}
