/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz what the API makes of requests' queries and JSON before any handler
 * sees it: what is accepted is of the types that the schema says, everything
 * else has a message. Bytes go through base64 and lines of output unchanged.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/bytes.h"
#include "daemon/calendar.h"
#include "daemon/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_query(const char *text, size_t size)
{
	struct err e = { 0 };
	json_t *o = NULL;

	if (schema_query(&schema_list, text, size, &o, &e)) {
		if (!e.msg[0] || o)
			abort();
		return;
	}
	if (json_object_get(o, "count") &&
	    !json_is_integer(json_object_get(o, "count")))
		abort();
	json_decref(o);
}

static void fuzz_body(const char *text, size_t size)
{
	json_t *v = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	struct err e = { 0 };

	if (json_is_object(v)) {
		int r = schema_check(&schema_instance_create, v, &e);

		if ((r < 0) != (e.msg[0] != '\0'))
			abort();
		if (!r && json_object_get(v, "memory_mb") &&
		    !json_is_null(json_object_get(v, "memory_mb")) &&
		    json_integer_value(json_object_get(v, "memory_mb")) < 4)
			abort();
	}
	json_decref(v);
}

static void check_back(const char *coded, const char *data, size_t size)
{
	char *back;
	size_t len;

	if (bytes_from_base64(coded, &back, &len, NULL) || len != size ||
	    memcmp(back, data, size) != 0)
		abort();
	free(back);
}

static void fuzz_base64(const char *data, size_t size)
{
	json_t *coded = bytes_base64(data, size);
	char *text = malloc(size + 1), *back = NULL;
	size_t len;

	check_back(json_string_value(coded), data, size);
	json_decref(coded);
	memcpy(text, data, size);
	text[size] = '\0';
	if (!bytes_from_base64(text, &back, &len, NULL) && len > size)
		abort();
	free(back);
	free(text);
}

static void fuzz_line(const char *data, size_t size)
{
	size_t room = size * 4 / 3 + 100;
	char *line = malloc(room);
	size_t n = bytes_line("out", data, size, line, room);
	json_t *o = json_loadb(line, n, JSON_ALLOW_NUL, NULL);
	const json_t *text = json_object_get(o, "out");

	if (!n || n > room || line[n - 1] != '\n' || !o ||
	    bytes_utf8_rest(data, size) > 3)
		abort();
	if (!text)
		check_back(json_string_value(json_object_get(o, "out_base64")),
			   data, size);
	else if (json_string_length(text) != size ||
		 memcmp(json_string_value(text), data, size) != 0)
		abort();
	json_decref(o);
	free(line);
}

static void fuzz_calendar(const char *data, size_t size)
{
	char *text = strndup(data, size);
	struct calendar c;
	struct err e = { 0 };

	if (!calendar_parse(text, &c, &e)) {
		int64_t next = calendar_next(&c, 1795366800);

		if (next != -1 && next <= 1795366800)
			abort();
	} else if (!e.msg[0]) {
		abort();
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const fns[])(const char *data, size_t size) = {
		fuzz_body, fuzz_query, fuzz_base64, fuzz_line, fuzz_calendar
	};
	char *text;

	if (!size)
		return 0;
	text = malloc(size);
	memcpy(text, data + 1, size - 1);
	fns[data[0] % 5](text, size - 1);
	free(text);
	return 0;
}
