/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts by user, in a list: few users do something at the same time.
 */
#include "daemon/limits.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/db.h"
#include "host/xmalloc.h"

struct limit_user {
	struct limit_user *next;
	char uuid[UUID_SIZE];
	unsigned int count;
};

/* Where a user is in the list, or its end. */
static struct limit_user **find(struct limits *l, const char *user)
{
	struct limit_user **p = &l->users;

	while (*p && strcmp((*p)->uuid, user) != 0)
		p = &(*p)->next;
	return p;
}

bool limits_take(struct limits *l, const char *user, unsigned int max)
{
	struct limit_user **p;
	bool is_free;

	pthread_mutex_lock(&l->lock);
	p = find(l, user);
	if (!*p) {
		*p = xcalloc(1, sizeof(**p));
		memcpy((*p)->uuid, user, UUID_SIZE);
	}
	is_free = (*p)->count < max;
	(*p)->count += is_free;
	pthread_mutex_unlock(&l->lock);
	return is_free;
}

void limits_give(struct limits *l, const char *user)
{
	struct limit_user **p, *gone = NULL;

	pthread_mutex_lock(&l->lock);
	p = find(l, user);
	if (*p && !--(*p)->count) {
		gone = *p;
		*p = gone->next;
	}
	pthread_mutex_unlock(&l->lock);
	free(gone);
}
