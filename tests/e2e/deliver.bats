#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Delivered ports: connections that somebody else accepted are as those of a
# port of its own to the programs of an instance, awake or asleep.

bats_require_minimum_version 1.5.0

setup_file() {
	export JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	mkdir -p "$JIFFY_HOME"
	timeout 500 "$BATS_TEST_DIRNAME/images" "$JIFFY"
}

setup() {
	export name=deliver$BATS_TEST_NUMBER
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	"$JIFFY" snapshot rm "$name" >/dev/null 2>&1 || true
	"$JIFFY" rm -f $("$JIFFY" ps -a | awk -v n="^$name(-|\$)" \
		'$1 ~ n { print $1 }') >/dev/null 2>&1 || true
}

# serve OPTION... <PROGRAM: run a Python program, detached.
serve() {
	"$JIFFY" run -d --name "$name" "$@" programs python3 -c "$(cat)"
}

# client <SCRIPT: Python with the names of deliver.py.
client() {
	timeout 100 python3 <(cat "$BATS_TEST_DIRNAME/deliver.py" -)
}

@test "a program's view of the listener and of what it accepts" {
	serve -p deliver:80 <<-'PYTHON'
		import errno, select, socket, struct
		l = socket.socket()
		l.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
		l.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
		l.bind(("0.0.0.0", 80))
		l.listen(3)
		def check():
		    acceptconn = l.getsockopt(socket.SOL_SOCKET,
		                              socket.SO_ACCEPTCONN)
		    yield "listens", acceptconn
		    yield "name", l.getsockname()
		    info = l.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
		    yield "state", info[0]
		    yield "backlog", struct.unpack_from("I", info, 28)[0]
		    l.setblocking(False)
		    try:
		        yield "accepts", l.accept()
		    except BlockingIOError:
		        yield "accepts", "later"
		    l.settimeout(0.01)
		    try:
		        yield "accepts", l.accept()
		    except TimeoutError:
		        yield "accepts", "not in time"
		    l.setblocking(True)
		e = select.epoll()
		e.register(l, select.EPOLLIN | select.EPOLLET)
		p = select.poll()
		p.register(l, select.POLLIN | select.POLLOUT | select.POLLPRI)
		c, peer = l.accept()
		c.recv(1)
		seen = dict(check())
		c.sendall(repr((peer, c.getpeername(), c.getsockname()[1],
		    c.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
		    c.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
		    seen)).encode())
		c.close()
		events = e.poll()
		assert [x[1] for x in events] == [select.EPOLLIN], events
		assert [x[1] for x in p.poll()] == [select.POLLIN]
		c, peer = l.accept()
		c.recv(1)
		c.sendall(b"polled")
		c.close()
		while True:
		    p.poll()
		    c = l.accept()[0]
		    c.recv(1)
		    c.sendall(b"polled")
		    c.close()
	PYTHON
	client <<-'PYTHON'
		port = Port()
		peer, name, local, nodelay, keepalive, seen = eval(
		    answer(port.connect()))
		assert peer == name == PEER, (peer, name)
		assert (local, nodelay, keepalive) == (80, 1, 1)
		assert seen == {"listens": 1, "name": ("0.0.0.0", 80),
		    "state": 10, "backlog": 3, "accepts": "not in time"}, seen
		for i in range(40):
		    assert answer(port.connect()) == "polled"
	PYTHON
}

@test "what is no connection is dropped, with its descriptors" {
	serve -p deliver:80 <<-'PYTHON'
		import socket
		l = socket.create_server(("0.0.0.0", 80))
		while True:
		    c = l.accept()[0]
		    c.recv(1)
		    c.sendall(b"here")
		    c.close()
	PYTHON
	client <<-'PYTHON'
		port = Port()
		assert answer(port.connect()) == "here"
		for data, descriptors in [
		    (message(version=2), 1), (message(length=33), 1),
		    (message()[:-1], 1), (message() + b"x", 1), (b"", 1),
		    (message(), 2), (b"x" * 60000, 1),
		]:
		    pairs = [port.pair() for i in range(descriptors)]
		    port.send([accepted.fileno() for _, accepted in pairs], data)
		    for client, accepted in pairs:
		        accepted.close()
		        if data == message():
		            continue
		        assert client.recv(1) == b"", data
		    if data == message(): # the one in front is taken
		        assert answer(pairs[0][0]) == "here"
		        assert pairs[1][0].recv(1) == b""
		port.to.send(message())
		port.to.send(b"")
		assert answer(port.connect()) == "here"
	PYTHON
}

@test "several processes accept; more wait than the host's queue takes" {
	serve -p deliver:80 <<-'PYTHON'
		import os, select, socket
		l = socket.create_server(("0.0.0.0", 80), backlog=5)
		l.setblocking(False)
		for i in range(3):
		    if os.fork() == 0:
		        break
		e = select.epoll()
		e.register(l, select.EPOLLIN | select.EPOLLEXCLUSIVE)
		while True:
		    e.poll()
		    try:
		        c = l.accept()[0]
		    except BlockingIOError:
		        continue
		    c.setblocking(True)
		    c.recv(1)
		    c.sendall(b"%d" % os.getpid())
		    c.close()
	PYTHON
	client <<-'PYTHON'
		port = Port()
		first = answer(port.connect())
		def crowd(n):
		    clients = [port.connect(b"?") for i in range(n)]
		    served = [answer(c, b"") for c in clients]
		    assert "" not in served
		    return set(served)
		crowd(200)
		for i in range(3):
		    suspend()
		    crowd(200)
		    assert not asleep()
	PYTHON
}

@test "nginx with two workers, awake and asleep" {
	"$JIFFY" run -d --name "$name" -p deliver:8080 programs \
		sh -c "$(cat "$BATS_TEST_DIRNAME/scripts/nginx.sh")"
	client <<-'PYTHON'
		get = b"GET / HTTP/1.0\r\n\r\n"
		port = Port(port=8080)
		def ask():
		    text = answer(port.connect(), get)
		    assert text.endswith("<p>hello</p>\n"), text
		for i in range(50):
		    ask()
		# nginx lingers until our end of a connection is closed, too: that
		# may wake it at once.
		for i in range(5):
		    command("suspend", name)
		    ask()
		    assert not asleep()
		    ask()
		# Those in its queue when it falls asleep wake it.
		kept = port.connect()
		command("suspend", name)
		assert answer(kept, get).endswith("<p>hello</p>\n")
		ask()
	PYTHON
}

@test "a listener that is closed: nobody is left waiting, the next one serves" {
	serve -p deliver:80 <<-'PYTHON'
		import socket
		while True:
		    l = socket.create_server(("0.0.0.0", 80))
		    c = l.accept()[0]
		    c.recv(1)
		    l.close()
		    c.sendall(b"once")
		    c.close()
	PYTHON
	client <<-'PYTHON'
		for i in range(10):
		    while True:
		        try:
		            client = Port().connect()
		            if answer(client) == "once":
		                break
		        except (ConnectionRefusedError, ConnectionResetError,
		                BrokenPipeError, FileNotFoundError):
		            pass
	PYTHON
}

@test "clones are delivered to, whatever kind of port their template had" {
	local server
	server=$(
		cat <<-'PYTHON'
			import socket
			l = socket.create_server(("0.0.0.0", 80))
			while True:
			    c = l.accept()[0]
			    c.recv(1)
			    c.sendall(socket.gethostname().encode())
			    c.close()
		PYTHON
	)
	"$JIFFY" run -d --name "$name" -p 127.0.0.1:0:80 programs \
		python3 -c "$server"
	"$JIFFY" run -d --name "$name-a" -p deliver:80 programs \
		python3 -c "$server"
	client <<-'PYTHON'
		assert answer(Port(name + "-a").connect())
	PYTHON
	"$JIFFY" snapshot "$name-a" -t "$name"
	"$JIFFY" run -d --name "$name-b" --from "$name" -p deliver:80
	"$JIFFY" run -d --name "$name-c" --from "$name" -p 127.0.0.1:0:80
	client <<-'PYTHON'
		for i in range(3):
		    assert answer(Port(name + "-b").connect()) == name + "-b"
		    suspend(name + "-b")
	PYTHON
}

@test "a clone's port that nobody can reach has no connections" {
	serve -p deliver:80 <<-'PYTHON'
		import socket, time
		l = socket.create_server(("0.0.0.0", 80))
		l.setblocking(False)
		name = socket.gethostname()
		rounds = 0
		while True:
		    is_clone = socket.gethostname() != name
		    try:
		        l.accept()
		    except BlockingIOError:
		        rounds += 1
		    if rounds == 3:
		        print("ready", flush=True)
		    if is_clone:
		        print("silent", flush=True)
		        time.sleep(1000)
		    time.sleep(0.01)
	PYTHON
	grep -qm 1 ^ready < <(timeout 30 "$JIFFY" logs -f "$name" 2>&1 3>&-)
	"$JIFFY" snapshot "$name" -t "$name"
	"$JIFFY" run -d --name "$name-a" --from "$name"
	grep -m 1 . < <(timeout 30 "$JIFFY" logs -f "$name-a" 2>&1 3>&-) >line
	[ "$(cat line)" = silent ] || { "$JIFFY" logs "$name-a"; false; }
}

@test "a crowd asked at once: all are answered, none is woken twice" {
	serve -p deliver:80 <<-'PYTHON'
		import socket
		l = socket.create_server(("0.0.0.0", 80))
		while True:
		    c = l.accept()[0]
		    c.recv(1)
		    c.sendall(socket.gethostname().encode())
		    c.close()
	PYTHON
	client <<-'PYTHON'
		assert answer(Port().connect()) == name
		command("snapshot", name, "-t", name)
		names = [f"{name}-{i}" for i in range(24)]
		for n in names:
		    command("run", "-d", "--name", n, "--from", name,
		            "-p", "deliver:80")
		for n in names:
		    assert answer(Port(n).connect()) == n
		for turn in range(2):
		    for n in names:
		        suspend(n)
		    ports = [Port(n) for n in names]
		    crowd = [(n, port.connect(b"?"))
		             for n, port in zip(names, ports) for i in range(5)]
		    for n, c in crowd:
		        assert answer(c, b"") == n
		for n in names:
		    # Who comes too late finds no checkpoint, and says so.
		    with open(f"{state(n)}/log") as f:
		        assert f.read() == "", n
	PYTHON
}
