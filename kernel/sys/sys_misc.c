/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What describes the system, and calls that fit nowhere else.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/dev/random.h"
#include "kernel/fs/procfs.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/membarrier.h"
#include "kernel/linux/random.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/cputime.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/version.h"
#include "kernel/vfs/uio.h"

/* --- Names --------------------------------------------------------------- */

#define NAME_SIZE 65

struct linux_utsname {
	char sysname[NAME_SIZE], nodename[NAME_SIZE], release[NAME_SIZE],
		version[NAME_SIZE], machine[NAME_SIZE], domainname[NAME_SIZE];
};

SYSCALL1(uname, uaddr_t, at)
{
	struct linux_utsname u;

	memset(&u, 0, sizeof(u));
	str_copy(u.sysname, NAME_SIZE, "Linux");
	str_copy(u.nodename, NAME_SIZE, kernel.hostname);
	str_copy(u.release, NAME_SIZE, KERNEL_RELEASE);
	str_copy(u.version, NAME_SIZE, KERNEL_VERSION);
	str_copy(u.machine, NAME_SIZE, "x86_64");
	str_copy(u.domainname, NAME_SIZE, kernel.domainname);
	return user_put(at, &u);
}

static long set_name(char *name, uaddr_t at, s64 len)
{
	char buf[NAME_SIZE];

	if (!cred_capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (len < 0 || len >= NAME_SIZE)
		return -EINVAL;
	memset(buf, 0, sizeof(buf));
	if (user_copy_in(buf, at, (size_t)len))
		return -EFAULT;
	memcpy(name, buf, NAME_SIZE);
	return 0;
}

SYSCALL2(sethostname, uaddr_t, name, int, len)
{
	return set_name(kernel.hostname, name, len);
}

SYSCALL2(setdomainname, uaddr_t, name, int, len)
{
	return set_name(kernel.domainname, name, len);
}

/* --- Totals -------------------------------------------------------------- */

struct linux_sysinfo {
	s64 uptime;
	u64 loads[3];
	u64 totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	u16 procs, pad[3];
	u64 totalhigh, freehigh;
	u32 mem_unit, pad2;
};
_Static_assert(sizeof(struct linux_sysinfo) == 112, "Linux ABI");

SYSCALL1(sysinfo, uaddr_t, at)
{
	struct linux_sysinfo info;

	memset(&info, 0, sizeof(info));
	loadavg_get(info.loads);
	for (int i = 0; i < 3; i++)
		info.loads[i] <<= 16 - LOADAVG_SHIFT;
	info.uptime =
		(plat_clock(PLAT_MONOTONIC) - kernel.boot_time) / NSEC_PER_SEC;
	info.totalram = memory_total();
	info.freeram = memory_total() - memory_used();
	info.procs = (u16)MIN(thread_count(), (u32)UINT16_MAX);
	info.mem_unit = 1;
	return user_put(at, &info);
}

/* --- Randomness ---------------------------------------------------------- */

SYSCALL3(getrandom, uaddr_t, buf, u64, len, u32, flags)
{
	struct uio u;

	if (flags & ~(u32)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if ((flags & (GRND_INSECURE | GRND_RANDOM)) ==
	    (GRND_INSECURE | GRND_RANDOM))
		return -EINVAL;
	uio_init_user(&u, buf, MIN(len, (u64)INT32_MAX));
	return random_to_uio(&u);
}

/* --- Personality --------------------------------------------------------- */

#define PERSONALITY_QUERY 0xffffffffu
#define PERSONALITY_KNOWN 0x0040000u /* ADDR_NO_RANDOMIZE */

SYSCALL1(personality, u32, persona)
{
	struct process *p = process_current();
	u32 old = p->personality;

	if (persona == PERSONALITY_QUERY)
		return old;
	if (persona & ~PERSONALITY_KNOWN)
		return syscall_unsupported("personality", persona, EINVAL);
	p->personality = persona;
	return old;
}

/* --- Memory barriers ----------------------------------------------------- */

#define BARRIER_COMMANDS                              \
	(MEMBARRIER_CMD_PRIVATE_EXPEDITED |           \
	 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |  \
	 MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE | \
	 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE)

/* Both forms: the platform's barrier also serialises the cores. */
static long barrier_run(u32 registered_by)
{
	if (!(process_current()->membarrier & registered_by))
		return -EPERM;
	plat_sync_cores();
	return 0;
}

SYSCALL3(membarrier, int, cmd, u32, flags, int, cpu)
{
	(void)cpu;
	if (flags)
		return syscall_unsupported("membarrier flags", flags, EINVAL);
	switch (cmd) {
	case MEMBARRIER_CMD_QUERY:
		return BARRIER_COMMANDS;
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
		atomic_fetch_or(&process_current()->membarrier, (u32)cmd);
		return 0;
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
		return barrier_run(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
		return barrier_run(
			MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE);
	default:
		return syscall_unsupported("membarrier command", (u32)cmd,
					   EINVAL);
	}
}
