/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups: the host's own limits on the processes of an instance, where
 * whoever starts it may make a group. Version 1 has a directory for each
 * controller below the one that we are in; version 2 has one for all, beside or
 * below us in a delegated part of the tree. What cannot be had is said in words
 * and nobody's failure. Not thread-safe.
 */
#ifndef JIFFY_HOST_CGROUP_H
#define JIFFY_HOST_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#define CGROUP_ROOT "/sys/fs/cgroup"
/* What a group of ours is called begins so; the rest is a process number. */
#define CGROUP_PREFIX "jiffy-"

enum cgroup_controller {
	CGROUP_CPU,
	CGROUP_MEMORY,
	CGROUP_PIDS,
	CGROUP_CONTROLLERS,
};

/* One directory. */
struct cgroup_place {
	char *path;
	/* Until it is sealed: its list of threads, to join by writing "0"; of
	 * version 2 the directory, for clone3(CLONE_INTO_CGROUP). */
	int fd;
	unsigned int controllers; /* bits */
	bool is_unified;	  /* version 2 */
};

struct cgroup {
	unsigned int nplaces;
	struct cgroup_place places[CGROUP_CONTROLLERS];
	unsigned int controllers; /* bits: those of all places */
	unsigned int limits;	  /* bits: those that are set */
	char why[160];		  /* what cannot be had, if anything */
};

struct cgroup_limits {
	uint64_t memory_bytes; /* 0: none */
	unsigned int cpus;     /* as much as so many processors; 0: none */
	unsigned int pids;     /* processes and threads; 0: none */
};

/* Make a group for each of the controllers (bits), as far as that is allowed:
 * g says what became of it. root is CGROUP_ROOT, membership the text of
 * /proc/self/cgroup. One of the same name is used if somebody is in it. To be
 * cgroup_remove()d. */
void cgroup_make(struct cgroup *g, const char *root, const char *membership,
		 const char *name, unsigned int controllers);
/* The same below the caller's own place in CGROUP_ROOT. */
void cgroup_make_own(struct cgroup *g, const char *name,
		     unsigned int controllers);
/* Set those limits of what g has. */
void cgroup_limit(struct cgroup *g, const struct cgroup_limits *limits);

/* The place that a child can be started in, or -1. */
int cgroup_unified_fd(const struct cgroup *g);
/* In a child that is one thread, also of a vfork: join the places that have one
 * of the controllers (bits), those of version 2 only if asked to. 0 or -errno.
 */
int cgroup_join(const struct cgroup *g, unsigned int controllers,
		bool with_unified);

/* Nobody joins any more: close what is open. */
void cgroup_seal(struct cgroup *g);

/* Has the host killed one of the group for its memory? */
bool cgroup_has_killed(const struct cgroup *g);

/* Remove the directories, which nobody is in any more, and free all. */
void cgroup_remove(struct cgroup *g);
/* Remove a directory that cgroup_make() has made, by its path, and those beside
 * it whose process is gone. Others are left alone, and so is one that somebody
 * is in. */
void cgroup_remove_path(const char *path);

#endif
