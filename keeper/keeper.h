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
	bool is_watched;
	pid_t child; /* resumes it; 0: none */
};

struct keeper {
	int epoll_fd, listen_fd, notify_fd, signal_fd;
	unsigned int nclients;
	struct sleeper *sleepers;
	int spare_fd;	    /* to the spare monitor, -1: there is none */
	bool is_spare_used; /* it wakes somebody, and lives on with that */
	struct sleeper *spare_for; /* whom, until that is over */
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
/* The spare monitor that was to wake s has let go of it: it runs, or the
 * command tries. */
void keeper_spare_let_go(struct keeper *k, struct sleeper *s);
/* A process that resumed an instance has ended. */
void keeper_resumed(struct keeper *k, pid_t pid);
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

/* spare.c: start a monitor that waits, if there is none. */
void spare_start(struct keeper *k);
/* Let it wake s, whose sockets it gets. False: nobody does. */
bool spare_wake(struct keeper *k, struct sleeper *s, uint64_t now_ns);
/* Its end of the socket is closed: the instance runs, or it failed or died. */
void spare_ended(struct keeper *k);

#endif
