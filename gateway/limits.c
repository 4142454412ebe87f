/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's budgets. A client costs two descriptors, its own and the one to
 * the instance. With the factors below one port gets half of all at most, one
 * service a third, so there is room on its port for others; two ports a third
 * each, and so on. One address gets a quarter; addresses that share a hash, of
 * which nobody outside knows the seed, share that.
 */
#include "gateway/limits.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/compiler.h"

/* Those of the program's other parts: database, API, children, jobs. */
#define RESERVE_MIN 128
#define BYTES_MAX (256ull << 20)
/* A connection with TLS costs about as much of memory. */
#define BYTES_A_FILE (64ull << 10)

static uint32_t max_files = UINT32_MAX / 8;
static uint64_t max_bytes = UINT64_MAX / 8;
static _Atomic uint32_t nfiles;
static _Atomic uint64_t nbytes;
static _Atomic uint32_t nclients[65536]; /* by port */
static _Atomic uint32_t nsources[16384]; /* by a hash of the address */
static uint64_t seed;

void limits_set(uint32_t files, uint64_t bytes)
{
	max_files = files;
	max_bytes = bytes;
}

void limits_start(void)
{
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) *
			  (uint64_t)sysconf(_SC_PAGESIZE);
	struct rlimit lim;
	uint64_t files;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = (uint64_t)getpid(); /* so early that nobody is there */
	if (getrlimit(RLIMIT_NOFILE, &lim))
		return;
	files = MIN(lim.rlim_cur, (rlim_t)UINT32_MAX / 8);
	files -= MIN(MAX(files / 8, (uint64_t)RESERVE_MIN), files / 2);
	limits_set((uint32_t)MIN(files, memory / 4 / BYTES_A_FILE),
		   MIN(BYTES_MAX, memory / 16));
}

void limits_hold_file(void)
{
	atomic_fetch_add_explicit(&nfiles, 1, memory_order_relaxed);
}

void limits_release_file(void)
{
	atomic_fetch_sub_explicit(&nfiles, 1, memory_order_relaxed);
}

void limits_hold_bytes(size_t n)
{
	atomic_fetch_add_explicit(&nbytes, n, memory_order_relaxed);
}

void limits_release_bytes(size_t n)
{
	atomic_fetch_sub_explicit(&nbytes, n, memory_order_relaxed);
}

uint64_t limits_held_bytes(void)
{
	return atomic_load_explicit(&nbytes, memory_order_relaxed);
}

size_t limits_read_size(void)
{
	return limits_held_bytes() < max_bytes / 2 ? LIMITS_READ
						   : LIMITS_READ_TIGHT;
}

/* Nobody's. */
#define NO_SOURCE ARRAY_SIZE(nsources)

static uint32_t source_of(const struct sockaddr_storage *client)
{
	const struct sockaddr_in6 *sin6 = (const void *)client;
	const struct sockaddr_in *sin = (const void *)client;
	uint64_t hash = 0;

	if (client->ss_family == AF_INET6 &&
	    !IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr))
		memcpy(&hash, &sin6->sin6_addr, sizeof(hash));
	else if (client->ss_family == AF_INET &&
		 ntohl(sin->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
		hash = sin->sin_addr.s_addr;
	else
		return NO_SOURCE;
	hash = (hash ^ seed) * 0x9e3779b97f4a7c15;
	hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9;
	return (uint32_t)(hash >> 32) % ARRAY_SIZE(nsources);
}

uint32_t limits_enter(uint16_t port, const struct sockaddr_storage *client)
{
	uint32_t source = source_of(client);

	atomic_fetch_add_explicit(&nclients[port], 1, memory_order_relaxed);
	if (source != NO_SOURCE)
		atomic_fetch_add_explicit(&nsources[source], 1,
					  memory_order_relaxed);
	return source;
}

void limits_leave(uint16_t port, uint32_t source)
{
	atomic_fetch_sub_explicit(&nclients[port], 1, memory_order_relaxed);
	if (source != NO_SOURCE)
		atomic_fetch_sub_explicit(&nsources[source], 1,
					  memory_order_relaxed);
}

static uint64_t files_left(void)
{
	uint32_t held = atomic_load_explicit(&nfiles, memory_order_relaxed);

	return held < max_files ? max_files - held : 0;
}

static uint64_t clients(uint16_t port)
{
	return atomic_load_explicit(&nclients[port], memory_order_relaxed);
}

bool limits_admits(uint16_t port, const struct sockaddr_storage *client)
{
	uint32_t source = source_of(client);
	uint64_t n = source == NO_SOURCE
			     ? 0
			     : atomic_load_explicit(&nsources[source],
						    memory_order_relaxed);

	return 2 * clients(port) < files_left() && 6 * n < files_left();
}

bool limits_is_crowded(uint16_t port)
{
	return 8 * clients(port) > files_left();
}

bool limits_admits_call(uint32_t n)
{
	return 4 * (uint64_t)n < files_left();
}
