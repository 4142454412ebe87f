/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of image/: references, manifests, OCI documents, command words,
 * the store.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "host/xmalloc.h"
#include "image/build.h"
#include "image/manifest.h"
#include "image/oci.h"
#include "image/ref.h"
#include "image/store.h"

#define HEX64                              \
	"0123456789abcdef0123456789abcdef" \
	"0123456789abcdef0123456789abcdef"

static const char good[] =
	"{\"schema\":1,\"name\":\"nginx\",\"created\":\"2026-01-01T00:00:00Z\","
	"\"architecture\":\"amd64\",\"entrypoint\":[],\"cmd\":[\"/bin/sh\"],"
	"\"env\":[\"A=b\"],\"user\":\"\",\"workdir\":\"/\","
	"\"exposed\":[\"80/tcp\"],\"labels\":{\"k\":\"v\"},"
	"\"stop_signal\":\"SIGTERM\",\"root\":{\"file\":\"root.erofs\","
	"\"size\":4096,\"sha256\":\"" HEX64 "\"}}";

static void test_ref(void **state)
{
	struct err e = ERR_INIT;
	struct ref ref;
	char name[REF_NAME_MAX + 1];

	(void)state;
	assert_int_equal(ref_parse("nginx", &ref, &e), 0);
	assert_string_equal(ref.tag, "latest");
	assert_int_equal(ref_parse("host:5000/a/b-c:v1.2", &ref, &e), 0);
	assert_string_equal(ref.name, "host:5000/a/b-c");
	assert_string_equal(ref.tag, "v1.2");
	assert_int_equal(ref_parse("", &ref, &e), -EINVAL);
	assert_int_equal(ref_parse("UP", &ref, &e), -EINVAL);
	assert_int_equal(ref_parse("../x", &ref, &e), -EINVAL);
	assert_int_equal(ref_parse("a//b", &ref, &e), -EINVAL);
	assert_int_equal(ref_parse("a:", &ref, &e), -EINVAL);
	assert_int_equal(ref_parse("a:..", &ref, &e), -EINVAL);
	assert_int_equal(ref_parse("a:b/c", &ref, &e), 0); /* host:port/name */
	assert_int_equal(ref_parse("a:b:c", &ref, &e), -EINVAL);
	ref_name_from("My App_1!.x", name);
	assert_string_equal(name, "my-app_1-x");
	assert_true(ref_name_ok(name, strlen(name)));
	ref_name_from("...", name);
	assert_string_equal(name, "image");
}

static void test_manifest_good(void **state)
{
	cleanup_manifest struct manifest m = { 0 };
	cleanup_manifest struct manifest again = { 0 };
	cleanup_json json_t *obj = NULL;
	cleanup_free char *text = NULL;
	char one[SHA256_HEX_SIZE];
	char two[SHA256_HEX_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(manifest_parse("m", good, strlen(good), &m, &e), 0);
	assert_string_equal(m.cmd.items[0], "/bin/sh");
	assert_int_equal(m.root_size, 4096);
	assert_string_equal(m.label_values.items[0], "v");
	obj = manifest_json(&m);
	text = json_dumps(obj, 0);
	assert_int_equal(manifest_parse("m", text, strlen(text), &again, &e),
			 0);
	/* the time is not part of the digest, all else is */
	free(again.created);
	again.created = xstrdup("2027-01-01T00:00:00Z");
	manifest_digest(&m, one);
	manifest_digest(&again, two);
	assert_string_equal(one, two);
	strv_add(&again.cmd, "-c");
	manifest_digest(&again, two);
	assert_string_not_equal(one, two);
}

/* Replace the first `from` in the good manifest and expect this error. */
static void expect_bad(const char *from, const char *to, const char *message)
{
	cleanup_free char *text = NULL;
	const char *at = strstr(good, from);
	struct err e = ERR_INIT;
	struct manifest m;

	assert_non_null(at);
	text = xasprintf("%.*s%s%s", (int)(at - good), good, to,
			 at + strlen(from));
	assert_true(manifest_parse("m", text, strlen(text), &m, &e) < 0);
	assert_string_equal(e.msg, message);
	assert_null(m.name);
}

static void test_manifest_bad(void **state)
{
	(void)state;
	expect_bad("\"schema\":1", "\"schema\":2",
		   "m: schema: 2 is not known to this version");
	expect_bad("\"schema\":1,", "", "m: schema: expected an integer");
	expect_bad("\"user\":\"\"", "\"user\":0", "m: user: expected a string");
	expect_bad("\"user\"", "\"usr\"", "m: usr: unknown key");
	expect_bad("\"nginx\"", "\"../x\"",
		   "m: name: '../x' is not a valid name");
	expect_bad("amd64", "s390x", "m: architecture: 's390x' is not amd64");
	expect_bad("A=b", "=b", "m: env[0]: '=b' is not NAME=VALUE");
	expect_bad("80/tcp", "80/sctp",
		   "m: exposed[0]: '80/sctp' is not PORT/tcp or /udp");
	expect_bad("80/tcp", "0/tcp", "m: exposed[0]: '0/tcp' is not PORT/tcp");
	expect_bad("\"workdir\":\"/\"", "\"workdir\":\"tmp\"",
		   "m: workdir: expected an absolute path");
	expect_bad("SIGTERM", "SIGNONE",
		   "m: stop_signal: unknown signal 'SIGNONE'");
	expect_bad("root.erofs", "../root",
		   "m: root.file: expected 'root.erofs'");
	expect_bad("4096", "4097", "m: root.size: not a multiple of 4096");
	expect_bad("4096", "-1",
		   "m: root.size: -1 is not between 4096 and 17592186044416");
	expect_bad("0123", "012", "m: root.sha256: expected 64 hex digits");
	expect_bad("\"v\"", "1", "m: labels.k: expected a string");
	expect_bad("\"/bin/sh\"", "7", "m: cmd[0]: expected a string");
	expect_bad("{\"schema\"", "",
		   "m: line 1: '[' or '{' expected near "
		   "':'");
}

static void test_oci_blob(void **state)
{
	cleanup_json json_t *obj = NULL;
	struct oci_blob blob;
	struct err e = ERR_INIT;

	(void)state;
	obj = json_pack("{s:s,s:i,s:s}", "digest", "sha256:" HEX64, "size", 7,
			"mediaType", "t");
	assert_int_equal(oci_parse_blob(obj, "x", &blob, &e), 0);
	assert_string_equal(blob.sha256, HEX64);
	json_object_set_new(obj, "digest", json_string("sha256:../../etc"));
	assert_int_equal(oci_parse_blob(obj, "x", &blob, &e), -EINVAL);
	json_object_set_new(obj, "digest", json_string("md5:" HEX64));
	assert_int_equal(oci_parse_blob(obj, "x", &blob, &e), -EINVAL);
	json_object_set_new(obj, "digest", json_string("sha256:" HEX64));
	json_object_set_new(obj, "size", json_integer(-1));
	assert_int_equal(oci_parse_blob(obj, "x", &blob, &e), -ERANGE);
	assert_int_equal(oci_parse_blob(NULL, "x", &blob, &e), -EINVAL);
}

static int parse_config(const char *text, struct manifest *m, struct err *e)
{
	cleanup_json json_t *obj = NULL;

	manifest_init(m, "x");
	assert_int_equal(json_parse("c", text, strlen(text), &obj, e), 0);
	return oci_parse_config(obj, m, e);
}

static void test_oci_config(void **state)
{
	cleanup_manifest struct manifest m = { 0 };
	cleanup_manifest struct manifest other = { 0 };
	cleanup_manifest struct manifest third = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(
		parse_config("{\"os\":\"linux\",\"architecture\":\"amd64\","
			     "\"config\":{\"Entrypoint\":null,\"Cmd\":[\"a\"],"
			     "\"Env\":[\"P=1\"],\"User\":\"www\","
			     "\"WorkingDir\":\"\",\"StopSignal\":\"SIGQUIT\","
			     "\"ExposedPorts\":{\"80\":{},\"53/udp\":{}},"
			     "\"Labels\":{\"l\":\"1\"}}}",
			     &m, &e),
		0);
	assert_int_equal(m.entrypoint.count, 0);
	assert_string_equal(m.cmd.items[0], "a");
	assert_string_equal(m.workdir, "/");
	assert_string_equal(m.exposed.items[1], "80/tcp");
	assert_string_equal(m.stop_signal, "SIGQUIT");
	assert_int_equal(
		parse_config("{\"architecture\":\"arm64\"}", &other, &e),
		-EINVAL);
	assert_int_equal(parse_config("{\"config\":{\"Env\":[1]}}", &third, &e),
			 -EINVAL);
}

static void expect_words(const char *text, size_t count, const char *last)
{
	cleanup_strv struct strv words = STRV_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(build_words(text, &words, &e), 0);
	assert_int_equal(words.count, count);
	if (count)
		assert_string_equal(words.items[count - 1], last);
}

static void test_words(void **state)
{
	cleanup_strv struct strv words = STRV_INIT;
	struct err e = ERR_INIT;
	char name[REF_NAME_MAX + 1];

	(void)state;
	expect_words("  ", 0, NULL);
	expect_words("nginx -g 'daemon off;'", 3, "daemon off;");
	expect_words("a \"b \\\" c\" d\\ e", 3, "d e");
	expect_words("a ''", 2, "");
	expect_words("[\"a\", \"b c\"]", 2, "b c");
	assert_int_equal(build_words("a 'b", &words, &e), -EINVAL);
	assert_int_equal(build_words("[1]", &words, &e), -EINVAL);
	assert_int_equal(build_words("[\"a\"],\"x\":[1]", &words, &e), 0);
	build_default_name("deb:nginx,curl", name);
	assert_string_equal(name, "nginx");
	build_default_name("tar:/a/My.Root.tar.gz", name);
	assert_string_equal(name, "my.root");
	build_default_name("dir:/a/b/", name);
	assert_string_equal(name, "b");
	build_default_name("oci:/a/lay:v1", name);
	assert_string_equal(name, "lay");
}

static void make_image(struct store *s, const char *word, char *digest)
{
	cleanup_manifest struct manifest m = { 0 };
	cleanup_free char *block = xcalloc(1, 4096);
	cleanup_free char *work = NULL;
	cleanup_free char *root = NULL;
	struct err e = ERR_INIT;
	int fd;

	assert_int_equal(store_work_begin(s, &work, &fd, &e), 0);
	root = xasprintf("%s/" MANIFEST_ROOT, work);
	assert_int_equal(io_write_atomic(s->fd, root, block, 4096, 0644, &e),
			 0);
	manifest_init(&m, "unit");
	strv_add(&m.cmd, word);
	m.root_size = 4096;
	memcpy(m.root_sha256, HEX64, SHA256_HEX_SIZE);
	assert_int_equal(store_publish(s, work, &m, digest, &e), 0);
	store_work_end(s, work, &fd);
}

static void test_store(void **state)
{
	char home[] = "/tmp/jiffy-unit-XXXXXX";
	cleanup_store struct store s = STORE_INIT;
	cleanup_manifest struct manifest m = { 0 };
	cleanup_free struct store_image *list = NULL;
	struct ref ref = { .name = "a/b", .tag = "v1" };
	char digest[SHA256_HEX_SIZE];
	char found[SHA256_HEX_SIZE];
	char prefix[9] = "";
	struct err e = ERR_INIT;
	size_t count;

	(void)state;
	assert_non_null(mkdtemp(home));
	setenv("JIFFY_HOME", home, 1);
	assert_int_equal(store_open(&s, &e), 0);
	make_image(&s, "one", digest);
	make_image(&s, "one", found);
	assert_string_equal(digest, found);
	assert_int_equal(store_tag(&s, &ref, digest, &e), 0);
	assert_int_equal(store_resolve(&s, "a/b:v1", found, &e), 0);
	memcpy(prefix, digest, 8);
	assert_int_equal(store_resolve(&s, prefix, found, &e), 0);
	assert_string_equal(digest, found);
	assert_int_equal(store_resolve(&s, "a/b", found, &e), -ENOENT);
	assert_int_equal(store_load(&s, digest, &m, &e), 0);
	assert_int_equal(store_cache_put(&s, "key", digest, &e), 0);
	assert_true(store_cache_get(&s, "key", found));
	make_image(&s, "two", found);
	assert_int_equal(store_list(&s, &list, &count, &e), 0);
	assert_int_equal(count, 2);
	assert_string_equal(list[0].ref.name, "a/b");
	assert_string_equal(list[1].ref.tag, "");
	assert_int_equal(store_remove(&s, digest, &e), 0);
	assert_int_equal(store_resolve(&s, "a/b:v1", found, &e), -ENOENT);
	assert_false(store_cache_get(&s, "key", found));
	assert_int_equal(io_remove_tree(AT_FDCWD, home, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ref),
		cmocka_unit_test(test_manifest_good),
		cmocka_unit_test(test_manifest_bad),
		cmocka_unit_test(test_oci_blob),
		cmocka_unit_test(test_oci_config),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
