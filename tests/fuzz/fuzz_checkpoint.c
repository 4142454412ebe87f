/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the reader of checkpoints: raw files (even inputs) and such whose header
 * and sums are made right (odd inputs), so that the checks of the tables are
 * reached. What is accepted must be within all bounds.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/boot.h"
#include "abi/broker.h"
#include "host/crc32c.h"
#include "lib/compiler.h"
#include "monitor/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_MAX (64 * CHECKPOINT_PAGE)

/* Within the tables, and no longer than they are. */
static void fix_table(const struct checkpoint_header *h,
		      struct checkpoint_table *t, size_t entry)
{
	t->offset =
		h->tables + ROUND_DOWN(t->offset % (h->size - h->tables), 8);
	t->count %= (h->size - t->offset) / entry + 1;
}

/* A small file's numbers are small: most of the bytes are free to say more. */
static void fix(uint8_t *file, size_t size)
{
	struct checkpoint_header *h = (void *)file;

	h->magic = CHECKPOINT_MAGIC;
	h->version = CHECKPOINT_VERSION;
	h->boot_version = BOOT_VERSION;
	h->broker_version = BROKER_VERSION;
	h->size = size;
	h->tables = MAX(ROUND_DOWN(h->tables % size, PAGE_SIZE), PAGE_SIZE);
	h->private_pages =
		ROUND_DOWN(h->private_pages % (h->tables + 1), PAGE_SIZE);
	h->private_pages = MAX(h->private_pages, PAGE_SIZE);
#define FIX(table, type) fix_table(h, &h->table, sizeof(struct type))
	FIX(extents, checkpoint_extent);
	FIX(fds, checkpoint_fd);
	FIX(members, checkpoint_member);
	FIX(volumes, checkpoint_volume);
	FIX(maps, checkpoint_map);
	FIX(pieces, checkpoint_piece);
	FIX(reads, checkpoint_read);
	FIX(runs, checkpoint_run);
	FIX(spaces, checkpoint_space);
#undef FIX
	fix_table(h, &h->page_sums, sizeof(uint32_t));
	fix_table(h, &h->spec, 1);
	h->page_sums.count = (h->tables - h->private_pages) / PAGE_SIZE;
	h->tables_sum = crc32c(0, file + h->tables, size - h->tables);
	h->sum = h->unsynced_boot = 0;
	h->sum = crc32c(0, h, sizeof(*h));
}

static void expect_private(const struct checkpoint *cp, uint64_t offset,
			   uint64_t len)
{
	if (offset < cp->h.private_pages || offset + len > cp->h.tables ||
	    offset + len <= offset)
		abort();
}

/* What a wake uses of the tables. */
static void use_space(const struct checkpoint *cp,
		      const struct checkpoint_space *s)
{
	const struct checkpoint_read *r = cp->reads + s->first_read;
	const struct checkpoint_run *run = cp->runs + s->first_run;

	for (uint32_t i = 0; i < s->nreads; i++, r++) {
		uint64_t len = 0;

		for (uint64_t k = 0; k < r->npieces; k++) {
			const struct checkpoint_piece *p =
				&cp->pieces[r->first_piece + k];

			if (p->start + p->len > CHECKPOINT_USER_END)
				abort();
			len += p->len;
		}
		if (len != r->len)
			abort();
		expect_private(cp, r->offset, r->len);
	}
	for (uint32_t i = 0; i < s->nruns; i++, run++) {
		if (run->start + run->len > CHECKPOINT_USER_END)
			abort();
		expect_private(cp, run->offset, run->len);
	}
}

static void use(const struct checkpoint *cp)
{
	static int objects[CHECKPOINT_OBJECTS];
	struct err e = ERR_INIT;
	struct checkpoint_out out = { .e = &e };

	for (uint64_t i = 0; i < cp->h.maps.count; i++) {
		const struct checkpoint_map *m = &cp->maps[i];

		if (m->start + m->len > CHECKPOINT_USER_END ||
		    m->start + m->len <= m->start)
			abort();
	}
	for (uint64_t i = 0; i < cp->h.spaces.count; i++)
		use_space(cp, &cp->spaces[i]);
	(void)checkpoint_older_open(&out, cp);
	free(out.older_bases);
	free(out.older_moved);
	for (uint64_t i = 0; i < cp->h.fds.count; i++)
		if (checkpoint_find_fd(cp, cp->fds[i].number) != &cp->fds[i])
			abort();
	for (int i = 0; i < CHECKPOINT_OBJECTS; i++)
		if (!objects[i])
			objects[i] = memfd_create("object", MFD_CLOEXEC);
	(void)checkpoint_copy_objects(cp, objects, &e);
	(void)checkpoint_verify_pages(cp, &e);
	for (int i = 0; i < CHECKPOINT_OBJECTS; i++)
		if (ftruncate(objects[i], 0))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[FILE_MAX];
	static int fd;
	struct checkpoint cp;
	struct err e = ERR_INIT;
	size_t len = MIN(size, sizeof(file));

	if (!fd)
		fd = memfd_create("checkpoint", MFD_CLOEXEC);
	if (size < 1)
		return 0;
	/* Short inputs have a header and some tables, too. */
	memset(file, 0, sizeof(file));
	memcpy(file, data + 1, len - 1);
	if (data[0] & 1) {
		len = MIN(MAX(len, 1024) + 2 * CHECKPOINT_PAGE, sizeof(file));
		memcpy(file + CHECKPOINT_PAGE, data, MIN(size, PAGE_SIZE));
		fix(file, len);
	}
	if (ftruncate(fd, 0) || pwrite(fd, file, len, 0) != (ssize_t)len)
		abort();
	if (!checkpoint_read(&cp, fd, &e)) {
		use(&cp);
		checkpoint_free(&cp);
	} else if (!e.msg[0]) {
		abort();
	}
	return 0;
}
