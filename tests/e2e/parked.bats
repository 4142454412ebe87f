#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# After a wake a guest process has a host process only once it is needed.

bats_require_minimum_version 1.5.0

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	local root=$BATS_FILE_TMPDIR/root
	mkdir -p "$JIFFY_HOME" "$root/bin" "$root/tmp"
	"${CC:-cc}" -O2 -Wall -static -pthread -o "$root/bin/parked" \
		"$BATS_TEST_DIRNAME/parked.c"
	"$JIFFY" build -q -t parked "dir:$root" >/dev/null
}

teardown() {
	"$JIFFY" rm -f parked >/dev/null || true
}

@test "whoever waits has no host process until the wait ends" {
	# shellcheck disable=SC2046
	set -- $(python3 -c 'import socket
s = [socket.socket() for _ in range(4)]
[x.bind(("127.0.0.1", 0)) for x in s]
print(*[x.getsockname()[1] for x in s])')
	"$JIFFY" run -d --name parked -p "127.0.0.1:$1:80" \
		-p "127.0.0.1:$2:81" -p "127.0.0.1:$3:82" -p "127.0.0.1:$4:83" parked /bin/parked
	timeout 200 python3 "$BATS_TEST_DIRNAME/parked.py" "$JIFFY" parked \
		"$JIFFY_HOME/instances/parked/state.json" "$@"
	[ "$("$JIFFY" logs parked)" = ready ]
}
