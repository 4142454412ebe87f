#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Instances that fall asleep by themselves, are woken by who asks for them, and
# are not put to sleep while they are at work (scale.py).

bats_require_minimum_version 1.5.0

setup_file() {
	export JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	mkdir -p "$JIFFY_HOME"
	timeout 500 "$BATS_TEST_DIRNAME/images" "$JIFFY"
}

scale() {
	timeout 100 "$BATS_TEST_DIRNAME/scale.py" "$JIFFY" "$1"
}

@test "nginx sleeps by itself; open connections outlive it under idle" {
	scale nginx
}

@test "a request in flight, the counter and computing keep it awake" {
	scale server
}

@test "stateful=no: stopped, its ports held, booted by who comes next" {
	scale stateless
}

@test "a program is told before it sleeps and after it was woken" {
	scale notify
}

@test "requests that come when it falls asleep are answered" {
	scale races
}

@test "postgres: idle sessions sleep; queries and transactions do not" {
	scale postgres
}

@test "policies that make no sense are refused, and say why" {
	while IFS='|' read -r options reason; do
		# shellcheck disable=SC2086
		run -125 timeout 10 "$JIFFY" run $options sleepers true
		echo "$output"
		[[ "$output" == *"$reason"* ]]
	done <<-'END'
		-p 1:1 --scale-to-zero on|needs --detach
		-d --scale-to-zero idle|needs a published port
		-d -p 1:1 --scale-to-zero often|'often' is not off, on or idle
		-d -p 1:1 --scale-to-zero on,notify=1000|not below the cool-down
		-d -p 1:1 --scale-to-zero on,cooldown=0|cooldown
		-d -p 1:1 --scale-to-zero cooldown=5|no policy
		-d -p 1:1 --scale-to-zero on,when=never|'when' is not known
		-d -p 1:1 --scale-to-zero on,stateful=perhaps|not yes or no
	END
	run -125 "$JIFFY" events nobody
	[[ "$output" == *"no instance"* ]]
}
