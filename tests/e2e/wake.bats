#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The path of a wake: a request on a port of a suspended instance has it go on,
# once, by whatever way is there.

bats_require_minimum_version 1.5.0

load ports

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	local root=$BATS_FILE_TMPDIR/root
	mkdir -p "$JIFFY_HOME" "$root/bin" "$root/tmp"
	"${CC:-cc}" -O2 -Wall -static -o "$root/bin/server" \
		"$BATS_TEST_DIRNAME/../../bench/wake.c"
	"${CC:-cc}" -O2 -Wall -static -o "$root/bin/again" \
		"$BATS_TEST_DIRNAME/again.c"
	"$JIFFY" build -q -t wake "dir:$root" >/dev/null
}

setup() {
	PATH=$PATH:/usr/sbin:/sbin
	cd "$BATS_TEST_TMPDIR"
	name=w$BATS_TEST_NUMBER
	port=$(free_port)
}

teardown() {
	"$JIFFY" rm -f "$name" >/dev/null || true
}

# ask: the answer of the instance's server.
ask() {
	curl -s --max-time 20 --retry 100 --retry-delay 0 \
		--retry-max-time 20 --retry-all-errors "http://127.0.0.1:$port/"
}

# serve [OPTION...]: run the server, until it answers.
serve() {
	"$JIFFY" run -d --name "$name" -p "127.0.0.1:$port:80" "$@" wake \
		/bin/server >/dev/null
	[ "$(ask)" = hello ]
}

@test "--stats has the steps of the last wake, each after the one it needs" {
	serve --stats="$PWD/stats"
	"$JIFFY" suspend "$name"
	jq -e '.startup.total_us > 0 and .wake == null' stats
	[ "$(ask)" = hello ]
	"$JIFFY" suspend "$name"
	jq . stats
	jq -e '.startup == null and (.wake | .read_us > .monitor_us and
		.copied_us > .read_us and .kernel_us > .spawn_us and
		.mapped_us > .kernel_us and .mapped_us > .copied_us and .processes_us > .mapped_us and
		.threads_us > .mapped_us and .first_us > .mapped_us)' stats
}

# spares: the process numbers of the two monitors that wait in this store, once
# they are there.
spares() {
	local pid found end=$((SECONDS + 20))
	while [ $SECONDS -lt $end ]; do
		found=()
		for pid in $(pgrep -f '^jiffy-monitor --wait'); do
			[ "$(readlink "/proc/$pid/cwd")" = "$JIFFY_HOME" ] &&
				grep -q '^47 ' "/proc/$pid/syscall" &&
				found+=("$pid")
		done
		[ ${#found[@]} -eq 2 ] && echo "${found[@]}" && return
	done
	return 1
}

# was_by PID...: one of them was the monitor of the instance, when that was
# suspended.
was_by() {
	grep -E "\"pid\":(${*// /|})," "$JIFFY_HOME/instances/$name/state.json"
}

@test "a spare monitor wakes; without one the command does" {
	serve
	for _ in 1 2 3; do
		"$JIFFY" suspend "$name"
		waiting=$(spares)
		[ "$(ask)" = hello ]
		"$JIFFY" suspend "$name"
		was_by "$waiting"
		waiting=$(spares)
		# shellcheck disable=SC2086 # two
		kill -KILL $waiting
		[ "$(ask)" = hello ]
		"$JIFFY" suspend "$name"
		run ! was_by "$waiting"
		"$JIFFY" resume "$name"
	done
}

@test "a wake that fails: its reason is in the log, the sockets are closed" {
	serve
	"$JIFFY" suspend "$name"
	spares >/dev/null
	cp "$JIFFY_HOME/instances/$name/checkpoint" good
	truncate -s 5000 "$JIFFY_HOME/instances/$name/checkpoint"
	run curl -s --max-time 20 "http://127.0.0.1:$port/"
	[ "$status" -ne 0 ]
	run -7 curl -s --max-time 20 "http://127.0.0.1:$port/" # nobody listens
	[ "$("$JIFFY" logs "$name" 2>&1 | grep -c '^jiffy: resume: checkpoint')" \
		-eq 1 ]
	cp good "$JIFFY_HOME/instances/$name/checkpoint"
	"$JIFFY" resume "$name"
	[ "$(ask)" = hello ]
}

@test "the seventieth wake is as good as the first" {
	"$JIFFY" run -d --name "$name" wake /bin/again >/dev/null
	timeout 20 sh -c "until $JIFFY logs $name | grep -q made; do :; done"
	for i in $(seq 70); do
		"$JIFFY" suspend "$name" >/dev/null
		"$JIFFY" resume "$name" >/dev/null
		timeout 20 sh -c "until $JIFFY logs $name | grep -q 'woken $i\$'
			do $JIFFY ps | grep -q $name || exit; done"
	done
}
