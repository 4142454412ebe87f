/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of host/: errors, string lists, options, digests, sums, signal
 * names, files, JSON access, running programs.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/cleanup.h"
#include "host/crc32c.h"
#include "host/err.h"
#include "host/io.h"
#include "host/json.h"
#include "host/opt.h"
#include "host/proc.h"
#include "host/sha256.h"
#include "host/signame.h"
#include "host/strv.h"

static void test_err(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(err_set(&e, ENOENT, "%s\n", "tag"), -ENOENT);
	assert_string_equal(e.msg, "tag?");
	assert_int_equal(err_wrap(&e, "pull %d", 3), -ENOENT);
	assert_string_equal(e.msg, "pull 3: tag?");
	assert_int_equal(err_set(NULL, EIO, "x"), -EIO);
	for (int i = 0; i < 100; i++)
		err_wrap(&e, "a long prefix that does not fit in the end");
	assert_true(strlen(e.msg) < sizeof(e.msg));
}

static void test_strv(void **state)
{
	cleanup_strv struct strv v = STRV_INIT;

	(void)state;
	strv_split(&v, "b,,a", ',');
	assert_int_equal(v.count, 3);
	assert_string_equal(v.items[1], "");
	assert_null(v.items[3]);
	strv_sort(&v);
	assert_string_equal(v.items[2], "b");
	strv_setenv(&v, "K=1");
	strv_setenv(&v, "KK=2");
	strv_setenv(&v, "K=3");
	assert_int_equal(v.count, 5);
	assert_string_equal(strv_getenv(&v, "K"), "3");
	assert_null(strv_getenv(&v, "X"));
}

struct options {
	bool flag;
	const char *text;
	const char *maybe;
	struct strv list;
};

static const struct opt options[] = {
	OPT_FLAG('f', "flag", struct options, flag, "a flag"),
	OPT_TEXT('t', "text", "T", struct options, text, "a text"),
	OPT_MAYBE(0, "maybe", "[=M]", struct options, maybe, "perhaps"),
	OPT_LIST('l', "list", "L", struct options, list, "a list"),
};

/* Parse a line of words in place; returns opt_parse's result. */
static int parse(char *line, bool stops, struct options *o, char **argv,
		 int *argc, struct err *e)
{
	memset(o, 0, sizeof(*o));
	*argc = 0;
	for (char *w = strtok(line, " "); w; w = strtok(NULL, " "))
		argv[(*argc)++] = w;
	return opt_parse(options, ARRAY_SIZE(options), stops, *argc, argv, o,
			 e);
}

static void test_options(void **state)
{
	char line[] = "a -ft x --list=1 b -l2 --maybe -- -c";
	struct err e = ERR_INIT;
	struct options o;
	char *argv[16];
	int argc;
	int first = parse(line, false, &o, argv, &argc, &e);

	(void)state;
	assert_int_equal(argc - first, 3);
	assert_string_equal(argv[first], "a");
	assert_string_equal(argv[first + 1], "b");
	assert_string_equal(argv[first + 2], "-c");
	assert_true(o.flag);
	assert_string_equal(o.text, "x");
	assert_string_equal(o.maybe, "-");
	assert_int_equal(o.list.count, 2);
	assert_string_equal(o.list.items[1], "2");
	strv_fini(&o.list);
}

static void test_options_stop(void **state)
{
	char line[] = "--maybe=m -f image -t --bad";
	struct err e = ERR_INIT;
	struct options o;
	char *argv[16];
	int argc;
	int first = parse(line, true, &o, argv, &argc, &e);

	(void)state;
	assert_int_equal(first, 2);
	assert_string_equal(argv[first], "image");
	assert_string_equal(o.maybe, "m");
	assert_null(o.text);
}

static void expect_usage(const char *text, const char *message)
{
	struct err e = ERR_INIT;
	struct options o;
	char *argv[16];
	char line[64];
	int argc;

	snprintf(line, sizeof(line), "%s", text);
	assert_int_equal(parse(line, false, &o, argv, &argc, &e), -EINVAL);
	assert_string_equal(e.msg, message);
}

static void test_options_bad(void **state)
{
	(void)state;
	expect_usage("--nope", "unknown option '--nope'");
	expect_usage("--texd 1", "unknown option '--texd', perhaps '--text'");
	expect_usage("-fx", "unknown option '-x'");
	expect_usage("--text", "option '--text' needs T");
	expect_usage("-ft", "option '-t' needs T");
	expect_usage("--flag=1", "option '--flag' takes no value");
	expect_usage("--=1", "unknown option '--'");
}

static void digest_of(const char *text, size_t times, char *hex)
{
	struct sha256 h;

	sha256_init(&h);
	for (size_t i = 0; i < times; i++)
		sha256_add(&h, text, strlen(text));
	sha256_hex(&h, hex);
}

static void test_sha256(void **state)
{
	char hex[SHA256_HEX_SIZE];

	(void)state; /* the vectors of FIPS 180-4 */
	digest_of("", 1, hex);
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb924"
				 "27ae41e4649b934ca495991b7852b855");
	digest_of("abc", 1, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223"
				 "b00361a396177a9cb410ff61f20015ad");
	digest_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
		  hex);
	assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039"
				 "a33ce45964ff2167f6ecedd419db06c1");
	digest_of("aaaaaaaaaa", 100000, hex);
	assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67"
				 "f1809a48a497200e046d39ccc7112cd0");
}

/* Bit by bit. */
static uint32_t plain_crc32c(uint32_t crc, const uint8_t *p, size_t n)
{
	crc = ~crc;
	while (n--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void test_crc32c(void **state)
{
	static uint8_t data[16384 + 8];
	uint32_t sum = 12345;

	(void)state;
	/* RFC 3720, B.4 has others; this one is in every catalogue. */
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + (i >> 5));
	for (size_t n = 0; n <= 16384; n += n < 64 ? 1 : 337) {
		const uint8_t *p = data + n % 8;

		assert_int_equal(crc32c(sum, p, n), plain_crc32c(sum, p, n));
		sum = crc32c(sum, p, n);
	}
}

static void test_signame(void **state)
{
	(void)state;
	assert_int_equal(signame_parse("SIGTERM"), 15);
	assert_int_equal(signame_parse("kill"), 9);
	assert_int_equal(signame_parse("28"), 28);
	assert_int_equal(signame_parse("SIGRTMIN+3"), 37);
	assert_int_equal(signame_parse("RTMAX-1"), 63);
	assert_int_equal(signame_parse("RTMAX+1"), -EINVAL);
	assert_int_equal(signame_parse("0"), -EINVAL);
	assert_int_equal(signame_parse("65"), -EINVAL);
	assert_int_equal(signame_parse("9x"), -EINVAL);
	assert_int_equal(signame_parse(""), -EINVAL);
	assert_int_equal(signame_parse("SIG"), -EINVAL);
}

static void test_io(void **state)
{
	char path[] = "/tmp/jiffy-unit-XXXXXX";
	cleanup_close int dir = -1;
	cleanup_free char *text = NULL;
	struct err e = ERR_INIT;
	char deep[128];
	size_t len;

	(void)state;
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY);
	snprintf(deep, sizeof(deep), "%s/a/b/c", path);
	assert_int_equal(io_mkdirs(deep, 0755, &e), 0);
	assert_int_equal(io_mkdirs(deep, 0755, &e), 0);
	assert_int_equal(io_write_atomic(dir, "a/b/f", "one", 3, 0644, &e), 0);
	assert_int_equal(io_write_atomic(dir, "a/b/f", "two", 3, 0644, &e), 0);
	assert_int_equal(io_read_file(dir, "a/b/f", 100, &text, &len, &e), 0);
	assert_string_equal(text, "two");
	assert_int_equal(io_read_file(dir, "a/b/f", 2, &text, &len, &e),
			 -EFBIG);
	assert_int_equal(io_mkdirs("/dev/null/x", 0755, &e), -ENOTDIR);
	/* a link out of the tree is removed, not followed */
	assert_int_equal(symlinkat("/etc", dir, "a/link"), 0);
	assert_int_equal(fchmodat(dir, "a/b", 0, 0), 0);
	assert_int_equal(io_remove_tree(dir, "a", &e), 0);
	assert_int_equal(io_remove_tree(dir, "a", &e), 0);
	assert_int_equal(access("/etc/passwd", F_OK), 0);
	assert_int_equal(rmdir(path), 0);
}

static void test_json(void **state)
{
	static const char text[] = "{\"s\":\"x\",\"n\":5,\"l\":[\"a\",1]}";
	cleanup_json json_t *obj = NULL;
	cleanup_strv struct strv list = STRV_INIT;
	struct err e = ERR_INIT;
	const char *s;
	int64_t n;

	(void)state;
	assert_int_equal(json_parse("t", text, strlen(text), &obj, &e), 0);
	assert_int_equal(json_get_str(obj, "", "s", &s, &e), 0);
	assert_int_equal(json_get_str(obj, "top", "n", &s, &e), -EINVAL);
	assert_string_equal(e.msg, "top.n: expected a string");
	assert_int_equal(json_get_int(obj, "", "n", 6, 9, &n, &e), -ERANGE);
	assert_int_equal(json_get_strv(obj, "", "l", &list, &e), -EINVAL);
	assert_string_equal(e.msg, "l[1]: expected a string");
	json_decref(obj);
	obj = NULL;
	assert_int_equal(json_parse("t", "{\"a\":1,\"a\":2}", 13, &obj, &e),
			 -EINVAL);
	assert_int_equal(json_parse("t", "[]", 2, &obj, &e), -EINVAL);
	assert_string_equal(e.msg, "t: expected a JSON object");
}

/* Run sh -c script. */
static int shell(const char *script, char **output, struct err *e)
{
	cleanup_strv struct strv argv = STRV_INIT;
	struct proc p = { .argv = &argv,
			  .output = output,
			  .output_limit = 100 };

	strv_add(&argv, "sh");
	strv_add(&argv, "-c");
	strv_add(&argv, script);
	return proc_run(&p, e);
}

static void test_proc(void **state)
{
	cleanup_strv struct strv none = STRV_INIT;
	struct proc missing = { .argv = &none };
	struct err e = ERR_INIT;
	char *output;

	(void)state;
	assert_int_equal(shell("echo out; cat", &output, &e), 0);
	assert_string_equal(output, "out\n");
	free(output);
	assert_int_equal(
		shell("echo 'E: bad' >&2; echo late >&2; exit 3", NULL, &e), 3);
	assert_string_equal(e.msg, "sh: bad");
	assert_int_equal(shell("exec >&2; echo no tool;"
			       "echo dpkg: error processing a; echo E: bad;"
			       "exit 1",
			       NULL, &e),
			 1);
	assert_string_equal(e.msg, "sh: dpkg: error processing a no tool");
	assert_int_equal(shell("kill -9 $$", NULL, &e), 137);
	assert_string_equal(e.msg, "sh was ended by signal 9");
	strv_add(&none, "no-such-program-here");
	assert_int_equal(proc_run(&missing, &e), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_err),
		cmocka_unit_test(test_strv),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_options_stop),
		cmocka_unit_test(test_options_bad),
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_crc32c),
		cmocka_unit_test(test_signame),
		cmocka_unit_test(test_io),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_proc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
