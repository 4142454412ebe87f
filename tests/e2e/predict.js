// SPDX-License-Identifier: Apache-2.0

// predict.js make: print a request. predict.js URL REQUEST ANSWER: send that
// request 200 times, 16 at once, and compare each reply with ANSWER, byte by
// byte: the same library on the same processor computes the same numbers.
'use strict';

const fs = require('fs');
const http = require('http');

const TOTAL = 200;
const AT_ONCE = 16;

function make() {
	let seed = 12345;
	const next = () => {
		seed = (seed * 1103515245 + 12345) % 2147483648;
		return seed % 1000 / 1000;
	};
	const images = Array.from({length: 8}, () =>
		Array.from({length: 784}, next));
	console.log(JSON.stringify({images}));
}

function post(url, agent, body) {
	return new Promise((resolve, reject) => {
		const request = http.request(url, {method: 'POST', agent},
			(response) => {
				let text = '';
				response.on('data', (part) => { text += part; });
				response.on('end', () => resolve(text));
			});
		request.on('error', reject);
		request.end(body);
	});
}

async function compare(url, body, answer) {
	const agent = new http.Agent({keepAlive: true, maxSockets: AT_ONCE});
	const replies = await Promise.all(Array.from({length: TOTAL}, () =>
		post(url, agent, body)));
	agent.destroy();
	const wrong = replies.filter((reply) => reply !== answer);
	if (wrong.length) {
		console.log(`${wrong.length} of ${TOTAL} differ: ${wrong[0]}`);
		process.exit(1);
	}
	console.log(`${TOTAL} equal`);
}

if (process.argv[2] === 'make')
	make();
else
	compare(process.argv[2], fs.readFileSync(process.argv[3], 'utf8'),
		fs.readFileSync(process.argv[4], 'utf8'));
