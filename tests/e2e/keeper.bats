#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jiffy-keeper: what wakes a suspended instance and what does not, what is left
# of one, and the keeper's own ends.

bats_require_minimum_version 1.5.0

load ports

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home # its keeper is asked for all
	local root=$BATS_FILE_TMPDIR/root
	mkdir -p "$JIFFY_HOME" "$root/bin" "$root/tmp"
	"${CC:-cc}" -O2 -Wall -static -pthread -o "$root/bin/holds" \
		"$BATS_TEST_DIRNAME/holds.c"
	"$JIFFY" build -q -t keeper "dir:$root" >/dev/null
}

setup() {
	PATH=$PATH:/usr/sbin:/sbin
	cd "$BATS_TEST_TMPDIR"
	name=k$BATS_TEST_NUMBER
	port=$(free_port)
	export name port
}

teardown() {
	"$JIFFY" rm -f "$name" >/dev/null || true
	"$JIFFY" volume rm "$name" 2>/dev/null || true
}

# client: a Python script with connect() and more, given on standard input.
client() {
	timeout 100 python3 <(cat "$BATS_TEST_DIRNAME/keeper.py" -)
}

@test "what was there when it was woken does not wake it again" {
	"$JIFFY" run -d --name "$name" -p "127.0.0.1:$port:80" keeper /bin/holds
	client <<-'PYTHON'
		held = connect(b"x")
		held.sendall(b"h")
		echo(connect(b"y"))       # it has read the h before
		held.sendall(b"unread")   # not read by the program, ever
		suspend()
		awake()
		held.shutdown(socket.SHUT_WR)
		suspend()                 # once for the bytes, once for the end
		awake()
		kept = []                 # an end just before a sleep is news
		for i in range(3):
		    suspend()
		    asleep()
		    kept.append(connect(b"z"))
		    echo(kept[-1])
		fresh = connect(b"x")
		suspend()
		asleep()
		echo(fresh)
	PYTHON
}

@test "nothing is left of it but its sockets" {
	"$JIFFY" volume create --size 32M "$name"
	"$JIFFY" run -d --name "$name" -v "$name:/data" \
		-p "127.0.0.1:$port:80" keeper /bin/holds
	client <<-'PYTHON'
		many = [connect(b"x") for i in range(20)]
		suspend()
		asleep()
		words = [name, "root.erofs"]
		def opens(link):
		    try:
		        to = os.readlink(link)
		    except OSError:
		        return False
		    return to.startswith(home) and any(w in to for w in words)
		def maps(path):
		    try:
		        with open(path) as f:
		            text = f.read()
		    except OSError:
		        return False
		    return f"{home}/images" in text or \
		        f"{home}/instances/{name}" in text
		# Its monitor ends when the checkpoint has reached the disk.
		until("it is open", lambda: not any(
		    map(opens, glob.glob("/proc/[0-9]*/fd/*"))))
		until("it is mapped", lambda: not any(
		    map(maps, glob.glob("/proc/[0-9]*/maps"))))
		kinds = [os.readlink(link)
		         for link in glob.glob(f"/proc/{keeper()}/fd/*")]
		sockets = [k for k in kinds if k.startswith("socket:")]
		# Its own: where it listens, those of two spares.
		assert len(sockets) == 21 + 3, kinds
		for s in many:
		    echo(s)
	PYTHON
}

@test "the keeper is killed: connections are gone, the checkpoint is good" {
	"$JIFFY" run -d --name "$name" -p "127.0.0.1:$port:80" keeper /bin/holds
	client <<-'PYTHON'
		old = connect(b"x")
		suspend()
		os.kill(keeper(), signal.SIGKILL)
		assert old.recv(1) == b""
		resume()
		old = connect(b"x")
		suspend()                 # a new keeper
		echo(old)
	PYTHON
}

@test "the keeper is replaced: no socket is lost" {
	"$JIFFY" run -d --name "$name" -p "127.0.0.1:$port:80" keeper /bin/holds
	client <<-'PYTHON'
		held = connect(b"x")
		held.sendall(b"h")
		many = [connect(b"y") for i in range(200)]
		held.sendall(b"unread")
		suspend()
		awake()
		for i in range(3):
		    suspend()
		    asleep()
		    pid = keeper()
		    os.kill(pid, signal.SIGHUP)
		    until("it is not replaced", lambda: table_of(pid))
		    asleep()
		    assert keeper() == pid
		    echo(many[i])
		for s in many:
		    echo(s)
		echo(connect(b"z"))
	PYTHON
}

@test "a process goes on whose first thread has ended" {
	"$JIFFY" run -d --name "$name" -p "127.0.0.1:$port:80" keeper \
		/bin/holds thread
	client <<-'PYTHON'
		held = connect(b"x")
		for i in range(3):
		    suspend()
		    echo(held)
		    echo(connect(b"y"))
	PYTHON
}
