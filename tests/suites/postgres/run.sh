#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh regress|isolation DIR: make a cluster below DIR, start it, and run a
# suite of PostgreSQL's own against it, all as the user postgres; prints the
# suite's own lines, then the differences, then the end of the server's log if
# that says that it crashed.
set -eu
bin=/usr/lib/postgresql/15/bin
tests=/usr/local/lib/postgres-tests
export PATH=$bin:/usr/bin:/bin LC_ALL=C TZ=UTC
data=$2/data out=$2/out
mkdir -p "$data" "$out"
chmod 700 "$data"
"$bin/initdb" -D "$data" -A trust --no-sync --no-locale -E UTF8 >"$out/initdb" ||
	{
		cat "$out/initdb"
		exit 1
	}
cat >>"$data/postgresql.conf" <<'E'
listen_addresses = ''
unix_socket_directories = '/tmp'
max_prepared_transactions = 2
E
pg_ctl -D "$data" -l "$out/server" -w -s start || {
	cat "$out/server"
	exit 1
}
cd "$out"
case $1 in
regress)
	set -- "$tests/regress/pg_regress" --inputdir="$tests/regress" \
		--dlpath="$tests/regress" --max-concurrent-tests=20 \
		--schedule="$tests/regress/parallel_schedule"
	;;
isolation)
	set -- "$tests/isolation/pg_isolation_regress" \
		--inputdir="$tests/isolation" \
		--schedule="$tests/isolation/isolation_schedule"
	;;
esac
status=0
"$@" --outputdir="$out" --bindir="$bin" --host=/tmp --user=postgres || status=$?
[ ! -s regression.diffs ] || head -n 400 regression.diffs
pg_ctl -D "$data" -m fast -w -s stop || status=$?
! grep -a -A 5 -E 'was terminated by signal|PANIC|exited with exit code 2' server
exit $status
