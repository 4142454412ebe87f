/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records that wait for their start, and starts of records.
 */
#include "engine/create.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/launch.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"

#define WAKE_TRIES 5

static int64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* What the spec of `place` is, whose name is set. */
static int make_spec(const struct store *s, const struct run_options *o,
		     struct spec_place *place, int argc, char **argv,
		     json_t **spec, struct err *e)
{
	cleanup_manifest struct manifest m = { 0 };
	char digest[SHA256_HEX_SIZE];
	int r;

	if (spec_check_options(o, e) ||
	    store_resolve(s, place->image, digest, e) ||
	    store_load(s, digest, &m, e))
		return -e->code;
	place->digest = digest;
	place->store = s->path;
	place->started_ns = monotonic_ns();
	place->root = store_root_path(s, digest);
	place->state_dir = instance_path(s, place->name);
	r = spec_make(&m, o, place, argc, argv, spec, e);
	free(place->root);
	free(place->state_dir);
	return r;
}

static int write_record(struct instance_dir *dir, const json_t *spec,
			struct err *e)
{
	static const char state[] = "{\"state\":\"created\"}\n";

	if (instance_write_spec(dir, spec, e))
		return -e->code;
	return io_write_atomic(dir->fd, "state.json", state, strlen(state),
			       0600, e);
}

int instance_prepare(const struct store *s, const struct run_options *o,
		     const char *image, int argc, char **argv,
		     char name[NAME_SIZE], struct err *e)
{
	struct instance_dir dir = INSTANCE_DIR_INIT;
	struct spec_place place = { .image = image };
	cleanup_json json_t *spec = NULL;
	int r = instance_create(s, o->name, place.name, &dir, e);

	if (r)
		return r;
	id_generate(place.id);
	r = make_spec(s, o, &place, argc, argv, &spec, e);
	if (!r)
		r = write_record(&dir, spec, e);
	if (r)
		instance_discard(s, place.name);
	instance_dir_close(&dir);
	memcpy(name, place.name, NAME_SIZE);
	return r;
}

int instance_respec(const struct store *s, const struct instance *in,
		    const struct run_options *o, const char *image, int argc,
		    char **argv, struct err *e)
{
	struct spec_place place = { .image = image };
	cleanup_json json_t *spec = NULL;

	memcpy(place.name, in->name, NAME_SIZE);
	snprintf(place.id, sizeof(place.id), "%s",
		 json_str_or(in->spec, "id", ""));
	if (make_spec(s, o, &place, argc, argv, &spec, e))
		return -e->code;
	return json_write(in->fd, "spec.json", spec, e);
}

static int start_again(const struct instance *in, bool from_checkpoint,
		       struct err *e)
{
	struct instance_dir dir = INSTANCE_DIR_INIT;
	cleanup_close int log = -1;
	int r = instance_open_again(in, &dir, &log, e);

	if (in->status == INSTANCE_DEAD)
		instance_kill_left(in);
	if (!r && launch_again(dir.spec_fd, log, from_checkpoint, e))
		r = err_wrap(e, "%s", in->name);
	instance_dir_close(&dir);
	return r;
}

int instance_boot(const struct instance *in, struct err *e)
{
	if (!json_is_true(json_object_get(in->spec, "detach")))
		return err_set(e, EINVAL, "%s ran in the foreground", in->name);
	if (instance_drop_checkpoint(in, e))
		return -e->code;
	return start_again(in, false, e);
}

int instance_resume(const struct instance *in, struct err *e)
{
	return start_again(in, true, e);
}

int instance_start(const struct instance *in, struct err *e)
{
	if (in->status <= INSTANCE_RUNNING)
		return err_set(e, EALREADY, "%s is running", in->name);
	return in->status == INSTANCE_SUSPENDED ? instance_resume(in, e)
						: instance_boot(in, e);
}

int instance_load_awake(const struct store *s, const char *name,
			struct instance *in, struct err *e)
{
	for (int i = 1;; i++) {
		struct err failed = ERR_INIT;

		if (instance_load(s, name, in, e))
			return -e->code;
		if (in->status != INSTANCE_SUSPENDED)
			return 0;
		/* Somebody else may wake it at the same time: as good. */
		if (instance_resume(in, &failed) && i == WAKE_TRIES) {
			*e = failed;
			return -e->code;
		}
		instance_unload(in);
		*in = (struct instance)INSTANCE_INIT;
	}
}
