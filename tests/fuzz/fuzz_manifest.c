/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: the image manifest parser and, with the same bytes, the
 * OCI documents' parsers. What the manifest parser accepts must survive being
 * written and read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/json.h"
#include "image/manifest.h"
#include "image/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_manifest(const char *text, size_t size)
{
	struct manifest m, again;
	char one[SHA256_HEX_SIZE], two[SHA256_HEX_SIZE];
	struct err e = ERR_INIT;
	json_t *obj;
	char *written;

	if (manifest_parse("fuzz", text, size, &m, &e) < 0)
		return;
	obj = manifest_json(&m);
	written = json_dumps(obj, 0);
	if (!written ||
	    manifest_parse("again", written, strlen(written), &again, &e) < 0)
		abort();
	manifest_digest(&m, one);
	manifest_digest(&again, two);
	if (strcmp(one, two) != 0)
		abort();
	free(written);
	json_decref(obj);
	manifest_fini(&m);
	manifest_fini(&again);
}

static void fuzz_oci(const char *text, size_t size)
{
	struct oci_blob blob;
	struct manifest m;
	struct err e = ERR_INIT;
	json_t *obj;

	if (json_parse("fuzz", text, size, &obj, &e) < 0)
		return;
	oci_parse_blob(obj, "blob", &blob, &e);
	manifest_init(&m, "fuzz");
	oci_parse_config(obj, &m, &e);
	manifest_fini(&m);
	json_decref(obj);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_manifest((const char *)data, size);
	fuzz_oci((const char *)data, size);
	return 0;
}
