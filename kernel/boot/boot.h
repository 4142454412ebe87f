/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's start after the platform's, and the bounds of its image.
 */
#ifndef JIFFY_KERNEL_BOOT_H
#define JIFFY_KERNEL_BOOT_H

#include "lib/compiler.h"

struct boot_block;
struct boot_string;
struct thread;

/* From kernel.lds. */
extern const char kernel_text_start[], kernel_text_end[];
extern const char kernel_rodata_end[];
extern char kernel_data_start[], kernel_data_end[], kernel_bss_end[];

/* The platform is up: start the subsystems and the first program, then serve
 * as process 0. b is shared with the monitor. */
NORETURN void boot_main(struct boot_block *b);

/* A string of the boot block, or "" if its place is bad. */
const char *boot_string(const struct boot_string *s);
/* Text of /etc/resolv.conf; "": none. */
const char *boot_resolv_conf(void);
/* Note the time of a phase for --stats. */
void boot_phase(unsigned int phase);

/* The first program is loaded and about to run. */
void boot_program_ready(void);

/* files.c: /etc/resolv.conf, /etc/hosts and /etc/hostname of this instance. */
int boot_write_files(const struct boot_block *b);
/* Write hosts and hostname anew, unless somebody else has changed them. */
void boot_rename_files(const char *old_hostname, const char *hosts, size_t len);

/* cloned.c: this is a clone, none of its threads goes on yet; they do. */
void clone_begin(const struct boot_block *b);
void clone_finish(const struct boot_block *b);
struct thread;
/* WORK_CLONED of the caller, t: send its process the signal that was asked for.
 */
void clone_tell(struct thread *t);
/* volumes.c: mount each volume at its path, or refuse. */
void boot_mount_volumes(const struct boot_block *b);
/* mkdir -p, as far as it goes. */
void boot_make_directories(const char *name);
/* refuse.c: the first program cannot be started: tell the monitor why, with one
 * line, and end. */
NORETURN void boot_refuse(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same for error err (negative) of running the program at path; blame is
 * the interpreter that is at fault, or "". */
NORETURN void boot_refuse_program(const char *path, const char *blame, int err);
/* user.c: make the current thread the user the boot block names; *home becomes
 * "HOME=" and the user's directory ("/" if unknown) on the heap, or NULL. 0,
 * -ENOENT (no such user). */
int boot_set_user(const char *name, char **home);

#endif
