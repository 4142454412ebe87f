/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz what the gateway reads of PostgreSQL: the first packet, the copy of a
 * StartupMessage (which must be one again, without what was cut), and framing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/pg_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_copy(const uint8_t *data, size_t len)
{
	struct pg_startup s, again;
	uint8_t out[PG_FIRST_MAX + 16];
	ssize_t n;

	if (pg_startup_parse(data, len, &s))
		return;
	n = pg_startup_copy(data, len, &s, true, out, sizeof(out));
	if (n < 0)
		return;
	if (pg_startup_parse(out, (size_t)n, &again) || again.endpoint[0])
		abort();
}

static void check_frames(const uint8_t *data, size_t size)
{
	struct pg_frames f = { 0 };
	size_t pos = 0;
	enum pg_event event;

	while ((event = pg_frames_next(&f, data, size, &pos)) !=
	       PG_EVENT_MORE) {
		if (event == PG_EVENT_BAD)
			return;
	}
	if (pos != size)
		abort();
	pg_error_is(data, size, "57P03");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pg_key key;
	size_t len;

	switch (pg_first(data, size, &len)) {
	case PG_FIRST_STARTUP:
		check_copy(data, len);
		break;
	case PG_FIRST_CANCEL:
		if (pg_cancel_parse(data, len, &key))
			abort();
		break;
	default:
		break;
	}
	check_frames(data, size);
	return 0;
}
