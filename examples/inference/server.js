// SPDX-License-Identifier: Apache-2.0

// An inference server: POST /predict with {"images": [[784 numbers], ...]}
// answers {"predictions": [{"label", "probabilities"}, ...]}; GET /health says
// what it runs on. `server.js --once FILE` answers one request on stdout.
'use strict';

const fs = require('fs');
const http = require('http');
const path = require('path');
const ort = require('onnxruntime-node');

const PORT = Number(process.env.PORT || 8080);
const THREADS = Number(process.env.THREADS || 2);
const MODEL = process.env.MODEL || path.join(__dirname, 'model.onnx');
const PIXELS = 28 * 28;
const LABELS = 10;
const BODY_MAX = 16 << 20;

let session;
let served = 0;

class BadRequest extends Error {}

function parse(text) {
	let images;
	try {
		({images} = JSON.parse(text));
	} catch (error) {
		throw new BadRequest(`not JSON: ${error.message}`);
	}
	if (!Array.isArray(images) || images.length === 0 ||
	    !images.every((i) => Array.isArray(i) && i.length === PIXELS &&
			  i.every(Number.isFinite)))
		throw new BadRequest(`images must be lists of ${PIXELS} numbers`);
	return images;
}

async function predict(images) {
	const data = new Float32Array(images.length * PIXELS);
	images.forEach((image, i) => data.set(image, i * PIXELS));
	const image = new ort.Tensor('float32', data,
		[images.length, 1, 28, 28]);
	const {probabilities} = await session.run({image});
	return images.map((_, i) => {
		const p = Array.from(probabilities.data
			.subarray(i * LABELS, (i + 1) * LABELS));
		return {label: p.indexOf(Math.max(...p)), probabilities: p};
	});
}

async function answer(text) {
	return {predictions: await predict(parse(text))};
}

async function read(request) {
	const parts = [];
	let size = 0;
	for await (const part of request) {
		size += part.length;
		if (size > BODY_MAX)
			throw new BadRequest('too large');
		parts.push(part);
	}
	return Buffer.concat(parts).toString();
}

function reply(response, status, body) {
	response.writeHead(status, {'content-type': 'application/json'});
	response.end(JSON.stringify(body) + '\n');
}

async function handle(request, response) {
	try {
		if (request.method === 'POST' && request.url === '/predict') {
			const body = await answer(await read(request));
			served++;
			reply(response, 200, body);
		} else if (request.method === 'GET' &&
			   request.url === '/health') {
			reply(response, 200, {served, threads: THREADS,
				tasks: fs.readdirSync('/proc/self/task').length,
				node: process.version});
		} else {
			reply(response, 404, {error: 'no such thing'});
		}
	} catch (error) {
		const status = error instanceof BadRequest ? 400 : 500;
		reply(response, status, {error: error.message});
	}
}

async function main() {
	session = await ort.InferenceSession.create(MODEL, {
		executionProviders: ['cpu'],
		intraOpNumThreads: THREADS,
		// threads that wait for work leave the processor to others
		extra: {session: {intra_op: {allow_spinning: '0'}}},
	});
	if (process.argv[2] === '--once') {
		const body = await answer(
			fs.readFileSync(process.argv[3], 'utf8'));
		console.log(JSON.stringify(body));
		return;
	}
	const server = http.createServer(handle);
	server.listen(PORT, () => console.log(`listening on port ${PORT}`));
	const stop = () => {
		server.close();
		server.closeAllConnections();
	};
	process.on('SIGTERM', stop);
	process.on('SIGINT', stop);
}

main().catch((error) => {
	console.error(error.message);
	process.exit(1);
});
