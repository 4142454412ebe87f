// SPDX-License-Identifier: Apache-2.0
// The official SDK against jiffyd: what its users do in a day. Arguments: the
// SDK's directory, the daemon's URL, its token, two free ports.
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

const [sdk, baseUrl, token, port, port2] = process.argv.slice(2);
const platform = pathToFileURL(`${sdk}/dist/esm/api/platform/index.js`);
const { PlatformApi } = await import(platform.href);
const { paginate } = await import(
	pathToFileURL(`${sdk}/dist/esm/core/pagination.js`).href);
const { unwrapFirst, unwrapList, orAbsent } = await import(
	pathToFileURL(`${sdk}/dist/esm/core/response.js`).href);
const api = new PlatformApi({ baseUrl, token, userAgent: "@unikraft/cloud" });

const page = async () => (await fetch(`http://127.0.0.1:${port}/`,
	{ signal: AbortSignal.timeout(20000),
	  headers: { connection: "close" } })).text();
const one = (res, key = "instances") => {
	assert.equal(res.status, "success", JSON.stringify(res));
	assert.ok(res.op_time_us >= 0);
	return unwrapFirst(res, key, key);
};

const health = await api.node.healthz();
assert.equal(health.data.checks.database, "healthy");

// A service group, and an instance behind it.
const group = one(await api.services.createServiceGroup({ body: {
	name: "shop",
	services: [{ port: Number(port), destination_port: 8080,
		     ip: "127.0.0.1" }],
	soft_limit: 10, hard_limit: 100,
} }), "service_groups");
assert.equal(group.persistent, true);

const made = one(await api.instances.createInstance({ body: {
	name: "front", image: { url: "box:latest" }, memory_mb: 64,
	args: ["sh", "-c", "echo ready; exec httpd -f -p 8080 -h /www"],
	env: { GREETING: "hello" }, autostart: true,
	service_group: { uuid: group.uuid },
	scale_to_zero: { policy: "on", stateful: true, cooldown_time_ms: 3600000 },
	tags: ["a", "b"],
} }));
assert.match(made.uuid, /^[0-9a-f-]{36}$/);
assert.equal(made.state, "running");
assert.equal(made.image, "box:latest");
assert.equal(made.service_group.name, "shop");
assert.ok(Date.parse(made.created_at) > 0);

assert.equal((await page()).trim(), "a page");

// Reading: by uuid, by name, page by page, by tags; what is not there.
assert.equal(one(await api.instances.getInstanceByUuid(made.uuid)).name, "front");
assert.equal(one(await api.instances.getInstances(
	{ name: ["front"], details: true })).uuid, made.uuid);
for (let i = 0; i < 5; i++)
	one(await api.instances.createInstance({ body: {
		image: "box", args: ["sh"], name: `idle-${i}` } }));
const names = [];
for await (const item of paginate({
	pageSize: 2, cursor: (last) => last.uuid,
	fetchPage: async (query) =>
		unwrapList(await api.instances.getInstances(query), "instances") }))
	names.push(item.name);
assert.deepEqual(names, ["front", "idle-0", "idle-1", "idle-2", "idle-3",
			 "idle-4"]);
assert.equal(unwrapList(await api.instances.getInstances({ tags: "a,b" }),
	"instances").length, 1);
const absent = await orAbsent((async () => unwrapFirst(
	await api.instances.getInstanceByUuid(
		"00000000-0000-4000-8000-000000000000"),
	"instances", "instance"))());
assert.equal(absent, undefined);

// Logs and metrics.
const log = one(await api.instances.getInstanceLogs({ uuid: [made.uuid],
	offset: [0], limit: [100] }));
assert.equal(Buffer.from(log.output, "base64").toString(), "ready\n");
assert.equal(log.range.end, 6);
const metrics = one(await api.instances.getInstanceMetrics({ uuid: [made.uuid] }));
assert.ok(metrics.rss_bytes > 0);
assert.equal(typeof metrics.cpu_time_ms, "number");

// Suspended, it wakes on request.
const slept = one(await api.instances.suspendInstances({ body: [{ uuid: made.uuid }] }));
assert.deepEqual([slept.previous_state, slept.state], ["running", "standby"]);
assert.equal((await page()).trim(), "a page");
assert.equal(one(await api.instances.waitInstances({ uuid: [made.uuid],
	state: ["running"], timeout_s: [20] })).state, "running");

// Changes.
one(await api.instances.updateInstances({ body: [
	{ uuid: made.uuid, prop: "env", op: "add", value: { MORE: "1" } },
	{ uuid: made.uuid, prop: "tags", op: "set", value: ["c"] } ] }));
const changed = one(await api.instances.getInstanceByUuid(made.uuid));
assert.deepEqual(changed.env, { GREETING: "hello", MORE: "1" });
assert.deepEqual(changed.tags, ["c"]);

// Stop and start.
const stopped = one(await api.instances.stopInstances({ body: [{ name: "front" }] }));
assert.deepEqual([stopped.previous_state, stopped.state], ["running", "stopped"]);
const started = one(await api.instances.startInstances({ body: [{ name: "front" }] }));
assert.deepEqual([started.previous_state, started.state], ["stopped", "running"]);
assert.equal((await page()).trim(), "a page");

// Volumes, images, quotas.
const volume = one(await api.volumes.createVolume({ body: { name: "disk",
	size_mb: 16 } }), "volumes");
assert.equal(volume.state, "available");
assert.equal(one(await api.volumes.getVolumeByUuid(volume.uuid), "volumes").name,
	"disk");
one(await api.volumes.deleteVolumes({ body: [{ uuid: volume.uuid }] }), "volumes");
assert.ok(unwrapList(await api.images.getImages(), "images").length > 0);
const quotas = one(await api.users.getUser(), "quotas");
assert.equal(quotas.used.instances, 6);

// What is refused.
await assert.rejects(
	new PlatformApi({ baseUrl, token: "wrong" }).instances.getInstances(),
	(e) => e.status === 401);
await assert.rejects(api.instances.createInstance({ body: { bad: 1 } }),
	(e) => e.status === 400 && e.message === "Unknown member 'bad'");

// The same by the class that its users see: handles, editors, iterators.
const { UnikraftCloud } = await import(
	pathToFileURL(`${sdk}/dist/esm/index.js`).href);
const ukc = new UnikraftCloud({ token, metro: baseUrl });

const web = ukc.services.create({ name: "high",
	services: [{ port: Number(port2), destination_port: 8080,
		     ip: "127.0.0.1" }] });
assert.equal((await web).name, "high");
const high = await ukc.instances.create({ name: "high", image: "box:latest",
	memory_mb: 64, autostart: true,
	args: ["sh", "-c", "echo hi; exec httpd -f -p 8080 -h /www"],
	service_group: { name: "high" } }).wait({ state: "running",
						  timeoutSeconds: 20 });
assert.equal(high.state, "running");
assert.equal(high.metro, baseUrl);
const handle = ukc.instances.get({ name: "high" });
assert.equal((await handle).service_group.name, "high");
assert.equal(Buffer.from((await handle.logs({ offset: -3 })).output,
	"base64").toString(), "hi\n");
assert.ok((await handle.metrics()).rss_bytes > 0);
await handle.edit().set({ memory_mb: 96 }).add({ env: { A: "1", B: "2" },
	tags: ["x", "y"] }).del({ env: ["A"] }).apply();
await handle.update({ tags: ["z"] });
const edited = await handle.refresh();
assert.deepEqual([edited.memory_mb, edited.env, edited.tags],
	[96, { B: "2" }, ["z"]]);
assert.equal((await handle.suspend()).state, "standby");
assert.equal((await handle.start().wait({ state: "running",
	timeoutSeconds: 20 })).state, "running");
assert.equal((await handle.stop()).state, "stopped");
const seen = [];
for await (const i of ukc.instances.list({ pageSize: 2, details: true }))
	seen.push(i.name);
assert.deepEqual(seen, [...names, "high"]);
const [started2] = await ukc.instances.start({ name: "high" });
assert.equal(started2.state, "running");
assert.equal((await ukc.metro(baseUrl).instances.get({ name: "high" })).uuid,
	high.uuid);
await assert.rejects(async () => ukc.instances.get({ name: "nobody" }),
	(e) => e.status === 404);
await assert.rejects(async () => handle.history()); // not supported

const disk = await ukc.volumes.create({ name: "high", size_mb: 16 });
assert.equal(disk.state, "available");
await ukc.volumes.get({ name: "high" }).update({ size_mb: 32 });
assert.equal((await ukc.volumes.get({ name: "high" })).size_mb, 32);
await ukc.volumes.get({ name: "high" }).delete();
const disks = [];
for await (const v of ukc.volumes.list())
	disks.push(v.name);
assert.deepEqual(disks, []);

await handle.delete();
await ukc.services.get({ name: "high" }).delete();
const groups = [];
for await (const g of ukc.services.list({ details: true }))
	groups.push(g.name);
assert.deepEqual(groups, ["shop"]);

// The end.
await api.instances.deleteInstances({ body: names.map((name) => ({ name })) });
assert.deepEqual(unwrapList(await api.instances.getInstances(), "instances"), []);
one(await api.services.deleteServiceGroupByUuid(group.uuid), "service_groups");
assert.deepEqual(unwrapList(await api.services.getServiceGroups(),
	"service_groups"), []);
console.log("all is well");
