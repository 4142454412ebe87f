/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting what has ended. Those with a time are found by an index.
 */
#include "daemon/autokill.h"

#include <string.h>
#include <time.h>

#include "daemon/instances.h"
#include "host/json.h"
#include "host/log.h"

void autokill_set(json_t *body)
{
	int64_t ms =
		json_int_or(json_object_get(body, "autokill"), "time_ms", -1);
	json_t *feature;
	size_t i;

	json_array_foreach (json_object_get(body, "features"), i, feature)
		if (!strcmp(json_string_value(feature), "delete-on-stop"))
			ms = 0;
	if (ms < 0)
		json_object_del(body, "autokill_ms");
	else
		json_object_set_new(body, "autokill_ms", json_integer(ms));
}

static bool is_due(struct daemon *d, const struct db_object *o)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	int64_t after_ms = json_int_or(o->body, "autokill_ms", 0);

	if (instance_of(d, o, &in, NULL) ||
	    (in.status != INSTANCE_EXITED && in.status != INSTANCE_DEAD) ||
	    json_is_true(json_object_get(o->body, "delete_lock")) ||
	    instance_is_to_restart(o, &in))
		return false;
	return ((int64_t)time(NULL) - (int64_t)in.changed) * 1000 >= after_ms;
}

void autokill_run(struct daemon *d)
{
	cleanup_db_list struct db_list all = { 0 };

	if (db_list_by(d->db, DB_INSTANCE, DB_AUTOKILLED, NULL, &all, NULL))
		return;
	for (size_t i = 0; i < all.count; i++) {
		struct err e = ERR_INIT;

		if (!is_due(d, &all.items[i]))
			continue;
		log_info("autokill instance=%s", all.items[i].name);
		if (instance_delete_for(d, &all.items[i], true, &e))
			log_warning("autokill instance=%s: %s",
				    all.items[i].name, e.msg);
	}
}
