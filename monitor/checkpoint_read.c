/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a checkpoint. The file is hostile: first its sums, so that an
 * accident is called what it is, then every number in its tables.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/broker.h"
#include "host/cleanup.h"
#include "host/crc32c.h"
#include "host/io.h"
#include "lib/compiler.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"

#define TABLES_MAX (256ULL << 20)

static int read_at(const struct checkpoint *cp, void *to, size_t n, uint64_t at,
		   struct err *e)
{
	uint8_t *p = to;

	while (n) {
		ssize_t got = pread(cp->fd, p, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_sys(e, got < 0 ? errno : EIO,
				       "checkpoint: read at %llu",
				       (unsigned long long)at);
		p += got;
		at += (size_t)got;
		n -= (size_t)got;
	}
	return 0;
}

/* The kernel that goes on may be of an older build, but not of an older
 * language. */
static int check_versions(const struct checkpoint_header *h, struct err *e)
{
	if (h->boot_version == BOOT_VERSION &&
	    h->broker_version == BROKER_VERSION)
		return 0;
	return err_set(e, EPROTO,
		       "checkpoint: its kernel speaks version %u.%u: this "
		       "Jiffy speaks %u.%u",
		       h->boot_version, h->broker_version, BOOT_VERSION,
		       BROKER_VERSION);
}

static int read_header(struct checkpoint *cp, struct err *e)
{
	struct checkpoint_header *h = &cp->h;
	struct stat st;
	uint64_t boot;
	uint32_t sum;

	if (fstat(cp->fd, &st))
		return err_sys(e, errno, "checkpoint");
	if (!S_ISREG(st.st_mode) || st.st_size < CHECKPOINT_PAGE)
		return err_set(e, EINVAL, "not a checkpoint: no header");
	if (read_at(cp, h, sizeof(*h), 0, e))
		return -e->code;
	if (h->magic != CHECKPOINT_MAGIC)
		return err_set(e, EINVAL, "not a checkpoint");
	if (h->version != CHECKPOINT_VERSION)
		return err_set(e, EPROTO,
			       "checkpoint of format %u: this Jiffy knows %u",
			       h->version, CHECKPOINT_VERSION);
	sum = h->sum;
	boot = h->unsynced_boot;
	h->sum = 0;
	h->unsynced_boot = 0;
	if (crc32c(0, h, sizeof(*h)) != sum)
		return err_set(e, EBADMSG, "checkpoint: the header is damaged");
	h->sum = sum;
	if (boot && boot != checkpoint_boot())
		return err_set(e, ESTALE,
			       "checkpoint: the host was restarted before it "
			       "was on disk");
	if (h->size != (uint64_t)st.st_size)
		return err_set(
			e, EBADMSG, "checkpoint: %lld bytes of %llu: truncated",
			(long long)st.st_size, (unsigned long long)h->size);
	return check_versions(h, e);
}

static int read_tables(struct checkpoint *cp, struct err *e)
{
	const struct checkpoint_header *h = &cp->h;
	uint64_t len = h->size - h->tables;

	if (h->flags & ~(uint32_t)CHECKPOINT_TEMPLATE)
		return err_set(e, EINVAL, "checkpoint: unknown flags %#x",
			       h->flags);
	if (h->tables > h->size || len > TABLES_MAX ||
	    !IS_ALIGNED(h->tables, PAGE_SIZE) ||
	    !IS_ALIGNED(h->private_pages, PAGE_SIZE) ||
	    h->private_pages < PAGE_SIZE || h->private_pages > h->tables)
		return err_set(e, EINVAL,
			       "checkpoint: impossible places in the header");
	cp->tables = malloc(len + 1);
	if (!cp->tables)
		return err_sys(e, ENOMEM, "checkpoint");
	if (read_at(cp, cp->tables, len, h->tables, e))
		return -e->code;
	if (crc32c(0, cp->tables, len) != h->tables_sum)
		return err_set(e, EBADMSG,
			       "checkpoint: the tables are damaged");
	return 0;
}

/* Where a table is in memory; NULL if not all of it is there. */
static const void *find_table(const struct checkpoint *cp,
			      const struct checkpoint_table *t, size_t size)
{
	const struct checkpoint_header *h = &cp->h;

	if (t->offset < h->tables || t->offset > h->size ||
	    !IS_ALIGNED(t->offset, 8) ||
	    t->count > (h->size - t->offset) / size)
		return NULL;
	return cp->tables + (t->offset - h->tables);
}

static int find_tables(struct checkpoint *cp, struct err *e)
{
	struct checkpoint_header *h = &cp->h;
	const char *bad = NULL;

#define TABLE(name, table)                                           \
	do {                                                         \
		cp->name = find_table(cp, table, sizeof(*cp->name)); \
		if (!cp->name)                                       \
			bad = #name;                                 \
	} while (0)
	TABLE(extents, &h->extents);
	TABLE(maps, &h->maps);
	TABLE(pieces, &h->pieces);
	TABLE(reads, &h->reads);
	TABLE(runs, &h->runs);
	TABLE(spaces, &h->spaces);
	TABLE(fds, &h->fds);
	TABLE(members, &h->members);
	TABLE(volumes, &h->volumes);
	TABLE(sums, &h->page_sums);
	TABLE(spec, &h->spec);
#undef TABLE
	if (bad)
		return err_set(e, EINVAL,
			       "checkpoint: the table of %s is out of bounds",
			       bad);
	if (h->page_sums.count != (h->tables - h->private_pages) / PAGE_SIZE)
		return err_set(
			e, EINVAL, "checkpoint: %llu sums of %llu pages",
			(unsigned long long)h->page_sums.count,
			(unsigned long long)(h->tables - h->private_pages) /
				PAGE_SIZE);
	return 0;
}

int checkpoint_read(struct checkpoint *cp, int fd, struct err *e)
{
	memset(cp, 0, sizeof(*cp));
	cp->fd = fd;
	if (read_header(cp, e) || read_tables(cp, e) || find_tables(cp, e) ||
	    checkpoint_check(cp, e)) {
		checkpoint_free(cp);
		return -e->code;
	}
	return 0;
}

void checkpoint_free(struct checkpoint *cp)
{
	free(cp->tables);
	cp->tables = NULL;
}

/* Small enough for a processor's cache, and for a spare monitor to keep. */
static uint8_t copy_buffers[2][64u << 10];

/* To the object, or nowhere if it is -1: what is written before the sum is
 * found to be wrong is never used. */
static int copy_extent(const struct checkpoint *cp,
		       const struct checkpoint_extent *x, int object,
		       uint8_t *buf, struct err *e)
{
	uint32_t sum = 0;

	for (uint64_t done = 0; done < x->len;) {
		size_t n = MIN(x->len - done, sizeof(copy_buffers[0]));

		if (read_at(cp, buf, n, x->offset + done, e))
			return -e->code;
		sum = crc32c(sum, buf, n);
		if (object >= 0 &&
		    pwrite(object, buf, n, (off_t)(x->at + done)) != (ssize_t)n)
			return err_sys(e, errno, "shared memory");
		done += n;
	}
	if (sum != x->sum)
		return err_set(e, EBADMSG,
			       "checkpoint: shared memory at %llu is damaged",
			       (unsigned long long)x->offset);
	return 0;
}

static bool is_left(const struct checkpoint *cp, uint64_t i)
{
	return i >= cp->first_left && i - cp->first_left < cp->nleft;
}

/* Bytes whose copying costs more than the faults do. */
#define LEAVE_MIN (256u << 10)

void checkpoint_leave(struct checkpoint *cp)
{
	uint64_t first = 0, n = 0, len = 0;

	for (uint64_t i = 0; i < cp->h.extents.count; i++) {
		if (cp->extents[i].object != CHECKPOINT_CACHE)
			continue;
		if (!n++)
			first = i;
		len += cp->extents[i].len;
	}
	if (len < LEAVE_MIN || n > BOOT_LEFT_MAX)
		return;
	cp->first_left = first;
	cp->nleft = n;
}

/* Two threads take extents in turn: one reads while the other writes. */
static int copy_extents(struct checkpoint_copying *c, uint8_t *buf,
			struct err *e)
{
	uint64_t i;

	while ((i = __atomic_fetch_add(&c->next, 1, __ATOMIC_RELAXED)) <
	       c->cp->h.extents.count) {
		const struct checkpoint_extent *x = &c->cp->extents[i];
		int object = c->objects[x->object];

		if (object >= 0 && !is_left(c->cp, i) &&
		    copy_extent(c->cp, x, object, buf, e))
			return -e->code;
	}
	return 0;
}

static void *second_thread(void *arg)
{
	struct checkpoint_copying *c = arg;

	(void)copy_extents(c, copy_buffers[1], &c->e);
	return NULL;
}

#define SECOND_MIN (2u << 20) /* bytes that a thread is worth its start for */

void checkpoint_copy_begin(struct checkpoint_copying *c,
			   const struct checkpoint *cp,
			   const int objects[CHECKPOINT_OBJECTS])
{
	uint64_t len = 0;

	*c = (struct checkpoint_copying){ .cp = cp, .e = ERR_INIT };
	memcpy(c->objects, objects, sizeof(c->objects));
	for (uint64_t i = 0; i < cp->h.extents.count; i++)
		if (objects[cp->extents[i].object] >= 0 && !is_left(cp, i))
			len += cp->extents[i].len;
	c->has_thread = len >= SECOND_MIN &&
			pthread_create(&c->thread, NULL, second_thread, c) == 0;
}

int checkpoint_copy_end(struct checkpoint_copying *c, struct err *e)
{
	(void)copy_extents(c, copy_buffers[0], e);
	if (c->has_thread)
		pthread_join(c->thread, NULL);
	if (!e->code && c->e.code)
		*e = c->e;
	return -e->code;
}

int checkpoint_copy_objects(const struct checkpoint *cp,
			    const int objects[CHECKPOINT_OBJECTS],
			    struct err *e)
{
	struct checkpoint_copying c;

	checkpoint_copy_begin(&c, cp, objects);
	return checkpoint_copy_end(&c, e);
}

int checkpoint_verify_pages(const struct checkpoint *cp, struct err *e)
{
	uint8_t page[CHECKPOINT_PAGE];

	for (uint64_t i = 0; i < cp->h.extents.count; i++)
		if (copy_extent(cp, &cp->extents[i], -1, copy_buffers[0], e))
			return -e->code;
	for (uint64_t i = 0; i < cp->h.page_sums.count; i++) {
		uint64_t at = cp->h.private_pages + i * PAGE_SIZE;

		if (read_at(cp, page, sizeof(page), at, e))
			return -e->code;
		if (crc32c(0, page, sizeof(page)) != cp->sums[i])
			return err_set(e, EBADMSG,
				       "checkpoint: the page at %llu is "
				       "damaged",
				       (unsigned long long)at);
	}
	return 0;
}

static int match_processor(const struct checkpoint_header *h, struct err *e)
{
	struct checkpoint_header now;

	checkpoint_processor(&now);
	if (h->xcr0 & ~now.xcr0)
		return err_set(e, ENOTSUP,
			       "checkpoint: this processor lacks registers of "
			       "the one before");
	for (int i = 0; i < CHECKPOINT_FEATURES; i++) {
		if (h->features[i] & ~now.features[i])
			return err_set(e, ENOTSUP,
				       "checkpoint: this processor lacks "
				       "features of the one before");
	}
	return 0;
}

int checkpoint_match(const struct checkpoint *cp, const struct instance *in,
		     const uint8_t build_id[32], const char *spec,
		     size_t spec_len, struct err *e)
{
	const struct checkpoint_header *h = &cp->h;

	if (memcmp(build_id, h->build, sizeof(h->build)) != 0)
		return err_set(e, ENOEXEC,
			       "checkpoint: of another build of the kernel");
	if (match_processor(h, e))
		return -e->code;
	if (h->image_size != in->image_size)
		return err_set(e, ESTALE, "checkpoint: the image is another");
	if (!(h->flags & CHECKPOINT_TEMPLATE) != !in->is_clone)
		return err_set(e, EINVAL,
			       in->is_clone
				       ? "checkpoint: it is no template: only "
					 "'jiffy resume' takes it"
				       : "checkpoint: it is a template: 'jiffy "
					 "run --from' takes it");
	if (!in->is_clone && (h->spec.count != spec_len ||
			      memcmp(cp->spec, spec, spec_len) != 0))
		return err_set(e, ESTALE,
			       "checkpoint: the instance's spec has changed");
	if (h->volumes.count != in->spec.nvolumes)
		return err_set(e, ESTALE, "checkpoint: the volumes are others");
	for (uint64_t i = 0; i < h->fds.count; i++) {
		if (cp->fds[i].kind == CHECKPOINT_FD_SOCKET &&
		    (cp->fds[i].a == CHECKPOINT_SOCKET_LISTENING ||
		     cp->fds[i].a == CHECKPOINT_SOCKET_PORT) &&
		    (uint32_t)cp->fds[i].b >= in->spec.nports)
			return err_set(e, EINVAL,
				       "checkpoint: descriptor %d is of no "
				       "published port",
				       cp->fds[i].number);
	}
	return 0;
}
