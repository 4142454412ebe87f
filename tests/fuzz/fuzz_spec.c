/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the reader of specs, one of which is in each checkpoint: it accepts or
 * says why not, and leaves nothing behind.
 */
#include <stdint.h>
#include <stdlib.h>

#include "monitor/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	struct spec s = { 0 };

	if (spec_parse((const char *)data, size, &s, &e)) {
		if (!e.msg[0])
			abort();
	} else if (s.nports > SPEC_PORTS_MAX || s.nvolumes > SPEC_VOLUMES_MAX ||
		   !s.argv.count || !s.name || !s.hostname) {
		abort();
	}
	spec_free(&s);
	return 0;
}
