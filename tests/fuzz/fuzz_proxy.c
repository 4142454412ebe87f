/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz headers of the PROXY protocol: what is one is one for each longer
 * input, is not one when it is cut, and says the same when it is written again.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct proxy_ends *ends, unsigned int version)
{
	uint8_t text[PROXY_WRITE_MAX];
	struct proxy_ends again;
	size_t n = proxy_write(version, &ends->from, &ends->to, text);

	if (proxy_parse(text, n, &again) != (ssize_t)n || !again.is_known ||
	    memcmp(&again.from, &ends->from, sizeof(again.from)) ||
	    memcmp(&again.to, &ends->to, sizeof(again.to)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_ends ends, other;
	ssize_t n = proxy_parse(data, size, &ends);

	if (n < 0 && n != -EBADMSG)
		abort();
	if (n <= 0)
		return 0;
	if ((size_t)n > size || proxy_parse(data, (size_t)n, &other) != n ||
	    proxy_parse(data, (size_t)n - 1, &other) != 0)
		abort();
	if (!ends.is_known)
		return 0;
	check_again(&ends, 1);
	check_again(&ends, 2);
	return 0;
}
