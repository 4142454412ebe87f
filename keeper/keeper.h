/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one context of the keeper: who sleeps, and with which sockets.
 */
#ifndef JIFFY_KEEPER_KEEPER_H
#define JIFFY_KEEPER_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/keeper.h"

struct sleeper;

struct kept { /* a socket */
	struct sleeper *of;
	int fd;
	uint32_t events; /* EPOLL*: what wakes */
	uint64_t known;	 /* but while it has this mark (keeper_mark()) */
};

struct sleeper {
	struct sleeper *next;
	char state_dir[1024];
	struct kept *sockets;
	uint32_t n;
	int client; /* connection that gives the sockets; -1: it is over */
	int watch;  /* of the directory; -1: none */
	bool is_watched, is_waiting;
	pid_t child;	   /* the command that resumes it; 0: none */
	uint64_t asked_ns; /* when something came for it, CLOCK_MONOTONIC */
	struct sleeper *next_waiting;
};

#define WAKERS_MAX 33

/* A monitor, or the command. */
struct waker {
	int fd;		    /* to the monitor; -1: none */
	pid_t pid;	    /* of the command; 0: none */
	bool is_used;	    /* it wakes somebody */
	struct sleeper *of; /* whom, until that is over */
};

struct keeper {
	int epoll_fd, listen_fd, notify_fd, signal_fd;
	unsigned int nclients;
	struct sleeper *sleepers;
	struct waker wakers[WAKERS_MAX]; /* with neither: free */
	int nwakes_max, low_fd;
	struct sleeper *waiting, **last_waiting; /* for a waker, in order */
	bool is_upgrade_due;
	char *store; /* argv[1] */
	char self_dir[4096];
};

/* A message and the descriptors that came with it, which are taken over. */
void keeper_serve(struct keeper *k, int client, const struct keeper_message *m,
		  const int *fds, uint32_t nfds);
/* A monitor has hung up: its instance sleeps now, or goes on. */
void keeper_hung_up(struct keeper *k, int client);
/* Have an event for a descriptor of our own. 0, or -1. */
int keeper_watch(struct keeper *k, int fd);
/* Close it: no more events, even while a child that was just forked has it. */
void keeper_close(struct keeper *k, int fd);
/* All sockets of s (NULL: none), in as many copies of m as it takes, at least
 * one. False if the other end is gone. */
bool keeper_send(int to, struct keeper_message *m, const struct sleeper *s);
/* A socket has something to read, or room to send: wake, if that is news. */
void keeper_ready(struct keeper *k, const struct kept *socket, uint32_t events,
		  uint64_t now_ns);
/* Close its sockets. */
void keeper_forget(struct keeper *k, struct sleeper *s);
/* It has a checkpoint. */
bool keeper_still_sleeps(const struct sleeper *s);
/* Something happened to the directories. */
void keeper_notified(struct keeper *k);

/* From the keeper before this one: a socket of a sleeper; it has all of them,
 * and `child` (0: none) resumes it. */
void keeper_adopt(struct keeper *k, const char *state_dir, int fd,
		  uint64_t known);
void keeper_adopted(struct keeper *k, const char *state_dir, pid_t child);

/* upgrade.c: become the keeper that is installed, which takes over what is in
 * the table; returns if that cannot be. Not while there are clients. */
void upgrade(struct keeper *k);
void upgrade_take(struct keeper *k, int table_fd);

/* spare.c. Once, with listen_fd open. */
void wakers_init(struct keeper *k);
/* Start a monitor that waits, if there is none; have it end. */
void spare_start(struct keeper *k);
void spare_drop(struct keeper *k);
/* Have s woken, now or when its turn comes; s may be forgotten by that. */
void wake(struct keeper *k, struct sleeper *s);
/* `child` resumes it already. */
void wake_adopt(struct keeper *k, struct sleeper *s, pid_t child);
/* s is about to be freed. */
void wake_forget(struct keeper *k, struct sleeper *s);
/* A monitor's end of its socket is closed: the instance runs, or it failed or
 * died, and the command tries. False: fd is not one of those. */
bool spare_ended(struct keeper *k, int fd);
/* A child has ended, which may be a command. */
void wake_command_ended(struct keeper *k, pid_t pid);
/* No monitor wakes anybody, nobody waits. */
bool wakes_are_over(const struct keeper *k);

#endif
