/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all streams have in common: whose they are.
 */
#include "daemon/stream.h"

#include <string.h>

int stream_init(struct stream *s, const struct stream_ops *ops, struct call *c,
		struct err *e)
{
	if (!limits_take(&c->daemon->streams, c->user, STREAMS_PER_USER))
		return api_fail(e, API_TOO_MANY,
				"More than %d commands and files at once",
				STREAMS_PER_USER);
	*s = (struct stream){ .ops = ops, .daemon = c->daemon };
	memcpy(s->user, c->user, UUID_SIZE);
	return 0;
}

void stream_fini(struct stream *s)
{
	limits_give(&s->daemon->streams, s->user);
}
