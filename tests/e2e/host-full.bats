#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The host's disk is full under a volume whose own file system has room: an error
# to the program, nothing corrupted, nothing acknowledged lost, and on it goes
# when there is room again. The small disk is a tmpfs in a mount namespace.

load ports

setup_file() {
	export JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	mkdir -p "$JIFFY_HOME"
	timeout 500 "$BATS_TEST_DIRNAME/images" "$JIFFY"
}

# on_small_disk MIB FUNCTION: run one of the functions below where ./small is a
# disk of that size and ./small/v.img a volume that is larger.
on_small_disk() {
	local enter=(unshare -m)
	[ "$(id -u)" -eq 0 ] || enter=(unshare -rm)
	"${enter[@]}" true 2>/dev/null || skip "no namespaces"
	cd "$BATS_TEST_TMPDIR"
	export PATH=$PATH:/usr/sbin:/sbin HERE=$BATS_TEST_DIRNAME NAME=full-$2
	port=$(free_port)
	export port
	export -f start sql full grow ended "$2"
	timeout 250 "${enter[@]}" bash -euc "mkdir small
		mount -t tmpfs -o size=$1M none small
		truncate -s 1G small/v.img
		mke2fs -q -t ext4 small/v.img
		$2"
}

teardown() {
	for name in full-data full-log; do
		"$JIFFY" kill -s KILL $name 2>/dev/null || true
		"$JIFFY" rm -f $name 2>/dev/null || true
	done
}

start() {
	timeout 60 "$JIFFY" run -d --name "$NAME" -m 1G \
		-v ./small/v.img:/var/lib/postgresql \
		-p "127.0.0.1:$port:5432" -e POSTGRES_HOST_AUTH_METHOD=trust \
		-e "POSTGRES_INITDB_ARGS=--wal-segsize=1 --no-sync" \
		postgres "$@" >/dev/null
}

sql() {
	timeout 60 "$HERE/postgres.py" sql "$port" "$1" 2>&1
}

# full TABLE: insert until the host is full: how many rows were acknowledged.
full() {
	local rows=0
	while said=$(sql "INSERT INTO $1 SELECT n, repeat('x', 1000)
		FROM generate_series(1, 1000) n"); do
		rows=$((rows + 1000))
		[ $rows -lt 500000 ]
	done
	echo "after $rows rows: $said" >&2
	echo $rows
}

grow() {
	mount -o "remount,size=$1M" small
}

# ended: stopped, unmounted as it should be, and e2fsck finds nothing.
ended() {
	timeout 60 "$JIFFY" stop "$NAME"
	"$JIFFY" rm -f "$NAME"
	dumpe2fs -h small/v.img 2>/dev/null | grep 'state: *clean$'
	e2fsck -fn small/v.img
}

data() {
	start -c max_wal_size=2MB -c min_wal_size=2MB
	sql 'CREATE TABLE kept(n int, t text)'
	rows=$(full kept)
	[ "$rows" -gt 5000 ]
	sql 'SELECT 1/0' | grep 22012 # it lives
	[ "$(sql 'SELECT count(*) FROM kept')" = "$rows" ]
	grow 400
	sql "INSERT INTO kept SELECT n, repeat('y', 1000)
		FROM generate_series(1, 5000) n"
	[ "$(sql 'SELECT count(*) FROM kept')" = $((rows + 5000)) ]
	ended
	start
	[ "$(sql 'SELECT count(*) FROM kept')" = $((rows + 5000)) ]
	ended
}

# PostgreSQL has nowhere to write its log: it goes down (PANIC), as on Linux.
log() {
	start -c max_wal_size=1GB -c checkpoint_timeout=1h
	sql 'CREATE TABLE kept(n int)'
	rows=0
	while sql "SELECT pg_logical_emit_message(true, '', repeat('x', 900000));
		INSERT INTO kept VALUES($rows)"; do
		rows=$((rows + 1))
		[ $rows -lt 500 ]
	done
	[ $rows -gt 5 ]
	grow 400
	"$JIFFY" logs "$NAME" >log.txt
	grep 'PANIC: .*No space left on device' log.txt
	"$JIFFY" kill -s KILL "$NAME" || true
	flock small/v.img true
	"$JIFFY" rm -f "$NAME"
	start
	have=$(sql 'SELECT count(*) FROM kept')
	# Of the last one nobody was told.
	[ "$have" -eq $rows ] || [ "$have" -eq $((rows + 1)) ]
	sql "INSERT INTO kept SELECT generate_series(1, 100000)"
	ended
}

@test "PostgreSQL's data meets a full host" {
	on_small_disk 130 data
}

@test "PostgreSQL's log meets a full host" {
	on_small_disk 130 log
}
