/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The boot block: how a monitor tells a kernel what to run and where its
 * memory and outside descriptors are; and what the kernel leaves for the
 * monitor to read (state, crash record). One shared memory object of
 * BOOT_BLOCK_SIZE bytes; strings and tables in its `data` by offset. The
 * kernel trusts the monitor; the monitor treats everything that the kernel can
 * write as hostile: it reads once, checks, then uses.
 */
#ifndef JIFFY_ABI_BOOT_H
#define JIFFY_ABI_BOOT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"

#define BOOT_MAGIC 0x31594646494a0a7fULL /* "\x7f\nJIFFY1" */
/* Raised with every change here that a kernel of before would not understand:
 * checkpoints go on with the kernel that wrote them. */
#define BOOT_VERSION 6
#define BOOT_BLOCK_SIZE (512u * 1024u)
#define BOOT_DATA_SIZE (BOOT_BLOCK_SIZE - 32768u)

/* Platform `process`: the kernel is exec'ed with this descriptor open and
 * learns all others from the block. A kernel to be woken, where the number may
 * be taken, finds another one in argv[1], in decimal. */
#define BOOT_FD 3

/* The host signal the instance's processes send each other (a real-time one, so
 * that no program-like sender uses it); the only one its filter lets through.
 */
#define BOOT_HOST_SIGKICK 34

/* Exit statuses of the instance's host processes. Any other end of one is a
 * crash of the instance. */
#define BOOT_HOST_EXIT_OK 0x4a	  /* ordered by the kernel */
#define BOOT_HOST_EXIT_CRASH 0x4b /* crash record was written */

enum boot_flags {
	BOOT_TRACE = 1 << 0, /* trace system calls to trace_fd */
	BOOT_STATS = 1 << 1, /* count system calls, leave boot_stats */
	BOOT_TTY = 1 << 2,   /* stdio is a terminal in raw mode: console tty */
	BOOT_STDIN = 1 << 3, /* descriptor 0 is connected (else /dev/null) */
	BOOT_NO_PATCH = 1 << 4,	 /* never patch system-call sites */
	BOOT_HOST_CPUS = 1 << 5, /* the host's CPU numbers are below ncpus */
	BOOT_CORES = 1 << 6,	 /* core files go to the monitor */
	BOOT_RESTORE = 1 << 7,	 /* memory holds a checkpoint: wake it */
	BOOT_REGULAR_0 = 1 << 8, /* << 0 to 2: that descriptor of stdio is a
				  * regular file outside: BROKER_STDIO */
	BOOT_APPEND_0 = 1 << 12, /* << 0 to 2: ... opened with O_APPEND */
	BOOT_CLONE = 1 << 15,	 /* with BOOT_RESTORE: one of many: boot_clone
				  */
	BOOT_SLEEPS = 1 << 16,	 /* the monitor puts it to sleep by itself */
};

/* What a clone has to itself. */
struct boot_clone {
	uint8_t id[16];	    /* random, for programs: /dev/generation */
	uint32_t signal;    /* sent to pid 1 before it goes on; 0: none */
	uint32_t hosts_len; /* bytes of hosts */
	char hostname[72];  /* with its terminator */
	char hosts[512];    /* the new /etc/hosts */
};

enum boot_port_flags { BOOT_PORT_POSTGRES = 1 /* who listens speaks that */ };

/* A published port: guest port `guest` is reachable from outside. */
struct boot_port {
	uint16_t guest; /* host byte order */
	uint8_t proto;	/* IPPROTO_TCP 6, IPPROTO_UDP 17 */
	uint8_t flags;	/* enum boot_port_flags */
	uint32_t id;	/* the broker's name for it, its place in the spec */
};
static_assert(sizeof(struct boot_port) == 8, "ABI");

struct boot_string { /* bytes in data, without terminator in len, with one */
	uint32_t offset;
	uint32_t len;
};

#define BOOT_SPACES_MAX 32768
#define BOOT_LEFT_MAX 32768
#define BOOT_VOLUMES_MAX 16
enum boot_volume_flags { BOOT_VOLUME_READONLY = 1 };

/* A file of the host as a block device, number i in the table. */
struct boot_volume {
	int32_t fd;	   /* locked by the monitor on this very description */
	int32_t direct_fd; /* the same file past the host's cache, or -1 */
	uint32_t flags;	   /* enum boot_volume_flags */
	uint32_t pad;
	uint64_t size;		 /* bytes, a multiple of 512; may grow later */
	struct boot_string name; /* for messages */
	struct boot_string path; /* where it is mounted */
};

/* boot.phase_ns[]: CLOCK_MONOTONIC of the host; those of the last start or wake
 * of the instance, 0: not reached. */
enum boot_phase {
	BOOT_T_CLI,	/* the command started (from the spec; 0 unknown); a
			 * wake: it was asked for */
	BOOT_T_MONITOR, /* the monitor's main(), or it has the request */
	BOOT_T_SPAWN,	/* before the kernel's exec */
	BOOT_T_KERNEL,	/* kernel's first instruction in C */
	BOOT_T_MAPPED,	/* regions mapped, filter installed */
	BOOT_T_INIT,	/* kernel subsystems ready, root mounted */
	BOOT_T_EXEC,	/* program loaded */
	BOOT_T_USER,	/* about to run its first instruction; a wake: the
			 * first thread goes on */
	/* Only of a wake: */
	BOOT_T_READ,	  /* the checkpoint is read and matches */
	BOOT_T_COPIED,	  /* the shared part is in memory */
	BOOT_T_PROCESSES, /* process 0 has started all others */
	BOOT_T_THREADS,	  /* the last of them has its memory and threads */
	BOOT_T_COUNT
};

/* How far the kernel may go yet; the monitor raises it and wakes the futex. It
 * starts a kernel that is to be woken before the memory is complete, and raises
 * the volumes' generations while programs run already. */
enum boot_gate {
	BOOT_GATE_CLOSED,  /* it maps its memory and looks at none of it */
	BOOT_GATE_MEMORY,  /* all but writing to volumes */
	BOOT_GATE_VOLUMES, /* all */
};

#define CRASH_MAGIC 0x48534152434a0a7fULL
/* Left by the kernel when it dies of itself. */
struct crash_record {
	uint64_t magic;
	uint64_t regs[21];	/* struct frame order (kernel/cpu/frame.h) */
	uint64_t backtrace[32]; /* return addresses, 0 ends */
	uint64_t fault_address;
	int32_t tid, pid; /* guest's */
	char comm[16];
	char reason[256];
	uint32_t text_len; /* bytes used of text */
	uint32_t pad;
	char text[6000]; /* last system calls, open files: lines */
};

struct boot_stats {
	uint64_t heap_bytes; /* kernel heap handed out */
	uint64_t heap_objects;
	uint64_t cache_pages; /* page cache, tmpfs, shared memory */
	uint64_t nprocesses, nthreads, nfiles, ntimers;
	uint64_t nsyscalls, nsyscalls_patched, nsites_patched;
	uint64_t syscalls[512];	  /* by number, with BOOT_STATS */
	uint32_t unsupported_len; /* lines in unsupported */
	uint32_t pad;
	char unsupported[2048]; /* "what value count\n" */
};

struct boot_block {
	/* Written by the monitor, read once by the kernel. */
	uint64_t magic;
	uint32_t version;
	uint32_t size;	/* BOOT_BLOCK_SIZE */
	uint32_t flags; /* enum boot_flags */
	uint32_t ncpus;
	uint64_t memory_limit; /* bytes, 0 none */
	/* Outside descriptors; -1: absent. */
	int32_t stdio_hfd[3];
	int32_t image_fd;  /* the EROFS root */
	int32_t kernel_fd; /* shared memory: data, slots, heap */
	int32_t cache_fd;  /* shared memory: page cache */
	int32_t broker_fd; /* SOCK_SEQPACKET: requests and replies */
	int32_t event_fd;  /* SOCK_SEQPACKET: events to process 0 */
	int32_t trace_fd;
	int32_t pad0;
	uint64_t image_size; /* bytes */
	uint64_t argc, envc;
	uint32_t argv; /* offset in data: argc boot_strings */
	uint32_t envp; /* offset in data: envc boot_strings */
	struct boot_string cwd, hostname,
		user; /* user: "name|uid[:group|gid]" */
	struct boot_string resolv_conf, hosts; /* files for /etc, or len 0 */
	struct boot_string env_path;	       /* PATH to find argv[0] with */
	uint32_t nports;
	uint32_t ports;	      /* offset in data: nports boot_port */
	uint32_t resolver_ip; /* IPv4, network order: datagrams to it at port
			       * 53 go to the monitor's resolver */
	uint32_t instance_ip; /* what the instance believes its address is */
	uint16_t tty_rows, tty_cols;
	uint32_t pad1;
	uint64_t host_memory; /* bytes the machine has; 0 unknown */
	uint8_t entropy[64];
	uint32_t nvolumes;
	uint32_t pad3;
	struct boot_volume volumes[BOOT_VOLUMES_MAX];
	/* With BOOT_RESTORE: the file (closed by the kernel) and its tables. */
	int32_t checkpoint_fd;
	uint32_t pad4;
	struct {
		uint64_t offset, count;
	} checkpoint_sums, checkpoint_maps, checkpoint_pieces, checkpoint_reads,
		checkpoint_runs, checkpoint_spaces;
	uint64_t checkpoint_pages; /* offset of the page of the first sum */
	uint64_t checkpoint_size;  /* of the file */
	/* Extents of the page cache that are not in memory yet: the kernel
	 * takes a chunk of them out of the file when it is touched. At most
	 * BOOT_LEFT_MAX; `offset` is that of the first one in the file. */
	struct {
		uint64_t offset, count;
	} checkpoint_left;
	struct boot_clone clone; /* with BOOT_CLONE */
	uint32_t gate;		 /* enum boot_gate; a futex */
	uint32_t pad5;

	/* Written by both at start (phases), then by the kernel. */
	uint64_t phase_ns[BOOT_T_COUNT];
	/* Bit i: no host process was made yet for entry i of the table of
	 * spaces that the instance was woken with. */
	uint64_t asleep[BOOT_SPACES_MAX / 64];
	/* Bit i: extent i of checkpoint_left is in memory now. */
	uint64_t taken[BOOT_LEFT_MAX / 64];
	/* A part of the object behind kernel_fd that a woken copy does without.
	 */
	struct {
		uint64_t offset, len;
	} unneeded;
	uint32_t data_len;
	uint32_t last_command; /* the monitor's: the last id of an EVENT_EXEC */
	struct crash_record crash;
	struct boot_stats stats;
	struct status_block status __attribute__((aligned(4096)));

	char data[] __attribute__((aligned(8)));
};
static_assert(offsetof(struct boot_block, data) <=
		      BOOT_BLOCK_SIZE - BOOT_DATA_SIZE,
	      "ABI: data fits");

#endif
