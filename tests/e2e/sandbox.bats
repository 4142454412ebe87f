#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jiffy sandbox, and jiffy top: what agents do with instances.

bats_require_minimum_version 1.5.0

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	local root=$BATS_FILE_TMPDIR/root applet
	mkdir -p "$JIFFY_HOME" "$root/bin" "$root/etc" "$root/tmp"
	cp -L /bin/busybox "$root/bin/busybox"
	for applet in cat echo ln ls mkdir sh sleep stat true yes; do
		ln -s busybox "$root/bin/$applet"
	done
	echo etc >"$root/etc/name"
	"$JIFFY" build -q -t sandbox "dir:$root" >/dev/null
	"$JIFFY" run -d --name seed sandbox sleep 100000
	"$JIFFY" snapshot -t agent seed >/dev/null
	"$JIFFY" rm -f seed >/dev/null
}

teardown_file() {
	"$JIFFY" snapshot rm agent >/dev/null || true
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	name=sb$BATS_TEST_NUMBER
}

teardown() {
	"$JIFFY" rm -f "$name" "$name-2" >/dev/null 2>&1 || true
}

s() {
	local verb=$1
	shift
	timeout 30 "$JIFFY" sandbox "$verb" "$@"
}

@test "the life of a sandbox" {
	run -0 s create --from agent --name "$name"
	[ "$output" = "$name" ]
	echo 'echo "from a file: $1"' | s write "$name" /tmp/script
	run -0 s exec "$name" sh /tmp/script arg
	[ "$output" = "from a file: arg" ]
	run -0 s read "$name" /tmp/script
	[ "$output" = 'echo "from a file: $1"' ]
	s pause "$name"
	run -0 s read "$name" /etc/name
	[ "$output" = etc ]
	copy=$(s fork "$name")
	s exec "$copy" sh -c 'echo theirs >/tmp/own'
	run -125 s read "$name" /tmp/own
	[[ "$output" == *"No such file"* ]]
	s kill "$copy" "$name"
	run -125 s exec "$name" true
	[[ "$output" == *"$name"* ]]
}

@test "files: binary, large, modes, listings, errors" {
	s create --name "$name" sandbox sleep 1000
	head -c 5000000 /dev/urandom >data
	s write "$name" /tmp/data <data
	s read "$name" /tmp/data | cmp - data
	s write -m 700 "$name" /tmp/run </dev/null
	s exec "$name" ln -s /etc/name /tmp/link
	s exec "$name" mkdir /tmp/dir
	run -0 s ls "$name" /tmp
	[[ "$output" == *file*0700*0*run* && "$output" == *link*link* ]]
	[[ "$output" == *directory*dir* && "$output" == *5000000*data* ]]
	s ls -o json "$name" /tmp | python3 -c '
import json, sys
files = {f["name"]: f for f in json.load(sys.stdin)}
assert sorted(files) == ["data", "dir", "link", "run"], files
assert files["data"]["size"] == 5000000
assert files["run"]["mode"] == 0o700 and files["dir"]["type"] == "directory"'
	run -0 s ls "$name"
	[[ "$output" == *tmp* ]]
	run -0 s read "$name" /tmp/link
	[ "$output" = etc ]
	run -125 s read "$name" /tmp
	[[ "$output" == *directory* ]]
	run -125 s read "$name" tmp/data
	run -125 s write "$name" /nowhere/at/all </dev/null
	run -125 s ls "$name" /tmp/data
	run -125 s read "$name" /dev/zero
	run -125 s nothing "$name"
	# More entries than an answer has room for.
	s exec "$name" sh -c 'mkdir /tmp/many; cd /tmp/many; i=0
		while [ $i -lt 3000 ]; do : >a-rather-long-name-of-a-file-$i
		i=$((i+1)); done'
	[ "$(s ls "$name" /tmp/many | wc -l)" = 3001 ]
}

@test "time-outs" {
	s create --name "$name" sandbox sleep 1000
	run -124 s exec --timeout 1 "$name" sh -c 'echo begun; sleep 1000'
	[[ "$output" == begun*"over 1 seconds"* ]]
	run -124 sh -c "$JIFFY sandbox exec --timeout 1 $name yes | tail -c 2 \
		>/dev/null; exit \${PIPESTATUS:-124}"
	run -0 s exec --timeout 20 "$name" echo soon
	[ "$output" = soon ]
	run -125 s exec --timeout 0 "$name" true
	s create --timeout 1 --name "$name-2" sandbox sleep 1000
	timeout 20 sh -c "while $JIFFY ps | grep -q '^$name-2 '; do :; done"
	run -0 "$JIFFY" inspect "$name-2"
	[[ "$output" == *"its time was over"* || "$output" == *137* ]]
}

@test "top" {
	s create --name "$name" sandbox sh -c '/bin/yes >/dev/null & exec sleep 1000'
	timeout 20 sh -c "until $JIFFY top $name | grep -q yes; do :; done"
	run -0 "$JIFFY" top "$name"
	[[ "${lines[0]}" == PID*COMMAND ]]
	[ "${#lines[@]}" = 3 ]
	"$JIFFY" top -o json "$name" | python3 -c '
import json, sys
p = {q["pid"]: q for q in json.load(sys.stdin)}
assert p[1]["command"] == "sleep 1000" and p[1]["ppid"] == 0, p
y = [q for q in p.values() if q["command"] == "/bin/yes"]
assert len(y) == 1 and y[0]["ppid"] == 1 and y[0]["rss_bytes"] > 0, p'
	"$JIFFY" suspend "$name"
	run -125 "$JIFFY" top "$name"
	[[ "$output" == *"is suspended"* ]]
}
