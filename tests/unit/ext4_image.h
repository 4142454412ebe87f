/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images for tests of ext4, made and checked by e2fsprogs in a directory of the
 * test's own.
 */
#ifndef JIFFY_TESTS_UNIT_EXT4_IMAGE_H
#define JIFFY_TESTS_UNIT_EXT4_IMAGE_H

#include "tests/unit/stub_ext4.h"

void assert_call(long got, long expected, const char *what, int line);
#define OK(expected, call) assert_call((call), (expected), #call, __LINE__)

extern struct stub_disk image_disk;

/* The group's: a directory, the file layer, a process. */
int image_setup(void **state);
int image_teardown(void **state);
/* A script in the directory; the image is the file "img". */
void image_shell(const char *script);
void image_mount(const char *options);
void image_unmount(void);
void image_load(struct stub_disk *d);
void image_save(const struct stub_disk *d);
/* e2fsck -fn finds nothing. */
void image_fsck(void);

/* ext4_random.c */
void test_random(void **state);
void test_full(void **state);
/* ext4_crash.c */
void test_crash(void **state);

#endif
