#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jiffy cp: files and directories into and out of an instance that has no
# program for it, by docker's rules.

bats_require_minimum_version 1.5.0

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	local root=$BATS_FILE_TMPDIR/root
	mkdir -p "$JIFFY_HOME" "$root/bin" "$root/tmp"
	cp -L /bin/busybox "$root/bin/busybox"
	ln -s busybox "$root/bin/sleep"
	"$JIFFY" build -q -t cp "dir:$root" >/dev/null
	"$JIFFY" run -d --name copies cp sleep 100000
}

teardown_file() {
	"$JIFFY" rm -f copies >/dev/null || true
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	at=/tmp/$BATS_TEST_NUMBER
	x busybox mkdir "$at"
}

x() {
	timeout 20 "$JIFFY" exec copies "$@"
}

copy() {
	timeout 60 "$JIFFY" cp "$@"
}

make_tree() {
	mkdir -p tree/deep/er tree/empty
	echo one >tree/one
	echo two >tree/deep/two
	echo three >tree/deep/er/"a name with spaces"
	head -c 3000000 /dev/urandom >tree/big
	: >tree/nothing
	ln -s deep/two tree/link
	ln -s /nowhere/at/all tree/dangling
	chmod 640 tree/one
	chmod 755 tree/deep/two
	chmod 711 tree/deep
	touch -d 2001-02-03T04:05:06.789 tree/one tree/deep tree/empty
}

# Names, types, modes, sizes, times and targets of what is below $1.
list() {
	(cd "$1" && find . -printf '%p %y %m %T@ %l\n' | grep -v '^\. ' |
		sed -E 's/^(.* l [0-9]+) [0-9.]+/\1/' | sort)
}

@test "a tree there and back is the same" {
	make_tree
	copy tree copies:$at
	copy copies:$at/tree back
	diff -r --no-dereference tree back
	diff <(list tree) <(list back)
	run -0 x busybox stat -c '%u %g %a' $at/tree/one
	[ "$output" = "0 0 640" ]
	# What is in the image.
	copy copies:/bin bin
	cmp bin/busybox /bin/busybox
	[ "$(readlink bin/sleep)" = busybox ]
	# Again, over what is there.
	echo other >tree/one
	copy tree copies:$at
	run -0 x busybox cat $at/tree/one
	[ "$output" = other ]
}

@test "destinations are docker's" {
	make_tree
	copy tree/one copies:$at/new
	run -0 x busybox cat $at/new
	[ "$output" = one ]
	copy tree/deep/two copies:$at/new
	run -0 x busybox cat $at/new
	[ "$output" = two ]
	copy tree/one copies:$at
	run -0 x busybox cat $at/one
	run -125 copy tree/one copies:$at/nothere/
	[[ "$output" == *"no such directory"* ]]
	run -125 copy tree/one copies:$at/nothere/one
	run -125 copy tree copies:$at/one
	[[ "$output" == *"is no directory"* ]]
	copy tree copies:$at/made
	run -0 x busybox cat $at/made/deep/two
	copy tree/. copies:$at/made
	run -0 x busybox ls $at/made
	[[ "$output" != *tree* ]]
	copy tree/deep copies:${at#/}/relative
	run -0 x busybox cat $at/relative/two
	mkdir here
	copy copies:$at/one here
	copy copies:$at/one here/two
	copy copies:$at/made/. here/made
	copy copies:$at/made here
	[ "$(cat here/one here/two here/made/one)" = $'one\none\none' ]
	[ -e here/made/deep/two ] && [ -e here/made/made/one ] && false
	[ -e here/made/one ]
	run -125 copy copies:$at/made here/one
	run -125 copy copies:$at/nothing-there here
	[[ "$output" == *"No such file"* ]]
	run -125 copy copies:$at/one nowhere/at/all
	run -125 copy tree here
	run -125 copy copies:/a copies:/b
	run -125 copy nosuch:/a here
}

@test "tars on standard input and output" {
	make_tree
	tar -c --format=posix tree | copy - copies:$at
	copy copies:$at/tree - >out.tar
	mkdir back
	tar -x -C back -f out.tar
	diff -r --no-dereference tree back/tree
	diff <(list tree) <(list back/tree)
	copy copies:$at/tree/one - | tar -xO one | cmp - tree/one
	tar -cz tree/deep | copy - copies:$at/tree/empty
	run -0 x busybox cat $at/tree/empty/tree/deep/two
	# Hard links; owners if they are asked for.
	ln tree/one tree/same
	tar -c --owner 7 --group 8 tree/one tree/same | copy -a - copies:$at
	run -0 x busybox stat -c '%u %g %h' $at/tree/same
	[ "$output" = "7 8 2" ]
	run -125 copy - copies:$at/nothere </dev/null
	run -125 sh -c "echo no tar at all, is it | $JIFFY cp - copies:$at"
	copy - copies:$at </dev/null
}

@test "nothing leads out of the destination, either way" {
	mkdir in secret out
	echo mine >secret/file
	# Out: a link in the way of a file, as a guest may leave it.
	x busybox sh -c "mkdir $at/d; ln -s $PWD/secret $at/d/sub"
	copy copies:$at/d out
	[ -L out/d/sub ]
	x busybox sh -c "rm $at/d/sub; mkdir $at/d/sub; echo theirs >$at/d/sub/file"
	run copy copies:$at/d out
	[ "$(cat secret/file)" = mine ]
	# Set-id bits stay in there.
	x busybox sh -c "echo x >$at/suid; busybox chmod 6755 $at/suid"
	copy copies:$at/suid out
	[ "$(stat -c %a out/suid)" = 755 ]
	# In: a tar with such names.
	echo evil >in/file
	tar -cP --transform 's|^|../../|' -C in file -f dots.tar
	run -125 copy - copies:$at <dots.tar
	[[ "$output" == *"the path ../../file"* ]]
	tar -cP --transform 's|^|/|' -C in file | copy - copies:$at
	run -0 x busybox cat $at/file
	[ "$output" = evil ]
	run -1 x busybox test -e /file
	# Pipes and devices neither block nor are read.
	x busybox mkfifo $at/pipe
	copy copies:$at/pipe out/pipe
	[ -p out/pipe ]
	run -0 copy copies:/dev/null out/null
	[ ! -e out/null ]
}

@test "a suspended instance is woken; large files; many copies" {
	head -c 100000000 /dev/zero >large
	copy large copies:$at
	if [ "${JIFFY_PLATFORM:-}" != qemu ]; then
		"$JIFFY" suspend copies
	fi
	copy copies:$at/large back
	cmp large back
	for i in $(seq 20); do
		echo "$i" >"n$i"
		copy "n$i" copies:$at 3>&- &
	done
	wait
	copy copies:$at/. all
	cat all/n* | sort -n | cmp - <(seq 20)
	x busybox rm $at/large
}
