#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command line around the monitor, which tests/e2e/fake-monitor stands in
# for: specs, records, detaching, stopping, logs, exit statuses.

bats_require_minimum_version 1.5.0
load refuse

setup() {
	export JIFFY_HOME=$BATS_TEST_TMPDIR/home
	export JIFFY_LIBEXEC=$BATS_TEST_TMPDIR/libexec
	mkdir -p "$JIFFY_LIBEXEC" "$BATS_TEST_TMPDIR/root"
	ln -s "$BATS_TEST_DIRNAME/fake-monitor" "$JIFFY_LIBEXEC/jiffy-monitor"
	JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	cd "$BATS_TEST_TMPDIR"
	"$JIFFY" build -q -t t --cmd "exit 7" -e IMAGE=1 dir:root
}

teardown() {
	for name in $(ls "$JIFFY_HOME/instances"); do
		"$JIFFY" rm -f "$name" || true
	done
}

spec_of() {
	cat "$JIFFY_HOME/instances/$1/spec.json"
}

@test "run passes the exit status and keeps a record" {
	run "$JIFFY" run --name a t
	[ "$status" -eq 7 ]
	[ -z "$output" ]
	run "$JIFFY" ps
	[ "${#lines[@]}" -eq 1 ]
	run "$JIFFY" ps -a
	[[ "${lines[1]}" == a*"exited (7)"* ]]
	run "$JIFFY" ps -a -o json
	[[ "$output" == *'"exit_code": 7'* ]]
	"$JIFFY" rm a
	[ -z "$(ls -A "$JIFFY_HOME/instances")" ]
}

@test "run writes the spec that its options ask for" {
	run "$JIFFY" run --name s -p 127.0.0.1:8080:80 -p 53:53/udp -m 64M \
		--cpus 2 -u www-data -w /srv --hostname h -e A=b -e IMAGE=2 \
		--net none --platform process --trace --stats=out.json \
		t exit 0 --rm -x
	[ "$status" -eq 0 ]
	spec=$(spec_of s)
	echo "$spec"
	for part in '"memory_bytes":67108864' '"cpus":2' '"user":"www-data"' \
		'"cwd":"/srv"' '"hostname":"h"' '"A=b"' '"IMAGE=2"' \
		'"net":"none"' '"trace":"-"' "\"stats\":\"$PWD/out.json\"" \
		'"argv":["exit","0","--rm","-x"]' '"rm":false' '"stdin":true' \
		'{"ip":"127.0.0.1","host":8080,"guest":80,"proto":"tcp"}' \
		'{"ip":"0.0.0.0","host":53,"guest":53,"proto":"udp"}'; do
		[[ "$spec" == *"$part"* ]]
	done
	[[ "$spec" != *'"IMAGE=1"'* ]]
}

@test "variables come from files and from the caller" {
	printf '# comment\nF=1\nFROM_CALLER\n\nG=a b\r\n' >vars
	FROM_CALLER=yes "$JIFFY" run --name v --env-file vars -e UNSET_HERE t exit 0
	spec=$(spec_of v)
	for part in '"F=1"' '"FROM_CALLER=yes"' '"G=a b"'; do
		[[ "$spec" == *"$part"* ]]
	done
	[[ "$spec" != *UNSET_HERE* ]]
	echo =bad >vars
	refuse 125 "vars:1" "$JIFFY" run --env-file vars t
}

@test "a detached instance is started, listed, followed, stopped, removed" {
	run "$JIFFY" run -d --name web t serve
	[ "$status" -eq 0 ]
	[ "$output" = web ]
	run "$JIFFY" ps
	[[ "${lines[1]}" == web*running* ]]
	run "$JIFFY" inspect web
	[[ "$output" == *'"memory_bytes": 1'* ]]
	"$JIFFY" kill -s USR1 web
	run "$JIFFY" logs --tail 1 web
	[ "$output" = 'got {"op": "kill", "signal": 10}' ]
	refuse 125 "running" "$JIFFY" rm web
	refuse 125 "runs it" "$JIFFY" rmi t
	refuse 125 "taken by a running instance" "$JIFFY" run --name web t
	# following ends when the instance does
	"$JIFFY" logs -f web >followed &
	run "$JIFFY" stop -t 3 web
	[ "$status" -eq 0 ]
	wait $!
	[ "$(head -n 1 followed)" = serving ]
	[ "$(tail -n 1 followed)" = 'got {"op": "stop", "timeout_s": 3}' ]
	run "$JIFFY" ps -a
	[[ "${lines[1]}" == web*"exited (0)"* ]]
	refuse 125 "not running" "$JIFFY" stop web
	"$JIFFY" rm web
}

@test "rm -f ends an instance that does not stop" {
	"$JIFFY" run -d --name mule t stubborn
	refuse 125 "it will not" "$JIFFY" stop mule
	"$JIFFY" rm -f mule
	refuse 125 "no instance 'mule'" "$JIFFY" logs mule
}

@test "a monitor that vanished shows as crashed and can be removed" {
	"$JIFFY" run -d --name gone t vanish
	# the lock is free once the monitor is dead
	flock "$JIFFY_HOME/instances/gone/lock" true
	run "$JIFFY" ps -a
	[[ "${lines[1]}" == gone*crashed* ]]
	refuse 125 "not running" "$JIFFY" kill gone
	"$JIFFY" rm gone
}

@test "a start that fails says why and leaves nothing" {
	refuse 127 "run: /x: not found" "$JIFFY" run -d t fail "/x: not found"
	[ -z "$(ls -A "$JIFFY_HOME/instances")" ]
	rm "$JIFFY_LIBEXEC/jiffy-monitor"
	echo '#!/no/such/interpreter' >"$JIFFY_LIBEXEC/jiffy-monitor"
	refuse 125 "jiffy-monitor" "$JIFFY" run t
	refuse 125 "jiffy-monitor" "$JIFFY" run -d t
	[ -z "$(ls -A "$JIFFY_HOME/instances")" ]
}

@test "run builds a source first" {
	run "$JIFFY" run --name src dir:root exit 3
	[ "$status" -eq 3 ]
	refuse 125 "dir:absent" "$JIFFY" run dir:absent
	refuse 125 "no default command" "$JIFFY" run dir:root
}

@test "bad options of run are refused before anything is made" {
	refuse 125 "no image 'nope'" "$JIFFY" run nope
	refuse 125 "--memory" "$JIFFY" run -m lots t
	refuse 125 "below 4M" "$JIFFY" run -m 1k t
	refuse 125 "--cpus" "$JIFFY" run --cpus 0 t
	refuse 125 "--publish" "$JIFFY" run -p 80 t
	refuse 125 "--name" "$JIFFY" run --name a/b t
	refuse 125 "--volume" "$JIFFY" run -v a t
	refuse 125 "not in this version" "$JIFFY" run --platform kvm t
	refuse 125 "perhaps '--detach'" "$JIFFY" run --detatch t
	[ -z "$(ls -A "$JIFFY_HOME/instances")" ]
}

@test "every command explains itself" {
	run "$JIFFY" help
	[ "$status" -eq 0 ]
	for name in $(sed -n 's/^COMMAND(\([a-z]*\),.*/\1/p' \
		"$BATS_TEST_DIRNAME/../../cli/commands.h"); do
		[[ "$output" == *"  $name "* ]]
		"$JIFFY" help "$name" | grep -q "^usage: jiffy $name"
		"$JIFFY" "$name" --help | grep -q "^usage: jiffy $name"
	done
	"$JIFFY" version | grep -q '^jiffy [0-9]'
}
