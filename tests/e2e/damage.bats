#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Checkpoints that are cut, changed, old, or another's are refused by the name of
# the fault, in one line, and stay; the good one can still be used.

bats_require_minimum_version 1.5.0

setup_file() {
	export JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home
	export DAMAGE=$BATS_FILE_TMPDIR/damage
	local root=$BATS_FILE_TMPDIR/root
	mkdir -p "$JIFFY_HOME" "$root/data"
	"${CC:-cc}" -O2 -Wall -static -o "$root/woken" \
		"$BATS_TEST_DIRNAME/woken.c"
	"${CC:-cc}" -O2 -Wall -static -o "$root/ledger" \
		"$BATS_TEST_DIRNAME/ledger.c"
	"${CC:-cc}" -O2 -Wall -msse4.2 -I "$BATS_TEST_DIRNAME/../.." \
		-o "$DAMAGE" "$BATS_TEST_DIRNAME/damage.c"
	"$JIFFY" build -q -t damage "dir:$root"
	echo another >"$root/file"
	"$JIFFY" build -q -t another "dir:$root"
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	name=d$BATS_TEST_NUMBER
	file=$JIFFY_HOME/instances/$name/checkpoint
}

teardown() {
	"$JIFFY" rm -f "$name" other >/dev/null 2>&1 || true
	"$JIFFY" volume rm "$name" >/dev/null 2>&1 || true
}

# asleep NAME ARGUMENT...: an instance that has printed something and sleeps.
asleep() {
	local instance=$1
	shift
	"$JIFFY" run -d --name "$instance" "$@"
	timeout 20 "$JIFFY" logs -f "$instance" 2>&1 3>&- | grep -qm 3 .
	"$JIFFY" suspend "$instance"
}

# refused TEXT
refused() {
	run --separate-stderr "$JIFFY" resume "$name"
	echo "$stderr"
	[ "$status" -eq 125 ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ "$stderr" == *"$1"* ]]
	[ -e "$file" ]
	"$JIFFY" ps -a | grep -q "^$name .*suspended"
}

verify_says() {
	run --separate-stderr "$JIFFY" snapshot verify "$file"
	echo "$stderr"
	[ "$status" -eq 125 ]
	[[ "$stderr" == *"$1"* ]]
}

@test "cut, flipped, old: each is called what it is" {
	asleep "$name" damage /woken
	cp "$file" good
	"$JIFFY" snapshot verify "$file"
	"$DAMAGE" good >list
	[ "$(wc -l <list)" -ge 30 ]
	for seed in $(seq "${SEEDS:-3}"); do
		while read -r damage message; do
			cp good "$file"
			"$DAMAGE" "$file" "$damage" "$seed"
			echo "$damage $seed: $message"
			case $message in
			verify*) verify_says "${message#verify }" ;;
			*) refused "$message" ;;
			esac
		done <list
	done
	cp good "$file"
	"$JIFFY" resume "$name"
	timeout 20 "$JIFFY" logs -f "$name" 2>&1 3>&- | grep -qm 1 round
}

@test "what is read later than at the wake: the instance says so and ends" {
	for seed in $(seq "${SEEDS:-3}"); do
		asleep "$name" damage /woken
		case $seed in
		1) "$DAMAGE" "$file" flip-cache 1 ;;
		*) "$DAMAGE" "$file" flip-read "$seed" ;;
		esac
		# or later, when the process is needed
		"$JIFFY" resume "$name" || true
		timeout 20 "$JIFFY" logs -f "$name" 2>&1 3>&- |
			grep -qa "the checkpoint is damaged"
		timeout 20 sh -c "until '$JIFFY' ps -a |
			grep '^$name .*crashed'; do :; done"
		"$JIFFY" resume --or-boot "$name"
		"$JIFFY" rm -f "$name"
	done
}

@test "whoever looks whether it runs does not stop a wake" {
	asleep "$name" damage /woken
	lock=$JIFFY_HOME/instances/$name/lock
	exec 4<"$lock"
	flock -s 4 # as `jiffy ps` does for a moment
	"$JIFFY" resume "$name" 4>&- &
	resume=$!
	timeout 10 sh -c "until pgrep -P $resume >pid; do :; done"
	flock -u 4
	wait $resume
}

@test "another's: of another spec, of another image" {
	asleep "$name" damage /woken
	cp "$file" good
	asleep other -e A=B damage /woken
	cp "$JIFFY_HOME/instances/other/checkpoint" "$file"
	refused "spec has changed"
	"$JIFFY" rm -f other
	asleep other another /woken
	cp "$JIFFY_HOME/instances/other/checkpoint" "$file"
	refused "$name"
	cp good "$file"
	"$JIFFY" resume "$name"
}

@test "the volume has another generation, size or time: boots when told to" {
	"$JIFFY" volume create --size 16M "$name"
	disk=$JIFFY_HOME/volumes/$name/disk
	asleep "$name" -v "$name:/data" damage /ledger /data/ledger
	cp "$file" good
	"$JIFFY" resume "$name"
	"$JIFFY" suspend "$name"
	mv "$file" newer
	cp good "$file" # from before a wake
	refused "volume"
	cp newer "$file"
	touch "$disk"
	refused "volume"
	run -0 --separate-stderr "$JIFFY" resume --or-boot "$name"
	[[ "$stderr" == *"it boots anew" ]]
	[ ! -e "$file" ]
	"$JIFFY" ps | grep -q "^$name .*running"
}
