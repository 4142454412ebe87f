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

struct sleeper {
	struct sleeper *next;
	char state_dir[1024];
	int *fds;
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
	char self_dir[4096];
};

/* A message and the descriptors that came with it, which are taken over. */
void keeper_serve(struct keeper *k, int client, const struct keeper_message *m,
		  const int *fds, uint32_t nfds);
/* A monitor has hung up: its instance sleeps now, or goes on. */
void keeper_hung_up(struct keeper *k, int client);
/* A socket has something to read. */
void keeper_wake(struct keeper *k, struct sleeper *s);
/* A process that resumed an instance has ended. */
void keeper_resumed(struct keeper *k, pid_t pid);
/* Something happened to the directories. */
void keeper_notified(struct keeper *k);

#endif
