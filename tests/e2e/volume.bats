#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jiffy volume: what its commands make, what they refuse and how they say so.

load refuse

setup() {
	JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	export JIFFY_HOME=$BATS_TEST_TMPDIR/home
	PATH=$PATH:/usr/sbin:/sbin
	cd "$BATS_TEST_TMPDIR"
}

disk() {
	echo "$JIFFY_HOME/volumes/$1/disk"
}

# Nothing half made stays.
nothing_left() {
	[ -z "$(ls -d "$JIFFY_HOME"/volumes/.tmp-* 2>/dev/null)" ]
}

# A value of `jiffy volume inspect`.
about() {
	"$JIFFY" volume inspect "$1" | jq -r ".[0].$2"
}

# Put a file into a volume, and read one, without an instance.
put_file() {
	printf '%s\n' "$3" >in.txt
	debugfs -w -R "write in.txt $2" "$(disk "$1")" 2>/dev/null
}
get_file() {
	debugfs -R "cat $2" "$1" 2>/dev/null
}

@test "create makes a sparse ext4 that e2fsck finds clean" {
	run "$JIFFY" volume create --size 64M --fs-label data v
	[ "$status" -eq 0 ]
	[ "$output" = v ]
	[ "$(about v size)" = $((64 << 20)) ]
	[ "$(about v filesystem.label)" = data ]
	[ "$(about v filesystem.needs_recovery)" = false ]
	[ "$(about v in_use)" = none ]
	[ "$(about v allocated)" -lt $((8 << 20)) ]
	e2fsck -fn "$(disk v)"
	dumpe2fs -h "$(disk v)" | grep -q 'features:.*metadata_csum'
}

@test "create is ready to use" {
	"$JIFFY" volume create --size 64M v
	put_file v a.txt hello
	[ "$(get_file "$(disk v)" a.txt)" = hello ]
	[ "$(stat -c %a "$(disk v)")" = 600 ]
}

@test "ls lists volumes, as a table and as JSON" {
	[ "$("$JIFFY" volume ls -o json | jq length)" = 0 ]
	"$JIFFY" volume create --size 16M b
	"$JIFFY" volume create --size 16M a
	run "$JIFFY" volume ls
	[ "${#lines[@]}" -eq 3 ]
	[[ "${lines[0]}" == "NAME "* ]]
	[[ "${lines[1]}" == "a "*"none"* ]]
	[ "$("$JIFFY" volume ls -o json | jq -r '.[].name' | xargs)" = "a b" ]
	flock "$(disk a)" "$JIFFY" volume ls -o json >out.json
	[ "$(jq -r '.[0].in_use' out.json)" = read-write ]
	flock -s "$(disk a)" "$JIFFY" volume ls -o json >out.json
	[ "$(jq -r '.[0].in_use' out.json)" = read-only ]
}

@test "bad names, sizes and operands are refused" {
	refuse 125 "is not a name" "$JIFFY" volume create ../x
	refuse 125 "is not a name" "$JIFFY" volume create .hidden
	refuse 125 "is not a name" "$JIFFY" volume rm a/b
	refuse 125 "is not a size" "$JIFFY" volume create --size big v
	refuse 125 "at least 16M" "$JIFFY" volume create --size 1M v
	refuse 125 "more than 16 bytes" "$JIFFY" volume create \
		--fs-label 12345678901234567 v
	refuse 125 "operand is missing" "$JIFFY" volume create
	refuse 125 "operand is missing" "$JIFFY" volume
	refuse 125 "unexpected operand" "$JIFFY" volume create a b
	refuse 125 "perhaps 'create'" "$JIFFY" volume creat v
	refuse 125 "unknown command 'frob'" "$JIFFY" volume frob
	refuse 125 "no volume 'v'" "$JIFFY" volume rm v
	refuse 125 "no volume 'v'" "$JIFFY" volume resize v 64M
	refuse 125 "no volume 'v'" "$JIFFY" volume snapshot v w
	refuse 125 "no volume 'v'" "$JIFFY" volume export v x.img
	[ ! -e x.img ]
	"$JIFFY" volume create --size 16M v
	refuse 125 "exists already" "$JIFFY" volume create --size 16M v
}

@test "create says so when e2fsprogs is missing" {
	mkdir bin
	# A mke2fs of the directories that are always looked at cannot be hidden
	# without a namespace of our own.
	unshare -rm true 2>/dev/null || skip "no namespaces"
	run unshare -rm sh -c "
		for d in /usr/sbin /sbin; do mount -t tmpfs none \$d; done
		exec env PATH=$PWD/bin $JIFFY volume create --size 16M v"
	echo "$output"
	[ "$status" -eq 125 ]
	[[ "$output" == *"mke2fs is not there: install e2fsprogs"* ]]
	[ -z "$(ls -A "$JIFFY_HOME/volumes")" ]
}

@test "rm removes, but not what is in use" {
	"$JIFFY" volume create --size 16M v
	"$JIFFY" volume create --size 16M w
	refuse 125 "volume v is in use" flock "$(disk v)" "$JIFFY" volume rm v
	refuse 125 "volume v is in use" flock -s "$(disk v)" "$JIFFY" volume rm v
	[ -e "$(disk v)" ]
	run "$JIFFY" volume rm v w
	[ "$status" -eq 0 ]
	[ "$output" = "v
w" ]
	[ -z "$(ls -A "$JIFFY_HOME/volumes")" ]
}

@test "resize grows the file and its file system" {
	"$JIFFY" volume create --size 32M v
	put_file v a.txt kept
	refuse 125 "volumes only grow" "$JIFFY" volume resize v 16M
	refuse 125 "in use" flock "$(disk v)" "$JIFFY" volume resize v 64M
	"$JIFFY" volume resize v 300M
	[ "$(about v filesystem.size)" = $((300 << 20)) ]
	[ "$(get_file "$(disk v)" a.txt)" = kept ]
	e2fsck -fn "$(disk v)"
}

@test "resize replays the journal of a volume that was not unmounted" {
	"$JIFFY" volume create --size 32M v
	dd if=/dev/zero of=block bs=4096 count=1 status=none
	printf 'journalled' | dd of=block conv=notrunc status=none
	put_file v a.txt old
	block=$(debugfs -R "blocks a.txt" "$(disk v)" 2>/dev/null)
	debugfs -w -f - "$(disk v)" 2>/dev/null <<-END
	jo
	jw -b ${block% } $PWD/block
	jc
	END
	[ "$(about v filesystem.needs_recovery)" = true ]
	"$JIFFY" volume resize v 64M
	[ "$(about v filesystem.needs_recovery)" = false ]
	[ "$(get_file "$(disk v)" a.txt)" = jour ]
	e2fsck -fn "$(disk v)"
}

@test "snapshot copies" {
	"$JIFFY" volume create --size 32M v
	put_file v a.txt one
	[ "$("$JIFFY" volume snapshot v w)" = w ]
	cmp "$(disk v)" "$(disk w)"
	[ "$(about w from)" = "snapshot of v" ]
	[ "$(about w allocated)" -lt $((16 << 20)) ]
	refuse 125 "exists already" "$JIFFY" volume snapshot v w
	refuse 125 "is not a name" "$JIFFY" volume snapshot v /w
}

@test "snapshot of a volume in use is a clone or refused" {
	"$JIFFY" volume create --size 32M v
	if cp --reflink=always "$(disk v)" probe 2>/dev/null; then
		flock "$(disk v)" "$JIFFY" volume snapshot v w
		cmp "$(disk v)" "$(disk w)"
	else
		refuse 125 "cannot clone files" \
			flock "$(disk v)" "$JIFFY" volume snapshot v w
	fi
	flock -s "$(disk v)" "$JIFFY" volume snapshot v readers
	cmp "$(disk v)" "$(disk readers)"
}

@test "export and import, by file and by pipe, stay sparse" {
	"$JIFFY" volume create --size 200M v
	put_file v a.txt through
	"$JIFFY" volume export v v.img
	cmp v.img "$(disk v)"
	[ "$(stat -c %b v.img)" -lt 40000 ]
	refuse 125 "exists already" "$JIFFY" volume export v v.img
	"$JIFFY" volume export v | cat >piped.img
	cmp v.img piped.img
	"$JIFFY" volume export v - >plain.img
	[ "$(stat -c %b plain.img)" -lt 40000 ]
	cmp v.img plain.img
	"$JIFFY" volume import w v.img
	cmp "$(disk w)" v.img
	cat v.img | "$JIFFY" volume import x
	cmp "$(disk x)" v.img
	[ "$(about x allocated)" -lt $((20 << 20)) ]
	"$JIFFY" volume import y - <v.img
	[ "$(get_file "$(disk y)" a.txt)" = through ]
	refuse 125 "in use" flock "$(disk v)" "$JIFFY" volume export v -
}

@test "import refuses what is no ext4" {
	truncate -s 64M empty.img
	refuse 125 "holds no ext4 file system" "$JIFFY" volume import v empty.img
	: >nothing.img
	refuse 125 "holds no ext4 file system" "$JIFFY" volume import v nothing.img
	mke2fs -q -F -t ext2 -L x ext2.img 16M
	refuse 125 "ext2 or has no journal" "$JIFFY" volume import v ext2.img
	mke2fs -q -F -t ext3 ext3.img 16M
	refuse 125 "it is ext3" "$JIFFY" volume import v ext3.img
	cp empty.img xfs.img
	printf XFSB | dd of=xfs.img conv=notrunc status=none
	refuse 125 "it is XFS" "$JIFFY" volume import v xfs.img
	"$JIFFY" volume create --size 64M good
	"$JIFFY" volume export good cut.img
	truncate -s 32M cut.img
	refuse 125 "is too small" "$JIFFY" volume import v cut.img
	refuse 125 "No such file" "$JIFFY" volume import v missing.img
	refuse 125 "no image of a disk" "$JIFFY" volume import v .
	run "$JIFFY" volume ls -o json
	[ "$(echo "$output" | jq length)" = 1 ]
}

@test "an export that fails leaves nothing" {
	"$JIFFY" volume create --size 32M v
	refuse 125 "No such file" "$JIFFY" volume export v nowhere/v.img
	run bash -c "'$JIFFY' volume export v - >/dev/full"
	[ "$status" -eq 125 ]
	[[ "$output" == *"No space left"* ]]
	[ -z "$(ls)" ] || [ "$(ls)" = home ]
}

@test "a killed import is swept away by the next command" {
	mkdir -p "$JIFFY_HOME/volumes/.tmp-dead"
	: >"$JIFFY_HOME/volumes/.tmp-dead/disk"
	"$JIFFY" volume create --size 16M v
	[ ! -e "$JIFFY_HOME/volumes/.tmp-dead" ]
}

@test "help tells all commands" {
	run "$JIFFY" volume --help
	[ "$status" -eq 0 ]
	for c in create ls inspect rm resize snapshot import export; do
		[[ "$output" == *"  $c "* ]]
		"$JIFFY" volume $c --help | grep -q "usage: jiffy volume $c"
	done
}
