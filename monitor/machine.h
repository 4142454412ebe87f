/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An instance in a machine of its own (platform `pc`): what the machine is,
 * whoever makes it (QEMU today), and the channel to the kernel in it. Main
 * thread only.
 */
#ifndef JIFFY_MONITOR_MACHINE_H
#define JIFFY_MONITOR_MACHINE_H

#include "abi/channel.h"
#include "monitor/instance.h"

struct channel;

#define MACHINE_DISKS_MAX (1 + SPEC_VOLUMES_MAX)
#define MACHINE_MEMORY (512ULL << 20) /* without --memory */

/* What the kernel in it finds. Descriptors are the monitor's. */
struct machine {
	uint64_t memory; /* bytes */
	unsigned int ncpus;
	bool has_kvm;	       /* the host's processor runs it */
	const char *accel_why; /* why not */
	gid_t kvm_group;       /* that it needs, or (gid_t)-1 */
	bool has_nic;	       /* with the published ports */
	bool has_egress;       /* and with all of the outside */
	struct {
		int fd;
		bool is_readonly;
	} disks[MACHINE_DISKS_MAX]; /* the image, then volumes */
	unsigned int ndisks;
	int kernel_fd, module_fd;
	int channel_fd; /* its end of the channel */
	int serial_fd;	/* its end of the serial line */

	struct channel *channel;
	int lines_fd[2];   /* our ends: the serial line, what QEMU says */
	char said[2][256]; /* the last line of each */
	char line[2][256]; /* what came of the next */
	size_t line_len[2];
	bool has_died;
	int died_status;
};

/* machine.c. After spec and image: make in->machine; start it; serve what is in
 * its epoll set; the process of the machine has ended; nothing of it is left.
 */
int machine_open(struct instance *in, struct err *e);
int machine_start(struct instance *in, struct err *e);
int machine_open_kernel(struct instance *in, struct err *e);
bool machine_owns(const struct instance *in, int fd);
void machine_serve(struct instance *in, int fd);
void machine_died(struct instance *in, int status);
void machine_end(struct instance *in);
/* For people: what it is. */
json_t *machine_describe(const struct instance *in);
/* Its memory is used up, by the first process alone. */
void machine_full(struct instance *in);

/* qemu.c. Start QEMU as the machine. */
int qemu_launch(struct instance *in, struct err *e);
/* The status that the machine has left, or -1: it was reset, or never ran. */
int qemu_exit_code(int wait_status);

/* kvm.c. Can this process, or one with *group, use the host's processor at its
 * speed? Else why not. */
bool kvm_is_usable(uid_t uid, gid_t *group, const char **why);

/* channel.c. The kernel's ends of the broker's sockets and the program's
 * standard input and output are its own from here on; the machine's end in
 * *fd. */
struct channel *channel_new(struct instance *in, int *fd, struct err *e);
int channel_epoll_fd(const struct channel *c);
/* Move what can be moved. */
void channel_serve(struct channel *c);
/* The machine is gone, and there is no word of the program's end. */
bool channel_is_silent(const struct channel *c);
void channel_free(struct channel *c);

/* export.c. Write what boots the spec on spec_fd by itself to a directory: with
 * is_disk the image as a file of its own. */
int export_write(struct instance *in, const char *dir, bool is_disk,
		 struct err *e);

#endif
