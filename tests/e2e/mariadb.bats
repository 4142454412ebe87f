#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The image of examples/mariadb on a volume: its variables and scripts, restarts,
# a clean stop; what was committed is there after the monitor's end.

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
}

teardown() {
	"$JIFFY" kill -s KILL m 2>/dev/null || true
	"$JIFFY" rm -f m 2>/dev/null || true
}

# start [OPTION...] [-- ARGUMENT...]: the server on ./v.img.
start() {
	local options=()
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	[ $# -eq 0 ] || shift
	timeout 60 "$JIFFY" run -d --name m -m 1G -v ./v.img:/srv/mariadb \
		-p "127.0.0.1:$port:3306" "${options[@]}" mariadb "$@" >/dev/null
}

sql() {
	timeout 60 "$BATS_TEST_DIRNAME/mariadb.py" sql "$port" "$@"
}

# The server ended itself, the volume was unmounted and nothing is wrong.
stop() {
	timeout 60 "$JIFFY" stop m
	"$JIFFY" logs m | tail -n 1 | grep -q 'Shutdown complete$'
	"$JIFFY" rm m
	dumpe2fs -h v.img 2>/dev/null >state
	grep -q '^Filesystem state: *clean$' state
	! grep -q needs_recovery state
	e2fsck -fn v.img
}

@test "the variables of the official image, init scripts, a restart" {
	mkdir init
	echo 'CREATE TABLE one(n int); INSERT INTO one VALUES(1)' >init/1.sql
	echo 'INSERT INTO one VALUES(2)' | gzip >init/2.sql.gz
	# shellcheck disable=SC2016
	echo 'echo "INSERT INTO one SELECT max(n) + 1 FROM one" |
		MYSQL_PWD=$MARIADB_ROOT_PASSWORD mariadb -S "$socket" -u root \
			"$MARIADB_DATABASE"' >init/3.sh
	truncate -s 384M v.img
	mke2fs -q -t ext4 v.img
	mke2fs -q -t ext4 -d init init.img 16M
	start -v ./init.img:/docker-entrypoint-initdb.d:ro \
		-e "MARIADB_ROOT_PASSWORD=s'e\\cret" \
		-e 'MARIADB_DATABASE=an`engine_1' -e MARIADB_USER=ada \
		-e MYSQL_PASSWORD=pw
	[ "$(sql 'SELECT sum(n) FROM one' user=ada password=pw \
		'database=an`engine_1')" = 6 ]
	[ "$(sql 'SELECT current_user()' "password=s'e\\cret")" = root@% ]
	run sql 'SELECT 1' user=ada password=wrong
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == 1045:* ]]
	run sql 'SELECT 1 FROM mysql.user' user=ada password=pw
	echo "$output"
	[[ "$output" == 1142:* ]]
	stop
	start -- --innodb-buffer-pool-size=6M
	[ "$(sql 'SELECT count(*), @@innodb_buffer_pool_size FROM one' \
		user=ada password=pw 'database=an`engine_1')" = "3	6291456" ]
	stop
}

@test "a first start without a password says what it needs" {
	truncate -s 384M v.img
	mke2fs -q -t ext4 v.img
	run timeout 60 "$JIFFY" run --rm -v ./v.img:/srv/mariadb mariadb
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == "start-mariadb: set MARIADB_ROOT_PASSWORD "* ]]
}

@test "no acknowledged commit is lost when the monitor is killed" {
	timeout 100 "$BATS_TEST_DIRNAME/mariadb.py" crash "$JIFFY" \
		"$JIFFY_HOME" kill 20 8
}
