/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SysV shared memory calls.
 */
#include "kernel/ipc/sysv.h"
#include "kernel/sys/syscall.h"

SYSCALL3(shmget, s32, key, u64, size, u32, flags)
{
	return shm_get(key, size, flags);
}

SYSCALL3(shmat, s32, id, uaddr_t, addr, u32, flags)
{
	return shm_attach(id, addr, flags);
}

SYSCALL1(shmdt, uaddr_t, addr)
{
	return shm_detach(addr);
}

SYSCALL3(shmctl, s32, id, int, cmd, uaddr_t, buf)
{
	return shm_control(id, cmd, buf);
}
