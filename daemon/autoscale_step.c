/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps of autoscale policies: from a value to a number of instances.
 */
#include <string.h>

#include "daemon/autoscale.h"
#include "host/json.h"
#include "lib/compiler.h"

static bool is_within(const json_t *step, double value)
{
	const json_t *lower = json_object_get(step, "lower_bound");
	const json_t *upper = json_object_get(step, "upper_bound");

	return (!json_is_number(lower) || value >= json_number_value(lower)) &&
	       (!json_is_number(upper) || value < json_number_value(upper));
}

/* Percent of few instances are one at least. */
static int64_t percent(int64_t size, int64_t adjustment)
{
	int64_t n = size * adjustment / 100;

	if (!n && adjustment)
		n = adjustment < 0 ? -1 : 1;
	return n;
}

int64_t autoscale_want(const json_t *policy, double value, int64_t size)
{
	const char *type = json_str_or(policy, "adjustment_type", "change");
	const json_t *step;
	size_t i;

	json_array_foreach (json_object_get(policy, "steps"), i, step) {
		int64_t adjustment = json_int_or(step, "adjustment", 0);

		if (!is_within(step, value))
			continue;
		if (!strcmp(type, "exact"))
			return adjustment;
		if (!strncmp(type, "percent", 7))
			adjustment = percent(size, adjustment);
		return MAX(size + adjustment, 0);
	}
	return size;
}
