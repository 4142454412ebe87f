/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext4 on broken images: those named as arguments, or, without any, images
 * whose metadata this test damages at random. Each is mounted or refused, read,
 * written and unmounted within a time limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/fs/ext4/format.h"
#include "kernel/kernel.h"
#include "tests/unit/ext4_image.h"
#include "tests/unit/ext4_walk.h"

#define SECONDS_MAX 60

static u32 nmounted, nrefused;

static void use_disk(struct stub_disk *d, const char *options)
{
	alarm(SECONDS_MAX);
	if (ext4_walk(&d->device, options, 1000))
		nmounted++;
	else
		nrefused++;
	alarm(0);
}

static void use_file(const char *path)
{
	struct stub_disk d;

	fprintf(stderr, "%s\n", path);
	stub_disk_load(&d, path);
	use_disk(&d, "ro");
	stub_disk_fini(&d);
	stub_disk_load(&d, path);
	use_disk(&d, NULL);
	stub_disk_fini(&d);
}

/* --- Damage --------------------------------------------------------------- */

static const char make[] =
	"rm -rf root img; mkdir -p root/sub root/many; printf hello >root/a;"
	"ln -s a root/link; seq 1 9000 >root/sub/numbers; i=0;"
	"while [ $i -lt 300 ]; do : >root/many/a_long_name_of_a_file_$i;"
	"i=$((i+1)); done; for i in 1 3 5 7 9 11 13 15 17 19 21 23; do "
	"dd if=/dev/urandom of=root/pieces bs=1k count=1 seek=$i 2>log; done;";

static u64 random_state = 12345;

static u32 chance(u64 n)
{
	random_state = random_state * 6364136223846793005UL + 1;
	return (u32)((random_state >> 33) % n);
}

/* Most of what is not zero in such an image is metadata. */
static void damage(struct stub_disk *d)
{
	u32 hits = 1 + chance(8);

	while (hits) {
		u64 at = chance(chance(2) ? d->size : d->size / 8);

		if (d->data[at] == 0 && chance(400))
			continue;
		d->data[at] ^= (u8)(1U << chance(8));
		if (chance(3) == 0)
			d->data[at] = (u8)(chance(2) ? 0xff : chance(256));
		hits--;
	}
}

static void run(const char *command, u32 rounds)
{
	struct stub_disk whole, d;

	image_shell(make);
	image_shell(command);
	image_mount(NULL); /* a journal with something in it */
	image_unmount();
	image_load(&whole);
	stub_disk_init(&d, whole.size);
	for (u32 k = 0; k < rounds; k++) {
		memcpy(d.data, whole.data, d.size);
		damage(&d);
		use_disk(&d, k % 4 ? NULL : "ro");
	}
	stub_disk_fini(&whole);
	stub_disk_fini(&d);
}

static void test_damage(void **state)
{
	const char *env = getenv("EXT4_SEED"), *n = getenv("EXT4_ROUNDS");
	u32 rounds = n ? (u32)atoi(n) : 100;

	(void)state;
	if (env)
		random_state = strtoul(env, NULL, 0);
	/* Without checksums nearly all of it is believed. */
	run("mke2fs -q -t ext4 -O ^metadata_csum -b 1024 -J size=1 -N 512 "
	    "-d root img 4M",
	    rounds);
	run("mke2fs -q -t ext4 -b 1024 -J size=1 -N 512 -d root img 4M",
	    rounds / 2);
	run("mke2fs -q -t ext3 -b 1024 -J size=1 -N 512 -d root img 4M",
	    rounds / 2);
	assert_true(nmounted > rounds / 2);
	fprintf(stderr, "%u mounted, %u refused\n", nmounted, nrefused);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_damage) };

	if (argc < 2)
		return cmocka_run_group_tests(tests, image_setup,
					      image_teardown);
	if (image_setup(NULL))
		return 1;
	for (int k = 1; k < argc; k++)
		use_file(argv[k]);
	printf("%u mounted, %u refused\n", nmounted, nrefused);
	return image_teardown(NULL);
}
