/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of daemon/db.c: names, pages, members of bodies, what is there
 * after it was opened again, and databases of a newer version.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "daemon/db.h"
#include "host/json.h"

static char dir[] = "/tmp/jiffy-db-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/db", dir);
	return 0;
}

static int remove_dir(void **state)
{
	static const char *const files[] = { "", "-wal", "-shm" };
	char name[80];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", path, files[i]);
		unlink(name);
	}
	return rmdir(dir);
}

static int insert(struct db *db, const char *owner, const char *name,
		  const char *body)
{
	struct db_object o = { .kind = DB_INSTANCE };
	int r;

	snprintf(o.owner, sizeof(o.owner), "%s", owner);
	snprintf(o.name, sizeof(o.name), "%s", name);
	o.body = json_loads(body, 0, NULL);
	r = db_insert(db, &o, NULL);
	assert_int_equal(uuid_is_valid(o.uuid), 1);
	db_object_fini(&o);
	return r;
}

static size_t count(struct db *db, const char *owner, bool is_desc,
		    const char *from)
{
	cleanup_db_list struct db_list list = { 0 };

	assert_int_equal(
		db_list(db, DB_INSTANCE, owner, is_desc, from, &list, NULL), 0);
	return list.count;
}

static void test_objects(void **state)
{
	cleanup_db_object struct db_object o = DB_OBJECT_INIT;
	cleanup_db_object struct db_object again = DB_OBJECT_INIT;
	cleanup_db_list struct db_list by = { 0 };
	struct err e = ERR_INIT;
	struct db *db;

	(void)state;
	assert_int_equal(db_open(path, &db, &e), 0);
	assert_int_equal(insert(db, "a", "x", "{\"record\":\"r1\"}"), 0);
	assert_int_equal(insert(db, "a", "x", "{}"), -EEXIST);
	assert_int_equal(insert(db, "b", "x", "{\"record\":\"r2\"}"), 0);
	assert_int_equal(insert(db, "a", "y", "{\"autokill_ms\":0}"), 0);
	assert_int_equal(count(db, NULL, false, NULL), 3);
	assert_int_equal(count(db, "a", false, NULL), 2);

	assert_int_equal(db_find(db, DB_INSTANCE, "a", NULL, "x", &o, &e), 0);
	assert_int_equal(db_find(db, DB_VOLUME, "a", NULL, "x", &again, &e),
			 -ENOENT);
	assert_int_equal(
		db_find(db, DB_INSTANCE, "b", o.uuid, NULL, &again, &e),
		-ENOENT);
	assert_int_equal(count(db, NULL, false, o.uuid), 2);
	assert_int_equal(count(db, NULL, true, o.uuid), 0);
	assert_int_equal(
		db_list_by(db, DB_INSTANCE, DB_BY_RECORD, "r2", &by, &e), 0);
	assert_int_equal(by.count, 1);
	assert_string_equal(by.items[0].owner, "b");
	db_list_free(&by);
	assert_int_equal(
		db_list_by(db, DB_INSTANCE, DB_AUTOKILLED, NULL, &by, &e), 0);
	assert_int_equal(by.count, 1);

	json_object_set_new(o.body, "record", json_string("r3"));
	assert_int_equal(db_update(db, &o, &e), 0);
	assert_int_equal(db_token_add(db, "h", "a", &e), 0);
	db_close(db);

	/* All of it is there when it is opened again. */
	assert_int_equal(db_open(path, &db, &e), 0);
	assert_int_equal(db_find_seq(db, o.seq, &again, &e), 0);
	assert_string_equal(json_str_or(again.body, "record", ""), "r3");
	assert_int_equal(db_token_user(db, "h", again.owner, &e), 0);
	assert_string_equal(again.owner, "a");
	assert_int_equal(db_tokens_remove(db, "a", &e), 0);
	assert_int_equal(db_token_user(db, "h", again.owner, &e), -ENOENT);
	assert_int_equal(db_remove(db, o.uuid, &e), 0);
	assert_int_equal(db_remove(db, o.uuid, &e), -ENOENT);
	assert_int_equal(db_update(db, &o, &e), -ENOENT);
	db_close(db);
}

static void test_newer(void **state)
{
	struct err e = ERR_INIT;
	sqlite3 *sqlite;
	struct db *db = NULL;

	(void)state;
	assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sqlite, "PRAGMA user_version = 999", NULL,
				      NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(sqlite);
	assert_int_equal(db_open(path, &db, &e), -EPROTO);
	assert_null(db);
	assert_non_null(strstr(e.msg, "999"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_newer),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
