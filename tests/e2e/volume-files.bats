#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Files that an instance wrote are read back equal on the host with debugfs, and
# the other way round: sizes, holes, indexed directories, links, attributes.

setup() {
	JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	export JIFFY_HOME=$BATS_TEST_TMPDIR/home
	PATH=$PATH:/usr/sbin:/sbin
	cd "$BATS_TEST_TMPDIR"
	mkdir root
	gcc -O2 -static -o root/files "$BATS_TEST_DIRNAME/files.c"
	"$JIFFY" build -t files dir:root >/dev/null
	truncate -s 1G v.img
	mke2fs -q -t ext4 v.img
}

with() {
	timeout 100 "$JIFFY" run --rm -v ./v.img:/data files /files "$@"
}

tell() {
	debugfs -R "$1" v.img 2>/dev/null
}

# compare FILE...: the host's files of that name are those of the volume.
compare() {
	for file in "$@"; do
		tell "dump $file got"
		cmp "$file" got
	done
}

@test "what an instance wrote is what the host reads" {
	with make /data >said
	[ "$(cat said)" = made ]
	e2fsck -fn v.img
	# The same program, on the host: the files as they should be.
	mkdir host
	root/files make "$PWD/host"
	cd host && cp ../v.img . && compare small large holes punched empty odd
	cd ..
	# Holes take no blocks: 1 GiB apart, and 1 MiB of 4 punched.
	tell 'stat holes' >st && grep -Eq 'Size: 5368717312' st
	[ "$(sed -n 's/.*Blockcount: //p' st)" -lt 128 ]
	tell 'stat punched' >st
	[ "$(sed -n 's/.*Blockcount: //p' st)" -le $((3 * 2048 + 64)) ]
	# 10,000 names in an indexed directory, and a few as the host hashes them.
	tell 'htree_dump many' | grep -q 'Root node'
	tell 'ls -p many' | grep -c '/a_name_of_some_length_' >count
	[ "$(cat count)" = 10000 ]
	[ "$(tell 'cat many/a_name_of_some_length_1234')" = "" ]
	tell 'stat many/a_name_of_some_length_9999' | grep -q 'Type: regular'
	tell 'stat many/no_such_name' | grep -q 'Type:' && return 1
	tell 'stat short_link' | grep -q 'Fast link dest: "small"'
	[ "$(tell 'cat long_link' | wc -c)" = 1000 ]
	tell 'stat hard_link' | grep -q 'Links: 2'
	compare_hard=$(tell 'cat hard_link')
	[ "$compare_hard" = "$(cat host/small)" ]
	[ "$(tell 'ea_get -V small user.short')" = value ]
	[ "$(tell 'ea_get -V small user.long' | tr -d '\n' | wc -c)" = 3000 ]
	tell 'stat odd' | grep -Eq 'Mode: +04751'
	tell 'stat odd' | grep -Eq 'User: +1234 +Group: +70000'
}

@test "what the host wrote is what an instance reads" {
	mkdir host
	root/files make "$PWD/host"
	rm -f v.img
	# Blocks are taken from the source as they are: holes stay holes.
	mke2fs -q -t ext4 -d host v.img 1G
	e2fsck -fyD v.img >log || [ $? -le 1 ] # indexes the directory
	tell 'htree_dump many' | grep -q 'Root node'
	run with check /data
	echo "$output"
	[ "$output" = "as made" ]
	e2fsck -fn v.img
}

@test "both in turn: what one changed the other continues" {
	with make /data
	with check /data
	debugfs -w -f - v.img >/dev/null 2>&1 <<-END
		rm many/a_name_of_some_length_77
		ln small from_host
		ea_set small user.host yes
		symlink host_link large
	END
	e2fsck -fy v.img >log || [ $? -le 1 ]
	run with change /data
	echo "$output"
	[ "$output" = changed ]
	e2fsck -fn v.img
}
