# SPDX-License-Identifier: Apache-2.0
KERNEL_SRCS += kernel/sys/sys_dir.c kernel/sys/sys_fcntl.c kernel/sys/sys_file.c \
	kernel/sys/sys_mount.c kernel/sys/sys_open.c kernel/sys/sys_rw.c \
	kernel/sys/sys_stat.c kernel/sys/sys_xattr.c
KERNEL_SRCS += kernel/sys/dispatch.c kernel/sys/report.c kernel/sys/trace.c
KERNEL_SRCS += kernel/sys/sys_pipe.c kernel/sys/sys_poll.c kernel/sys/sys_event.c
KERNEL_SRCS += kernel/sys/sys_mm.c
KERNEL_SRCS += kernel/sys/sys_shm.c kernel/sys/sys_sysv.c
KERNEL_SRCS += kernel/sys/sys_proc.c kernel/sys/sys_clone.c kernel/sys/sys_exec.c \
	kernel/sys/sys_wait.c kernel/sys/sys_cred.c kernel/sys/sys_signal.c \
	kernel/sys/sys_time.c kernel/sys/sys_sched.c kernel/sys/sys_futex.c \
	kernel/sys/sys_prctl.c kernel/sys/sys_limits.c kernel/sys/sys_misc.c
KERNEL_SRCS += kernel/sys/sys_socket.c kernel/sys/sys_inotify.c
KERNEL_SRCS += kernel/sys/sys_aio.c kernel/sys/sys_procvm.c kernel/sys/sys_mqueue.c kernel/sys/sys_splice.c
