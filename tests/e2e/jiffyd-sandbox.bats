#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jiffyd's API for sandboxes: commands with their output as it comes, files,
# forks; whose they are and what they may cost.

bats_require_minimum_version 1.5.0

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	JIFFY_BUILD=$(realpath "$JIFFY_BUILD")
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home
	local root=$BATS_FILE_TMPDIR/root applet
	mkdir -p "$root/bin" "$root/tmp" "$JIFFY_HOME"
	cp -L /bin/busybox "$root/bin/busybox"
	for applet in sh echo sleep cat true env yes head id; do
		ln -s busybox "$root/bin/$applet"
	done
	"$JIFFY" build -q -t box "dir:$root" >/dev/null
}

setup() {
	load jiffyd.bash
	cd "$BATS_TEST_TMPDIR"
	api_port=$(free_tcp_port)
	daemon_start
	expect 200 '.status == "success"' POST /instances '{"image":"box",
		"name":"a","memory_mb":64,"args":["sleep","1000"],
		"autostart":true}'
	box=/instances/$(jq -r '.data.instances[0].uuid' answer)
}

teardown() {
	daemon_kill
	local name
	for name in $(ls "$JIFFY_HOME/instances"); do
		"$JIFFY" rm -f "$name"
	done
	rm -f "$JIFFY_HOME"/jiffyd.*
}

# lines BODY JQ: what a command says, as one array, has this true.
lines() {
	call POST "$box/exec" "$1" >/dev/null
	head -c 1000 answer
	jq -es "$2" answer >/dev/null
}

@test "commands: output, input, exit status, time limit, asleep" {
	lines '{"args":["sh","-c","echo out; cat; echo bad >&2; exit 3"],
		"input":"gr\u00fc\u00dfe"}' \
		'[.[].stdout // ""] | add == "out\ngrüße"'
	jq -es '([.[].stderr // ""] | add) == "bad\n" and
		last == {"exit_code":3}' answer
	lines '{"args":["cat"],"input_base64":"/wD+"}' \
		'. == [{"stdout_base64":"/wD+"},{"exit_code":0}]'
	lines '{"args":["sh","-c","echo $X; id -u; echo $PWD"],
		"env":{"X":"a=b"},"user":"7","cwd":"/tmp"}' \
		'[.[].stdout // ""] | add == "a=b\n7\n/tmp\n"'
	lines '{"args":["nope"]}' '.[0] | .exit_code == 127 and
		(.reason | test("nope"))'
	lines '{"args":["sleep","1000"],"timeout_ms":50}' \
		'.[0].exit_code == 124'
	# More than anybody keeps, without a character cut in two.
	lines '{"args":["sh","-c","yes \u00fc\u20ac | head -c 3000000"]}' \
		'([.[].stdout // ""] | add | length) == 1500000 and
		last.exit_code == 0'
	expect 200 '.data.instances[0].pid > 1' POST "$box/exec" \
		'{"args":["sleep","1000"],"detach":true}'
	expect 200 '.status == "success"' PUT "$box/suspend"
	lines '{"args":["echo","woken"]}' '.[0].stdout == "woken\n"'
	expect 200 '.data.instances[0].error == 17' POST "$box/exec" \
		'{"args":["cat"],"input":"a","input_base64":"YQ=="}'
	expect 200 '.data.instances[0].error == 7' POST "$box/exec" \
		'{"args":["cat"],"input_base64":"YQ="}'
	expect 200 '.data.instances[0].error == 7' POST "$box/exec" '{"args":[]}'
	expect 400 '.status == "error"' POST "$box/exec" '{"args":"true"}'
	expect 200 '.status == "success"' PUT "$box/stop" '{"force":true}'
	expect 200 '.data.instances[0].error == 11' POST "$box/exec" \
		'{"args":["true"]}'
}

@test "output comes as it is written; who hangs up ends the command" {
	timeout 60 python3 - "$api" "$box" <<-'PYTHON'
		import json, sys, http.client
		from urllib.parse import urlparse
		api, box = sys.argv[1:]
		url = urlparse(api)
		def run(args):
		    c = http.client.HTTPConnection(url.netloc, timeout=20)
		    c.request("POST", url.path + box + "/exec",
		              json.dumps({"args": args}),
		              {"Authorization": "Bearer secret"})
		    return c, c.getresponse()
		c, r = run(["sh", "-c", "echo now; exec sleep 1000"])
		assert json.loads(r.readline()) == {"stdout": "now\n"}
		sock = c.sock
		# many at once, on no thread of the daemon's
		many = [run(["sh", "-c", f"echo {i}; exec sleep 1000"])
		        for i in range(40)]
		for i, (_, m) in enumerate(many):
		    assert json.loads(m.readline()) == {"stdout": f"{i}\n"}
		for other, m in many + [(c, r)]:
		    m.close()
		    other.close()
		while True:                     # they end with their clients
		    c, r = run(["sh", "-c", "for p in /proc/[0-9]*; do "
		                "read -r n <$p/comm; echo $n; done"])
		    text = "".join(json.loads(l).get("stdout", "") for l in r)
		    if text.count("sleep\n") == 1:
		        break
	PYTHON
	# An instance that ends is told.
	call POST "$box/exec" '{"args":["sleep","1000"]}' >told &
	timeout 20 sh -c "until '$JIFFY' exec a sh -c \
		'cat /proc/[0-9]*/comm' | grep -c sleep | grep -qx 2; do :; done"
	"$JIFFY" kill a
	wait $!
	jq -e '.exit_code == 137' told
}

@test "files: written, read, listed, removed; forks have them" {
	head -c 3000000 /dev/urandom >big
	run -0 curl -s --max-time 20 -H 'Authorization: Bearer secret' \
		-T big "$api$box/files?path=/tmp/big&mode=640"
	[ "$(jq '.data.instances[0].size' <<<"$output")" = 3000000 ]
	curl -s --max-time 20 -H 'Authorization: Bearer secret' \
		"$api$box/files?path=/tmp/big" | cmp - big
	expect 200 '.status == "success"' POST "$box/files/mkdir?path=/tmp/d"
	expect 200 '[.data.instances[0].files[] | [.name, .type, .size]] |
		sort == [["big","file",3000000],["d","directory",0]] or
		(.[1][1] == "directory")' GET "$box/files/list?path=/tmp"
	jq -e '.data.instances[0].files[] | select(.name == "big") |
		.mode == 416' answer
	expect 200 '.data.instances[0].error == 8' GET "$box/files?path=/no"
	expect 200 '.data.instances[0].status == "error"' GET "$box/files?path=/"
	expect 200 '.data.instances[0].error == 7' GET "$box/files?path=tmp"
	expect 400 '.status == "error"' GET "$box/files"
	expect 200 '.data.instances[0].error == 7' \
		POST "$box/files/mkdir?path=/x&mode=9"
	# /proc has files without a length.
	call GET "$box/files?path=/proc/version" | grep -q Linux
	expect 200 '.status == "success"' PUT "$box/suspend"
	expect 200 '[.data.instances[].name] == ["f-1","f-2"] and
		(all(.data.instances[]; .state == "running"))' \
		POST "$box/fork" '{"count":2,"name":"f","tags":["t"]}'
	for name in f-1 f-2; do
		uuid=$(call GET "/instances?name=$name&tags=t" |
			jq -r '.data.instances[0].uuid')
		curl -s --max-time 20 -H 'Authorization: Bearer secret' \
			"$api/instances/$uuid/files?path=/tmp/big" | cmp - big
	done
	expect 200 '.data.instances | length == 0' GET /instances/templates
	[ -z "$("$JIFFY" snapshot ls | tail -n +2)" ]
	expect 200 '.status == "success"' DELETE "$box/files?path=/tmp/big"
	expect 200 '[.data.instances[0].files[].name] == ["d"]' \
		GET "$box/files/list?path=/tmp"
}

@test "others' instances are not to be had; quotas count forks" {
	expect 200 '.status == "success"' POST /users \
		'{"name":"eve","token":"0123456789abcdef","quotas":{"instances":2}}'
	token=0123456789abcdef
	expect 200 '.data.instances[0].error == 8' POST "$box/exec" \
		'{"args":["true"]}'
	expect 200 '.data.instances[0].error == 8' GET "$box/files?path=/tmp"
	expect 200 '.data.instances[0].error == 8' POST "$box/fork"
	token=wrong expect 401 '.status == "error"' POST "$box/exec" \
		'{"args":["true"]}'
	expect 200 '.status == "success"' POST /instances '{"image":"box",
		"name":"e","memory_mb":64,"args":["sleep","1000"],
		"autostart":true}'
	box=/instances/$(jq -r '.data.instances[0].uuid' answer)
	expect 200 '.status == "partial_success" and
		[.data.instances[].error] == [null, 19]' \
		POST "$box/fork" '{"count":3}'
	expect 200 '.data.instances | length == 2' GET /instances
}
