#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The host's limits on an instance (-m, --cpus): a control group while it runs,
# none when it has ended, sleeps, or its monitor was killed; without the right to
# make one it runs and says why.

bats_require_minimum_version 1.5.0

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home
	local root=$BATS_FILE_TMPDIR/root
	mkdir -p "$JIFFY_HOME" "$root/bin"
	cp -L /bin/busybox "$root/bin/busybox"
	ln -s busybox "$root/bin/sleep"
	"$JIFFY" build -q -t limited "dir:$root" >/dev/null
}

teardown() {
	"$JIFFY" rm -f limited >/dev/null 2>&1 || true
}

# What a Python expression says of the instance `i`.
says() {
	"$JIFFY" inspect limited |
		python3 -c "import json, sys; i = json.load(sys.stdin)[0]
print($1)"
}

groups() {
	says "'\n'.join(i['live']['cgroup']['paths'])"
}

# Skip if this user may not make groups of all three kinds here.
need_groups() {
	[ "$(says "len(i['live']['cgroup']['limits'])")" = 3 ] ||
		skip "$(says "i['live']['cgroup'].get('why_not')")"
}

run_limited() {
	"$JIFFY" run -d --name limited -m 64M --cpus 1 limited sleep 1000
}

# Are there such directories?
there() {
	local place
	for place in $1; do
		[ -d "$place" ] || return 1
	done
}

gone() {
	local place
	for place in $1; do
		[ ! -d "$place" ] || return 1
	done
}

# And wait for its end.
kill_monitor() {
	python3 - "$(says "i['state']['pid']")" <<-'END'
		import os, select, signal, sys
		fd = os.pidfd_open(int(sys.argv[1]))
		signal.pidfd_send_signal(fd, signal.SIGKILL)
		select.select([fd], [], [])
	END
}

@test "a group while it runs, with its limits; none asleep or ended" {
	[ "$(nproc)" -gt 1 ] || skip "one processor"
	run_limited
	need_groups
	local first place pid limits=
	first=$(groups)
	there "$first"
	pid=$(says "i['live']['host_pid']")
	for place in $first; do
		grep -qx "$pid" "$place/cgroup.procs"
		limits+=" $(cat "$place"/{memory.limit_in_bytes,memory.max} \
			"$place"/cpu.{cfs_quota_us,max} 2>&- | tr '\n' ' ') "
	done
	# 64 MiB and what is not counted inside: half of it and 128 MiB.
	[[ $limits == *" $((224 * 1048576)) "* && $limits == *" 100000 "* ]]
	"$JIFFY" suspend limited
	gone "$first"
	"$JIFFY" resume limited
	first=$(groups)
	there "$first"
	pid=$(says "i['live']['host_pid']")
	for place in $first; do
		grep -qx "$pid" "$place/cgroup.procs"
	done
	"$JIFFY" stop -t 0 limited
	gone "$first"
}

@test "its monitor is killed: whoever starts or removes it takes them away" {
	run_limited
	need_groups
	local first
	first=$(groups)
	kill_monitor
	there "$first"
	"$JIFFY" start limited
	gone "$first"
	first=$(groups)
	there "$first"
	kill_monitor
	"$JIFFY" rm -f limited
	gone "$first"
}

@test "more processors than there are, and no -m: no group" {
	"$JIFFY" run -d --name limited --cpus "$(nproc)" limited sleep 1000
	[ "$(says "'cgroup' in i['live']")" = False ]
}

@test "without the right to make one it runs, and says why" {
	[ "$(id -u)" = 0 ] || skip "not root"
	unshare -m true || skip "no mounts"
	unshare -m sh -c 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"' sh \
		"$JIFFY" run -d --name limited -m 64M limited sleep 1000
	[ "$(says "i['live']['cgroup']['limits']")" = "[]" ]
	[ -n "$(says "i['live']['cgroup']['why_not']")" ]
}
