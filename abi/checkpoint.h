/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A checkpoint: a frozen instance of platform `process` as a file. Written by
 * its monitor, read by the monitor that wakes it and, the tables of mappings,
 * by the kernel. Little endian; all offsets are in the file and the offsets of
 * pages are multiples of the page size. Layout: a page with the header, pages
 * of shared objects, private pages, tables (page_sums to spaces side by side).
 * docs/design/007-snapshots.md tells the whole.
 */
#ifndef JIFFY_ABI_CHECKPOINT_H
#define JIFFY_ABI_CHECKPOINT_H

#include <assert.h>
#include <stdint.h>

#define CHECKPOINT_MAGIC 0x504b434946464a7fULL /* "\x7fJFFICKP" */
#define CHECKPOINT_VERSION 6
#define CHECKPOINT_PAGE 4096u

/* A table: count entries of the struct that its name says. */
struct checkpoint_table {
	uint64_t offset;
	uint64_t count;
};

/* A template is there for any number of clones; else it goes on once, itself.
 */
enum checkpoint_flags { CHECKPOINT_TEMPLATE = 1 };

/* Pages of a memory object (kernel_fd, cache_fd, boot block), a few at once.
 * Those of the page cache are side by side in the table, in the order of `at`,
 * and each lies in one chunk of the object: a wake may leave chunks in the file
 * until they are touched. */
#define CHECKPOINT_EXTENT_MAX (1u << 20)
#define CHECKPOINT_CHUNK (64u << 10)
enum checkpoint_object {
	CHECKPOINT_KERNEL,
	CHECKPOINT_CACHE,
	CHECKPOINT_BOOT,
	CHECKPOINT_OBJECTS
};
struct checkpoint_extent {
	uint64_t at;	 /* in the object */
	uint64_t offset; /* in the file */
	uint64_t len;
	uint32_t object; /* enum checkpoint_object */
	uint32_t sum;	 /* CRC-32C of the bytes */
};
static_assert(sizeof(struct checkpoint_extent) == 32, "format");

/* What the mappings of a host process are of. They are in the order of their
 * addresses and do not overlap. */
enum checkpoint_backing {
	CHECKPOINT_ANON,	 /* private zero memory */
	CHECKPOINT_IMAGE,	 /* private: offset in the root image */
	CHECKPOINT_CACHE_COW,	 /* private: offset in the page cache */
	CHECKPOINT_CACHE_SHARED, /* shared: offset in the page cache */
};
struct checkpoint_map {
	uint64_t start;
	uint64_t len;
	uint64_t offset;
	uint32_t prot;	    /* PROT_* */
	uint16_t backing;   /* enum checkpoint_backing */
	uint16_t is_filled; /* pages are read into it: until they are, it must
			     * be writable */
};
static_assert(sizeof(struct checkpoint_map) == 32, "format");

/* The process's own pages, on top of those: each page either read or mapped. A
 * read is one preadv() of at most CHECKPOINT_PIECES_MAX pieces, which follow
 * each other in the file; each lies in one mapping. */
#define CHECKPOINT_PIECES_MAX 1024
struct checkpoint_piece { /* as struct iovec */
	uint64_t start;
	uint64_t len;
};
static_assert(sizeof(struct checkpoint_piece) == 16, "format");
struct checkpoint_read {
	uint64_t offset;      /* in the file */
	uint64_t len;	      /* of all pieces */
	uint64_t first_piece; /* index into pieces */
	uint64_t npieces;
};
static_assert(sizeof(struct checkpoint_read) == 32, "format");
/* Mapped from the file, private, with the rights of the one mapping it lies in;
 * in the order of their addresses. */
struct checkpoint_run {
	uint64_t start;
	uint64_t len;
	uint64_t offset;
};
static_assert(sizeof(struct checkpoint_run) == 24, "format");

/* A host process other than process 0, known by the number it had; one that was
 * not made since the wake before by -1 - its index there. */
struct checkpoint_space {
	int32_t host_pid;
	uint32_t nmaps, nreads, nruns;
	uint64_t first_map, first_read, first_run; /* indices */
};
static_assert(sizeof(struct checkpoint_space) == 40, "format");

/* An entry of the instance's descriptor table. */
enum checkpoint_fd_kind {
	CHECKPOINT_FD_STDIO, /* 0, 1, 2; a: the spec knows what it was */
	CHECKPOINT_FD_IMAGE,
	CHECKPOINT_FD_CACHE,
	CHECKPOINT_FD_BROKER,
	CHECKPOINT_FD_EVENT,
	CHECKPOINT_FD_TRACE,
	CHECKPOINT_FD_VOLUME, /* a: its number; b: 1 for the direct one */
	CHECKPOINT_FD_SOCKET, /* a: enum checkpoint_socket; b: its port */
	CHECKPOINT_FD_EPOLL,  /* members: a the first of b in members */
	CHECKPOINT_FD_BELL,   /* eventfd; a: its count */
};
enum checkpoint_socket {
	CHECKPOINT_SOCKET_CONNECTED, /* with someone outside; b: nothing */
	CHECKPOINT_SOCKET_LISTENING, /* b: published port, backlog << 32 */
	CHECKPOINT_SOCKET_PORT,	     /* bound to published port b */
	CHECKPOINT_SOCKET_RESOLVER,  /* a client of the monitor's resolver */
};
struct checkpoint_fd { /* in the order of their numbers */
	int32_t number;
	uint32_t kind; /* enum checkpoint_fd_kind */
	uint64_t a, b;
};
static_assert(sizeof(struct checkpoint_fd) == 24, "format");

struct checkpoint_member { /* of an epoll set, as in its fdinfo */
	int32_t number;
	uint32_t events;
	uint64_t data;
};
static_assert(sizeof(struct checkpoint_member) == 16, "format");

struct checkpoint_volume {
	uint64_t generation;
	int64_t changed_ns; /* of the file: the host's ctime */
	uint64_t size;
};
static_assert(sizeof(struct checkpoint_volume) == 24, "format");

/* What programs may have found that the processor has, by CPUID. */
#define CHECKPOINT_FEATURES 8

struct checkpoint_header {
	uint64_t magic;
	uint32_t version;
	uint32_t flags;	     /* enum checkpoint_flags */
	uint32_t sum;	     /* CRC-32C of the header with this 0 */
	uint32_t tables_sum; /* of all from `tables` to the end of the file */
	uint64_t size;	     /* of the whole file */
	uint64_t tables;     /* offset of the first byte after the pages */
	uint8_t build[32];   /* build ID note of the kernel's file, then 0 */
	uint64_t xcr0;	     /* processor state that the registers have */
	uint32_t features[CHECKPOINT_FEATURES];
	uint64_t frozen_monotonic_ns, frozen_realtime_ns; /* of the host */
	uint64_t image_size;
	struct checkpoint_table extents, fds, members, volumes;
	struct checkpoint_table maps, pieces, reads, runs, spaces;
	struct checkpoint_table page_sums; /* CRC-32C (u32) of each private page
					    * from `private_pages` on */
	uint64_t private_pages;
	struct checkpoint_table spec; /* bytes of the instance's spec, JSON */
	/* BOOT_VERSION and BROKER_VERSION: what its kernel speaks. */
	uint32_t boot_version, broker_version;
	/* Not 0: the file is not on the disk yet, and good only as long as the
	 * host has not been restarted, by the number of its boot. Counts as 0
	 * in the sum. */
	uint64_t unsynced_boot;
};
static_assert(sizeof(struct checkpoint_header) <= CHECKPOINT_PAGE, "format");

#endif
