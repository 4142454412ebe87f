#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jiffyd: instances over the API, what is refused, and its own end.

bats_require_minimum_version 1.5.0

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	JIFFY_BUILD=$(realpath "$JIFFY_BUILD")
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home
	local root=$BATS_FILE_TMPDIR/root applet
	mkdir -p "$root/bin" "$root/tmp" "$root/www" "$JIFFY_HOME"
	echo a page >"$root/www/index.html"
	cp -L /bin/busybox "$root/bin/busybox"
	for applet in sh echo sleep cat httpd true false env; do
		ln -s busybox "$root/bin/$applet"
	done
	"$JIFFY" build -q -t box "dir:$root" >/dev/null
}

setup() {
	load jiffyd.bash
	cd "$BATS_TEST_TMPDIR"
	api_port=$(free_tcp_port)
	daemon_start
}

teardown() {
	daemon_kill
	local name
	for name in $(ls "$JIFFY_HOME/instances"); do
		"$JIFFY" rm -f "$name"
	done
	rm -f "$JIFFY_HOME"/jiffyd.*
}

up='"image":"box","args":["sh","-c","echo up $WHO; exec sleep 1000"]'

@test "an instance is made, read, started, slept, stopped and removed" {
	expect 200 '.status == "success" and .op_time_us > 0 and
		.data.instances[0].state == "stopped"' \
		POST /instances "{$up,\"name\":\"a\",\"env\":{\"WHO\":\"me=1\"},
		\"memory_mb\":32,\"tags\":[\"x\",\"y\"]}"
	uuid=$(jq -r '.data.instances[0].uuid' "$BATS_TEST_TMPDIR/answer")
	expect 200 '.data.instances | length == 1' GET /instances
	expect 200 '.data.instances[0].name == "a"' GET "/instances/$uuid"
	expect 200 '.data.instances | length == 1' GET '/instances?tags=y,x'
	expect 200 '.data.instances | length == 0' GET '/instances?tags=y,z'
	expect 200 '.data.instances[0] | .state == "running" and
		.previous_state == "stopped"' PUT "/instances/$uuid/start"
	expect 200 '.data.instances[0].error == 11' PUT /instances/start \
		'[{"name":"a"}]'
	timeout 20 sh -c "until '$JIFFY' logs a | grep -q up; do :; done"
	expect 200 '(.data.instances[0].output | @base64d) == "up me=1\n"' \
		GET "/instances/$uuid/log"
	expect 200 '(.data.instances[0].output | @base64d) == "me"' \
		GET "/instances/log?name=a&offset=-5&limit=2"
	expect 200 '.data.instances[0].state == "standby"' \
		PUT /instances/suspend '[{"name":"a"}]'
	run -0 "$JIFFY" ps
	[[ "$output" == *a*suspended* ]]
	expect 200 '.data.instances[0].previous_state == "standby"' \
		PUT "/instances/$uuid/start" '{}'
	expect 200 '.data.instances[0].state == "stopped"' \
		PUT "/instances/$uuid/stop" '{"force":true}'
	expect 200 '.data.instances[0].stop_reason == 28' GET "/instances/$uuid"
	expect 200 '.data.instances[0].previous_state == "stopped"' \
		DELETE "/instances/$uuid"
	expect 200 '.data.instances | length == 0' GET /instances
	[ -z "$(ls -A "$JIFFY_HOME/instances")" ]
}

@test "a wait ends when somebody else changes the instance, or in time" {
	expect 200 '.status == "success"' POST /instances "{$up,\"name\":\"w\"}"
	"$JIFFY" start w &
	expect 200 '.data.instances[0].state == "running"' \
		GET '/instances/wait?name=w&state=running&timeout_s=30'
	wait $!
	"$JIFFY" kill w &
	expect 200 '.data.instances[0].state == "stopped"' \
		GET '/instances/wait?name=w&state=stopped&timeout_s=30'
	expect 200 '.status == "error" and .data.instances[0].error == 12' \
		GET '/instances/wait?name=w&state=running&timeout_ms=50'
}

@test "lists have pages; items that fail do not stop others" {
	for i in 1 2 3 4 5; do
		expect 200 '.status == "success"' POST /instances \
			"{$up,\"name\":\"p$i\"}"
	done
	expect 200 '[.data.instances[].name] == ["p1", "p2"]' \
		GET '/instances?count=2'
	last=$(jq -r '.data.instances[1].uuid' "$BATS_TEST_TMPDIR/answer")
	expect 200 '[.data.instances[].name] == ["p3", "p4", "p5"]' \
		GET "/instances?count=9&from=$last"
	expect 200 '[.data.instances[].name] == ["p1"]' \
		GET "/instances?order=desc&from=$last"
	expect 200 '.status == "partial_success" and
		[.data.instances[].error] == [null, 8, null]' \
		DELETE /instances '[{"name":"p1"},{"name":"no"},{"name":"p2"}]'
	expect 200 '.status == "error" and .data.instances[0].error == 23' \
		POST /instances "{$up,\"name\":\"p3\"}"
	expect 200 '.data.instances | length == 3' GET /instances
}

@test "what is refused changes nothing" {
	expect 200 '.status == "success"' POST /instances "{$up,\"name\":\"k\"}"
	call GET /instances >before
	token=wrong expect 401 '.status == "error" and .errors[0].status == 401' \
		DELETE /instances '[{"name":"k"}]'
	expect 404 '.status == "error"' GET /nothing
	expect 405 '.status == "error"' DELETE /healthz
	expect 405 '.status == "error"' GET /instances/start
	expect 400 '.message == "Unknown member '\''colour'\''"' \
		POST /instances '{"image":"box","colour":1}'
	expect 400 '.message | test("has type .integer., but expected .string")' \
		POST /instances '{"image":7}'
	expect 400 '.message | test("out of range")' \
		POST /instances '{"image":"box","memory_mb":-1}'
	expect 400 '.message | test("Malformed JSON")' POST /instances '{"image"'
	expect 400 '.message | test("nested too deep")' PATCH /instances \
		"{\"value\":$(head -c 2000 /dev/zero | tr '\0' '[')"
	expect 400 '.message | test("Invalid uuid")' DELETE /instances/k
	expect 400 '.status == "error"' DELETE /instances '{}'
	expect 400 '.message == "Unknown member '\''x'\''"' GET '/instances?x=1'
	expect 200 '.data.instances[0].error == 1' \
		POST /instances '{"image":"box","gpus":1}'
	expect 200 '.data.instances[0].error == 1' POST /instances \
		'{"image":{"url":"box","pull_policy":"always"}}'
	expect 200 '.data.instances[0].status == "error"' \
		POST /instances '{"image":"nosuch"}'
	expect 200 '.data.instances[0].error == 1' GET /instances/history
	expect 200 '.data.volumes[0].error == 1' POST /volumes/templates '{}'
	expect 200 '.data.images[0].error == 1' POST /images '[{"url":"box"}]'
	expect 200 '.data.instances[0].error == 7' POST /instances \
		"{$up,\"scale_to_zero\":{\"policy\":\"on\",\"notify_time_ms\":5000}}"
	head -c 10000000 /dev/zero >big
	run -0 curl -s --max-time 20 -o answer -w '%{http_code}' \
		-H 'Authorization: Bearer secret' --data-binary @big \
		"$api/instances"
	[ "$output" = 413 ]
	run -0 curl -s --max-time 20 -w '%{http_code}' -H \
		"X: $(head -c 17000 /dev/zero | tr '\0' x)" "$api/instances"
	[[ "$output" == *431 ]]
	call GET /instances >after
	[ "$(jq -S .data before)" = "$(jq -S .data after)" ]
	[ "$(ls "$JIFFY_HOME/instances")" = k ]
}

@test "kill -9: instances go on, are found again, and others' too" {
	expect 200 '.status == "success"' POST /instances \
		"{$up,\"name\":\"r\",\"autostart\":true}"
	expect 200 '.status == "success"' POST /instances \
		"{$up,\"name\":\"s\",\"autostart\":true}"
	expect 200 '.status == "success"' PUT /instances/suspend '{"name":"s"}'
	expect 200 '.status == "success"' POST /instances "{$up,\"name\":\"t\"}"
	call GET /instances | jq -S '[.data.instances[] |
		del(.uptime_ms)]' >before
	pid=$(jq .pid "$JIFFY_HOME/instances/r/state.json")
	daemon_kill
	kill -0 "$pid"
	"$JIFFY" run -d --name cli box sleep 1000
	daemon_start
	call GET /instances | jq -S '[.data.instances[] | select(.name != "cli") |
		del(.uptime_ms)]' >after
	diff before after
	expect 200 '.data.instances[0].state == "running"' \
		GET '/instances?name=cli'
	# Those that come and go by the command line do so here, too.
	"$JIFFY" rm -f cli
	timeout 20 sh -c "until [ \$(curl -s --max-time 5 \
		-H 'Authorization: Bearer secret' '$api/instances' |
		jq '.data.instances | length') -eq 3 ]; do :; done"
	"$JIFFY" run -d --name late box sleep 1000
	timeout 20 sh -c "until curl -s --max-time 5 -H \
		'Authorization: Bearer secret' '$api/instances' |
		grep -q '\"late\"'; do :; done"
	expect 200 '.status == "success"' PUT /instances/start '{"name":"s"}'
}

@test "one daemon serves a store; its unix socket needs no token" {
	run -1 timeout 20 "$JIFFY_BUILD/jiffyd" --state "$JIFFY_HOME"
	[[ "$output" == *"another jiffyd"* ]]
	run -0 curl -s --max-time 10 --unix-socket "$JIFFY_HOME/jiffyd.sock" \
		http://jiffy/v1/instances
	[[ "$output" == *success* ]]
	run -0 curl -s --max-time 10 "$api/openapi.json"
	[ "$(jq -r .openapi <<<"$output")" = 3.0.3 ]
	[ "$output" = "$("$JIFFY_BUILD/jiffyd" --openapi)" ]
	# Who lists processes does not see the token; it may come otherwise.
	! tr '\0' ' ' <"/proc/$daemon/cmdline" | grep secret
	daemon_kill
	echo mine >file
	run -1 timeout 20 "$JIFFY_BUILD/jiffyd" --state "$JIFFY_HOME" \
		--listen "unix:$PWD/file"
	[[ "$output" == *"no socket of ours"* ]]
	[ "$(cat file)" = mine ]
	mkdir credentials
	echo hidden >credentials/jiffyd.token
	for how in JIFFYD_TOKEN=hidden CREDENTIALS_DIRECTORY=$PWD/credentials; do
		env "$how" "$JIFFY_BUILD/jiffyd" --state "$JIFFY_HOME" --listen \
			"127.0.0.1:$api_port" >log 2>&1 3>&- &
		daemon=$!
		timeout 20 sh -c "until grep -q ready log; do :; done"
		token=hidden expect 200 '.status == "success"' GET /instances
		daemon_kill
	done
}

@test "clients that stall hold nobody up" {
	python3 - "$api_port" <<-'PYTHON'
		import resource, socket, sys
		address = ("127.0.0.1", int(sys.argv[1]))
		hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
		resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
		idle = [socket.create_connection(address, 20) for _ in range(1500)]
		for i, s in enumerate(idle):
		    try:                        # the first have made room
		        s.sendall(b"GET /v1/instances HTTP/1.1\r\nHost: x\r\nA: "
		                  [:1 + i % 40])
		    except OSError:
		        assert i < 1000, i
		s = socket.create_connection(address, 10)
		s.settimeout(10)
		ask = (b"GET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		s.sendall(ask * 50)             # one after the other
		got = b""
		while got.count(b"HTTP/1.1 200 OK") < 50:
		    piece = s.recv(65536)
		    assert piece
		    got += piece
		for s in idle[-20:]:            # those that it has not given up
		    s.sendall(b"\n\n\r\n\r\n")
		# long bodies of clients that nobody knows are not all kept
		held, refused = [], 0
		for _ in range(40):             # much is on its way only
		    t = socket.create_connection(address, 10)
		    t.sendall(b"POST /v1/instances HTTP/1.1\r\nHost: x\r\n"
		              b"Content-Length: 9000000\r\n\r\n")
		    try:
		        t.sendall(b" " * 8999999)
		    except ConnectionError:
		        refused += 1
		        break
		    held.append(t)
		assert refused >= 1
		small = b"POST /v1/instances HTTP/1.1\r\nHost: x\r\n" \
		        b"Content-Length: 60000\r\n\r\n"
		t = socket.create_connection(address, 10)
		t.sendall(small + b" " * 60000)
		assert t.recv(65536).startswith(b"HTTP/1.1 401 ")
	PYTHON
}

@test "properties change, and count from the next start on" {
	expect 200 '.status == "success"' POST /instances \
		"{$up,\"name\":\"e\",\"env\":{\"WHO\":\"x\",\"GO\":\"1\"}}"
	expect 200 '.status == "success" and (.data.instances | length) == 3' \
		PATCH /instances '[
		{"name":"e","prop":"env","op":"add","value":{"WHO":"you"}},
		{"name":"e","prop":"env","op":"del","value":["GO"]},
		{"name":"e","prop":"tags","op":"set","value":["a","b"]}]'
	expect 200 '.data.instances[0] | .env == {"WHO":"you"} and
		.tags == ["a","b"]' GET '/instances?name=e'
	expect 200 '.data.instances[0].status == "success"' PATCH /instances \
		'{"name":"e","prop":"tags","op":"del","value":"a"}'
	expect 200 '.data.instances[0].error == 7' PATCH /instances \
		'{"name":"e","prop":"memory_mb","op":"set","value":"much"}'
	expect 400 '.status == "error"' PATCH /instances \
		'{"name":"e","prop":"nosuch","op":"set","value":1}'
	expect 200 '.data.instances[0].tags == ["b"]' GET '/instances?name=e'
	expect 200 '.status == "success"' PUT /instances/start '{"name":"e"}'
	timeout 20 sh -c "until '$JIFFY' logs e | grep -q 'up you'; do :; done"
	expect 200 '.status == "success"' PATCH /instances \
		'{"name":"e","prop":"delete_lock","op":"set","value":true}'
	expect 200 '.data.instances[0] | .error == 14 and
		(.message | test("deletion protection"))' \
		DELETE /instances '{"name":"e"}'
	expect 200 '.data.instances[0].state == "running"' \
		GET '/instances?name=e'
}

@test "replicas, and metrics as JSON and as text" {
	expect 200 '[.data.instances[].name] | sort == ["m", "m-1", "m-2"]' \
		POST /instances \
		"{$up,\"name\":\"m\",\"replicas\":2,\"autostart\":true}"
	expect 200 '.status == "success"' POST /services "{\"name\":\"mg\",
		\"services\":[{\"port\":$(free_tcp_port),\"ip\":\"127.0.0.1\"}]}"
	expect 200 '.status == "success"' PUT /instances/suspend '{"name":"m-2"}'
	run -0 curl -s --max-time 20 -H 'Authorization: Bearer secret' \
		-H 'Accept: application/json' "$api/instances/metrics?name=m"
	jq -e '.data.instances[0] | .rss_bytes > 10000 and
		.boot_time_us > 0 and .net_time_us == 0' <<<"$output"
	run -0 curl -s --max-time 20 -H 'Authorization: Bearer secret' \
		"$api/instances/metrics"
	[[ "$output" == *'instance_state{instance_uuid="'*'"} 2'* ]]
	[[ "$output" == *'# TYPE instance_rss_bytes gauge'* ]]
	uuid=$(call GET '/instances?name=m' | jq -r '.data.instances[0].uuid')
	run -0 curl -s --max-time 20 -H 'Authorization: Bearer secret' \
		"$api/instances/$uuid/metrics"
	[ "$(grep -o 'instance_state{.*"' <<<"$output")" = \
		"instance_state{instance_uuid=\"$uuid\"" ]
	# A monitor that hangs does not hold the others' up.
	kill -STOP "$(jq .pid "$JIFFY_HOME/instances/m-1/state.json")"
	curl -s --max-time 20 -H 'Authorization: Bearer secret' \
		"${api%/v1}/metrics" >metrics
	kill -CONT "$(jq .pid "$JIFFY_HOME/instances/m-1/state.json")"
	[ "$(grep -Ec '^jiffy_instance_memory_bytes.* [1-9][0-9]+$' metrics)" = 1 ]
	grep -q '^jiffy_instances{state="standby"} 1$' metrics
	grep -q '^jiffy_service_wake_latency_seconds_bucket{service="mg",le="+Inf"} 0$' metrics
	# By the rules of Prometheus's own checker, or what we know of them.
	if command -v promtool >/dev/null; then
		promtool check metrics <metrics
	fi
	python3 - metrics <<-'PYTHON'
		import re, sys
		types, helps = {}, set()
		for line in open(sys.argv[1]):
		    if line.startswith("# HELP "):
		        helps.add(line.split()[2])
		    elif line.startswith("# TYPE "):
		        _, _, name, kind = line.split()
		        assert name not in types, name
		        types[name] = kind
		        assert (kind == "counter") == name.endswith("_total"), name
		        assert not re.search(r"_(s|ms|us|mb|kb|count)$", name), name
		    else:
		        m = re.fullmatch(r'([a-z_:]+)(\{[a-z_]+="[^"\\]*"'
		                         r'(,[a-z_]+="[^"\\]*")*\})? -?[0-9.]+(e-\d+)?\n',
		                         line)
		        assert m, line
		        name = m[1]
		        if name not in types:
		            name = re.sub("_(bucket|sum|count)$", "", name)
		            assert types.get(name) == "histogram", line
		        assert name in helps, line
		assert len(types) > 8
	PYTHON
}

@test "volumes: made, attached, written, copied, grown, removed" {
	expect 200 '.data.volumes[0] | .state == "available" and
		.size_mb == 16' POST /volumes '{"name":"v","size_mb":16}'
	expect 200 '.status == "success"' POST /instances '{"image":"box",
		"name":"vi","args":["sh","-c","echo kept >>/d/f; cat /d/f; sync"],
		"volumes":[{"name":"v","at":"/d"},
		{"name":"new","size_mb":16,"at":"/e"}]}'
	expect 200 '[.data.volumes[].name] == ["v", "new"]' GET /volumes
	expect 200 '.data.volumes[0].error == 15' DELETE /volumes '{"name":"v"}'
	for _ in 1 2; do
		expect 200 '.status == "success"' PUT /instances/start \
			'{"name":"vi"}'
		expect 200 '.status == "success"' \
			GET '/instances/wait?name=vi&state=stopped&timeout_s=20'
	done
	[ "$("$JIFFY" logs vi | wc -l)" -eq 3 ]
	expect 200 '.data.volumes[0].status == "success"' \
		PUT /volumes/detach '{"name":"new"}'
	expect 200 '.data.volumes[0].error == 21' \
		PUT /volumes/detach '{"name":"new"}'
	expect 200 '.status == "success"' PATCH /volumes \
		'{"name":"new","prop":"size_mb","op":"set","value":32}'
	expect 200 '.data.volumes[0].error == 7' PATCH /volumes \
		'{"name":"new","prop":"size_mb","op":"set","value":16}'
	expect 200 '.data.volumes[0].size_mb == 32' GET '/volumes?name=new'
	expect 200 '.data.volumes[0].name == "v2"' POST /volumes/clone \
		'{"name":"v","vol_name":"v2"}'
	[ "$("$JIFFY" volume ls | grep -c v2)" -eq 1 ]
	expect 200 '.status == "success"' DELETE /instances '{"name":"vi"}'
	expect 200 '.status == "success"' DELETE /volumes \
		'[{"name":"v"},{"name":"v2"},{"name":"new"}]'
	# Those of an instance that could not be made go with it.
	expect 200 '.status == "error"' POST /instances '{"image":"nosuch",
		"volumes":[{"name":"left","size_mb":16,"at":"/d"}]}'
	expect 200 '.data.volumes == []' GET /volumes
	# One that the command line has removed is gone here, too.
	for _ in 1 2; do
		expect 200 '.data.volumes[0].status == "success"' \
			POST /volumes '{"name":"w","size_mb":16}'
		"$JIFFY" volume rm w
	done
	expect 200 '.data.volumes[0].error == 8' GET '/volumes?name=w'
	expect 200 '.data.volumes == []' GET /volumes
	[ -z "$(ls "$JIFFY_HOME/volumes")" ]
}

@test "users see their own, within their quotas; tokens are kept as hashes" {
	expect 200 '.data.users[0].token == "0123456789abcdef"' POST /users \
		'{"name":"eve","token":"0123456789abcdef","quotas":{"instances":1}}'
	uuid=$(jq -r '.data.users[0].uuid' answer)
	expect 200 '.status == "success"' POST /instances "{$up,\"name\":\"q\"}"
	mine=$(jq -r '.data.instances[0].uuid' answer)
	! grep -q 0123456789abcdef "$JIFFY_HOME"/jiffyd.db*
	token=0123456789abcdef
	expect 200 '.data.instances | length == 0' GET /instances
	expect 200 '.data.instances[0].error == 8' GET "/instances/$mine"
	expect 200 '.data.instances[0].error == 8' DELETE "/instances/$mine"
	expect 200 '.data.instances[0].name == "q"' \
		POST /instances "{$up,\"name\":\"q\"}"
	expect 200 '.data.instances[0].error == 19' \
		POST /instances "{$up,\"name\":\"q2\"}"
	expect 200 '.status == "success"' DELETE /instances '{"name":"q"}'
	# as many at once as there are threads: one is made
	for i in $(seq 16); do
		curl -s --max-time 50 -o "q$i.answer" "$api/instances" \
			-H "Authorization: Bearer $token" \
			-d "{$up,\"name\":\"q$i\"}" &
	done
	wait $(jobs -p | grep -vx "$daemon")
	[ "$(jq -r .status q*.answer | grep -cx success)" = 1 ]
	expect 200 '.status == "success"' DELETE /instances \
		"$(call GET /instances | jq '[.data.instances[] | {uuid}]')"
	expect 200 '.data.instances[0].name == "q"' \
		POST /instances "{$up,\"name\":\"q\"}"
	expect 200 '.data.quotas[0] | .used.instances == 1 and
		.hard.instances == 1' GET /users/quotas
	expect 403 '.status == "error"' POST /users '{"name":"mallory"}'
	token=secret
	expect 200 '.status == "success"' POST /services \
		"{\"name\":\"shop\",\"services\":[{\"port\":$(free_tcp_port)}],
		\"domains\":[{\"name\":\"*.shop.test\"}]}"
	token=0123456789abcdef
	expect 200 '.data.service_groups[0].error == 23' POST /services \
		"{\"services\":[{\"port\":$(free_tcp_port)}],
		\"domains\":[{\"name\":\"Pay.shop.test\"}]}"
	expect 200 '[.data.users[].name] == ["eve"]' GET /users
	expect 200 '.data.users[0] | .error == 8 and .uuid == null' \
		GET '/users?name=admin'
	expect 200 '.status == "success"' DELETE /instances '{"name":"q"}'
	# What they have changed is kept, and told to them alone.
	expect 200 '.data.events[0] | .user_name == "eve" and
		.method == "DELETE" and .path == "/v1/instances" and
		.items[0].name == "q"' GET '/audit?count=1'
	expect 200 '[.data.events[].user_name] | unique == ["eve"]' GET /audit
	! grep -q 0123456789abcdef "$JIFFY_HOME/audit.log"
	token=secret
	expect 200 '[.data.events[].user_name] | unique == ["admin", "eve"]' \
		GET /audit
	expect 200 '.data.instances[0].name == "q"' GET "/instances/$mine"
	expect 200 '.status == "success"' DELETE "/users/$uuid"
	token=0123456789abcdef expect 401 '.status == "error"' GET /instances
}

@test "certificates are checked and their keys are never told" {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout key -out chain -days 2 -subj /CN=a.test 2>/dev/null
	body=$(jq -n --rawfile c chain --rawfile k key \
		'{name: "c", cn: "a.test", chain: $c, pkey: $k}')
	expect 200 '.data.certificates[0] | .common_name == "a.test" and
		.state == "valid"' POST /certificates "$body"
	expect 200 '.data.certificates[0].error == 30' POST /certificates \
		"$(jq '.cn = "b.test" | .name = "d"' <<<"$body")"
	expect 200 '.data.certificates[0].error == 7' POST /certificates \
		"$(jq '.pkey = "x" | .name = "d"' <<<"$body")"
	# another user's name is not to be had
	expect 200 '.status == "success"' POST /users \
		'{"name":"eve","token":"0123456789abcdef"}'
	token=0123456789abcdef
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout key2 -out chain2 -days 2 -subj /CN=x \
		-addext subjectAltName=DNS:x.test,DNS:A.test 2>/dev/null
	other=$(jq -n --rawfile c chain2 --rawfile k key2 \
		'{name: "e", chain: $c, pkey: $k}')
	expect 200 '.data.certificates[0].error == 14' \
		POST /certificates "$other"
	token=secret
	expect 200 '.data.certificates[0].status == "success"' \
		POST /certificates "$other"
	expect 200 '.data.certificates[0].status == "success"' \
		DELETE /certificates '{"name":"e"}'
	expect 200 '.data.certificates | length == 1' GET /certificates
	! grep -q PRIVATE answer
	expect 200 '.data.images[0].url | test("box")' GET /images
	expect 200 '.status == "success"' DELETE /certificates '{"name":"c"}'
}

# fetch PORT [OPTION...]: the page there.
fetch() {
	timeout 30 curl -s --max-time 25 "${@:2}" "http://127.0.0.1:$1/"
}

web='"image":"box","memory_mb":32,"autostart":true,"args":["httpd","-f","-p","8080","-h","/www"]'

@test "a service: made with an instance, asked awake, asleep, after kill -9" {
	port=$(free_tcp_port)
	expect 200 '.data.instances[0].service_group.name == "g"' \
		POST /instances "{$web,\"name\":\"web\",\"service_group\":
		{\"name\":\"g\",\"services\":[{\"port\":$port,
		\"destination_port\":8080,\"ip\":\"127.0.0.1\"}]}}"
	[ "$(fetch "$port")" = "a page" ]
	expect 200 '.data.service_groups[0] | .persistent == false and
		.instances[0].name == "web" and .soft_limit == 1' \
		GET '/services?name=g'
	expect 200 '.data.instances[0].state == "standby"' \
		PUT /instances/suspend '{"name":"web"}'
	[ "$(fetch "$port")" = "a page" ]
	expect 200 '.data.instances[0].state == "running"' \
		GET '/instances/wait?name=web&state=running&timeout_s=20'
	run -0 curl -s --max-time 20 -H 'Authorization: Bearer secret' \
		-H 'Accept: application/json' "$api/instances/metrics?name=web"
	jq -e '.data.instances[0] | .ntotal == 2 and .net_time_us > 0 and
		(.wakeup_latency | length == 13 and .[12].bucket_ms == 4096 and
		.[12].count == 1)' <<<"$output"
	expect 200 '.status == "success"' PUT /instances/suspend '{"name":"web"}'
	daemon_kill
	daemon_start
	[ "$(fetch "$port")" = "a page" ]
	expect 200 '.data.service_groups[0].error == 15' \
		DELETE /services '{"name":"g"}'
	# What the user has stopped is not started by those who ask.
	expect 200 '.status == "success"' PUT /instances/stop '{"name":"web"}'
	run ! fetch "$port"
	# It goes with its instance.
	expect 200 '.status == "success"' DELETE /instances '{"name":"web"}'
	expect 200 '.data.service_groups | length == 0' GET /services
}

# A socket in the daemon's place that answers every request so.
answers() {
	rm -f "$JIFFY_HOME/jiffyd.sock"
	timeout 30 python3 - "$JIFFY_HOME/jiffyd.sock" "$1" <<-'PYTHON' 3>&- &
		import socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		s.listen()
		c = s.accept()[0]
		c.recv(65536)
		c.sendall(sys.argv[2].encode().decode("unicode_escape").encode())
		c.close()
	PYTHON
	timeout 20 sh -c "until [ -S '$JIFFY_HOME/jiffyd.sock' ]; do :; done"
}

@test "the command line asks the daemon, and does without one" {
	port=$(free_tcp_port)
	expect 200 '.status == "success"' POST /instances \
		"{$web,\"name\":\"web\",\"service_group\":{\"services\":[{\"port\":
		$port,\"destination_port\":8080,\"ip\":\"127.0.0.1\"}]}}"
	[ "$(fetch "$port")" = "a page" ]
	# What it has stopped is not started by those who ask.
	[ "$("$JIFFY" stop -t 1 web)" = web ]
	expect 200 '.data.instances[0].state == "stopped"' \
		GET '/instances?name=web'
	run ! fetch "$port"
	[ "$("$JIFFY" start web)" = web ]
	[ "$(fetch "$port")" = "a page" ]
	run -125 "$JIFFY" start web
	[[ "$output" == *"is running"* ]]
	"$JIFFY" suspend web
	"$JIFFY" resume web
	expect 200 '.status == "success"' PATCH /instances \
		'{"name":"web","prop":"delete_lock","op":"set","value":true}'
	run -125 "$JIFFY" rm -f web
	[[ "$output" == *delete_lock* ]]
	# Of another user, called otherwise by them.
	expect 200 '.status == "success"' POST /users \
		'{"name":"ann","token":"0123456789abcdef","quotas":{"live_memory_mb":64}}'
	token=0123456789abcdef expect 200 '.status == "success"' POST /instances \
		"{$up,\"name\":\"web\",\"memory_mb\":100}"
	other=$("$JIFFY" ps -a | awk '$4 ~ /created/ || / created / { print $1 }')
	run -125 "$JIFFY" start "$other"
	[[ "$output" == *"Quota of live_memory_mb"* ]]
	"$JIFFY" rm "$other"
	token=0123456789abcdef expect 200 '.data.instances | length == 0' GET /instances
	daemon_kill
	"$JIFFY" stop web  # its socket is there, nobody answers
	"$JIFFY" start web
	answers 'HTTP/1.1 404 Not Found\r\n\r\n{"message":"No such endpoint"}'
	run -125 "$JIFFY" stop web
	[[ "${#lines[@]}" = 1 && "$output" == *"another version"*"No such"* ]]
	answers 'HTTP/1.1 401 Unauthorized\r\n\r\n{}'
	run -125 "$JIFFY" stop web
	[[ "${#lines[@]}" = 1 && "$output" == *"another user"* ]]
	answers 'nonsense'
	run -125 "$JIFFY" stop web
	[[ "${#lines[@]}" = 1 && "$output" == *"no answer"* ]]
	rm "$JIFFY_HOME/jiffyd.sock"
	"$JIFFY" stop web
}

@test "a service without state: stopped when idle, booted by who asks" {
	port=$(free_tcp_port)
	expect 200 '.status == "success"' POST /instances \
		"{$web,\"name\":\"anew\",\"scale_to_zero\":{\"policy\":\"on\",
		\"stateful\":false,\"cooldown_time_ms\":100},
		\"service_group\":{\"services\":[{\"port\":$port,
		\"destination_port\":8080,\"ip\":\"127.0.0.1\"}]}}"
	for _ in 1 2 3; do
		expect 200 '.data.instances[0].state == "standby"' \
			GET '/instances/wait?name=anew&state=standby&timeout_s=30'
		[ "$("$JIFFY" inspect anew | jq '.[0].state.stateful')" = false ]
		[ "$(fetch "$port")" = "a page" ]
	done
	[ "$("$JIFFY" events anew | jq -s 'map(select(.event == "wake" and
		.stateful == false)) | length')" = 3 ]
}

@test "a group of its own, with HTTP in front of two instances" {
	port=$(free_tcp_port) other=$(free_tcp_port)
	expect 200 '.data.service_groups[0] | .persistent and
		.domains[0].fqdn == "site.localhost"' POST /services \
		"{\"name\":\"site\",\"services\":[{\"port\":$port,
		\"destination_port\":8080,\"ip\":\"127.0.0.1\",
		\"handlers\":[\"http\"]},{\"port\":$other,
		\"destination_port\":8080,\"ip\":\"127.0.0.1\",
		\"handlers\":[\"http\",\"tls\"]}],\"soft_limit\":1}"
	expect 200 '.data.service_groups[0].error == 23' POST /services \
		"{\"name\":\"site\",\"services\":[{\"port\":$other}]}"
	expect 200 '.data.service_groups[0].error == 7' POST /services \
		"{\"services\":[{\"port\":$other,\"handlers\":[\"ftp\"]}]}"
	for i in 1 2; do
		expect 200 '.status == "success"' POST /instances \
			"{$web,\"name\":\"s$i\",\"service_group\":{\"name\":\"site\"}}"
	done
	expect 200 '[.data.service_groups[0].instances[].name] == ["s1", "s2"]' \
		GET '/services?name=site'
	[ "$(fetch "$port" -H 'Host: site.localhost')" = "a page" ]
	expect 200 '.status == "success"' PUT /instances/suspend \
		'[{"name":"s1"},{"name":"s2"}]'
	[ "$(fetch "$port" -H 'Host: site.localhost')" = "a page" ]
	expect 200 '.status == "success"' PATCH /services \
		'{"name":"site","prop":"domains","op":"add","value":[{"name":"a.test"}]}'
	[ "$(fetch "$port" -H 'Host: a.test')" = "a page" ]
	[ "$(timeout 20 curl -s --max-time 15 --cacert \
		"$JIFFY_HOME/authority.pem" --resolve "a.test:$other:127.0.0.1" \
		"https://a.test:$other/")" = "a page" ]
	# One that is uploaded goes before our own, after a restart, too.
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout key -out chain -days 2 -subj /CN=a.test \
		-addext subjectAltName=DNS:a.test 2>/dev/null
	expect 200 '.status == "success"' POST /certificates "$(jq -n \
		--rawfile c chain --rawfile k key '{chain: $c, pkey: $k}')"
	for _ in 1 2; do
		[ "$(timeout 20 curl -s --max-time 15 --cacert chain \
			--resolve "a.test:$other:127.0.0.1" \
			"https://a.test:$other/")" = "a page" ]
		daemon_kill
		daemon_start
	done
	expect 200 '.status == "success"' DELETE /instances \
		'[{"name":"s1"},{"name":"s2"}]'
	expect 200 '.status == "success"' DELETE /services '{"name":"site"}'
	run ! fetch "$port"
}

# running NAME COUNT: it runs, and was restarted so often at least.
running() {
	timeout 30 sh -c "until curl -s --max-time 5 -H \
		'Authorization: Bearer secret' '$api/instances?name=$1' |
		jq -e '.data.instances[0] | .state == \"running\" and
		.restart_count >= $2' >/dev/null; do :; done"
}

@test "restart policies: after a crash, a failure, an end; not after a stop" {
	expect 200 '.data.instances[0].restart_policy == "always"' \
		POST /instances "{$up,\"name\":\"ra\",\"autostart\":true,
		\"restart_policy\":\"always\"}"
	kill -9 "$(jq .pid "$JIFFY_HOME/instances/ra/state.json")"
	running ra 1
	# One of the command line, too.
	"$JIFFY" run -d --name rc --restart on-failure box \
		sh -c 'sleep 1; exit 3'
	running rc 1
	"$JIFFY" run -d --name rn --restart on-failure box true
	expect 200 '.status == "success"' PUT /instances/stop '{"name":"ra"}'
	"$JIFFY" start ra
	"$JIFFY" stop -t 1 ra
	expect 200 '[.data.instances[] | [.state, .restart_count]] ==
		[["stopped", 1], ["stopped", 0]]' \
		GET '/instances?name=ra&name=rn'
	# Started again by somebody else, it is to run again.
	"$JIFFY" start ra
	kill -9 "$(jq .pid "$JIFFY_HOME/instances/ra/state.json")"
	running ra 2
	run -125 "$JIFFY" run -d --restart sometimes box true
	run -125 "$JIFFY" run --restart always box true
}

@test "templates: a running instance is copied, and others begin there" {
	port=$(free_tcp_port)
	expect 200 '.status == "success"' POST /instances "{\"name\":\"src\",
		\"image\":\"box\",\"memory_mb\":32,\"autostart\":true,
		\"args\":[\"sh\",\"-c\",
		\"echo \$\$-\$RANDOM >/www/index.html; exec httpd -f -p 8080 -h /www\"],
		\"service_group\":{\"name\":\"sg\",\"services\":[{\"port\":$port,
		\"destination_port\":8080,\"ip\":\"127.0.0.1\"}]}}"
	page=$(fetch "$port")
	expect 200 '.data.instances[0] | .state == "template"' \
		POST /instances/templates '{"name":"src","template_name":"tt"}'
	expect 200 '.data.instances[0].name == "tt"' GET /instances/templates
	expect 200 '.data.instances[0].state == "standby"' POST /instances \
		'{"name":"copy","template":{"name":"tt"},
		"service_group":{"name":"sg"}}'
	expect 200 '.status == "success"' DELETE /instances '{"name":"src"}'
	[ "$(fetch "$port")" = "$page" ]
	expect 200 '.data.instances[0].state == "running"' \
		GET '/instances/wait?name=copy&state=running&timeout_s=20'
	expect 200 '.data.instances[0].state == "checkpoint"' \
		POST /instances/checkpoints '{"from":{"name":"copy"},"name":"cp"}'
	expect 200 '.data.instances[0].error == 8' DELETE \
		/instances/templates '{"name":"cp"}'
	expect 200 '.data.instances[0].state == "running"' POST /instances \
		'{"name":"third","checkpoint":{"name":"cp"},"autostart":true}'
	expect 200 '.data.instances[0].error == 1' POST /instances \
		'{"image":"box","template":{"name":"tt"}}'
	expect 200 '.status == "success"' DELETE /instances/templates \
		'{"name":"tt"}'
	expect 200 '.status == "success"' DELETE /instances/checkpoints \
		'{"name":"cp"}'
	[ -z "$("$JIFFY" snapshot ls | tail -n +2)" ]
}

@test "autoscale: instances come with connections, and go without" {
	port=$(free_tcp_port)
	expect 200 '.status == "success"' POST /instances \
		"{$web,\"name\":\"first\",\"service_group\":{\"name\":\"as\",
		\"soft_limit\":1,\"services\":[{\"port\":$port,
		\"destination_port\":8080,\"ip\":\"127.0.0.1\"}]}}"
	group=$(jq -r '.data.instances[0].service_group.uuid' answer)
	[ "$(fetch "$port")" = "a page" ]
	expect 200 '.data.service_groups[0].error == 27' \
		DELETE "/services/$group/autoscale"
	expect 200 '.status == "success"' POST /instances/templates \
		'{"name":"first","template_name":"at"}'
	expect 200 '.data.service_groups[0].status == "success"' \
		POST "/services/$group/autoscale" '{"min_size":1,"max_size":3,
		"warmup_time_ms":100,"cooldown_time_ms":100,
		"template":{"name":"at"}}'
	expect 200 '.data.policies[0].status == "success"' \
		POST "/services/$group/autoscale/policies" '{"name":"p",
		"metric":"inflight_reqs","adjustment_type":"change","steps":[
		{"upper_bound":0.5,"adjustment":-1},
		{"lower_bound":1.5,"adjustment":1}]}'
	expect 200 '.data.policies[0].policy.name == "p"' \
		GET "/services/$group/autoscale/policies/p"
	expect 200 '.data.service_groups[0] | .enabled and .max_size == 3' \
		GET "/services/$group/autoscale"
	timeout 100 python3 - "$port" "$api" "$group" <<-'PYTHON'
		import json, socket, sys, time, urllib.request
		port, api, group = sys.argv[1:]
		def size():
		    r = urllib.request.Request(api + "/services/" + group, headers={
		        "Authorization": "Bearer secret"})
		    answer = json.load(urllib.request.urlopen(r, timeout=20))
		    return len(answer["data"]["service_groups"][0]["instances"])
		def until(n):
		    end = time.monotonic() + 30
		    while size() != n:
		        assert time.monotonic() < end, size()
		held = [socket.create_connection(("127.0.0.1", int(port)))
		        for _ in range(12)]
		for s in held:
		    s.sendall(b"GET / HTTP/1.1\r\nHost:")
		until(3)
		for s in held:
		    s.close()
		until(1)
	PYTHON
	expect 200 '[.data.instances[].name] == ["first"]' GET /instances
	expect 200 '.status == "success"' DELETE "/services/$group/autoscale"
	expect 200 '.status == "success"' DELETE /instances/templates '{"name":"at"}'
}

@test "autokill: gone after their end, unless locked" {
	for features in '"features":["delete-on-stop"]' \
		'"autokill":{"time_ms":1}' '"autokill":{"time_ms":86400000}'; do
		expect 200 '.status == "success"' POST /instances \
			"{\"image\":\"box\",\"args\":[\"true\"],$features,
			\"autostart\":true}"
	done
	kept=$(jq -r '.data.instances[0].name' answer)
	timeout 30 sh -c "until curl -s --max-time 5 -H \
		'Authorization: Bearer secret' '$api/instances' |
		jq -e '[.data.instances[].name] == [\"$kept\"]' >/dev/null; do :; done"
	[ "$(ls "$JIFFY_HOME/instances")" = "$kept" ]
	expect 200 '.data.instances[0].error == 1' POST /instances \
		'{"image":"box","features":["nested-virt"]}'
	expect 200 '.data.service_groups[0].error == 1' POST /services \
		'{"services":[{"port":1}],"autokill":{"time_ms":5}}'
}

@test "schedules: jobs are run, after a restart too; others are suspended" {
	expect 200 '.data.instances[0] | .schedules[0].next_at != null and
		.schedules[1].next_at[10:] == "T04:30:00Z"' POST /instances \
		'{"image":"box","args":["true"],"name":"job","schedules":[
		{"name":"often","when":"*:*:*","action":"start"},
		{"name":"never","when":"30 4 * * *","action":"delete"}]}'
	expect 200 '.status == "success"' POST /instances "{$up,\"name\":\"s\",
		\"autostart\":true,\"schedules\":[{\"name\":\"sleep\",
		\"when\":\"*:*:0/1\",\"action\":\"suspend\"}]}"
	started() {
		timeout 20 sh -c "until curl -s --max-time 5 -H \
			'Authorization: Bearer secret' '$api/instances?name=job' |
			jq -e '.data.instances[0].start_count >= $1' \
			>/dev/null; do :; done"
	}
	started 2
	expect 200 '.data.instances[0].state == "standby"' \
		GET '/instances/wait?name=s&state=standby&timeout_s=20'
	daemon_kill
	daemon_start
	started 3
	expect 200 '.status == "success"' PATCH /instances \
		'{"name":"job","prop":"schedules","op":"del","value":"often"}'
	expect 200 '[.data.instances[0].schedules[].name] == ["never"]' \
		GET '/instances?name=job'
	expect 200 '.data.instances[0].error == 7' PATCH /instances \
		'{"name":"job","prop":"schedules","op":"add","value":[
		{"name":"x","when":"25:00","action":"stop"}]}'
	expect 200 '.data.instances[0].error == 1' POST /instances \
		"{$up,\"schedules\":[{\"name\":\"x\",\"when\":\"daily\",
		\"action\":\"checkpoint\"}]}"
	expect 200 '[.data.instances[].name] == ["job", "s"]' GET /instances
}

@test "systemd: sockets are taken over, readiness is told" {
	daemon_kill
	run -0 timeout 60 python3 - "$JIFFY_BUILD/jiffyd" "$JIFFY_HOME" <<-'PYTHON'
		import os, socket, sys
		program, home = sys.argv[1:]
		told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		told.bind("notify")
		told.settimeout(30)
		s = socket.socket()
		s.bind(("127.0.0.1", 0))
		s.listen()
		c = socket.create_connection(s.getsockname())   # before it runs
		c.sendall(b"GET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		pid = os.fork()
		if pid == 0:
		    os.dup2(s.fileno(), 3)
		    os.set_inheritable(3, True)
		    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1",
		                      NOTIFY_SOCKET=os.path.abspath("notify"))
		    os.execv(program, [program, "--state", home])
		s.close()
		assert told.recv(100) == b"READY=1\n"
		c.settimeout(30)
		assert c.recv(100).startswith(b"HTTP/1.1 200 OK")
		os.kill(pid, 15)
		assert os.waitpid(pid, 0)[1] == 0
		assert told.recv(100) == b"STOPPING=1\n"
	PYTHON
	[ "$(wc -c <"$JIFFY_HOME/jiffyd.token")" -eq 49 ]
	[ "$(stat -c %a "$JIFFY_HOME/jiffyd.token")" = 600 ]
}

@test "requests that wait for an instance keep no other from starting" {
	expect 200 '.status == "success"' POST /instances '{"image":"box",
		"args":["sh","-c","trap : TERM; while :; do sleep 1; done"],
		"name":"deaf","autostart":true}'
	expect 200 '.status == "success"' POST /instances \
		"{$up,\"name\":\"ra\",\"autostart\":true,
		\"restart_policy\":\"always\"}"
	expect 200 '.status == "success"' POST /users \
		'{"name":"eve","token":"0123456789abcdef"}'
	state=$JIFFY_HOME/instances/ra/state.json
	pid=$(jq .pid "$state")
	for i in $(seq 40); do
		curl -s --max-time 50 -o "stop$i" -X PUT "$api/instances/stop" \
			-H 'Authorization: Bearer secret' \
			-d '{"name":"deaf","drain_timeout_ms":60000}' &
	done
	kill -9 "$pid"
	timeout 30 sh -c "until jq -e '.state == \"running\" and
		.pid != $pid' '$state' >/dev/null; do :; done"
	# Others are served at once.
	token=0123456789abcdef expect 200 '.status == "success"' GET /instances
	[ -z "$(find . -name 'stop*' -size +0)" ] # none has ended
	"$JIFFY" rm -f deaf
	wait $(jobs -p | grep -vx "$daemon")
}
