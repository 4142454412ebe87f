/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of cancel keys.
 */
#include "gateway/pg_keys.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "gateway/backend.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

#define BUCKETS 4096 /* a power of two */
/* A session is cancelled this often at most. */
#define CANCEL_PAUSE_NS (50 * NSEC_PER_MSEC)

struct pg_keys {
	pthread_mutex_t lock; /* of the lists and what is on them */
	struct list buckets[BUCKETS];
};

int pg_keys_new(struct pg_keys **out)
{
	struct pg_keys *k = xcalloc(1, sizeof(*k));

	pthread_mutex_init(&k->lock, NULL);
	for (size_t i = 0; i < BUCKETS; i++)
		list_init(&k->buckets[i]);
	*out = k;
	return 0;
}

void pg_keys_free(struct pg_keys *k)
{
	if (!k)
		return;
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static struct list *bucket_of(struct pg_keys *keys, uint32_t pid)
{
	return &keys->buckets[pid % BUCKETS];
}

/* With the lock held. */
static struct pg_session_key *find(struct pg_keys *keys, uint32_t pid)
{
	struct list *l = bucket_of(keys, pid);
	struct pg_session_key *k;

	list_for_each (k, l, link) {
		if (k->given.pid == pid)
			return k;
	}
	return NULL;
}

int pg_keys_enter(struct pg_keys *keys, struct pg_session_key *k)
{
	uint32_t pid;

	k->given.nsecret = k->target.key.nsecret;
	if (getrandom(k->given.secret, k->given.nsecret, 0) != k->given.nsecret)
		return -EIO;
	pthread_mutex_lock(&keys->lock);
	do {
		if (getrandom(&pid, sizeof(pid), 0) != sizeof(pid)) {
			pthread_mutex_unlock(&keys->lock);
			return -EIO;
		}
		pid &= INT32_MAX;
	} while (!pid || find(keys, pid));
	k->given.pid = pid;
	k->is_entered = true;
	list_append(bucket_of(keys, pid), &k->link);
	pthread_mutex_unlock(&keys->lock);
	return 0;
}

void pg_keys_remove(struct pg_keys *keys, struct pg_session_key *k)
{
	if (!k->is_entered)
		return;
	pthread_mutex_lock(&keys->lock);
	list_del(&k->link);
	pthread_mutex_unlock(&keys->lock);
	k->is_entered = false;
}

/* In the same time whatever differs. */
static bool is_secret(const struct pg_key *a, const struct pg_key *b)
{
	unsigned char differs = 0;

	if (a->nsecret != b->nsecret)
		return false;
	for (size_t i = 0; i < a->nsecret; i++)
		differs |= a->secret[i] ^ b->secret[i];
	return !differs;
}

int pg_keys_find(struct pg_keys *keys, const struct pg_key *given,
		 uint64_t now_ns, struct pg_target *out)
{
	struct pg_session_key *k;
	int status = -ENOENT;

	pthread_mutex_lock(&keys->lock);
	k = find(keys, given->pid);
	if (k && is_secret(&k->given, given)) {
		status = -EBUSY;
		if (now_ns - k->last_cancel_ns >= CANCEL_PAUSE_NS) {
			k->last_cancel_ns = now_ns;
			*out = k->target;
			backend_hold(out->service);
			status = 0;
		}
	}
	pthread_mutex_unlock(&keys->lock);
	return status;
}
