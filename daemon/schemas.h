/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON that requests may hold: SCHEMA(name, what it is called in messages),
 * then a row a member, then SCHEMA_END. A schema stands after those it uses.
 */
/* clang-format off */
#define STR(name, need)            FIELD(name, FIELD_STRING, NULL, 0, 0, NULL, need)
#define ENUM(name, values, need)   FIELD(name, FIELD_STRING, NULL, 0, 0, values, need)
#define INT(name, min, max, need)  FIELD(name, FIELD_INTEGER, NULL, min, max, NULL, need)
#define NUM(name, need)            FIELD(name, FIELD_NUMBER | FIELD_INTEGER, NULL, INT64_MIN, INT64_MAX, NULL, need)
#define BOOL(name, need)           FIELD(name, FIELD_BOOL, NULL, 0, 0, NULL, need)
#define STRS(name, need)           FIELD(name, FIELD_STRINGS, NULL, 0, 0, NULL, need)
#define MAP(name, need)            FIELD(name, FIELD_MAP, NULL, 0, 0, NULL, need)
#define ANY(name, need)            FIELD(name, FIELD_ANY, NULL, 0, 0, NULL, need)
#define OBJ(name, sub, need)       FIELD(name, FIELD_OBJECT, &schema_##sub, 0, 0, NULL, need)
#define OBJS(name, sub, need)      FIELD(name, FIELD_ARRAY, &schema_##sub, 0, 0, NULL, need)
#define MS_MAX (30ll * 86400 * 1000)
#define PATCH(schema, props) \
SCHEMA(schema, "update arguments") \
	STR(uuid, false) STR(name, false) STR(id, false) \
	ENUM(prop, props, true) ENUM(op, "set|add|del", true) \
	ANY(value, false) \
SCHEMA_END

SCHEMA(none, "arguments")
SCHEMA_END

/* Not JSON: the body is the bytes. */
SCHEMA(bytes, "bytes")
SCHEMA_END

SCHEMA(reference, "reference")
	STR(uuid, false)
	STR(name, false)
SCHEMA_END

/* Queries */
SCHEMA(list, "query")
	STRS(uuid, false)
	STRS(name, false)
	BOOL(details, false)
	INT(count, 1, 1000, false)
	STR(from, false)
	ENUM(order, "asc|desc", false)
	ENUM(sortby, "create_time", false)
	STR(tags, false)
SCHEMA_END

SCHEMA(wait, "wait arguments")
	STRS(uuid, false)
	STRS(name, false)
	ENUM(state, "stopped|starting|running|draining|stopping|standby|template|checkpoint|deleted", false)
	INT(timeout_s, -1, MS_MAX / 1000, false)
	INT(timeout_ms, -1, MS_MAX, false)
SCHEMA_END

SCHEMA(log, "log arguments")
	STRS(uuid, false)
	STRS(name, false)
	INT(offset, -(1ll << 40), 1ll << 40, false)
	INT(limit, 0, 1 << 20, false)
SCHEMA_END

SCHEMA(refs, "query")
	STRS(uuid, false)
	STRS(name, false)
SCHEMA_END

/* Service groups */
SCHEMA(domain, "domain")
	STR(name, true)
	STR(path, false)
	OBJ(certificate, reference, false)
SCHEMA_END

SCHEMA(service, "service")
	INT(port, 1, 65535, true)
	INT(destination_port, 1, 65535, false)
	ENUM(protocol, "tcp|udp", false)
	STR(ip, false)
	STRS(handlers, false)
	STRS(proxy_from, false)
	ENUM(proxy_to, "v1|v2", false)
SCHEMA_END

SCHEMA(autokill, "autokill")
	INT(time_ms, 0, MS_MAX, false)
	INT(num_requests, 0, INT64_MAX, false)
SCHEMA_END

SCHEMA(service_create, "service group creation arguments")
	STR(name, false)
	OBJS(services, service, true)
	OBJS(domains, domain, false)
	INT(soft_limit, 1, 65535, false)
	INT(hard_limit, 1, 65535, false)
	OBJ(autokill, autokill, false)
SCHEMA_END

/* Instances */
SCHEMA(instance_service_group, "service group")
	STR(uuid, false)
	STR(name, false)
	OBJS(services, service, false)
	OBJS(domains, domain, false)
	INT(soft_limit, 1, 65535, false)
	INT(hard_limit, 1, 65535, false)
SCHEMA_END

SCHEMA(image_spec, "image")
	STR(url, true)
	STR(credentials, false)
	MAP(headers, false)
	ENUM(pull_policy, "always|if_not_present|never", false)
SCHEMA_END

SCHEMA(instance_volume, "volume")
	STR(uuid, false)
	STR(name, false)
	INT(size_mb, 1, 1 << 24, false)
	STR(host_path, false)
	STR(at, true)
	BOOL(readonly, false)
	STR(quota_policy, false)
	STR(filesystem, false)
	STRS(tags, false)
	INT(uid, 0, 1ll << 31, false)
	INT(gid, 0, 1ll << 31, false)
	STR(access_mode, false)
	MAP(args, false)
SCHEMA_END

SCHEMA(scale_to_zero, "scale-to-zero configuration")
	BOOL(enabled, false)
	ENUM(policy, "off|on|idle", false)
	BOOL(stateful, false)
	INT(cooldown_time_ms, 0, MS_MAX, false)
	INT(notify_time_ms, 0, MS_MAX, false)
SCHEMA_END

SCHEMA(instance_template, "template")
	STR(uuid, false)
	STR(name, false)
	BOOL(prepare, false)
	ANY(create_args, false)
	INT(prepare_timeout_s, 0, 86400, false)
	OBJ(autokill, autokill, false)
SCHEMA_END

SCHEMA(schedule, "schedule")
	STR(name, true)
	STR(when, true)
	ENUM(action, "start|stop|suspend|resume|delete|exec|checkpoint", true)
	STRS(args, false)
	STR(next_at, false)
SCHEMA_END

SCHEMA(instance_create, "instance creation arguments")
	STR(name, false)
	FIELD(image, FIELD_STRING | FIELD_OBJECT, &schema_image_spec, 0, 0, NULL, false)
	STRS(args, false)
	MAP(env, false)
	INT(memory_mb, 4, 1 << 24, false)
	INT(vcpus, 1, 1024, false)
	OBJ(service_group, instance_service_group, false)
	OBJS(volumes, instance_volume, false)
	BOOL(autostart, false)
	INT(replicas, 0, 1000, false)
	ENUM(restart_policy, "never|always|on-failure", false)
	OBJ(scale_to_zero, scale_to_zero, false)
	INT(timeout_s, -1, 86400, false)
	INT(wait_timeout_ms, -1, 86400000, false)
	STRS(features, false)
	ANY(roms, false)
	ANY(plugins, false)
	STRS(tags, false)
	MAP(annotations, false)
	OBJ(template, instance_template, false)
	ENUM(sched_priority, "normal|medium|high|admin", false)
	OBJS(schedules, schedule, false)
	OBJ(autokill, autokill, false)
	STR(hostname, false)
	OBJS(dependencies, reference, false)
	OBJ(branch_from, reference, false)
	OBJ(checkpoint, reference, false)
	STR(gateway, false)
	STR(nameserver, false)
	ANY(network_interfaces, false)
	ENUM(type, "micro|full", false)
	INT(gpus, 0, 1, false)
SCHEMA_END

SCHEMA(instance_start, "start arguments")
	STR(uuid, false)
	STR(name, false)
	INT(wait_timeout_ms, -1, MS_MAX, false)
	INT(timeout_s, -1, 86400, false)
SCHEMA_END

SCHEMA(instance_stop, "stop arguments")
	STR(uuid, false)
	STR(name, false)
	INT(timeout_s, 0, 86400, false)
	BOOL(force, false)
	INT(drain_timeout_ms, -1, MS_MAX, false)
	BOOL(quick, false)
	STR(ifstate, false)
	BOOL(dump, false)
SCHEMA_END

SCHEMA(instance_suspend, "suspend arguments")
	STR(uuid, false)
	STR(name, false)
	INT(drain_timeout_ms, -1, MS_MAX, false)
SCHEMA_END

SCHEMA(instance_delete, "delete arguments")
	STR(uuid, false)
	STR(name, false)
	INT(timeout_s, -1, 86400, false)
	BOOL(dont_retain, false)
SCHEMA_END

SCHEMA(instance_exec, "exec arguments")
	STRS(args, true)
	MAP(env, false)
	STR(user, false)
	STR(cwd, false)
	STR(input, false)
	STR(input_base64, false)
	INT(timeout_ms, 1, MS_MAX, false)
	BOOL(detach, false)
SCHEMA_END

SCHEMA(instance_fork, "fork arguments")
	STR(name, false)
	INT(count, 1, 1000, false)
	STRS(tags, false)
	INT(memory_mb, 4, 1 << 24, false)
	OBJ(scale_to_zero, scale_to_zero, false)
	OBJ(autokill, autokill, false)
SCHEMA_END

SCHEMA(file, "query")
	STR(path, true)
	STR(mode, false)
SCHEMA_END

PATCH(instance_update, "image|args|env|memory_mb|vcpus|scale_to_zero|tags|delete_lock|schedules|autokill|hostname|roms|dependencies|sched_priority|plugins|annotations|restart_policy")
PATCH(service_update, "services|domains|soft_limit|hard_limit|autokill")
PATCH(volume_update, "size_mb|tags|quota_policy|delete_lock")
PATCH(template_update, "tags|delete_lock|autokill")

SCHEMA(template_create, "template creation arguments")
	STR(uuid, false)
	STR(name, false)
	STR(template_name, false)
	INT(timeout_s, -1, 86400, false)
	STRS(tags, false)
	OBJ(autokill, autokill, false)
SCHEMA_END

SCHEMA(checkpoint_create, "checkpoint creation arguments")
	OBJ(from, reference, true)
	STR(name, false)
	INT(timeout_s, -1, 86400, false)
	STRS(tags, false)
	OBJ(autokill, autokill, false)
SCHEMA_END

/* Volumes */
SCHEMA(volume_create, "volume creation arguments")
	STR(name, false)
	INT(size_mb, 1, 1 << 24, false)
	STR(host_path, false)
	OBJ(template, reference, false)
	ENUM(quota_policy, "static|dynamic", false)
	STR(filesystem, false)
	STRS(tags, false)
	INT(uid, 0, 1ll << 31, false)
	INT(gid, 0, 1ll << 31, false)
	ENUM(access_mode, "rwo|rox|rwx", false)
	MAP(args, false)
SCHEMA_END

SCHEMA(volume_attach, "attach arguments")
	STR(uuid, false)
	STR(name, false)
	OBJ(attach_to, reference, true)
	STR(at, true)
	BOOL(readonly, false)
SCHEMA_END

SCHEMA(volume_detach, "detach arguments")
	STR(uuid, false)
	STR(name, false)
	OBJ(from, reference, false)
SCHEMA_END

SCHEMA(volume_clone, "clone arguments")
	STR(uuid, false)
	STR(name, false)
	STR(vol_name, false)
	ENUM(quota_policy, "static|dynamic", false)
	STRS(tags, false)
	ENUM(access_mode, "rwo|rox|rwx", false)
SCHEMA_END

SCHEMA(image_query, "query")
	STR(tag, false)
	STR(digest, false)
	STRS(name, false)
	BOOL(details, false)
	INT(count, 1, 1000, false)
SCHEMA_END

/* Certificates and users */
SCHEMA(certificate_create, "certificate creation arguments")
	STR(name, false)
	STR(cn, false)
	STR(common_name, false)
	STR(chain, true)
	STR(pkey, true)
SCHEMA_END

SCHEMA(certificate_update, "certificate update arguments")
	STR(uuid, false)
	STR(name, false)
	STR(chain, true)
	STR(pkey, true)
SCHEMA_END

SCHEMA(quotas, "quotas")
	INT(instances, 0, 1 << 24, false)
	INT(live_instances, 0, 1 << 24, false)
	INT(live_vcpus, 0, 1 << 24, false)
	INT(live_memory_mb, 0, 1ll << 40, false)
	INT(service_groups, 0, 1 << 24, false)
	INT(services, 0, 1 << 24, false)
	INT(volumes, 0, 1 << 24, false)
	INT(total_volume_mb, 0, 1ll << 40, false)
SCHEMA_END

SCHEMA(user_create, "user creation arguments")
	STR(name, true)
	STR(token, false)
	BOOL(admin, false)
	OBJ(quotas, quotas, false)
SCHEMA_END

/* Autoscale */
SCHEMA(autoscale_step, "step")
	INT(adjustment, -65536, 65536, true)
	NUM(lower_bound, false)
	NUM(upper_bound, false)
SCHEMA_END

SCHEMA(autoscale_policy, "autoscale policy")
	STR(name, true)
	BOOL(enabled, false)
	ENUM(type, "step|on_demand|create|idle", false)
	ENUM(metric, "cpu|inflight_reqs|reqs_per_sec", false)
	ENUM(adjustment_type, "change|exact|percent|percentage", false)
	OBJS(steps, autoscale_step, false)
SCHEMA_END

SCHEMA(autoscale_args, "create_args")
	ANY(roms, false)
	OBJ(template, reference, false)
SCHEMA_END

SCHEMA(autoscale, "autoscale configuration")
	STR(uuid, false)
	STR(name, false)
	INT(min_size, 0, 65535, false)
	INT(max_size, 1, 65535, false)
	INT(warmup_time_ms, 0, MS_MAX, false)
	INT(cooldown_time_ms, 0, MS_MAX, false)
	NUM(high_watermark, false)
	OBJ(template, reference, false)
	OBJ(create_args, autoscale_args, false)
	OBJS(policies, autoscale_policy, false)
SCHEMA_END
#undef STR
#undef ENUM
#undef INT
#undef NUM
#undef BOOL
#undef STRS
#undef MAP
#undef ANY
#undef OBJ
#undef OBJS
#undef MS_MAX
#undef PATCH
/* clang-format on */
