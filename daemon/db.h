/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon must not lose, in SQLite: objects (users, instances, service
 * groups, volumes, certificates ...), each a few columns that are searched for
 * and a JSON body, and the hashes of tokens. What can be found out, such as
 * which instances run, is not in it. Every function may block and may be called
 * from any thread.
 */
#ifndef JIFFY_DAEMON_DB_H
#define JIFFY_DAEMON_DB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/err.h"

#define UUID_SIZE 37
#define OBJECT_NAME_SIZE 64

struct db;

enum db_kind {
	DB_USER,
	DB_INSTANCE,
	DB_SERVICE,
	DB_VOLUME,
	DB_CERTIFICATE,
	DB_TEMPLATE,
	DB_AUTHORITY,
};

struct db_object {
	int64_t seq; /* order of creation */
	enum db_kind kind;
	char uuid[UUID_SIZE];
	char owner[UUID_SIZE];	     /* the user; of a user: "" */
	char name[OBJECT_NAME_SIZE]; /* one of that owner and kind has it */
	int64_t created_ms;	     /* since 1970 */
	json_t *body;		     /* an object */
};

#define DB_OBJECT_INIT       \
	{                    \
		.body = NULL \
	}

/* Open the database, or make it, and bring it to this version's schema. -EPROTO
 * if a newer jiffyd has written it. */
int db_open(const char *path, struct db **out, struct err *e);
void db_close(struct db *db);

/* For what must not be torn apart: no other thread's call comes in between. May
 * be nested. */
void db_lock(struct db *db);
void db_unlock(struct db *db);

/* A random UUID. */
void uuid_generate(char uuid[UUID_SIZE]);
bool uuid_is_valid(const char *text);

/* Store a new object; sets seq, created_ms, and uuid if it is empty. -EEXIST if
 * the name is taken. */
int db_insert(struct db *db, struct db_object *o, struct err *e);

/* Find one by uuid, or by name if that is NULL; of any owner if owner is NULL.
 * -ENOENT if there is none. */
int db_find(struct db *db, enum db_kind kind, const char *owner,
	    const char *uuid, const char *name, struct db_object *o,
	    struct err *e);

/* Write its name and body. -ENOENT if it is gone. */
int db_update(struct db *db, const struct db_object *o, struct err *e);
int db_remove(struct db *db, const char *uuid, struct err *e);

/* Objects of a kind, of one owner or of all (NULL), in order of creation or the
 * other way round; of those after (before) the one with `from`, if not NULL.
 * The caller frees with db_list_free(). */
struct db_list {
	struct db_object *items;
	size_t count;
};
int db_list(struct db *db, enum db_kind kind, const char *owner, bool is_desc,
	    const char *from, struct db_list *list, struct err *e);
/* Those whose body names this record ("record"), or this service group, or has
 * an autoscale configuration, or "autokill_ms" (value: NULL for these). */
enum db_member { DB_BY_RECORD, DB_BY_GROUP, DB_AUTOSCALED, DB_AUTOKILLED };
int db_list_by(struct db *db, enum db_kind kind, enum db_member by,
	       const char *value, struct db_list *list, struct err *e);
/* Instances whose body's "schedule_at" is not after now; the first of all such
 * times, -ENOENT. */
int db_list_due(struct db *db, int64_t now, struct db_list *list,
		struct err *e);
int db_next_due(struct db *db, int64_t *at, struct err *e);
void db_list_free(struct db_list *list);
/* The object of a sequence number; -ENOENT. */
int db_find_seq(struct db *db, int64_t seq, struct db_object *o, struct err *e);
void db_object_fini(struct db_object *o);

/* The user that a token's hash (64 hex digits) means, in uuid; -ENOENT. */
int db_token_user(struct db *db, const char *hash, char uuid[UUID_SIZE],
		  struct err *e);
int db_token_add(struct db *db, const char *hash, const char *user,
		 struct err *e);
/* Take all tokens of a user away. */
int db_tokens_remove(struct db *db, const char *user, struct err *e);

#define cleanup_db_list __attribute__((cleanup(db_list_free)))
#define cleanup_db_object __attribute__((cleanup(db_object_fini)))

#endif
