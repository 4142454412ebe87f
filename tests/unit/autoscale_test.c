/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit test of the steps of autoscale policies (daemon/autoscale_step.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "daemon/autoscale.h"
#include "lib/compiler.h"

static const char steps[] =
	"'steps':[{'upper_bound':100,'adjustment':-50},"
	"{'lower_bound':500,'upper_bound':800,'adjustment':1},"
	"{'lower_bound':800,'adjustment':100}]";

static int64_t want(const char *type, double value, int64_t size)
{
	char text[512];
	json_t *policy;
	int64_t n;

	snprintf(text, sizeof(text), "{'adjustment_type':'%s',%s}", type,
		 steps);
	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	policy = json_loads(text, 0, NULL);
	assert_non_null(policy);
	n = autoscale_want(policy, value, size);
	json_decref(policy);
	return n;
}

static void test_steps(void **state)
{
	static const struct {
		const char *type;
		double value;
		int64_t size, want;
	} all[] = {
		{ "change", 99.9, 60, 10 }, { "change", 99.9, 3, 0 },
		{ "change", 100, 3, 3 },    { "change", 499, 3, 3 },
		{ "change", 500, 3, 4 },    { "change", 799.9, 3, 4 },
		{ "change", 800, 3, 103 },  { "exact", 500, 7, 1 },
		{ "percent", 900, 3, 6 },   { "percentage", 50, 4, 2 },
		{ "percentage", 50, 1, 0 }, { "percent", 600, 10, 11 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_int_equal(want(all[i].type, all[i].value, all[i].size),
				 all[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
