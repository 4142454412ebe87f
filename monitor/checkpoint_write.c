/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a checkpoint while it is written: pages go out in order through a
 * buffer, tables are gathered in memory and come last, the header at the very
 * end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/boot.h"
#include "abi/broker.h"
#include "host/crc32c.h"
#include "host/io.h"
#include "lib/compiler.h"
#include "monitor/checkpoint.h"

void *checkpoint_add(struct checkpoint_array *a, size_t size, size_t n)
{
	uint8_t *items = a->items;

	if (n > a->room - a->count) {
		size_t room = MAX(a->room * 2, a->count + n + 64);

		items = reallocarray(a->items, room, size);
		if (!items)
			return NULL;
		a->items = items;
		a->room = room;
	}
	items += a->count * size;
	a->count += n;
	return memset(items, 0, n * size);
}

int checkpoint_out_open(struct checkpoint_out *out, int fd, struct err *e)
{
	memset(out, 0, sizeof(*out));
	out->fd = fd;
	out->e = e;
	out->flushed = CHECKPOINT_PAGE; /* the header's */
	out->buf = aligned_alloc(CHECKPOINT_BUFFER, CHECKPOINT_BUFFER);
	if (!out->buf)
		return err_sys(e, ENOMEM, "checkpoint");
	(void)madvise(out->buf, CHECKPOINT_BUFFER, MADV_HUGEPAGE);
	return 0;
}

void checkpoint_out_close(struct checkpoint_out *out)
{
	struct checkpoint_array *arrays[] = {
		&out->extents, &out->maps,   &out->pieces, &out->reads,
		&out->runs,    &out->spaces, &out->fds,	   &out->members,
		&out->volumes, &out->sums,
	};

	checkpoint_compare_end(out);
	for (size_t i = 0; i < ARRAY_SIZE(arrays); i++)
		free(arrays[i]->items);
	free(out->older_bases);
	free(out->older_moved);
	free(out->was_read);
	free(out->buf);
}

static int write_at(const struct checkpoint_out *out, const void *data,
		    size_t n, uint64_t at)
{
	const uint8_t *p = data;

	while (n) {
		ssize_t done = pwrite(out->fd, p, n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return err_sys(out->e, done < 0 ? errno : EIO,
				       "write of the checkpoint");
		p += done;
		at += (size_t)done;
		n -= (size_t)done;
	}
	return 0;
}

int checkpoint_room(struct checkpoint_out *out, size_t n)
{
	if (n <= CHECKPOINT_BUFFER - out->used)
		return 0;
	if (write_at(out, out->buf, out->used, out->flushed))
		return -out->e->code;
	out->flushed += out->used;
	out->used = 0;
	return 0;
}

static int put(struct checkpoint_out *out, uint32_t *sum, const void *data,
	       size_t n)
{
	const uint8_t *p = data;

	*sum = crc32c(*sum, data, n);
	while (n) {
		size_t part = MIN(n, CHECKPOINT_BUFFER);

		if (checkpoint_room(out, part))
			return -out->e->code;
		memcpy(out->buf + out->used, p, part);
		out->used += part;
		p += part;
		n -= part;
	}
	return 0;
}

/* Each table starts on a multiple of 8. */
static int put_table(struct checkpoint_out *out, uint32_t *sum,
		     struct checkpoint_table *t, const void *items,
		     size_t count, size_t size)
{
	static const uint8_t zeros[8];
	size_t len = count * size;

	t->offset = checkpoint_at(out);
	t->count = count;
	if (put(out, sum, items, len))
		return -out->e->code;
	return put(out, sum, zeros, ROUND_UP(len, 8) - len);
}

static int put_tables(struct checkpoint_out *out, struct checkpoint_header *h,
		      const void *spec, size_t spec_len)
{
	const struct {
		struct checkpoint_table *to;
		const struct checkpoint_array *from;
		size_t size;
	} all[] = {
		{ &h->extents, &out->extents,
		  sizeof(struct checkpoint_extent) },
		{ &h->page_sums, &out->sums, sizeof(uint32_t) },
		{ &h->maps, &out->maps, sizeof(struct checkpoint_map) },
		{ &h->pieces, &out->pieces, sizeof(struct checkpoint_piece) },
		{ &h->reads, &out->reads, sizeof(struct checkpoint_read) },
		{ &h->runs, &out->runs, sizeof(struct checkpoint_run) },
		{ &h->spaces, &out->spaces, sizeof(struct checkpoint_space) },
		{ &h->fds, &out->fds, sizeof(struct checkpoint_fd) },
		{ &h->members, &out->members,
		  sizeof(struct checkpoint_member) },
		{ &h->volumes, &out->volumes,
		  sizeof(struct checkpoint_volume) },
	};

	h->tables = checkpoint_at(out);
	h->tables_sum = 0;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (put_table(out, &h->tables_sum, all[i].to,
			      all[i].from->items, all[i].from->count,
			      all[i].size))
			return -out->e->code;
	return put_table(out, &h->tables_sum, &h->spec, spec, spec_len, 1);
}

int checkpoint_finish(struct checkpoint_out *out, struct checkpoint_header *h,
		      const void *spec, size_t spec_len)
{
	uint8_t page[CHECKPOINT_PAGE] = { 0 };
	uint64_t boot = h->unsynced_boot;

	h->magic = CHECKPOINT_MAGIC;
	h->version = CHECKPOINT_VERSION;
	h->boot_version = BOOT_VERSION;
	h->broker_version = BROKER_VERSION;
	h->private_pages = out->private_pages;
	if (put_tables(out, h, spec, spec_len))
		return -out->e->code;
	h->size = checkpoint_at(out);
	h->sum = 0;
	h->unsynced_boot = 0;
	h->sum = crc32c(0, h, sizeof(*h));
	if (write_at(out, out->buf, out->used, out->flushed))
		return -out->e->code;
	out->flushed += out->used;
	out->used = 0;
	h->unsynced_boot = boot;
	memcpy(page, h, sizeof(*h));
	return write_at(out, page, sizeof(page), 0);
}
