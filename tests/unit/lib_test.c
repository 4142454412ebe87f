/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of lib/: MIN and MAX, formatting against libc's snprintf,
 * red-black trees against their invariants, the kernel's string functions
 * against libc's.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/fmt.h"
#include "lib/rbtree.h"

size_t str_copy(char *dst, size_t size, const char *src);
u32 str_hash(const char *s, size_t n);
int str_to_u64(const char *s, size_t n, unsigned int base, u64 *value);

void *k_memcpy(void *dst, const void *src, size_t n);
void *k_memmove(void *dst, const void *src, size_t n);
void *k_memset(void *dst, int c, size_t n);
int k_memcmp(const void *a, const void *b, size_t n);
void *k_memchr(const void *s, int c, size_t n);
size_t k_strlen(const char *s);
size_t k_strnlen(const char *s, size_t max);
int k_strcmp(const char *a, const char *b);
int k_strncmp(const char *a, const char *b, size_t n);
char *k_strchr(const char *s, int c);
char *k_strrchr(const char *s, int c);

/* --- the smaller and the larger ---------------------------------------------
 */

/* What another thread changes: another value at each look. */
static u64 more(u64 *n)
{
	return *n += 10;
}

static void min_looks_once(UNUSED void **state)
{
	u64 n = 0;

	assert_int_equal(MIN(more(&n), 15), 10);
	assert_int_equal(MIN(MIN(100, more(&n)), 25), 20);
	assert_int_equal(MAX(more(&n), 15), 30);
	assert_int_equal(MAX(MAX(35, more(&n)), 5), 40);
	assert_int_equal(n, 40);
	assert_true(MIN(-1, 1) < 0);
	assert_true(MAX(-1, 1L << 40) == 1L << 40);
}

/* --- formatting ------------------------------------------------------------
 */

#define SAME(...)                                                           \
	do {                                                                \
		char want[256], got[256];                                   \
		int n = snprintf(want, sizeof(want), __VA_ARGS__);          \
		assert_int_equal(fmt_format(got, sizeof(got), __VA_ARGS__), \
				 n);                                        \
		assert_string_equal(got, want);                             \
	} while (0)

static void fmt_agrees_with_libc(void **state)
{
	(void)state;
	SAME("plain %% text");
	SAME("%d %i %u", -5, 7, 4000000000U);
	SAME("%d %d", -2147483647 - 1, 2147483647);
	SAME("%ld %lu %lld", (long)INT64_MIN, ~0UL, -1LL);
	SAME("%hhd %hd %hhu %hu", (signed char)-3, (short)-300,
	     (unsigned char)200, (unsigned short)60000);
	SAME("%zu %jd", (size_t)12345, (intmax_t)-6);
	SAME("%x %X %#x %#X %o %#o", 0xbeefU, 0xbeefU, 0xbeefU, 0xbeefU, 8U,
	     8U);
	SAME("%#x %#o", 0U, 8U);
	SAME("[%8d] [%-8d] [%08d] [%+d] [% d]", -42, -42, -42, 42, 42);
	SAME("[%8.3d] [%-8.3d] [%.0d] [%.5x]", 7, 7, 0, 0xabU);
	SAME("[%s] [%10s] [%-10s] [%.2s] [%*s] [%-*s]", "abc", "abc", "abc",
	     "abc", 6, "x", 6, "x");
	SAME("[%c] [%3c] [%-3c]", 'a', 'b', 'c');
	SAME("%p", (void *)0x1234);
	SAME("[%.*s] [%*d]", 3, "abcdef", -5, 1);
	SAME("%08lx-%08lx", 0x400000UL, 0x401000UL);
}

static void fmt_cuts(void **state)
{
	char buf[6] = "xxxxx";

	(void)state;
	assert_int_equal(fmt_format(buf, 4, "%s", "hello"), 5);
	assert_string_equal(buf, "hel");
	assert_int_equal(buf[4], 'x');
	assert_int_equal(fmt_format(NULL, 0, "%d", 1234), 4);
	assert_int_equal(fmt_format(buf, 1, "%d", 1234), 4);
	assert_string_equal(buf, "");
}

static void fmt_buf_appends(void **state)
{
	struct fmt_buf b;
	char data[8];

	(void)state;
	fmt_buf_init(&b, data, sizeof(data));
	fmt_buf_add(&b, "%d", 12);
	fmt_buf_put(&b, "ab", 2);
	assert_string_equal(data, "12ab");
	assert_false(b.is_cut);
	fmt_buf_add(&b, "%s", "345");
	assert_string_equal(data, "12ab345");
	assert_false(b.is_cut);
	fmt_buf_put(&b, "z", 1);
	fmt_buf_add(&b, "z");
	assert_string_equal(data, "12ab345");
	assert_int_equal(b.len, 7);
	assert_true(b.is_cut);
}

/* --- str.c ------------------------------------------------------------------
 */

static void str_parses_numbers(void **state)
{
	u64 v = 1;

	(void)state;
	assert_int_equal(str_to_u64("0", 1, 10, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(str_to_u64("18446744073709551615", 20, 10, &v), 0);
	assert_true(v == ~0UL);
	assert_int_equal(str_to_u64("18446744073709551616", 20, 10, &v),
			 -ERANGE);
	assert_int_equal(str_to_u64("fF", 2, 16, &v), 0);
	assert_int_equal(v, 255);
	assert_int_equal(str_to_u64("755", 3, 8, &v), 0);
	assert_int_equal(v, 0755);
	assert_int_equal(str_to_u64("758", 3, 8, &v), -EINVAL);
	assert_int_equal(str_to_u64("", 0, 10, &v), -EINVAL);
	assert_int_equal(str_to_u64("-1", 2, 10, &v), -EINVAL);
	assert_int_equal(str_to_u64("1 ", 2, 10, &v), -EINVAL);
}

static void str_copies_bounded(void **state)
{
	char buf[4];

	(void)state;
	assert_int_equal(str_copy(buf, sizeof(buf), "abc"), 3);
	assert_string_equal(buf, "abc");
	assert_int_equal(str_copy(buf, sizeof(buf), "abcdef"), 6);
	assert_string_equal(buf, "abc");
	assert_int_not_equal(str_hash("ab", 2), str_hash("ba", 2));
	assert_int_equal(str_hash("abc", 2), str_hash("ab", 2));
}

/* --- string.c ---------------------------------------------------------------
 */

static void fill_random(u8 *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (u8)rand();
}

static void string_moves_bytes(void **state)
{
	u8 a[1024], b[1024], src[1024];

	(void)state;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)rand() % (round % 4 ? 150 : 500);
		size_t from = (size_t)rand() % 500;
		size_t to = (size_t)rand() % 500;

		if (round % 64 == 0)
			fill_random(src, sizeof(src));
		fill_random(a + to, 8);
		memcpy(b, a, sizeof(a));
		memcpy(a + to, src + from, n);
		assert_ptr_equal(k_memcpy(b + to, src + from, n), b + to);
		assert_memory_equal(a, b, sizeof(a));
		memmove(a + to, a + from, n);
		assert_ptr_equal(k_memmove(b + to, b + from, n), b + to);
		assert_memory_equal(a, b, sizeof(a));
		memset(a + from, round, n);
		assert_ptr_equal(k_memset(b + from, round, n), b + from);
		assert_memory_equal(a, b, sizeof(a));
	}
}

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

static void string_compares(void **state)
{
	char a[40], b[40];

	(void)state;
	srand(2);
	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)rand() % 32;

		for (size_t i = 0; i < sizeof(a); i++) {
			a[i] = (char)('a' + rand() % 2);
			b[i] = rand() % 20 ? a[i] : (char)(rand() % 256);
		}
		a[20 + rand() % 20] = '\0';
		b[20 + rand() % 20] = '\0';
		a[39] = b[39] = '\0';
		assert_int_equal(sign(k_memcmp(a, b, n)),
				 sign(memcmp(a, b, n)));
		assert_int_equal(sign(k_strcmp(a, b)), sign(strcmp(a, b)));
		assert_int_equal(sign(k_strncmp(a, b, n)),
				 sign(strncmp(a, b, n)));
		assert_int_equal(k_strlen(a), strlen(a));
		assert_int_equal(k_strnlen(a, n), strnlen(a, n));
		assert_ptr_equal(k_strchr(a, 'b'), strchr(a, 'b'));
		assert_ptr_equal(k_strchr(a, 0), strchr(a, 0));
		assert_ptr_equal(k_strrchr(a, 'b'), strrchr(a, 'b'));
		assert_ptr_equal(k_memchr(a, 'b', n), memchr(a, 'b', n));
	}
}

/* --- rbtree ------------------------------------------------------------------
 */

struct item {
	struct rb_node node;
	int key;
	bool is_in;
};

static void item_insert(struct rb_root *root, struct item *it)
{
	struct rb_node **link = &root->node;
	struct rb_node *parent = NULL;

	while (*link) {
		parent = *link;
		if (it->key < rb_entry(parent, struct item, node)->key)
			link = &parent->left;
		else
			link = &parent->right;
	}
	rb_insert(root, &it->node, parent, link);
}

/* Black height, checking colours and parent pointers on the way. */
static int check_subtree(const struct rb_node *n, const struct rb_node *parent)
{
	int left, right;

	if (!n)
		return 1;
	assert_ptr_equal(n->parent, parent);
	if (n->is_red && parent)
		assert_false(parent->is_red);
	left = check_subtree(n->left, n);
	right = check_subtree(n->right, n);
	assert_int_equal(left, right);
	return left + !n->is_red;
}

static void check_tree(const struct rb_root *root, const struct item *items,
		       int n)
{
	int count = 0, walked = 0, last = -1;

	if (root->node)
		assert_false(root->node->is_red);
	check_subtree(root->node, NULL);
	for (int i = 0; i < n; i++)
		count += items[i].is_in;
	for (struct rb_node *x = rb_first(root); x; x = rb_next(x)) {
		int key = rb_entry(x, struct item, node)->key;

		assert_true(key >= last);
		last = key;
		walked++;
	}
	assert_int_equal(walked, count);
	for (struct rb_node *x = rb_last(root); x; x = rb_prev(x))
		walked--;
	assert_int_equal(walked, 0);
}

static void rbtree_stays_balanced(void **state)
{
	static struct item items[200];
	struct rb_root root = { NULL };

	(void)state;
	srand(3);
	for (int i = 0; i < 200; i++)
		items[i].key = rand() % 150;
	for (int round = 0; round < 5000; round++) {
		struct item *it = &items[rand() % 200];

		if (it->is_in)
			rb_erase(&root, &it->node);
		else
			item_insert(&root, it);
		it->is_in = !it->is_in;
		check_tree(&root, items, 200);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(min_looks_once),
		cmocka_unit_test(fmt_agrees_with_libc),
		cmocka_unit_test(fmt_cuts),
		cmocka_unit_test(fmt_buf_appends),
		cmocka_unit_test(str_parses_numbers),
		cmocka_unit_test(str_copies_bounded),
		cmocka_unit_test(string_moves_bytes),
		cmocka_unit_test(string_compares),
		cmocka_unit_test(rbtree_stays_balanced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
