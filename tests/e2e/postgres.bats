#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The image of examples/postgres on a volume: what was committed is there after
# any end, a full volume is an error and not a disaster.

load ports

setup_file() {
	export JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	mkdir -p "$JIFFY_HOME"
	timeout 500 "$BATS_TEST_DIRNAME/images" "$JIFFY"
}

setup() {
	PATH=$PATH:/usr/sbin:/sbin
	cd "$BATS_TEST_TMPDIR"
	port=$(free_port)
	trust=POSTGRES_HOST_AUTH_METHOD=trust
}

teardown() {
	"$JIFFY" kill -s KILL "$BATS_TEST_NUMBER" 2>/dev/null || true
	"$JIFFY" rm -f "$BATS_TEST_NUMBER" 2>/dev/null || true
}

# start VOLUME [OPTION...] [-- ARGUMENT...]: the server, named by the test.
start() {
	local volume=$1 options=()
	shift
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	[ $# -eq 0 ] || shift
	timeout 60 "$JIFFY" run -d --name "$BATS_TEST_NUMBER" -m 1G \
		-v "$volume:/var/lib/postgresql" \
		-p "127.0.0.1:$port:5432" \
		-e "POSTGRES_INITDB_ARGS=--wal-segsize=1 --no-sync" \
		"${options[@]}" postgres "$@" >/dev/null
}

sql() {
	timeout 60 "$BATS_TEST_DIRNAME/postgres.py" sql "$port" "$@"
}

stop() {
	timeout 60 "$JIFFY" stop "$BATS_TEST_NUMBER"
	"$JIFFY" rm "$BATS_TEST_NUMBER"
}

# clean IMAGE: unmounted as it should be, and nothing is wrong.
clean() {
	dumpe2fs -h "$1" 2>/dev/null >state
	grep -q '^Filesystem state: *clean$' state
	! grep -q needs_recovery state
	e2fsck -fn "$1"
}

@test "a cluster is made, stopped, started; its volume is its own" {
	truncate -s 256M v.img
	mke2fs -q -t ext4 v.img
	start ./v.img -e $trust
	sql 'CREATE TABLE t AS SELECT n FROM generate_series(1, 10000) n'
	run timeout 60 "$JIFFY" run --rm -v ./v.img:/data --entrypoint '' \
		postgres true
	echo "$output"
	[ "$status" -eq 125 ]
	[[ "$output" == "jiffy: run: "*"is in use" ]]
	stop
	clean v.img
	start ./v.img
	[ "$(sql 'SELECT sum(n) FROM t')" = 50005000 ]
	stop
	clean v.img
}

@test "the variables of the official image and its init scripts" {
	mkdir init
	echo 'CREATE TABLE one(n int); INSERT INTO one VALUES(1)' >init/1.sql
	echo 'INSERT INTO one VALUES(2)' | gzip >init/2.sql.gz
	# shellcheck disable=SC2016
	echo 'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "INSERT INTO one
		SELECT max(n) + 1 FROM one"' >init/3.sh
	truncate -s 256M v.img
	mke2fs -q -t ext4 v.img
	mke2fs -q -t ext4 -d init init.img 16M
	start ./v.img -v ./init.img:/docker-entrypoint-initdb.d:ro \
		-e POSTGRES_USER=ada -e POSTGRES_PASSWORD=secret \
		-e POSTGRES_DB=engine -e POSTGRES_HOST_AUTH_METHOD=password
	[ "$(sql 'SELECT sum(n) FROM one' user=ada database=engine \
		password=secret)" = 6 ]
	run sql 'SELECT 1' user=ada database=engine password=wrong
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *28P01* ]]
	stop
	clean v.img
}

@test "a full volume: an error to the client, and on when there is room" {
	truncate -s 72M v.img
	mke2fs -q -t ext4 v.img
	start ./v.img -e $trust -- -c max_wal_size=2MB -c min_wal_size=2MB
	sql 'CREATE TABLE kept AS SELECT 42 AS n'
	sql 'CREATE UNLOGGED TABLE big(n int, t text)'
	run sql "INSERT INTO big SELECT n, repeat('x', 1000)
		FROM generate_series(1, 100000) n"
	echo "$output"
	[ "$status" -ne 0 ]
	# disk_full; the last write may have had room for a part of its block
	[[ "$output" == *53100*"could not "*"No space left on device"* ||
		"$output" == *53100*"wrote only "* ]]
	[ "$(sql 'SELECT n FROM kept')" = 42 ]
	sql 'DROP TABLE big'
	sql "CREATE TABLE small AS SELECT n, repeat('x', 1000) AS t
		FROM generate_series(1, 2000) n; CHECKPOINT"
	[ "$(sql 'SELECT count(*) FROM small')" = 2000 ]
	stop
	clean v.img
}

@test "no acknowledged commit is lost when the monitor is killed" {
	timeout 100 "$BATS_TEST_DIRNAME/postgres.py" crash "$JIFFY" \
		"$JIFFY_HOME" kill 30 10
}

# The server's ends are cheap once the image is there: the volumes of this
# kernel lose power (tests/powercut).
@test "nor when the power goes, in the middle of a recovery, too" {
	timeout 150 "$BATS_TEST_DIRNAME/postgres.py" crash \
		"$(dirname "$JIFFY")/powercut/jiffy" "$JIFFY_HOME" power 30 20
}

@test "a host's I/O error: told to the server, said, nothing lost" {
	timeout 100 "$BATS_TEST_DIRNAME/postgres.py" crash \
		"$(dirname "$JIFFY")/powercut/jiffy" "$JIFFY_HOME" fail 30 10
}
