/* SPDX-License-Identifier: Apache-2.0 */
/*
 * damage FILE: how a checkpoint can be damaged, a line each: a name, then what
 * must be said of it; "verify" before that means by `jiffy snapshot verify`,
 * as a wake does not read those pages.
 * damage FILE NAME SEED: do it to the file.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/checkpoint.h"
#include "host/crc32c.h"

static struct checkpoint_header h;
static int fd;
static const char *wanted; /* NULL: list them */

static void must(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

static void pick(uint64_t offset, void *to, size_t len)
{
	must(pread(fd, to, len, (off_t)offset) == (ssize_t)len, "read");
}

/* Is it this one? */
static int is(const char *name, const char *message)
{
	if (!wanted)
		printf("%s %s\n", name, message);
	return wanted && strcmp(wanted, name) == 0;
}

/* One bit somewhere in len bytes. */
static void flip(uint64_t offset, uint64_t len)
{
	uint8_t byte;

	must(len != 0, "flip: nothing is there");
	offset += (uint64_t)random() % len;
	pick(offset, &byte, 1);
	byte ^= (uint8_t)(1 << random() % 8);
	must(pwrite(fd, &byte, 1, (off_t)offset) == 1, "write");
}

static void cut(uint64_t size)
{
	must(ftruncate(fd, (off_t)size) == 0, "cut");
}

/* A header that is as it should be but for what it says. */
static void put_header(void)
{
	uint64_t unsynced = h.unsynced_boot;

	h.sum = h.unsynced_boot = 0;
	h.sum = crc32c(0, &h, sizeof(h));
	h.unsynced_boot = unsynced;
	must(pwrite(fd, &h, sizeof(h), 0) == sizeof(h), "header");
}

static void cuts(void)
{
	static const struct {
		const char *name;
		size_t at;
	} tables[] = {
#define TABLE(t) { "cut-" #t, offsetof(struct checkpoint_header, t.offset) }
		TABLE(extents), TABLE(fds),    TABLE(members),	 TABLE(volumes),
		TABLE(maps),	TABLE(pieces), TABLE(reads),	 TABLE(runs),
		TABLE(spaces),	TABLE(spec),   TABLE(page_sums),
#undef TABLE
	};

	if (is("cut-all", "no header"))
		cut(0);
	if (is("cut-header", "no header"))
		cut(sizeof(h));
	if (is("cut-shared", "truncated"))
		cut(CHECKPOINT_PAGE);
	if (is("cut-private", "truncated"))
		cut(h.private_pages);
	if (is("cut-tables", "truncated"))
		cut(h.tables);
	if (is("cut-one", "truncated"))
		cut(h.size - 1);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		uint64_t at;

		memcpy(&at, (char *)&h + tables[i].at, sizeof(at));
		if (is(tables[i].name, "truncated"))
			cut(at);
	}
	if (is("longer", "truncated"))
		cut(h.size + CHECKPOINT_PAGE);
}

static void flip_read(void)
{
	struct checkpoint_read r;

	must(h.reads.count != 0, "reads");
	pick(h.reads.offset + (uint64_t)random() % h.reads.count * sizeof(r),
	     &r, sizeof(r));
	flip(r.offset, r.len);
}

static void flip_run(void)
{
	struct checkpoint_run r;

	must(h.runs.count != 0, "runs");
	pick(h.runs.offset + (uint64_t)random() % h.runs.count * sizeof(r), &r,
	     sizeof(r));
	flip(r.offset, r.len);
}

static bool is_cache(uint64_t i, struct checkpoint_extent *x)
{
	pick(h.extents.offset + i * sizeof(*x), x, sizeof(*x));
	return x->object == CHECKPOINT_CACHE;
}

/* One of the page cache, which is left in the file, or of what is copied. */
static void flip_extent(bool of_cache)
{
	struct checkpoint_extent x;

	while (is_cache((uint64_t)random() % h.extents.count, &x) != of_cache)
		;
	flip(x.offset, x.len);
}

static void flip_cache(void)
{
	struct checkpoint_extent x;

	for (uint64_t i = 0; i < h.extents.count; i++)
		if (is_cache(i, &x))
			flip(x.offset, x.len);
}

static void flips(void)
{
	if (is("flip-magic", "not a checkpoint"))
		flip(offsetof(struct checkpoint_header, magic),
		     sizeof(h.magic));
	if (is("flip-version", "of format"))
		flip(offsetof(struct checkpoint_header, version),
		     sizeof(h.version));
	if (is("flip-header", "the header is damaged"))
		flip(offsetof(struct checkpoint_header, flags),
		     offsetof(struct checkpoint_header, unsynced_boot) -
			     offsetof(struct checkpoint_header, flags));
	if (is("flip-tables", "the tables are damaged"))
		flip(h.tables, h.size - h.tables);
	if (is("flip-shared", "shared memory at"))
		flip_extent(false);
	if (is("flip-left", "verify shared memory at"))
		flip_extent(true);
	if (is("flip-cache", "verify shared memory at"))
		flip_cache();
	if (h.reads.count && is("flip-read", "verify the page at"))
		flip_read();
	if (h.runs.count && is("flip-mapped", "verify the page at"))
		flip_run();
}

static void others(void)
{
	if (is("old-format", "of format")) {
		h.version--;
		put_header();
	}
	if (is("new-format", "of format")) {
		h.version++;
		put_header();
	}
	if (is("other-language", "its kernel speaks version")) {
		h.boot_version--;
		put_header();
	}
	if (is("other-build", "another build of the kernel")) {
		h.build[0] ^= 1;
		put_header();
	}
	if (is("other-registers", "lacks registers")) {
		h.xcr0 = ~0ULL;
		put_header();
	}
	if (is("other-processor", "lacks features")) {
		memset(h.features, 0xff, sizeof(h.features));
		put_header();
	}
	if (is("other-image", "the image is another")) {
		h.image_size += CHECKPOINT_PAGE;
		put_header();
	}
}

int main(int argc, char **argv)
{
	must(argc == 2 || argc == 4, "usage");
	fd = open(argv[1], argc == 4 ? O_RDWR : O_RDONLY);
	must(fd >= 0, argv[1]);
	pick(0, &h, sizeof(h));
	if (argc == 4) {
		wanted = argv[2];
		srandom((unsigned int)atoi(argv[3]));
	}
	cuts();
	flips();
	others();
	return 0;
}
