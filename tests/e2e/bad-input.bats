#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is wrong with an image, a manifest, a program or an option is said in
# one line that names it, with an exit status, and nothing is left behind.

bats_require_minimum_version 1.5.0
load refuse

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home
	local guest=$JIFFY_BUILD/guest-root/tests
	local root=$BATS_FILE_TMPDIR/root
	mkdir -p "$root/bin" "$root/dir"
	cp "$guest/hello.static" "$root/bin/hello"
	cp "$guest/hello" "$root/bin/dynamic" # its ld.so is not in the image
	printf '#!/no/such/shell\n' >"$root/bin/script"
	printf '#!/bin/loop\n' >"$root/bin/loop"
	printf 'plain text\n' >"$root/bin/text"
	: >"$root/bin/empty"
	head -c 40 "$root/bin/hello" >"$root/bin/cut-header"
	head -c 200 "$root/bin/hello" >"$root/bin/cut-table"
	head -c 9000 "$root/bin/hello" >"$root/bin/cut-segment"
	cp "$root/bin/hello" "$root/bin/wild"
	# the first PT_LOAD or its neighbours get an address in the kernel's part
	printf '\377\377\377\377\377\377\377\177' |
		dd of="$root/bin/wild" bs=1 seek=80 conv=notrunc status=none
	# program headers beyond the file
	cp "$root/bin/hello" "$root/bin/far"
	printf '\377\377\377\377\377\377\377\177' |
		dd of="$root/bin/far" bs=1 seek=32 conv=notrunc status=none
	# another machine
	cp "$root/bin/hello" "$root/bin/arm"
	printf '\267\0' | dd of="$root/bin/arm" bs=1 seek=18 conv=notrunc \
		status=none
	chmod 755 "$root"/bin/*
	cp "$root/bin/hello" "$root/bin/no-x"
	chmod 644 "$root/bin/no-x"
	digest=$("$JIFFY" build -q -t bad --cmd /bin/hello "dir:$root")
	export BAD_IMAGE=$JIFFY_HOME/images/sha256/${digest#sha256:}
}

nothing_left() {
	[ -z "$(ls -A "$JIFFY_HOME/instances")" ]
	[ -z "$(find "$JIFFY_HOME" -name '*.new' -o -name '.tmp*')" ]
}

@test "a program that is not there ends with 127, detached too" {
	refuse 127 "cannot run /bin/absent: not found" "$JIFFY" run bad /bin/absent
	refuse 127 "cannot run absent: not found in PATH" "$JIFFY" run bad absent
	refuse 127 "cannot run /bin/text/x: not found" "$JIFFY" run bad /bin/text/x
	refuse 127 "cannot run /bin/absent: not found" \
		"$JIFFY" run -d bad /bin/absent
}

@test "a program that cannot be run ends with 126" {
	refuse 126 "cannot run /dir: not an executable" "$JIFFY" run bad /dir
	refuse 126 "cannot run /bin/no-x: not an executable" \
		"$JIFFY" run bad /bin/no-x
	refuse 126 "cannot run /bin/text: not a program" "$JIFFY" run bad /bin/text
	refuse 126 "cannot run /bin/empty: not a program" \
		"$JIFFY" run bad /bin/empty
	refuse 126 "cannot run /bin/arm: " "$JIFFY" run bad /bin/arm
	refuse 126 "cannot run /bin/arm: " "$JIFFY" run -d bad /bin/arm
}

@test "a missing interpreter is named" {
	refuse 126 "cannot run /bin/script: interpreter /no/such/shell: not found" \
		"$JIFFY" run bad /bin/script
	refuse 126 "cannot run /bin/dynamic: interpreter /lib64/ld-linux-x86-64.so.2: not found" \
		"$JIFFY" run bad /bin/dynamic
	refuse 126 "cannot run /bin/loop: " "$JIFFY" run bad /bin/loop
}

@test "a corrupt ELF file is refused" {
	for name in cut-header cut-table wild far; do
		refuse 126 "cannot run /bin/$name: " "$JIFFY" run bad "/bin/$name"
	done
	# mapped as on Linux: dies of a signal at the first touch beyond the end
	run timeout 20 "$JIFFY" run --rm bad /bin/cut-segment
	echo "status $status: $output"
	[ "$status" -ge 126 ]
	nothing_left
}

@test "no such user, no such directory" {
	refuse 126 "no such user in the image: nobody-here" \
		"$JIFFY" run -u nobody-here bad
	refuse 126 "cannot enter /bin/text: not a directory" "$JIFFY" run -w /bin/text bad
}

@test "an image that is cut off, overwritten or gone" {
	local digest root size
	mkdir "$BATS_TEST_TMPDIR/root"
	cp "$BATS_FILE_TMPDIR/root/bin/hello" "$BATS_TEST_TMPDIR/root/hello"
	digest=$("$JIFFY" build -q -t cut --cmd /hello \
		"dir:$BATS_TEST_TMPDIR/root")
	root=$JIFFY_HOME/images/sha256/${digest#sha256:}/root.erofs
	size=$(stat -c %s "$root")
	cp "$root" "$BATS_TEST_TMPDIR/whole"
	chmod u+w "$root"
	truncate -s 100 "$root"
	refuse 125 "root.erofs: 100 bytes, not $size" "$JIFFY" run cut
	rm -f "$root"
	refuse 125 "root.erofs" "$JIFFY" run cut
	# the right size, the wrong bytes
	truncate -s "$size" "$root"
	refuse 125 "" "$JIFFY" run cut
	head -c "$size" </dev/urandom >"$root"
	refuse 125 "" "$JIFFY" run cut
	# at 8192 is code: random bytes may run for ever, these are no instruction
	head -c 4096 /dev/zero | tr '\0' '\377' >"$BATS_TEST_TMPDIR/code"
	for at in 0 1024 4096 8192; do
		cp -f "$BATS_TEST_TMPDIR/whole" "$root"
		bytes=/dev/urandom
		[ $at -lt 8192 ] || bytes=$BATS_TEST_TMPDIR/code
		dd if="$bytes" of="$root" bs=4096 count=1 seek=$at \
			oflag=seek_bytes conv=notrunc status=none
		run timeout 20 "$JIFFY" run --rm cut </dev/null
		echo "at $at: status $status: $output"
		[ "$status" -ne 124 ]
		nothing_left
	done
	cp -f "$BATS_TEST_TMPDIR/whole" "$root"
	run -0 timeout 20 "$JIFFY" run --rm cut
}

@test "a manifest that is nonsense" {
	local manifest=$BAD_IMAGE/manifest.json text
	cp "$manifest" "$BATS_TEST_TMPDIR/manifest"
	chmod u+w "$manifest"
	for text in '' '{' '[]' '{"version":99}' '{"config":7}' \
		"$(head -c 3000 /dev/zero | tr '\0' '[')"; do
		printf '%s' "$text" >"$manifest"
		refuse 125 "manifest" "$JIFFY" run bad
	done
	cp "$BATS_TEST_TMPDIR/manifest" "$manifest"
	run -0 timeout 20 "$JIFFY" run --rm bad
}

@test "unknown flags, images, packages and sources" {
	refuse 125 "--frobnicate" "$JIFFY" run --frobnicate bad
	refuse 125 "frobnicate" "$JIFFY" frobnicate
	refuse 125 "no image 'absent'" "$JIFFY" run absent
	refuse 125 "dir:/absent" "$JIFFY" build dir:/absent
	refuse 125 "/absent.tar" "$JIFFY" build /absent.tar
}

@test "a port in use is named" {
	coproc LISTENER { exec python3 -c '
import socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1], flush=True)
sys.stdin.read()'; }
	local port
	read -r port <&"${LISTENER[0]}"
	refuse 125 "publish 127.0.0.1:$port/tcp" \
		"$JIFFY" run -p "127.0.0.1:$port:80" bad
	refuse 125 "publish 127.0.0.1:$port/tcp" \
		"$JIFFY" run -d -p "127.0.0.1:$port:80" bad
	exec {LISTENER[1]}>&-
}

@test "an ended instance keeps its record, its name is taken" {
	run -0 timeout 20 "$JIFFY" run --name kept bad
	run -125 "$JIFFY" run --name kept bad
	[[ "$output" == *"'kept' is taken by an ended instance"* ]]
	run "$JIFFY" ps -a
	[[ "$output" == *kept*"exited (0)"* ]]
	"$JIFFY" rm kept
	nothing_left
}

@test "--stats has counts of the whole run" {
	run -0 timeout 20 "$JIFFY" run --rm --stats="$BATS_TEST_TMPDIR/s" bad
	cat "$BATS_TEST_TMPDIR/s"
	python3 - "$BATS_TEST_TMPDIR/s" <<'END'
import json, sys
s = json.load(open(sys.argv[1]))
assert s["syscalls_total"] > 5, s
assert s["syscalls"]["exit_group"] == 1, s
assert s["memory"]["heap_bytes"] > 0, s
assert s["memory"]["peak_bytes"] > 0, s
assert s["counts"]["processes"] > 0, s
assert isinstance(s["unsupported"], list), s
END
}
