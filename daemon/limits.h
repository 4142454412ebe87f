/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of something each user has at a time, so that one cannot use up what
 * all share. From any thread.
 */
#ifndef JIFFY_DAEMON_LIMITS_H
#define JIFFY_DAEMON_LIMITS_H

#include <pthread.h>
#include <stdbool.h>

struct limit_user;

struct limits {
	pthread_mutex_t lock;
	struct limit_user *users; /* those that have some */
};

#define LIMITS_INIT                                              \
	{                                                        \
		.lock = PTHREAD_MUTEX_INITIALIZER, .users = NULL \
	}

/* One more for that user, if that makes at most max. */
bool limits_take(struct limits *l, const char *user, unsigned int max);
/* Give one back. */
void limits_give(struct limits *l, const char *user);

#endif
