# SPDX-License-Identifier: Apache-2.0
# image: node
# Children with messages and sockets handed over, groups, limits of time, watched
# directories, worker threads, a cluster, and an HTTP server under load.
set -eu
cat >/tmp/test.js <<'E'
const { fork, exec, spawn, spawnSync } = require("child_process");
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");
const cluster = require("cluster"), fs = require("fs"), http = require("http"), net = require("net"), os = require("os");
if (process.argv[2] === "child") {
	process.on("message", (m, handle) => {
		if (handle) { handle.end("from child"); return; }
		if (m === "end") { process.disconnect(); return; }
		process.send({ pid: process.pid !== m.parent, twice: m.n * 2, big: m.big.length });
	});
} else if (process.argv[2] === "cluster") {
	if (cluster.isPrimary) {
		let seen = new Set(), left = 40;
		for (let i = 0; i < 2; i++) cluster.fork();
		let up = 0;
		cluster.on("listening", (w, a) => { if (++up === 2) go(a.port); });
		function go(port) {
			const next = () => http.get({ port, agent: false }, (r) => { let s = ""; r.on("data", (d) => s += d); r.on("end", () => { seen.add(s); if (--left) next(); else { console.log("workers", seen.size); for (const w of Object.values(cluster.workers)) w.kill(); } }); });
			next();
		}
		cluster.on("exit", (w, c, s) => console.log("exit", c, s));
	} else http.createServer((q, r) => r.end(String(process.pid))).listen(0);
} else main();

async function main() {
	const self = __filename;
	// IPC
	const c = fork(self, ["child"]);
	c.send({ n: 21, parent: process.pid, big: "x".repeat(300000) });
	console.log("ipc", JSON.stringify(await new Promise((r) => c.once("message", r))));
	const srv = net.createServer((s) => c.send("sock", s)).listen(0);
	await new Promise((r) => srv.once("listening", r));
	const text = await new Promise((r) => { let t = ""; net.connect(srv.address().port).on("data", (d) => t += d).on("end", () => r(t)); });
	console.log("handle", text);
	srv.close();
	c.send("end");
	console.log("child", await new Promise((r) => c.once("exit", (code, sig) => r([code, sig].join()))));
	// exec, spawn
	console.log("exec", await new Promise((r) => exec("echo out; echo err >&2; exit 3", (e, o, s) => r([e.code, o, s].join().replace(/\n/g, "|")))));
	const s = spawn("sh", ["-c", "cat; kill -9 $$"]);
	let got = 0; s.stdout.on("data", (d) => got += d.length);
	s.stdin.end(Buffer.alloc(1000000));
	console.log("spawn", await new Promise((r) => s.on("close", (code, sig) => r([code, sig, got].join()))));
	const t = spawn("sleep", ["100"], { timeout: 100 });
	console.log("timeout", await new Promise((r) => t.on("close", (code, sig) => r([code, sig].join()))));
	console.log("sync", spawnSync("tr", ["a", "b"], { input: "aaa" }).stdout.toString());
	console.log("missing", await new Promise((r) => spawn("/nonexistent").on("error", (e) => r(e.code))));
	const d = spawn("sh", ["-c", "echo $$ >&3; exec sleep 100"], { detached: true, stdio: ["ignore", "ignore", "ignore", "pipe"] });
	const pid = await new Promise((r) => d.stdio[3].once("data", (x) => r(Number(x))));
	process.kill(-pid, "SIGTERM");
	console.log("group", await new Promise((r) => d.on("close", (code, sig) => r(sig))));
	// fs.watch
	const dir = fs.mkdtempSync(os.tmpdir() + "/w");
	const events = [];
	const watcher = fs.watch(dir, (e, f) => { events.push(e + ":" + f); });
	fs.writeFileSync(dir + "/a", "1");
	await new Promise((r) => setImmediate(r));
	fs.renameSync(dir + "/a", dir + "/b");
	fs.unlinkSync(dir + "/b");
	while (!(events.includes("rename:b") && events.length >= 5)) await new Promise((r) => setImmediate(r));
	watcher.close();
	console.log("watch", [...new Set(events)].join());
	// workers
	const sab = new SharedArrayBuffer(8), v = new Int32Array(sab);
	const w = [...Array(4)].map(() => new Worker(`const { workerData } = require("worker_threads"); const v = new Int32Array(workerData); for (let i = 0; i < 100000; i++) Atomics.add(v, 0, 1); Atomics.add(v, 1, 1); Atomics.notify(v, 1);`, { eval: true, workerData: sab }));
	await Promise.all(w.map((x) => new Promise((r) => x.on("exit", r))));
	console.log("workers", v[0], v[1]);
	console.log("cluster", await new Promise((r) => exec(process.execPath + " " + self + " cluster", (e, o) => r((e ? e.code : 0) + " " + o.trim().split("\n").sort().join("|")))));
	const came = new Promise((r) => process.once("SIGUSR2", r));
	process.kill(process.pid, "SIGUSR2");
	await came;
	console.log("signal");
	fs.rmSync(dir, { recursive: true });
}
E
node /tmp/test.js >/tmp/out
diff /tmp/out - <<'E'
ipc {"pid":true,"twice":42,"big":300000}
handle from child
child 0,
exec 3,out|,err|
spawn ,SIGKILL,1000000
timeout ,SIGTERM
sync bbb
missing ENOENT
group SIGTERM
watch rename:a,change:a,rename:b
workers 400000 4
cluster 0 exit null SIGTERM|exit null SIGTERM|workers 2
E
cat >/tmp/load.js <<'E'
const http = require("http");
const agent = new http.Agent({ keepAlive: true, maxSockets: 50 });
const body = Buffer.alloc(20000, "x");
const server = http.createServer((q, r) => {
	let n = 0;
	q.on("data", (d) => n += d.length);
	q.on("end", () => r.end(n + ":" + body));
}).listen(0, async () => {
	const port = server.address().port;
	const one = () => new Promise((done, fail) => {
		const q = http.request({ port, agent, method: "POST" }, (r) => {
			let text = "";
			r.setEncoding("utf8");
			r.on("data", (d) => text += d);
			r.on("end", () => text === "20000:" + body ? done() :
				fail(new Error("wrong answer")));
		});
		q.on("error", fail);
		q.end(body);
	});
	for (let i = 0; i < 20; i++)
		await Promise.all([...Array(100)].map(one));
	console.log("2000 requests");
	agent.destroy();
	server.close();
});
E
[ "$(node /tmp/load.js)" = "2000 requests" ]
