#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Services of the gateway: plain TCP ports of instances that are awake, asleep
# or stopped, alone and several behind one port.

bats_require_minimum_version 1.5.0

load made

setup_file() {
	export JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	export FRONT=${JIFFY%/*}/tests/e2e/front
	mkdir -p "$JIFFY_HOME"
	made tests/e2e/front
	timeout 500 "$BATS_TEST_DIRNAME/images" "$JIFFY"
	# says its name for each connection, and keeps those that say "k"
	"$JIFFY" run -d --name services-template -p deliver:80 programs \
		python3 -c "$(cat <<-'PYTHON'
			import socket, threading
			l = socket.create_server(("0.0.0.0", 80), backlog=64)
			def serve(c):
			    while c.recv(1) == b"k":
			        c.sendall(b"k")
			    c.sendall(socket.gethostname().encode())
			    c.close()
			while True:
			    threading.Thread(target=serve, args=l.accept()[:1],
			                     daemon=True).start()
		PYTHON
		)"
	"$JIFFY" snapshot services-template -t services-template
	"$JIFFY" rm -f services-template
}

teardown_file() {
	"$JIFFY" snapshot rm services-template
}

setup() {
	export name=services$BATS_TEST_NUMBER
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	"$JIFFY" rm -f $("$JIFFY" ps -a | awk -v n="^$name(-|\$)" \
		'$1 ~ n { print $1 }') >/dev/null 2>&1 || true
}

# clones N: $name-1 to $name-N.
clones() {
	local i
	for i in $(seq "$1"); do
		"$JIFFY" run -d --name "$name-$i" --from services-template \
			-p deliver:80 >/dev/null
	done
}

# client <SCRIPT: Python with the names of services.py.
client() {
	timeout 100 python3 <(cat "$BATS_TEST_DIRNAME/services.py" -)
}

@test "one instance: awake, asleep, the gateway killed" {
	clones 1
	client <<-'PYTHON'
		f = Front()
		one = f"{name}-1"
		port = f.service("s", [(1, one)])
		for i in range(20):
		    assert answer(connect(port)) == one
		for i in range(5):
		    suspend(one)
		    assert answer(connect(port)) == one
		st = f.stats("s")
		assert st["connections"] == 25 and st["wakes"] == 5, st
		assert st["refused"] == 0 and st["wake_ns"] > 0, st
		# Handed over, they are none of the gateway's business.
		kept = connect(port, b"k")
		assert kept.recv(1) == b"k"
		f.kill()
		kept.sendall(b"k")
		assert kept.recv(1) == b"k"
		suspend(one)
		assert answer(kept) == one
		f = Front()
		port = f.service("s", [(1, one)])
		assert answer(connect(port)) == one
	PYTHON
}

@test "more connections than queues take: none is lost, one wake" {
	clones 1
	client <<-'PYTHON'
		f = Front()
		one = f"{name}-1"
		port = f.service("s", [(1, one)])
		assert answer(connect(port)) == one
		for i in range(3):
		    suspend(one)
		    crowd = [connect(port, b"?") for i in range(300)]
		    for c in crowd:
		        assert answer(c, b"") == one
		st = f.stats("s")
		assert st["connections"] == 901 and st["wakes"] == 3, st
		assert st["refused"] == st["waiting"] == 0, st
	PYTHON
}

@test "several instances: the least loaded that runs, then one that sleeps" {
	clones 3
	client <<-'PYTHON'
		f = Front()
		names = [f"{name}-{i}" for i in (1, 2, 3)]
		port = f.service("s", [(i + 1, n) for i, n in enumerate(names)],
		                 limits="10 100")
		served = [answer(connect(port)) for i in range(30)]
		assert set(served) == set(names), served
		for n in names[1:]:
		    suspend(n)
		for i in range(10):
		    assert answer(connect(port)) == names[0]
		assert asleep(names[1]) and asleep(names[2])
		suspend(names[0])
		assert answer(connect(port)) in names
		until("a wake", lambda: f.stats("s")["wakes"] == 1)
		f.do("drop s 1")
		f.do("drop s 2")
		for i in range(5):
		    assert answer(connect(port)) == names[2]
		f.do("drop s 3")
		try:
		    assert answer(connect(port)) == ""
		except OSError:
		    pass
		assert f.stats("s")["refused"] == 1
		f.do("remove s")
		def refused():
		    try:
		        connect(port).close()
		    except ConnectionRefusedError:
		        return True
		    except ConnectionResetError: # just before
		        pass
		until("it listens on", refused)
	PYTHON
}

@test "limits: beyond the soft one another is woken, beyond the hard one none" {
	clones 2
	client <<-'PYTHON'
		f = Front()
		names = [f"{name}-{i}" for i in (1, 2)]
		port = f.service("s", [(i + 1, n) for i, n in enumerate(names)],
		                 limits="3 5")
		assert answer(connect(port)) in names
		suspend(names[0])
		suspend(names[1])
		kept = []
		def hold():
		    c = connect(port, b"k")
		    assert c.recv(1) == b"k"
		    kept.append(c)
		def awake():
		    return sum(not asleep(n) for n in names)
		def knows(n):
		    # It looks again when a connection comes, in a while.
		    answer(connect(port))
		    return f.stats("s")["open"] == n
		hold()
		until("it knows of one", lambda: knows(1))
		assert awake() == 1
		hold()
		hold()
		assert f.stats("s")["open"] == 3 and awake() == 1
		hold()
		assert awake() == 2
		until("it knows of four", lambda: knows(4))
		while len(kept) < 10:
		    hold()
		before = f.stats("s")["refused"]
		try:
		    assert connect(port, b"k").recv(1) == b""
		except OSError:
		    pass
		assert f.stats("s")["refused"] == before + 1
		answer(kept.pop())
		def again():
		    try:
		        return answer(connect(port)) in names
		    except OSError:
		        return False
		until("room", again)
	PYTHON
}

@test "one that does not run is started, once, and connections wait" {
	clones 1
	client <<-'PYTHON'
		f = Front()
		one = f"{name}-1"
		port = f.service("s", [(7, one), (8, "nobody")])
		f.do("drop s 8")
		command("stop", one)
		crowd = [connect(port, b"?") for i in range(50)]
		assert f.await_start() == 7
		until("all wait", lambda: f.stats("s")["waiting"] == 50)
		assert f.starts == []
		f.do("started -5 7") # it cannot be
		for c in crowd:
		    try:
		        assert c.recv(1) == b""
		    except ConnectionError:
		        pass
		assert f.stats("s")["refused"] == 50
		crowd = [connect(port, b"?") for i in range(50)]
		assert f.await_start() == 7
		command("rm", one)
		command("run", "-d", "--name", one, "--from", "services-template",
		        "-p", "deliver:80")
		f.do("started 0 7")
		for c in crowd:
		    assert answer(c, b"") == one
	PYTHON
}

@test "asleep, and the keeper is gone: as one that does not run" {
	clones 1
	client <<-'PYTHON'
		import signal
		f = Front()
		one = f"{name}-1"
		port = f.service("s", [(7, one)])
		assert answer(connect(port)) == one
		suspend(one)
		keepers = subprocess.run(
		    ["pgrep", "-f", f"^jiffy-keeper {home}$"], text=True,
		    stdout=subprocess.PIPE).stdout.split()
		assert keepers
		for pid in keepers: # what is lost in its queue is no wake
		    os.kill(int(pid), signal.SIGSTOP)
		before = f.stats("s")
		lost = connect(port, b"?")
		until("it is sent", lambda: f.stats("s")["in_flight"] == 1)
		for pid in keepers:
		    os.kill(int(pid), signal.SIGKILL)
		try:
		    assert lost.recv(1) == b""
		except ConnectionError:
		    pass
		until("it failed", lambda: f.stats("s")["wakes_failed"] == 1)
		assert f.stats("s")["wake_ns"] == before["wake_ns"]
		def has_ended(pid): # what it takes until then is lost
		    try:
		        with open(f"/proc/{pid}/stat") as stat:
		            return stat.read().rsplit(")")[-1].split()[0] in "ZX"
		    except OSError:
		        return True
		until("it lives", lambda: all(has_ended(pid) for pid in keepers))
		crowd = [connect(port, b"?") for i in range(20)]
		assert f.await_start() == 7
		command("resume", one)
		f.do("started 0 7")
		for c in crowd:
		    assert answer(c, b"") == one
	PYTHON
}

@test "nobody waits for ever; a flood of one service leaves room for others" {
	clones 1
	client <<-'PYTHON'
		f = Front("2", "100")
		one = f"{name}-1"
		port = f.service("s", [(1, "nobody")])
		other = f.service("t", [(2, one)])
		def ends(c):
		    try:
		        return c.recv(1) == b""
		    except ConnectionError:
		        return True
		assert ends(connect(port))
		st = f.stats("s")
		assert st["refused"] == 1 and st["waiting"] == 0, st
		f.kill()
		f = Front()
		port = f.service("s", [(1, "nobody")])
		other = f.service("t", [(2, one)])
		f.do("limit 100")
		crowd = [connect(port) for i in range(100)]
		def all_came():
		    return f.stats("s")["connections"] == 100
		until("they came", all_came)
		st = f.stats("s")
		assert 10 <= st["waiting"] <= 20, st
		assert st["refused"] + st["waiting"] == 100, st
		for i in range(30):
		    assert answer(connect(other)) == one
		assert f.stats("s")["waiting"] == st["waiting"]
	PYTHON
}

@test "forty services asked at once: no error, one wake each" {
	clones 40
	client <<-'PYTHON'
		f = Front()
		names = [f"{name}-{i + 1}" for i in range(40)]
		ports = [f.service(n, [(i + 1, n)]) for i, n in enumerate(names)]
		for n in names:
		    suspend(n)
		crowd = [(n, connect(p, b"?")) for k in range(3)
		         for n, p in zip(names, ports)]
		for n, c in crowd:
		    assert answer(c, b"") == n
		for n in names:
		    st = f.stats(n)
		    assert st["connections"] == 3 and st["wakes"] == 1, st
		    # Who comes too late finds no checkpoint, and says so.
		    with open(f"{home}/instances/{n}/log") as log:
		        assert log.read() == "", n
	PYTHON
}
