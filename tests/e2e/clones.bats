#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jiffy snapshot, run --from and fork: a clone has the memory of its template,
# but its own name, ports, randomness and generation. CLONES: how many draw.

bats_require_minimum_version 1.5.0

load ports

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	local root=$BATS_FILE_TMPDIR/root applet
	mkdir -p "$JIFFY_HOME" "$root/bin" "$root/tmp"
	cp -L /bin/busybox "$root/bin/busybox"
	for applet in sh echo sleep cat nc hostname true kill; do
		ln -s busybox "$root/bin/$applet"
	done
	"${CC:-cc}" -O2 -Wall -static -o "$root/bin/cloned" \
		"$BATS_TEST_DIRNAME/cloned.c"
	"$JIFFY" build -q -t clones "dir:$root" >/dev/null
	timeout 500 "$BATS_TEST_DIRNAME/images" "$JIFFY"
}

setup() {
	PATH=$PATH:/usr/sbin:/sbin
	cd "$BATS_TEST_TMPDIR"
	name=c$BATS_TEST_NUMBER
}

teardown() {
	local all
	all=$("$JIFFY" ps -a | awk -v n="^$name(-|\$)" '$1 ~ n { print $1 }')
	[ "$all" = "" ] || "$JIFFY" rm -f $all >/dev/null || true
	"$JIFFY" snapshot rm "$name" 2>/dev/null >&2 || true
	"$JIFFY" volume rm "$name" 2>/dev/null || true
}

# await INSTANCE TEXT: until a line of its log begins so.
await() {
	grep -qm 1 "^$2" < <(timeout 20 "$JIFFY" logs -f "$1" 2>&1 3>&-) || {
		echo "no '$2' of $1:"
		"$JIFFY" logs "$1"
		"$JIFFY" inspect "$1"
		return 1
	}
}

# refused TEXT COMMAND...: one line with it, and nothing else.
refused() {
	local text=$1
	shift
	run -125 --separate-stderr "$@"
	[ "$output" = "" ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ "$stderr" == *"$text"* ]] || { echo "$stderr"; false; }
}

@test "clones draw what nobody else draws, and are told that they are clones" {
	"$JIFFY" run -d --name "$name" python /usr/bin/python3 /cloned.py
	await "$name" ready
	run -0 "$JIFFY" snapshot "$name" -t "$name" --after-clone SIGUSR2
	[ "$output" = "$name" ]
	"$JIFFY" snapshot ls | grep -q "^$name *python *$name "
	run -0 "$JIFFY" snapshot verify "$name"
	for n in $(seq "${CLONES:-20}"); do
		# Each in the foreground: its output, its exit status.
		run -3 --separate-stderr "$JIFFY" run --rm --from "$name" \
			--name "$name-$n"
		[ "$stderr" = "to stderr" ]
		[[ "$output" == "clone "*" $name-$n "* ]]
		echo "$output" >>drawn
	done
	[ "$(tr ' ' '\n' <drawn | grep -v clone | sort | uniq -d)" = "" ]
	# The original was not told.
	[ "$("$JIFFY" logs "$name")" = ready ]
}

@test "memory of a clone: wiped where asked for, a generation of its own" {
	"$JIFFY" run -d --name "$name" clones cloned
	await "$name" start
	"$JIFFY" snapshot "$name" -t "$name" --after-clone USR2
	for i in 1 2; do
		"$JIFFY" run -d --from "$name" --name "$name-$i"
		await "$name-$i" "clone 2 [0-9a-f]* 1 "
	done
	"$JIFFY" snapshot rm "$name" # they have its memory still
	# A sleep is no change of generation; a clone of a clone is one.
	"$JIFFY" suspend "$name-1"
	"$JIFFY" resume "$name-1"
	"$JIFFY" fork "$name-1" -n 2 --name "$name-fork"
	for i in 1 2; do
		await "$name-fork-$i" "clone 3 [0-9a-f]* 2 "
	done
	"$JIFFY" suspend "$name"
	"$JIFFY" resume "$name"
	"$JIFFY" fork "$name" --name "$name-late" # not told by a signal
	await "$name-late-1" "clone 2 [0-9a-f]* 0 "
	[ "$("$JIFFY" logs "$name" | cut -d ' ' -f 1,2)" = "start 1" ]
	for i in "$name" "$name"-{1,2,fork-1,fork-2,late-1}; do
		"$JIFFY" logs "$i"
	done >all
	! grep bad all
	[ "$(wc -l <all)" -eq 6 ]
	[ "$(cut -d ' ' -f 3 all | sort | uniq -d)" = "" ]
}

@test "ports: a clone has those that it is given, connections stay behind" {
	first=$(free_port)
	"$JIFFY" run -d --name "$name" -p "127.0.0.1:$first:80" clones \
		nc -ll -p 80 -e cat
	timeout 60 python3 - "$first" "$JIFFY" "$name" <<-'PYTHON'
		import socket, subprocess, sys, time
		port, jiffy, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]

		def say(s, text):
		    s.sendall(text)
		    got = b""
		    while len(got) < len(text):
		        more = s.recv(100)
		        if not more:
		            raise OSError("closed")
		        got += more
		    assert got == text, got

		def connect(port):
		    end = time.monotonic() + 20
		    while True:
		        try:
		            s = socket.create_connection(("127.0.0.1", port), 20)
		            say(s, b"hello")
		            return s
		        except OSError:
		            if time.monotonic() > end:
		                raise

		def free():
		    s = socket.socket()
		    s.bind(("127.0.0.1", 0))
		    return s.getsockname()[1]

		def jiffy_do(*args):
		    subprocess.run([jiffy, *args], check=True, timeout=30)

		old = connect(port)
		jiffy_do("snapshot", name, "-t", name)
		say(old, b"goes on")
		other = free()
		jiffy_do("run", "-d", "--from", name, "--name", name + "-1",
		         "-p", "127.0.0.1:%d:80" % other)
		mine = connect(other)
		say(old, b"still here")
		# Without a port it listens for nobody, also after a sleep.
		jiffy_do("run", "-d", "--from", name, "--name", name + "-2")
		jiffy_do("suspend", name + "-2")
		jiffy_do("resume", name + "-2")
		# A clone's connections are kept as anybody's are.
		jiffy_do("suspend", name + "-1")
		say(mine, b"awake")
		jiffy_do("fork", name + "-2", "--name", name + "-3",
		         "-p", "127.0.0.1:%d:80" % (third := free()))
		say(connect(third), b"a clone of one")
		say(connect(port), b"new")
	PYTHON
	for i in 1 2 3-1; do
		"$JIFFY" ps | grep -q "^$name-$i .* running "
	done
	refused "no published port 81/tcp" "$JIFFY" run --from "$name" -p 81:81
}

@test "fork: the clones have their names, the original goes on" {
	"$JIFFY" run -d --name "$name" clones sh -c '
		echo ready
		while :; do hostname; cat /etc/hostname; sleep .05; done'
	await "$name" ready
	run -0 "$JIFFY" fork "$name" -n 3 --name "$name-f"
	[ "$output" = "$name-f-1
$name-f-2
$name-f-3" ]
	for i in 1 2 3; do
		await "$name-f-$i" "$name-f-$i"
	done
	run -0 "$JIFFY" inspect "$name"
	[[ "$output" == *'"pause_us"'* ]]
	run -0 "$JIFFY" fork "$name"
	"$JIFFY" rm -f "$output"
	[ "$("$JIFFY" logs "$name" | sort -u)" = "$name
ready" ]
	# Nothing of the copy is left but what the clones have open.
	[ "$(ls "$JIFFY_HOME/tmp")" = "" ]
	refused "is taken by" "$JIFFY" fork "$name" --name "$name-f"
}

@test "a busy original and its clones notice nothing else" {
	"$JIFFY" run -d --name "$name" python /usr/bin/python3 /alive.py
	await "$name" round
	for n in 1 2 3 4 5; do
		"$JIFFY" fork "$name" --name "$name-$n"
		await "$name-$n-1" round
	done
	for i in "$name" "$name"-{1,2,3,4,5}-1; do
		"$JIFFY" logs "$i" >log
		[ -s log ]
		[ "$(awk '$4 != 0' log)" = "" ] || { head -3 log; false; }
		cat log >>all
	done
	# No random number is drawn twice, by whomever.
	[ "$(awk '{ print $NF }' all | sort | uniq -d)" = "" ]
}

@test "a template that takes its time: its original is served meanwhile" {
	"$JIFFY" run -d --name "$name" -m 1G python /usr/bin/python3 -c \
		"import os; x = os.urandom(400 << 20); print('ready', flush=True)
while True: os.read(os.pipe()[0], 1)"
	await "$name" ready
	"$JIFFY" snapshot "$name" -t "$name" 3>&- &
	# Once its memory has been copied, the file is written.
	until file=$(find "$JIFFY_HOME/tmp" -name checkpoint.new -size +0) &&
		[ "$file" != "" ]; do
		[ ! -e "$JIFFY_HOME/templates/$name" ]
	done
	"$JIFFY" inspect "$name" | grep -q '"live"'
	[ -e "$file" ]
	refused "it is being copied" "$JIFFY" suspend "$name"
	wait %1
	run -0 "$JIFFY" snapshot verify "$name"
}

@test "volumes: one that is written to has one writer" {
	"$JIFFY" volume create --size 32M "$name"
	"$JIFFY" run --rm -v "$name:/data" clones sh -c 'echo here >/data/a'
	"$JIFFY" run -d --name "$name" -v "$name:/data" clones sleep 1000
	refused "writes to a volume" "$JIFFY" fork "$name"
	refused "writes to a volume" "$JIFFY" snapshot "$name" -t "$name"
	"$JIFFY" rm -f "$name"
	"$JIFFY" run -d --name "$name" -v "$name:/data:ro" clones sh -c '
		echo ready
		while [ "$(hostname)" = '"$name"' ]; do sleep .02; done
		cat /data/a'
	await "$name" ready
	"$JIFFY" snapshot "$name" -t "$name"
	run -0 "$JIFFY" run --rm --from "$name"
	[ "$output" = here ]
	"$JIFFY" rm -f "$name"
	"$JIFFY" run --rm -v "$name:/data" clones sh -c 'echo new >/data/a'
	refused "volume $name" "$JIFFY" run --rm --from "$name"
}

@test "a template is no checkpoint, a checkpoint no template" {
	"$JIFFY" run -d --name "$name" clones sh -c 'echo ready; sleep 1000'
	await "$name" ready
	"$JIFFY" snapshot "$name" -t "$name"
	"$JIFFY" suspend "$name"
	template=$JIFFY_HOME/templates/$name/checkpoint
	mine=$JIFFY_HOME/instances/$name/checkpoint
	mv "$template" other
	mv "$mine" "$template"
	mv other "$mine"
	refused "it is a template" "$JIFFY" resume "$name"
	refused "it is no template" "$JIFFY" run --from "$name"
	mv "$mine" other
	mv "$template" "$mine"
	for damage in "truncate -s 5000" \
		"dd if=/dev/zero bs=1 count=8 conv=notrunc status=none of=" \
		"dd if=/dev/zero bs=64 seek=70 count=1 conv=notrunc status=none of="; do
		cp other "$template"
		case $damage in
		*=) $damage"$template" ;;
		*) $damage "$template" ;;
		esac
		refused checkpoint "$JIFFY" run --from "$name"
		refused checkpoint "$JIFFY" snapshot verify "$name"
	done
	"$JIFFY" resume "$name"
	run -0 "$JIFFY" ps -a # no record is left of what did not start
	[ "$(grep -c clones <<<"$output")" -eq 1 ]
}

@test "what cannot be is refused in one line" {
	"$JIFFY" run -d --name "$name" clones sleep 1000
	"$JIFFY" snapshot "$name" -t "$name"
	refused "exists already" "$JIFFY" snapshot "$name" -t "$name"
	refused "no instance" "$JIFFY" snapshot nobody -t "$name-2"
	refused "no template 'nobody'" "$JIFFY" run --from nobody
	refused "no template" "$JIFFY" run --from ../instances
	refused "no template" "$JIFFY" snapshot rm ..
	refused "no signal" "$JIFFY" snapshot "$name" -t x --after-clone SIGX
	refused "a/b" "$JIFFY" snapshot "$name" -t a/b
	refused "no command" "$JIFFY" run --from "$name" true
	refused "--env" "$JIFFY" run --from "$name" -e A=b
	refused "--volume" "$JIFFY" run --from "$name" -v a:/b
	refused "--number" "$JIFFY" fork "$name" -n 0
	"$JIFFY" suspend "$name"
	refused "not running" "$JIFFY" fork "$name"
	"$JIFFY" rm -f "$name"
	refused "template $name is of it" "$JIFFY" rmi clones
}

@test "a clone sleeps when its policy says so" {
	"$JIFFY" run -d --name "$name" -p "127.0.0.1:$(free_port):80" clones \
		sh -c 'nc -l -p 80 -e true &
			until busybox grep -q :0050 /proc/net/tcp*; do :; done
			echo ready; wait'
	await "$name" ready
	"$JIFFY" snapshot "$name" -t "$name"
	"$JIFFY" run -d --name "$name-a" --from "$name" \
		-p "127.0.0.1:$(free_port):80" --scale-to-zero on,cooldown=50
	grep -qm 1 '"event":"suspend".*"by":"policy"' \
		< <(timeout 20 "$JIFFY" events -f "$name-a" 2>&1 3>&-)
}
