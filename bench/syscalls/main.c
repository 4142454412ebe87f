/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Costs of single system calls in nanoseconds. Reads names from stdin, one per
 * line, and answers each with "name ns" (-1: not here): so bench/run can
 * alternate two of these, one native and one in an instance, call by call.
 * An operation is repeated in batches of about 100 us for some 10 ms; the
 * lower quartile of the batches counts, which neighbours disturb least.
 */
#include "bench/syscalls/bench.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BATCH_NS 100e3
#define TOTAL_NS 10e6
#define BATCHES_MIN 9
#define BATCHES_MAX 128

char tmp_dir[64], tmp_file[96], buf[65536];
int image_fd, file_fd;
char *self;

static const struct bench *const tables[] = { rw_benches,     path_benches,
					      event_benches,  socket_benches,
					      memory_benches, process_benches,
					      sysv_benches };

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double batch(void (*op)(void), long n)
{
	double start = now_ns();

	for (long i = 0; i < n; i++)
		op();
	return now_ns() - start;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double measure(void (*op)(void))
{
	double ns[BATCHES_MAX], took, end;
	long n = 1;
	int i;

	for (took = batch(op, n); took < BATCH_NS; took = batch(op, n))
		n = took < BATCH_NS / 16 ? n * 8 : n * 2;
	end = now_ns() + TOTAL_NS;
	for (i = 0; i < BATCHES_MAX; i++) {
		if (i >= BATCHES_MIN && now_ns() > end)
			break;
		ns[i] = batch(op, n) / (double)n;
	}
	qsort(ns, (size_t)i, sizeof(ns[0]), compare);
	return ns[i / 4];
}

static const struct bench *find(const char *name)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct bench *b = tables[t]; b->name; b++)
			if (strcmp(b->name, name) == 0)
				return b;
	return NULL;
}

static void run(const char *name)
{
	const struct bench *b = find(name);
	double ns = -1;

	MUST(chdir(tmp_dir) == 0);
	if (b && (!b->set_up || b->set_up())) {
		ns = measure(b->op);
		if (b->tear_down)
			b->tear_down();
	}
	printf("%s %.2f\n", name, ns);
	fflush(stdout);
}

static void set_up(const char *image_dir)
{
	strcpy(tmp_dir, "/dev/shm/syscallsXXXXXX");
	MUST(mkdtemp(tmp_dir));
	snprintf(tmp_file, sizeof(tmp_file), "%s/file", tmp_dir);
	file_fd = open(tmp_file, O_RDWR | O_CREAT, 0600);
	MUST(write(file_fd, buf, sizeof(buf)) == sizeof(buf));
	image_fd = open(image_dir, O_RDONLY | O_DIRECTORY);
	MUST(image_fd >= 0);
	MUST(chdir(tmp_dir) == 0);
	MUST(mkdir("a", 0700) == 0 && mkdir("a/b", 0700) == 0 &&
	     mkdir("a/b/c", 0700) == 0 && mkdir("a/b/c/d", 0700) == 0 &&
	     mkdir("a/b/c/d/e", 0700) == 0);
	MUST(close(open("a/b/c/d/e/f", O_CREAT | O_RDWR, 0600)) == 0);
	MUST(symlink("file", "link") == 0);
}

static void clean_up(void)
{
	MUST(chdir(tmp_dir) == 0);
	unlink("a/b/c/d/e/f");
	rmdir("a/b/c/d/e");
	rmdir("a/b/c/d");
	rmdir("a/b/c");
	rmdir("a/b");
	rmdir("a");
	unlink("link");
	unlink("file");
	rmdir(tmp_dir);
}

/* syscalls IMAGE_DIR, syscalls list, syscalls exit */
int main(int argc, char **argv)
{
	char line[128];

	if (argc != 2 || strcmp(argv[1], "exit") == 0)
		return argc != 2;
	if (strcmp(argv[1], "list") == 0) {
		for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
			for (const struct bench *b = tables[t]; b->name; b++)
				puts(b->name);
		return 0;
	}
	self = argv[0];
	set_up(argv[1]);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		run(line);
	}
	clean_up();
	return 0;
}
