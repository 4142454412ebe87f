/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by exec.c, exec_args.c and exec_load.c: everything that is gathered
 * before the old program is given up.
 */
#ifndef JIFFY_KERNEL_PROC_EXEC_INT_H
#define JIFFY_KERNEL_PROC_EXEC_INT_H

#include "kernel/proc/elf.h"
#include "kernel/proc/process.h"

/* Argument and environment strings, one after the other with terminators. */
struct exec_args {
	char *data;
	size_t len, size;
	size_t argv_len; /* bytes of the argv part */
	u32 argc, envc;
	size_t limit; /* len + pointers may not pass it */
};

struct exec_image { /* an opened ELF file */
	struct file *file;
	void *phdrs;
	struct elf_image elf;
	u64 bias; /* load address minus address in the file */
};

struct exec_state {
	char *path; /* AT_EXECFN */
	char comm[16];
	struct exec_args args;
	struct exec_image main;
	struct exec_image interp;     /* file NULL: none */
	struct cred *cred;	      /* the new program's */
	struct exec_outside *outside; /* who asked, if no program did */
	bool is_secure;		      /* AT_SECURE */
	bool denies_write;	      /* main.file counts as executed */
};

/* exec_args.c: 0, -E2BIG, -EFAULT, -ENOMEM. */
int exec_args_from_user(struct exec_args *a, uaddr_t argv, uaddr_t envp);
int exec_args_from_kernel(struct exec_args *a, const char *const *argv,
			  const char *const *envp);
/* Replace argv[0] by interp, arg (may be NULL), path. */
int exec_args_script(struct exec_args *a, const char *interp, const char *arg,
		     const char *path);
void exec_args_free(struct exec_args *a);

/* exec_load.c: fill the current, empty space and point f at the program. An
 * error is fatal for the process. */
int exec_load(struct exec_state *st, struct frame *f);

#endif
