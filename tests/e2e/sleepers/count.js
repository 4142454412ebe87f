// SPDX-License-Identifier: Apache-2.0

// As count.py, by an event loop: closures, a worker that counts in shared
// memory, a timer that ticks, a pending promise for each connection.
'use strict';

const crypto = require('crypto');
const net = require('net');
const {Worker} = require('worker_threads');

const counter = `
const {parentPort} = require('worker_threads');
let total = 0;
parentPort.on('message', (id) => parentPort.postMessage([id, ++total]));
`;

const worker = new Worker(counter, {eval: true});
const waiting = new Map();
let ticks = 0;
let id = 0;

worker.on('message', ([which, total]) => {
	waiting.get(which)(total);
	waiting.delete(which);
});
setInterval(() => ticks++, 2);

function count() {
	return new Promise((resolve) => {
		waiting.set(++id, resolve);
		worker.postMessage(id);
	});
}

async function* lines(socket) {
	let text = '';
	for await (const part of socket) {
		text += part;
		for (let at; (at = text.indexOf('\n')) >= 0;) {
			yield text.slice(0, at);
			text = text.slice(at + 1);
		}
	}
}

async function serve(socket) {
	let own = 0;
	let digest = '';
	for await (const line of lines(socket)) {
		own++;
		digest = crypto.createHash('sha256').update(digest + line)
			.digest('hex');
		socket.write(`${own} ${await count()} ${ticks} ${digest}\n`);
	}
}

net.createServer((socket) => serve(socket).catch(() => {})).listen(8080);
