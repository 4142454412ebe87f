/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database: one connection, under a mutex. WAL, so that a power cut leaves
 * whole transactions.
 */
#include "daemon/db.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "host/json.h"
#include "host/log.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

struct db {
	sqlite3 *sqlite;
	pthread_mutex_t lock; /* recursive; held during each call */
};

/* Each raises user_version by one; none is ever changed. */
static const char *const migrations[] = {
	"CREATE TABLE objects("
	" seq INTEGER PRIMARY KEY AUTOINCREMENT,"
	" kind INTEGER NOT NULL,"
	" uuid TEXT NOT NULL UNIQUE,"
	" owner TEXT NOT NULL,"
	" name TEXT NOT NULL,"
	" created_ms INTEGER NOT NULL,"
	" body TEXT NOT NULL,"
	" UNIQUE(kind, owner, name));"
	"CREATE TABLE tokens("
	" hash TEXT PRIMARY KEY,"
	" user TEXT NOT NULL) WITHOUT ROWID;",
	"CREATE INDEX objects_record ON objects("
	" json_extract(body, '$.record'));"
	"CREATE INDEX objects_group ON objects("
	" json_extract(body, '$.service_group.uuid'));",
	"CREATE INDEX objects_autoscale ON objects(kind)"
	" WHERE json_extract(body, '$.autoscale') IS NOT NULL;",
	"CREATE INDEX objects_autokill ON objects(kind)"
	" WHERE json_extract(body, '$.autokill_ms') IS NOT NULL;",
	"CREATE INDEX objects_schedule ON objects("
	" json_extract(body, '$.schedule_at'))"
	" WHERE json_extract(body, '$.schedule_at') IS NOT NULL;",
};

#define COLUMNS "seq, kind, uuid, owner, name, created_ms, body"

static int failed(struct db *db, struct err *e)
{
	int code = sqlite3_extended_errcode(db->sqlite);

	if (code == SQLITE_CONSTRAINT_UNIQUE)
		return err_set(e, EEXIST, "the name is taken");
	return err_set(e, EIO, "database: %s", sqlite3_errmsg(db->sqlite));
}

static int execute(struct db *db, const char *sql, struct err *e)
{
	return sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK
		       ? 0
		       : failed(db, e);
}

static int read_version(struct db *db, size_t *version, struct err *e)
{
	sqlite3_stmt *s;
	int r = 0;

	if (sqlite3_prepare_v2(db->sqlite, "PRAGMA user_version", -1, &s,
			       NULL) != SQLITE_OK)
		return failed(db, e);
	if (sqlite3_step(s) == SQLITE_ROW)
		*version = (size_t)sqlite3_column_int(s, 0);
	else
		r = failed(db, e);
	sqlite3_finalize(s);
	return r;
}

static int migrate(struct db *db, struct err *e)
{
	size_t version = 0;

	if (read_version(db, &version, e))
		return -e->code;
	if (version > ARRAY_SIZE(migrations))
		return err_set(e, EPROTO,
			       "the database is of version %zu, this jiffyd "
			       "knows %zu",
			       version, ARRAY_SIZE(migrations));
	for (; version < ARRAY_SIZE(migrations); version++) {
		char *sql = xasprintf("BEGIN IMMEDIATE; %s"
				      "PRAGMA user_version = %zu; COMMIT;",
				      migrations[version], version + 1);
		int r = execute(db, sql, e);

		free(sql);
		if (r) {
			execute(db, "ROLLBACK", NULL);
			return err_wrap(e, "schema version %zu", version + 1);
		}
	}
	return 0;
}

int db_open(const char *path, struct db **out, struct err *e)
{
	struct db *db = xcalloc(1, sizeof(*db));
	pthread_mutexattr_t attr;
	int r;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&db->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	r = sqlite3_open_v2(path, &db->sqlite,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
				    SQLITE_OPEN_FULLMUTEX,
			    NULL);
	if (r != SQLITE_OK) {
		r = err_set(e, EIO, "%s: %s", path, sqlite3_errmsg(db->sqlite));
		db_close(db);
		return r;
	}
	sqlite3_busy_timeout(db->sqlite, 5000);
	r = execute(db,
		    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		    "PRAGMA cache_size = -1024;",
		    e);
	if (!r)
		r = migrate(db, e);
	if (r) {
		err_wrap(e, "%s", path);
		db_close(db);
		return r;
	}
	*out = db;
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	sqlite3_close(db->sqlite);
	pthread_mutex_destroy(&db->lock);
	free(db);
}

void db_lock(struct db *db)
{
	pthread_mutex_lock(&db->lock);
}

void db_unlock(struct db *db)
{
	pthread_mutex_unlock(&db->lock);
}

void uuid_generate(char uuid[UUID_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char b[16];
	char *p = uuid;

	while (getrandom(b, sizeof(b), 0) != sizeof(b))
		;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = digits[b[i] >> 4];
		*p++ = digits[b[i] & 15];
	}
	*p = '\0';
}

bool uuid_is_valid(const char *text)
{
	size_t i;

	for (i = 0; text[i] && i < UUID_SIZE; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash ? text[i] != '-'
			    : !strchr("0123456789abcdefABCDEF", text[i]))
			return false;
	}
	return i == UUID_SIZE - 1;
}

/* Prepare sql and bind its parameters: 's' text (NULL as NULL), 'i' int64_t. */
static int prepare_list(struct db *db, sqlite3_stmt **s, struct err *e,
			const char *sql, const char *types, va_list ap)
{
	int r = SQLITE_OK;

	if (sqlite3_prepare_v2(db->sqlite, sql, -1, s, NULL) != SQLITE_OK)
		return failed(db, e);
	for (int i = 0; r == SQLITE_OK && types[i]; i++) {
		if (types[i] == 's')
			r = sqlite3_bind_text(*s, i + 1,
					      va_arg(ap, const char *), -1,
					      SQLITE_TRANSIENT);
		else
			r = sqlite3_bind_int64(*s, i + 1, va_arg(ap, int64_t));
	}
	if (r == SQLITE_OK)
		return 0;
	r = failed(db, e);
	sqlite3_finalize(*s);
	return r;
}

static int prepare(struct db *db, sqlite3_stmt **s, struct err *e,
		   const char *sql, const char *types, ...)
{
	va_list ap;
	int r;

	va_start(ap, types);
	r = prepare_list(db, s, e, sql, types, ap);
	va_end(ap);
	return r;
}

/* Run a statement that gives no rows; -ENOENT if it changed nothing. */
static int change(struct db *db, struct err *e, const char *sql,
		  const char *types, ...)
{
	sqlite3_stmt *s;
	va_list ap;
	int r;

	va_start(ap, types);
	db_lock(db);
	r = prepare_list(db, &s, e, sql, types, ap);
	if (!r) {
		if (sqlite3_step(s) != SQLITE_DONE)
			r = failed(db, e);
		else if (!sqlite3_changes(db->sqlite))
			r = err_set(e, ENOENT, "it is gone");
		sqlite3_finalize(s);
	}
	db_unlock(db);
	va_end(ap);
	return r;
}

int db_insert(struct db *db, struct db_object *o, struct err *e)
{
	char *body = json_dumps(o->body, JSON_COMPACT);
	struct timespec ts;
	int r;

	clock_gettime(CLOCK_REALTIME, &ts);
	o->created_ms = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
	if (!o->uuid[0])
		uuid_generate(o->uuid);
	db_lock(db);
	r = change(db, e,
		   "INSERT INTO objects(kind, uuid, owner, name, created_ms, "
		   "body) VALUES(?, ?, ?, ?, ?, ?)",
		   "isssis", (int64_t)o->kind, o->uuid, o->owner, o->name,
		   o->created_ms, body ? body : "{}");
	o->seq = sqlite3_last_insert_rowid(db->sqlite);
	db_unlock(db);
	free(body);
	return r;
}

static void copy_text(sqlite3_stmt *s, int column, char *to, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(s, column);

	snprintf(to, size, "%s", text ? text : "");
}

static void read_row(sqlite3_stmt *s, struct db_object *o)
{
	const char *body = (const char *)sqlite3_column_text(s, 6);

	o->seq = sqlite3_column_int64(s, 0);
	o->kind = (enum db_kind)sqlite3_column_int(s, 1);
	copy_text(s, 2, o->uuid, sizeof(o->uuid));
	copy_text(s, 3, o->owner, sizeof(o->owner));
	copy_text(s, 4, o->name, sizeof(o->name));
	o->created_ms = sqlite3_column_int64(s, 5);
	o->body = body ? json_loads(body, 0, NULL) : NULL;
	if (!json_is_object(o->body)) {
		json_decref(o->body);
		o->body = json_object();
	}
}

int db_find(struct db *db, enum db_kind kind, const char *owner,
	    const char *uuid, const char *name, struct db_object *o,
	    struct err *e)
{
	sqlite3_stmt *s;
	int r;

	db_lock(db);
	r = prepare(db, &s, e,
		    uuid ? "SELECT " COLUMNS " FROM objects WHERE kind = ? AND "
			   "uuid = lower(?) AND (?3 IS NULL OR owner = ?3)"
			 : "SELECT " COLUMNS " FROM objects WHERE kind = ? AND "
			   "name = ? AND (?3 IS NULL OR owner = ?3)",
		    "iss", (int64_t)kind, uuid ? uuid : name, owner);
	if (!r) {
		int step = sqlite3_step(s);

		if (step == SQLITE_ROW)
			read_row(s, o);
		else if (step == SQLITE_DONE)
			r = err_set(e, ENOENT, "there is none");
		else
			r = failed(db, e);
		sqlite3_finalize(s);
	}
	db_unlock(db);
	return r;
}

int db_update(struct db *db, const struct db_object *o, struct err *e)
{
	char *body = json_dumps(o->body, JSON_COMPACT);
	int r = change(db, e,
		       "UPDATE objects SET name = ?, body = ? WHERE uuid = ?",
		       "sss", o->name, body ? body : "{}", o->uuid);

	free(body);
	return r;
}

int db_remove(struct db *db, const char *uuid, struct err *e)
{
	return change(db, e, "DELETE FROM objects WHERE uuid = ?", "s", uuid);
}

/* All rows of a statement; finishes it. */
static int read_rows(struct db *db, sqlite3_stmt *s, struct db_list *list,
		     struct err *e)
{
	size_t room = 0;
	int step;

	while ((step = sqlite3_step(s)) == SQLITE_ROW) {
		if (list->count == room) {
			room = room ? 2 * room : 16;
			list->items = xreallocarray(list->items, room,
						    sizeof(*list->items));
		}
		read_row(s, &list->items[list->count++]);
	}
	sqlite3_finalize(s);
	return step == SQLITE_DONE ? 0 : failed(db, e);
}

int db_list(struct db *db, enum db_kind kind, const char *owner, bool is_desc,
	    const char *from, struct db_list *list, struct err *e)
{
	static const char asc[] =
		"SELECT " COLUMNS " FROM objects WHERE kind = ?1 AND "
		"(?2 IS NULL OR owner = ?2) AND (?3 IS NULL OR seq > "
		"(SELECT seq FROM objects WHERE uuid = ?3)) ORDER BY seq";
	static const char desc[] =
		"SELECT " COLUMNS " FROM objects WHERE kind = ?1 AND "
		"(?2 IS NULL OR owner = ?2) AND (?3 IS NULL OR seq < "
		"(SELECT seq FROM objects WHERE uuid = ?3)) ORDER BY seq DESC";
	sqlite3_stmt *s;
	int r;

	db_lock(db);
	r = prepare(db, &s, e, is_desc ? desc : asc, "iss", (int64_t)kind,
		    owner, from);
	if (!r)
		r = read_rows(db, s, list, e);
	db_unlock(db);
	return r;
}

int db_list_by(struct db *db, enum db_kind kind, enum db_member by,
	       const char *value, struct db_list *list, struct err *e)
{
	/* The words of the indices, or they are not used. */
	static const char *const sql[] = {
		[DB_BY_RECORD] =
			"SELECT " COLUMNS " FROM objects WHERE "
			"json_extract(body, '$.record') = ? AND kind = ? "
			"ORDER BY seq",
		[DB_BY_GROUP] =
			"SELECT " COLUMNS " FROM objects WHERE "
			"json_extract(body, '$.service_group.uuid') = ? AND "
			"kind = ? ORDER BY seq",
		[DB_AUTOSCALED] =
			"SELECT " COLUMNS " FROM objects WHERE "
			"json_extract(body, '$.autoscale') IS NOT NULL AND "
			"?1 IS NULL AND kind = ?2 ORDER BY seq",
		[DB_AUTOKILLED] =
			"SELECT " COLUMNS " FROM objects WHERE "
			"json_extract(body, '$.autokill_ms') IS NOT NULL AND "
			"?1 IS NULL AND kind = ?2 ORDER BY seq",
	};
	sqlite3_stmt *s;
	int r;

	db_lock(db);
	r = prepare(db, &s, e, sql[by], "si", value, (int64_t)kind);
	if (!r)
		r = read_rows(db, s, list, e);
	db_unlock(db);
	return r;
}

#define SCHEDULE_AT "json_extract(body, '$.schedule_at')"

int db_list_due(struct db *db, int64_t now, struct db_list *list, struct err *e)
{
	sqlite3_stmt *s;
	int r;

	db_lock(db);
	r = prepare(db, &s, e,
		    "SELECT " COLUMNS " FROM objects WHERE " SCHEDULE_AT
		    " IS NOT NULL AND " SCHEDULE_AT " <= ? AND kind = ? "
		    "ORDER BY " SCHEDULE_AT,
		    "ii", now, (int64_t)DB_INSTANCE);
	if (!r)
		r = read_rows(db, s, list, e);
	db_unlock(db);
	return r;
}

int db_next_due(struct db *db, int64_t *at, struct err *e)
{
	sqlite3_stmt *s;
	int r;

	db_lock(db);
	r = prepare(db, &s, e,
		    "SELECT " SCHEDULE_AT " FROM objects WHERE " SCHEDULE_AT
		    " IS NOT NULL AND kind = ? ORDER BY " SCHEDULE_AT
		    " LIMIT 1",
		    "i", (int64_t)DB_INSTANCE);
	if (!r) {
		if (sqlite3_step(s) == SQLITE_ROW)
			*at = sqlite3_column_int64(s, 0);
		else
			r = err_set(e, ENOENT, "nothing is due");
		sqlite3_finalize(s);
	}
	db_unlock(db);
	return r;
}

int db_find_seq(struct db *db, int64_t seq, struct db_object *o, struct err *e)
{
	struct db_list list = { 0 };
	sqlite3_stmt *s;
	int r;

	db_lock(db);
	r = prepare(db, &s, e, "SELECT " COLUMNS " FROM objects WHERE seq = ?",
		    "i", seq);
	if (!r)
		r = read_rows(db, s, &list, e);
	db_unlock(db);
	if (!r && list.count) {
		*o = list.items[0];
		list.count = 0;
	} else if (!r) {
		r = err_set(e, ENOENT, "it is gone");
	}
	db_list_free(&list);
	return r;
}

void db_object_fini(struct db_object *o)
{
	json_decref(o->body);
	o->body = NULL;
}

void db_list_free(struct db_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		db_object_fini(&list->items[i]);
	free(list->items);
	*list = (struct db_list){ 0 };
}

int db_token_user(struct db *db, const char *hash, char uuid[UUID_SIZE],
		  struct err *e)
{
	sqlite3_stmt *s;
	int r;

	db_lock(db);
	r = prepare(db, &s, e, "SELECT user FROM tokens WHERE hash = ?", "s",
		    hash);
	if (!r) {
		if (sqlite3_step(s) == SQLITE_ROW)
			copy_text(s, 0, uuid, UUID_SIZE);
		else
			r = err_set(e, ENOENT, "no such token");
		sqlite3_finalize(s);
	}
	db_unlock(db);
	return r;
}

int db_token_add(struct db *db, const char *hash, const char *user,
		 struct err *e)
{
	return change(db, e, "REPLACE INTO tokens(hash, user) VALUES(?, ?)",
		      "ss", hash, user);
}

int db_tokens_remove(struct db *db, const char *user, struct err *e)
{
	int r = change(db, e, "DELETE FROM tokens WHERE user = ?", "s", user);

	return r == -ENOENT ? 0 : r;
}
