/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls the kernel makes to the host, the most frequent first: all that
 * the seccomp filter lets through, and only from the kernel's own stubs.
 * HOSTCALL(name, rule, "reason"): the rule (filter.c) says which arguments
 * pass. A hostile program can jump to the stubs, so each row must be harmless
 * with any arguments its rule allows.
 */
/* clang-format off */
HOSTCALL(futex,           rule_futex,      "sleeping locks and wait queues")
HOSTCALL(writev,          rule_any,        "outside descriptors; broker requests")
HOSTCALL(readv,           rule_any,        "outside descriptors")
HOSTCALL(recvmsg,         rule_any,        "sockets handed in; the broker's replies with descriptors")
HOSTCALL(preadv2,         rule_volume,     "volumes")
HOSTCALL(pwritev,         rule_volume,     "volumes")
HOSTCALL(fdatasync,       rule_volume,     "volumes: what was written is durable")
HOSTCALL(epoll_pwait2,    rule_any,        "guest epoll with outside members")
HOSTCALL(sendfile,        rule_any,        "files of the image to sockets without a copy")
HOSTCALL(setsockopt,      rule_setsockopt, "sockets handed in")
HOSTCALL(accept4,         rule_accept,     "published ports")
HOSTCALL(close,           rule_any,        "outside descriptors")
HOSTCALL(epoll_ctl,       rule_any,        "guest epoll with outside members")
HOSTCALL(ppoll,           rule_any,        "guest poll with outside members; process 0's sleep")
HOSTCALL(mmap,            rule_mmap,       "memory of the program")
HOSTCALL(munmap,          rule_any,        "memory of the program")
HOSTCALL(mprotect,        rule_mprotect,   "memory of the program")
HOSTCALL(madvise,         rule_madvise,    "memory of the program, memory given back")
HOSTCALL(tgkill,          rule_tgkill,     "kicks")
HOSTCALL(rt_sigreturn,    rule_any,        "back to kernel code a signal interrupted")
HOSTCALL(clone,           rule_clone,      "threads and processes of the instance")
HOSTCALL(sigaltstack,     rule_any,        "each thread's signal stack")
HOSTCALL(prctl,           rule_prctl,      "die with the monitor")
HOSTCALL(getppid,         rule_any,        "is the monitor still there; flush of kicks before exit")
HOSTCALL(exit,            rule_any,        "end of a thread")
HOSTCALL(exit_group,      rule_any,        "end of a host process")
HOSTCALL(dup3,            rule_dup3,       "closing stdio and pipes of commands: others see their end")
HOSTCALL(epoll_create1,   rule_any,        "guest epoll with outside members")
HOSTCALL(eventfd2,        rule_any,        "wake a thread out of a host epoll")
HOSTCALL(shutdown,        rule_shutdown,   "sockets handed in")
HOSTCALL(getsockopt,      rule_getsockopt, "sockets handed in")
HOSTCALL(getsockname,     rule_any,        "sockets handed in")
HOSTCALL(getpeername,     rule_any,        "sockets handed in")
HOSTCALL(ioctl,           rule_ioctl,      "FIONREAD on outside descriptors")
HOSTCALL(fallocate,       rule_fallocate,  "volumes: room is reserved and given back")
HOSTCALL(mremap,          rule_any,        "memory of the program, patched text")
HOSTCALL(mincore,         rule_any,        "mincore() of the program")
HOSTCALL(clock_gettime,   rule_any,        "processor time of processes; hosts without a clock in the vDSO")
HOSTCALL(getrandom,       rule_any,        "seed of the kernel's generator")
HOSTCALL(membarrier,      rule_membarrier, "other processors see patched text")
HOSTCALL(restart_syscall, rule_any,        "the host goes on with a sleep it stopped (freezer, SIGSTOP, debugger)")
HOSTCALL(rseq,            rule_any,        "rseq() of the program: only the host knows when it moves a thread")
HOSTCALL(sched_yield,     rule_any,        "sched_yield() of the program")
/* clang-format on */
