// SPDX-License-Identifier: Apache-2.0

// What an unmodified Node.js asks of the system beneath it; TAP on stdout,
// equal on every system. With a port number: an HTTP server instead.
'use strict';

const assert = require('assert');
const child_process = require('child_process');
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const net = require('net');
const os = require('os');
const path = require('path');
const util = require('util');
const zlib = require('zlib');
const {
	Worker, isMainThread, parentPort, workerData,
} = require('worker_threads');

function fibonacci(n) {
	return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

function handler(request, response) {
	if (request.url === '/exit') {
		response.end('bye\n', () => process.exit(0));
		return;
	}
	const hash = crypto.createHash('sha256');
	let bytes = 0;
	request.on('data', (chunk) => {
		bytes += chunk.length;
		hash.update(chunk);
	});
	request.on('end', () => {
		const body = JSON.stringify({
			url: request.url, bytes, sha256: hash.digest('hex'),
		});
		response.writeHead(200, {'content-type': 'application/json'});
		response.end(body + '\n');
	});
}

async function fetch(options, body) {
	return new Promise((resolve, reject) => {
		const request = http.request(options, (response) => {
			const parts = [];
			response.on('data', (part) => parts.push(part));
			response.on('end', () =>
				resolve(Buffer.concat(parts).toString()));
		});
		request.on('error', reject);
		request.end(body);
	});
}

function work(data) {
	return new Promise((resolve, reject) => {
		const worker = new Worker(__filename, {workerData: data});
		worker.on('message', (value) => resolve([worker, value]));
		worker.on('error', reject);
	});
}

const tests = {
	async 'compiled code gives what interpreted code does'() {
		assert.strictEqual(fibonacci(27), 196418);
		const f = new Function('x', 'return x * 3 + 1');
		let x = 1;
		for (let i = 0; i < 1e6; i++)
			x = f(x) % 1000003;
		assert.ok(x >= 0 && x < 1000003);
		assert.ok(/^(a+)+$/.test('a'.repeat(20)));
	},

	async 'WebAssembly with a growing memory'() {
		const code = Buffer.from(
			'0061736d0100000001070160027f7f017f03020100050301000107' +
			'0b02036164640000016d02000a09010700200020016a0b', 'hex');
		const {instance} = await WebAssembly.instantiate(code);
		for (let i = 0; i < 20000; i++)
			assert.strictEqual(instance.exports.add(i, 1), i + 1);
		instance.exports.m.grow(100);
		assert.strictEqual(instance.exports.m.buffer.byteLength,
			101 * 65536);
	},

	async 'an access outside of WebAssembly memory is a trap'() {
		const code = Buffer.from(
			'0061736d0100000001060160017f017f0302010005030100010705' +
			'01016c00000a0901070020002802000b', 'hex');
		const {instance} = await WebAssembly.instantiate(code);
		assert.strictEqual(instance.exports.l(0), 0);
		assert.throws(() => instance.exports.l(1 << 20),
			WebAssembly.RuntimeError);
	},

	async 'a quarter gigabyte of garbage'() {
		let keep = [];
		for (let i = 0; i < 256; i++) {
			const block = new Array(131072).fill(i);
			keep.push(block);
			if (keep.length > 16)
				keep = [];
		}
		assert.ok(process.memoryUsage().heapUsed > 0);
	},

	async 'timers fire in order, not early'() {
		const start = process.hrtime.bigint();
		const order = [];
		await new Promise((resolve) => {
			setTimeout(() => { order.push(2); resolve(); }, 30);
			setTimeout(() => order.push(1), 10);
		});
		assert.deepStrictEqual(order, [1, 2]);
		await new Promise((resolve) => setImmediate(resolve));
		assert.ok(process.hrtime.bigint() - start >= 29000000n);
		let ticks = 0;
		await new Promise((resolve) => {
			const interval = setInterval(() => {
				if (++ticks === 5) {
					clearInterval(interval);
					resolve();
				}
			}, 2);
		});
	},

	async 'files by promises'() {
		const dir = await fs.promises.mkdtemp(
			path.join(os.tmpdir(), 'node-'));
		const names = [];
		await Promise.all(Array.from({length: 40}, async (_, i) => {
			const name = path.join(dir, `f${i}`);
			names.push(name);
			await fs.promises.writeFile(name, 'x'.repeat(i * 1000));
			const stat = await fs.promises.stat(name);
			assert.strictEqual(stat.size, i * 1000);
			assert.ok(stat.birthtimeMs > 0);
		}));
		assert.strictEqual((await fs.promises.readdir(dir)).length, 40);
		await fs.promises.rename(names[3], path.join(dir, 'g'));
		await fs.promises.appendFile(path.join(dir, 'g'), 'tail');
		const text = await fs.promises.readFile(path.join(dir, 'g'), 'utf8');
		assert.ok(text.endsWith('tail'));
		await fs.promises.symlink('g', path.join(dir, 'link'));
		assert.strictEqual(
			await fs.promises.readlink(path.join(dir, 'link')), 'g');
		await fs.promises.copyFile(path.join(dir, 'g'),
			path.join(dir, 'h'));
		await fs.promises.truncate(path.join(dir, 'h'), 10);
		assert.strictEqual(fs.statSync(path.join(dir, 'h')).size, 10);
		await assert.rejects(fs.promises.readFile(path.join(dir, 'none')),
			{code: 'ENOENT'});
		await assert.rejects(fs.promises.rmdir(dir), {code: 'ENOTEMPTY'});
		await fs.promises.rm(dir, {recursive: true});
		assert.ok(!fs.existsSync(dir));
	},

	async 'a watched directory tells of a new file'() {
		const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'watch-'));
		const watcher = fs.watch(dir);
		const seen = new Promise((resolve) =>
			watcher.on('change', (_, name) => resolve(name)));
		fs.writeFileSync(path.join(dir, 'new'), '');
		assert.strictEqual(await seen, 'new');
		watcher.close();
		fs.rmSync(dir, {recursive: true});
	},

	async 'hashes, ciphers and keys'() {
		assert.strictEqual(
			crypto.createHash('sha256').update('abc').digest('hex'),
			'ba7816bf8f01cfea414140de5dae2223' +
			'b00361a396177a9cb410ff61f20015ad');
		const key = crypto.randomBytes(32);
		const iv = crypto.randomBytes(12);
		const cipher = crypto.createCipheriv('aes-256-gcm', key, iv);
		const plain = crypto.randomBytes(1 << 20);
		const sealed = Buffer.concat([cipher.update(plain),
			cipher.final()]);
		const open = crypto.createDecipheriv('aes-256-gcm', key, iv);
		open.setAuthTag(cipher.getAuthTag());
		assert.ok(Buffer.concat([open.update(sealed), open.final()])
			.equals(plain));
		const derived = await Promise.all([1, 2, 3, 4, 5, 6].map(() =>
			util.promisify(crypto.scrypt)('secret', 'salt', 32)));
		for (const d of derived)
			assert.ok(d.equals(derived[0]));
		const pair = await util.promisify(crypto.generateKeyPair)('ec',
			{namedCurve: 'prime256v1'});
		const signature = crypto.sign('sha256', plain, pair.privateKey);
		assert.ok(crypto.verify('sha256', plain, pair.publicKey,
			signature));
	},

	async 'compression there and back'() {
		const text = Buffer.from('all work and no play '.repeat(50000));
		const packed = await util.promisify(zlib.gzip)(text);
		assert.ok(packed.length < 10000);
		assert.ok((await util.promisify(zlib.gunzip)(packed))
			.equals(text));
		assert.ok(zlib.brotliDecompressSync(zlib.brotliCompressSync(text))
			.equals(text));
	},

	async 'child processes: output, status, signals'() {
		const exec = util.promisify(child_process.execFile);
		const {stdout} = await exec(process.execPath,
			['-e', 'console.log(6 * 7)']);
		assert.strictEqual(stdout, '42\n');
		const shell = await util.promisify(child_process.exec)(
			'echo $((1 + 2)) | cat; echo err >&2');
		assert.strictEqual(shell.stdout, '3\n');
		assert.strictEqual(shell.stderr, 'err\n');
		const status = child_process.spawnSync('sh', ['-c', 'exit 3']);
		assert.strictEqual(status.status, 3);
		const none = child_process.spawnSync('/no/such/program');
		assert.strictEqual(none.error.code, 'ENOENT');
		const cat = child_process.spawn('cat');
		const data = crypto.randomBytes(300000);
		const parts = [];
		cat.stdout.on('data', (part) => parts.push(part));
		cat.stdin.end(data);
		await new Promise((resolve) => cat.on('close', resolve));
		assert.ok(Buffer.concat(parts).equals(data));
		const long = child_process.spawn('sleep', ['100']);
		long.kill('SIGTERM');
		const [code, signal] = await new Promise((resolve) =>
			long.on('exit', (c, s) => resolve([c, s])));
		assert.strictEqual(code, null);
		assert.strictEqual(signal, 'SIGTERM');
	},

	async 'fork with a message channel'() {
		const child = child_process.fork(__filename, ['child']);
		const answer = new Promise((resolve) =>
			child.on('message', resolve));
		child.send({n: 20});
		assert.deepStrictEqual(await answer, {fibonacci: 6765});
		const code = await new Promise((resolve) =>
			child.on('exit', resolve));
		assert.strictEqual(code, 0);
	},

	async 'eight workers and shared memory'() {
		const shared = new SharedArrayBuffer(8);
		const view = new Int32Array(shared);
		const results = await Promise.all(Array.from({length: 8}, () =>
			work({shared, rounds: 10000})));
		for (const [, value] of results)
			assert.strictEqual(value, 10946);
		assert.strictEqual(Atomics.load(view, 0), 80000);
		await Promise.all(results.map(([worker]) => worker.terminate()));
	},

	async 'a worker that waits is woken'() {
		const shared = new SharedArrayBuffer(8);
		const view = new Int32Array(shared);
		const waiting = work({shared, wait: true});
		while (Atomics.load(view, 1) === 0)
			await new Promise((resolve) => setImmediate(resolve));
		Atomics.store(view, 0, 1);
		Atomics.notify(view, 0);
		const [worker, value] = await waiting;
		assert.ok(value === 'ok' || value === 'not-equal');
		await worker.terminate();
	},

	async 'fifteen workers one after the other'() {
		for (let i = 0; i < 15; i++) {
			const [worker, value] = await work({});
			assert.strictEqual(value, 10946);
			await worker.terminate();
		}
	},

	async 'three hundred requests over loopback'() {
		const server = http.createServer(handler);
		await new Promise((resolve) =>
			server.listen(0, '127.0.0.1', resolve));
		const {port} = server.address();
		const agent = new http.Agent({keepAlive: true, maxSockets: 20});
		const body = Buffer.alloc(20000, 'y');
		const sum = crypto.createHash('sha256').update(body)
			.digest('hex');
		await Promise.all(Array.from({length: 300}, async (_, i) => {
			const text = await fetch({port, host: '127.0.0.1', agent,
				method: 'POST', path: `/${i}`}, body);
			assert.deepStrictEqual(JSON.parse(text),
				{url: `/${i}`, bytes: 20000, sha256: sum});
		}));
		agent.destroy();
		await new Promise((resolve) => server.close(resolve));
		await assert.rejects(fetch({port, host: '127.0.0.1'}),
			{code: 'ECONNREFUSED'});
	},

	async 'a Unix socket'() {
		const name = path.join(os.tmpdir(), `node-${process.pid}.sock`);
		const server = net.createServer((socket) => socket.pipe(socket));
		await new Promise((resolve) => server.listen(name, resolve));
		const client = net.connect(name);
		client.end('over and out');
		let text = '';
		for await (const part of client)
			text += part;
		assert.strictEqual(text, 'over and out');
		await new Promise((resolve) => server.close(resolve));
	},

	async 'datagrams and names'() {
		const dgram = require('dgram');
		const a = dgram.createSocket('udp4');
		const b = dgram.createSocket('udp4');
		await new Promise((resolve) => a.bind(0, '127.0.0.1', resolve));
		const got = new Promise((resolve) => a.on('message', resolve));
		b.send('datagram', a.address().port, '127.0.0.1');
		assert.strictEqual((await got).toString(), 'datagram');
		a.close();
		b.close();
		const {address} = await require('dns').promises
			.lookup('localhost', {family: 4});
		assert.strictEqual(address, '127.0.0.1');
	},

	async 'signals to itself'() {
		const got = new Promise((resolve) =>
			process.once('SIGUSR2', resolve));
		const alive = setInterval(() => {}, 1000);
		process.kill(process.pid, 'SIGUSR2');
		assert.strictEqual(await got, 'SIGUSR2');
		clearInterval(alive);
	},

	async 'what the system is'() {
		assert.ok(os.cpus().length > 0);
		assert.ok(os.totalmem() > 0);
		assert.ok(os.freemem() > 0);
		assert.strictEqual(os.loadavg().length, 3);
		assert.ok(os.networkInterfaces().lo);
		assert.strictEqual(os.type(), 'Linux');
		assert.ok(process.resourceUsage().userCPUTime > 0);
		assert.ok(process.memoryUsage.rss() > 1 << 20);
		assert.ok(os.userInfo().username.length > 0);
	},
};

async function selftest() {
	let number = 0;
	let failed = 0;
	const pattern = process.argv[3] || '';
	for (const [name, test] of Object.entries(tests)) {
		if (!name.includes(pattern))
			continue;
		number++;
		try {
			await test();
			console.log(`ok ${number} - ${name}`);
		} catch (error) {
			failed++;
			console.log(`not ok ${number} - ${name}`);
			console.log(util.inspect(error).replace(/^/gm, '# '));
		}
	}
	console.log(`1..${number}`);
	process.exitCode = failed ? 1 : 0;
}

function worker() {
	const view = workerData.shared && new Int32Array(workerData.shared);
	if (workerData.wait) {
		Atomics.store(view, 1, 1);
		parentPort.postMessage(Atomics.wait(view, 0, 0));
		return;
	}
	for (let i = 0; i < workerData.rounds; i++)
		Atomics.add(view, 0, 1);
	parentPort.postMessage(fibonacci(21));
}

if (!isMainThread) {
	worker();
} else if (process.argv[2] === 'child') {
	process.once('message', ({n}) => {
		process.send({fibonacci: fibonacci(n)},
			() => process.disconnect());
	});
} else if (process.argv[2] === '-selftest') {
	selftest();
} else {
	http.createServer(handler).listen(Number(process.argv[2]),
		() => console.log('listening'));
}
