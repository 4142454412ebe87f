/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the files of procfs: its tables, and helpers for files about a
 * process.
 */
#ifndef JIFFY_KERNEL_FS_PROCFS_INT_H
#define JIFFY_KERNEL_FS_PROCFS_INT_H

#include "kernel/fs/procfs.h"
#include "kernel/fs/pseudo.h"
#include "kernel/proc/process.h"

struct mm;

/* /proc/PID, /proc/sys, /proc/PID/net, fd, fdinfo, task. */
extern const struct pseudo_dir procfs_pid_dir, procfs_sys_dir, procfs_net_dir,
	procfs_fd_dir, procfs_fdinfo_dir, procfs_task_dir;

/* Clock ticks of USER_HZ (100). */
static inline u64 ticks(nsec_t t)
{
	return (u64)t / 10000000;
}

/* The thread a file is about: of its task directory, or the leader. NULL when
 * it is gone; else with a reference. */
struct thread *procfs_thread(const struct pseudo_node *n);
/* More parts of a process, as procfs_mm(). */
struct fdtable *procfs_files(struct process *p);
struct fs_context *procfs_fs(struct process *p);
/* Fill uid and gid of a node with p's effective ones. */
void procfs_set_owner(struct pseudo_node *n);
/* Text of a path as the current process sees it, or `fallback`. */
void procfs_put_path(struct fmt_buf *out, const struct path *p,
		     const char *escaped, const char *fallback);

/* procfs_status.c */
pseudo_show_fn procfs_show_stat, procfs_show_statm, procfs_show_status,
	procfs_show_limits, procfs_show_io;
/* procfs_maps.c */
pseudo_show_fn procfs_show_maps, procfs_show_smaps, procfs_show_smaps_rollup;
extern const struct file_ops procfs_mem_fops;
struct mm_usage;
/* As mm_usage(), with resident sizes on every platform. */
void procfs_usage(struct mm *mm, struct mm_usage *u);
/* procfs_mounts.c */
pseudo_show_fn procfs_show_mounts, procfs_show_mountinfo,
	procfs_show_mountstats;
/* procfs_fd.c */
int procfs_follow_exe(const struct pseudo_node *n, struct path *target);
int procfs_follow_cwd(const struct pseudo_node *n, struct path *target);
int procfs_follow_root(const struct pseudo_node *n, struct path *target);
int procfs_readlink_path(const struct pseudo_node *n, char *buf, size_t size);
/* procfs_system.c */
pseudo_show_fn procfs_show_meminfo, procfs_show_cpuinfo, procfs_show_cpustat,
	procfs_show_loadavg, procfs_show_uptime, procfs_show_version,
	procfs_show_filesystems, procfs_show_devices, procfs_show_vmstat,
	procfs_show_partitions, procfs_show_boot_cmdline,
	procfs_show_interrupts, procfs_show_locks;

#endif
