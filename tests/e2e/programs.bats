#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Debian's programs as instances: shells, Python, Perl, databases, servers. Each
# test is a script of scripts/ that must print what scripts/*.expected says,
# first on this machine's Linux where the same version is installed.

setup_file() {
	export JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	mkdir -p "$JIFFY_HOME"
	timeout 500 "$BATS_TEST_DIRNAME/images" "$JIFFY"
}

setup() {
	SCRIPTS=$BATS_TEST_DIRNAME/scripts
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	[ -z "${INSTANCE:-}" ] || kill -KILL "$INSTANCE" 2>/dev/null || true
}

# in_guest COMMAND...: run it with a script on its stdin as the last argument.
in_guest() {
	timeout -k 5 90 "$JIFFY" run programs sh -c \
		'cat >/tmp/script && exec "$@" /tmp/script' sh "$@"
}

# same SCRIPT VERSION COMMAND...: COMMAND SCRIPT prints what is expected, as an
# instance, and here if the command VERSION says the same in both places.
same() {
	local script=$1 version=$2 here there
	shift 2
	here=$(sh -c "$version" 2>&1) || here=none
	there=$("$JIFFY" run programs sh -c "$version" 2>&1)
	if [ "$here" = "$there" ]; then
		timeout -k 5 90 "$@" "$SCRIPTS/$script" >here.out 2>here.err
		diff -u "$SCRIPTS/$script.expected" here.out
	fi
	in_guest "$@" <"$SCRIPTS/$script" >there.out 2>there.err || {
		echo "status $?"
		cat there.out there.err
		false
	}
	diff -u "$SCRIPTS/$script.expected" there.out
}

# terminal SHELL...: a session typed at a terminal, here and as an instance.
terminal() {
	local python=/usr/bin/python3
	[ -x $python ] || skip "no python3 to type"
	if command -v "$1" >/dev/null; then
		timeout 70 $python "$SCRIPTS/terminal.py" "$@" >here.out
		diff -u "$SCRIPTS/terminal.py.expected" here.out
	fi
	timeout 70 $python "$SCRIPTS/terminal.py" \
		"$JIFFY" run -it -e TERM=dumb programs "$@" >there.out
	diff -u "$SCRIPTS/terminal.py.expected" there.out
}

fetch() {
	curl -s --max-time 10 "$@"
}

# A port of this machine that is free now.
free_port() {
	local port
	for port in $(shuf -n 50 -i 20000-32000); do
		(: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}

@test "bash: substitutions, traps, coprocesses, jobs" {
	same bash.sh 'bash --version | head -n 1' bash
}

@test "busybox sh: pipelines, applets, jobs" {
	same busybox.sh 'busybox | head -n 1' busybox sh
}

@test "bash at a terminal: job control" {
	terminal bash --norc -i
}

@test "busybox sh at a terminal: job control" {
	terminal busybox sh
}

@test "python3: threads, processes, asyncio, sqlite3, ssl, sockets" {
	same python.py '/usr/bin/python3 -V' /usr/bin/python3
}

@test "perl: fork, pipes, signals, sockets, files" {
	same perl.pl "perl -e 'print \$]'" perl
}

@test "sqlite3: journals, writers at a time, backup" {
	same sqlite.sh 'sqlite3 --version' sh
}

@test "redis: commands, BGSAVE, append-only file" {
	same redis.sh 'redis-server --version | cut -d " " -f 3' sh
}

@test "memcached: TCP, UDP, Unix socket, many clients" {
	same memcached.py 'memcached --version; /usr/bin/python3 -V' \
		/usr/bin/python3
}

@test "nginx: two workers, keep-alive, reload, graceful end" {
	local port url try
	port=$(free_port)
	url=http://127.0.0.1:$port
	timeout -k 5 100 "$JIFFY" run --rm -p "127.0.0.1:$port:8080" programs \
		sh -c "$(cat "$SCRIPTS/nginx.sh")" </dev/null >log 2>&1 3>&- &
	INSTANCE=$!
	for try in $(seq 1000); do
		fetch -o /dev/null "$url/" && break
		kill -0 $INSTANCE
	done
	[ "$(fetch "$url/")" = '<p>hello</p>' ]
	head -c 102400 /dev/zero | tr '\0' n >big
	fetch "$url/big" | cmp - big
	fetch -v -o /dev/null "$url/" -o /dev/null "$url/big" \
		-o /dev/null "$url/version" 2>verbose
	[ "$(grep -ci 're-using existing connection' verbose)" = 2 ]
	[ "$(fetch "$url/version")" = 'version one' ]
	[ "$(fetch "$url/reload")" = asked ]
	for try in $(seq 1000); do
		[ "$(fetch "$url/version")" = 'version two' ] && break
	done
	[ "$(fetch "$url/version")" = 'version two' ]
	[ "$(fetch "$url/big" | wc -c)" = 102400 ]
	kill -QUIT $INSTANCE # timeout passes it on
	wait $INSTANCE
	INSTANCE=
	cat log
	[ "$(grep -c 'start worker process ' log)" = 4 ]
	[ "$(grep -c 'exited with code 0' log)" = 4 ]
	! grep -q 'exited on signal' log
}
