/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unit tests' platform: what tests may set up and look at.
 */
#ifndef JIFFY_TESTS_UNIT_STUB_PLAT_H
#define JIFFY_TESTS_UNIT_STUB_PLAT_H

#include "lib/compiler.h"

#define STUB_IMAGE_SIZE (1UL << 20)
#define STUB_USER_START 0x200000000000UL /* tests map nothing below */

struct stub_plat {
	int cache_fd, image_fd;
	u64 discarded; /* bytes given back */
	u64 nmaps;     /* calls of plat_map() */
};
extern struct stub_plat stub_plat;

/* Map the kernel's ranges. The image holds u64 i * 0x9e3779b97f4a7c15. */
void stub_plat_start(void);

#endif
