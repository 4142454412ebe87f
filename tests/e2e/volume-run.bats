#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jiffy run -v: what is mounted, what is refused in one clear line, and what is
# there after an end of any kind.

load refuse

setup() {
	JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	export JIFFY_HOME=$BATS_TEST_TMPDIR/home
	PATH=$PATH:/usr/sbin:/sbin
	cd "$BATS_TEST_TMPDIR"
	mkdir -p root/bin
	cp "$(command -v busybox)" root/bin/busybox
	for a in sh ls cat echo mkdir rm dd sync mv touch sleep test true; do
		ln -s busybox root/bin/$a
	done
	"$JIFFY" build -t bb dir:root >/dev/null
}

disk() {
	echo "$JIFFY_HOME/volumes/$1/disk"
}

# Run `sh -c SCRIPT` in an instance, $vol mounted at /data.
with() {
	timeout 60 "$JIFFY" run --rm -v "$vol:/data" bb sh -c "$1"
}

# `jiffy run -v VOLUME:/data` must fail with 125 and one line with this text.
refuse_volume() {
	refuse_run 125 "$1" -v "$2:/data" bb true
}

@test "what is written is there again, and e2fsck is content" {
	vol=v
	"$JIFFY" volume create --size 64M v
	with 'echo hello >/data/a; mkdir /data/d; echo x >/data/d/b'
	[ "$(with 'cat /data/a /data/d/b')" = "hello
x" ]
	e2fsck -fn "$(disk v)"
	[ "$(debugfs -R 'cat a' "$(disk v)" 2>/dev/null)" = hello ]
}

@test "what the host wrote is there" {
	"$JIFFY" volume create --size 64M v
	seq 100000 >numbers
	debugfs -w -R "write numbers numbers" "$(disk v)" 2>/dev/null
	vol=v
	with 'cat /data/numbers' | cmp - numbers
}

@test "a file of the host is a volume, too" {
	mke2fs -q -F -t ext4 image.ext4 32M
	vol=./image.ext4
	with 'echo file >/data/a'
	[ "$(debugfs -R 'cat a' image.ext4 2>/dev/null)" = file ]
}

@test "read-only: nothing changes, and readers share" {
	vol=v
	"$JIFFY" volume create --size 32M v
	with 'echo kept >/data/a'
	sum=$(sha256sum <"$(disk v)")
	run timeout 60 "$JIFFY" run --rm -v v:/data:ro bb sh -c \
		'cat /data/a; echo no >/data/a'
	[[ "$output" == *kept*"Read-only file system"* ]]
	flock -s "$(disk v)" timeout 60 "$JIFFY" run --rm -v v:/data:ro bb \
		cat /data/a | grep -q kept
	[ "$(sha256sum <"$(disk v)")" = "$sum" ]
	chmod 400 "$(disk v)"
	[ "$(timeout 60 "$JIFFY" run --rm -v v:/data:ro bb cat /data/a)" = kept ]
}

@test "one writer at a time, for as long as it lives" {
	"$JIFFY" volume create --size 32M v
	"$JIFFY" run -d --name w -v v:/data bb sh -c \
		'echo ready >/data/a; echo ready; sleep 1000' >/dev/null
	timeout 30 sh -c "until '$JIFFY' logs w | grep -q ready; do :; done"
	refuse_volume "volume v is in use" v
	[ "$("$JIFFY" volume ls -o json | jq -r '.[0].in_use')" = read-write ]
	run "$JIFFY" volume rm v
	[ "$status" -eq 125 ]
	"$JIFFY" stop w >/dev/null
	[ "$(timeout 60 "$JIFFY" run --rm -v v:/data:ro bb cat /data/a)" = \
		ready ]
	e2fsck -fn "$(disk v)"
}

@test "a killed monitor loses nothing that was synced" {
	vol=v
	"$JIFFY" volume create --size 64M v
	for round in 1 2 3; do
		"$JIFFY" run -d --name k$round -v v:/data bb sh -c "
			i=0
			while :; do
				i=\$((i + 1))
				mkdir -p /data/\$((i % 5))
				echo \$i >/data/\$((i % 5))/f\$((i % 31))
				echo \$i >/data/last
				sync
				echo \$i
			done" >/dev/null
		timeout 30 sh -c "until [ \$('$JIFFY' logs k$round |
			grep -c .) -gt $((round * 20)) ]; do :; done"
		kill -9 "$(jq -r .pid "$JIFFY_HOME/instances/k$round/state.json")"
		acked=$("$JIFFY" logs k$round | tail -n 1)
		timeout 30 flock "$(disk v)" true # all of it is gone
		"$JIFFY" rm -f k$round >/dev/null
		cp --sparse=always "$(disk v)" copy
		e2fsck -fy copy || [ $? -eq 1 ] # replays it, as Linux would
		[ "$(with 'cat /data/last')" -ge "$acked" ]
		e2fsck -fn "$(disk v)"
	done
}

@test "refused in one line: what is no ext4, too small, absent" {
	truncate -s 64M empty.img
	refuse_volume "no ext4 filesystem" ./empty.img
	cp empty.img xfs.img
	printf XFSB | dd of=xfs.img conv=notrunc status=none
	refuse_volume "no ext4 filesystem" ./xfs.img
	mke2fs -q -F -t ext2 ext2.img 16M
	refuse_volume "has no journal" ./ext2.img
	truncate -s 10k tiny.img
	refuse_volume "too small: 10240 bytes" ./tiny.img
	mke2fs -q -F -t ext4 cut.img 64M
	truncate -s 32M cut.img
	refuse_volume "blocks, its device" ./cut.img
	refuse_volume "No such file" ./absent.img
	refuse_volume "there is no volume 'absent'" absent
	refuse_volume "Is a directory" ./root
	refuse_volume "is not a regular file" /dev/null
}

@test "refused in one line: features that are not known, by name" {
	mke2fs -q -F -t ext4 -O encrypt,bigalloc f.img 32M 2>/dev/null
	refuse_volume "encrypt" ./f.img
	mke2fs -q -F -t ext4 g.img 32M
	debugfs -w -R "ssv feature_incompat 0x80002c2" g.img 2>/dev/null
	refuse_volume "unknown incompatible features 0x8000000" ./g.img
}

@test "refused in one line: a corrupt journal" {
	mke2fs -q -F -t ext4 -b 4096 j.img 32M
	log=$(debugfs -R 'blocks <8>' j.img 2>/dev/null | tr ' ' '\n' |
		grep -m 1 .)
	cp j.img super.img
	head -c 512 /dev/urandom | dd of=super.img bs=4096 seek="$log" \
		conv=notrunc status=none
	refuse_volume "journal's superblock" ./super.img
	# Two transactions of debugfs; a block of the first one is changed.
	head -c 40960 /dev/urandom >blocks
	printf 'jo -c -v 3\njw -b 6000-6009 blocks\njw -b 6010-6019 blocks\njc\n' |
		debugfs -w -f - j.img >/dev/null 2>&1
	printf 'oops' | dd of=j.img bs=4096 seek=$((log + 4)) conv=notrunc \
		status=none
	sum=$(sha256sum <j.img)
	refuse_volume "journal is corrupt in transaction 1" ./j.img
	[ "$(sha256sum <j.img)" = "$sum" ]
}

@test "a journal that needs a recovery is not read without one" {
	mke2fs -q -F -t ext4 -b 4096 j.img 32M
	head -c 40960 /dev/urandom >blocks
	printf 'jo -c -v 3\njw -b 6000-6009 blocks\njc\n' |
		debugfs -w -f - j.img >/dev/null 2>&1
	run timeout 60 "$JIFFY" run --rm -v ./j.img:/data:ro bb true
	echo "$output"
	[ "$status" -eq 125 ]
	[[ "$output" == *"must be replayed"* ]]
	vol=./j.img
	with true
	dd if=j.img bs=4096 skip=6000 count=10 status=none | cmp - blocks
	timeout 60 "$JIFFY" run --rm -v ./j.img:/data:ro bb true
}

@test "bad operands of -v" {
	for bad in v v: :/data v:data v:/ v:/a/../b ../v:/x:rx 'v w:/data'; do
		run "$JIFFY" run --rm -v "$bad" bb true
		echo "$bad: $output"
		[ "$status" -eq 125 ]
		[ "${#lines[@]}" -eq 1 ]
	done
}
