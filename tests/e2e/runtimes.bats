#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Language runtimes with compilers, threads and collectors of their own: Debian's
# Node.js, a Go server, static programs, and an inference server. What can run
# on the host too must print the same there.

bats_require_minimum_version 1.5.0

load ports

setup_file() {
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	local top=$BATS_TEST_DIRNAME/../..
	timeout 500 "$BATS_TEST_DIRNAME/images" "$JIFFY"
	timeout 60 "$JIFFY" build -q -t guest \
		"dir:${JIFFY_BUILD:-$top/build}/guest-root"
}

setup() {
	JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	GUEST_ROOT=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/guest-root
	NAME=runtimes-$BATS_TEST_NUMBER-$$
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	"$JIFFY" rm -f "$NAME" >/dev/null 2>&1 || true
}

# serve GUEST_PORT IMAGE COMMAND...: run it detached with the port published;
# sets URL once the port answers.
serve() {
	local guest=$1 port
	shift
	port=$(free_port)
	URL=http://127.0.0.1:$port
	timeout 60 "$JIFFY" run -d --name "$NAME" -p "127.0.0.1:$port:$guest" \
		"$@" >/dev/null
	fetch "$URL/health" >/dev/null || {
		"$JIFFY" logs "$NAME"
		return 1
	}
}

fetch() {
	curl -sS --max-time 20 --retry 30 --retry-delay 1 --retry-connrefused \
		"$@"
}

# load [OPTIONS] URL: a few thousand requests on 50 connections, none may fail.
load() {
	run timeout 60 wrk -t2 -c50 -d3 "$@"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"Requests/sec"* ]]
	[[ "$output" != *"Socket errors"* ]]
	[[ "$output" != *"Non-2xx"* ]]
}

# TAP of the host in the file host, of the instance in the file guest.
assert_same_tap() {
	diff host guest
	[ "$(grep -c '^ok' guest)" -ge "$1" ]
	run ! grep '^not ok' guest
}

@test "node: compiler, workers, children, files, crypto as on the host" {
	timeout 200 node "$BATS_TEST_DIRNAME/../guest/node.js" -selftest >host
	timeout 200 "$JIFFY" run --rm runtimes node /tests/node.js -selftest \
		>guest
	assert_same_tap 18
}

@test "node: standard input, output and status" {
	run --separate-stderr timeout 60 "$JIFFY" run --rm -i runtimes node - \
		a b <<<'console.log(process.argv.slice(2).join());
			console.error("err"); process.exitCode = 9;'
	[ "$status" -eq 9 ]
	[ "$output" = "a,b" ]
	[ "$stderr" = err ]
	# an exception that nobody catches, and a crash on purpose
	run timeout 60 "$JIFFY" run --rm runtimes node -e 'throw Error("oops")'
	[ "$status" -eq 1 ]
	[[ "$output" == *"Error: oops"* ]]
	run timeout 60 "$JIFFY" run --rm runtimes node -e 'process.abort()'
	[ "$status" -eq 134 ]
}

@test "node: a server on a published port" {
	local body="some bytes"
	serve 8080 runtimes node /tests/node.js 8080
	run fetch -d "$body" "$URL/echo"
	[ "$output" = "{\"url\":\"/echo\",\"bytes\":10,\"sha256\":\"$(
		printf %s "$body" | sha256sum | cut -d' ' -f1)\"}" ]
	head -c 3000000 /dev/urandom >big
	run fetch --data-binary @big "$URL/big"
	[[ "$output" == *'"bytes":3000000,"sha256":"'"$(
		sha256sum <big | cut -d' ' -f1)"'"'* ]]
	load "$URL/"
	fetch "$URL/exit"
	timeout 20 "$JIFFY" logs -f "$NAME"
	run "$JIFFY" ps -a
	[[ "$output" == *"$NAME"*"exited (0)"* ]]
}

@test "go: goroutines, preemption, network, children as on the host" {
	timeout 60 "$GUEST_ROOT/tests/hello_go.go" -selftest >host
	timeout 60 "$JIFFY" run --rm guest /tests/hello_go.go -selftest >guest
	assert_same_tap 20
}

@test "go: a server on a published port under load" {
	serve 80 guest /tests/hello_go.go 80
	[ "$(fetch "$URL/")" = "hello from go" ]
	load "$URL/"
	[ "$(fetch "$URL/")" = "hello from go" ]
	timeout 20 "$JIFFY" stop "$NAME"
}

@test "static programs: glibc, musl, no libc at all, not relocatable" {
	local name
	for name in hello.static hello.musl hello_asm hello_nonpie.nonpie; do
		timeout 20 "$GUEST_ROOT/tests/$name" >host
		timeout 20 "$JIFFY" run --rm guest "/tests/$name" >guest
		diff host guest
	done
}

vector_flags() {
	grep -m1 ^flags | grep -owE 'avx|avx2|fma|f16c|avx512(f|bw|dq|vl)'
}

@test "inference: predictions equal the host's under concurrent requests" {
	local app=$JIFFY_HOME/tests/inference
	node "$BATS_TEST_DIRNAME/predict.js" make >request
	timeout 60 node "$app/server.js" --once request >answer
	[ "$(jq '.predictions | length' answer)" -eq 8 ]
	[ "$(jq '.predictions[3].probabilities | add * 1000 | round' answer)" \
		-eq 1000 ]
	serve 8080 -e THREADS=4 runtimes node /srv/inference/server.js
	timeout 60 node "$BATS_TEST_DIRNAME/predict.js" "$URL/predict" request \
		answer
	run fetch "$URL/health"
	echo "$output"
	[ "$(jq .served <<<"$output")" -eq 200 ]
	# node's own threads, and three more of the session
	[ "$(jq .tasks <<<"$output")" -ge 10 ]
	# the vector instructions that the library chooses by
	[ "$(timeout 20 "$JIFFY" run --rm runtimes cat /proc/cpuinfo |
		vector_flags)" = "$(vector_flags </proc/cpuinfo)" ]
	[ "$(fetch -o /dev/null -w '%{http_code}' -d nonsense \
		"$URL/predict")" = 400 ]
	timeout 20 "$JIFFY" stop "$NAME"
	run "$JIFFY" ps -a
	[[ "$output" == *"$NAME"*"exited (0)"* ]]
}

@test "threads that end leave no host threads behind" {
	run timeout 60 "$JIFFY" run --rm runtimes node -e '
		const {Worker} = require("worker_threads");
		const fs = require("fs");
		const tasks = () => fs.readdirSync("/proc/self/task").length;
		const before = tasks();
		let left = 30;
		// A thread is joined when its memory says so, and leaves after.
		function gone() {
			if (tasks() === before)
				console.log("gone");
			else
				setImmediate(gone);
		}
		function next() {
			if (left-- === 0)
				gone();
			else
				new Worker("0", {eval: true}).on("exit", next);
		}
		next();'
	[ "$output" = gone ]
}

# What instances leave outside of JIFFY_HOME, and in it.
traces() {
	pgrep -fc "$JIFFY_BUILD/jiffy-[m]onitor" || true
	ls /dev/shm
	find "$JIFFY_HOME" -path "$JIFFY_HOME/cache" -prune -o -print | sort
	wc -l </proc/self/mounts
}

@test "two hundred runs leave nothing behind" {
	local i
	timeout 20 "$JIFFY" run --rm guest /tests/hello
	traces >before
	for i in $(seq 200); do
		timeout 20 "$JIFFY" run --rm guest /tests/hello >out
		[ "$(cat out)" = hello ]
	done
	traces >after
	diff before after
}
