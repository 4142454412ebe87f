#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A checkpoint goes on with the kernel that wrote it, when Jiffy is another build
# since: build/other has the same kernel with other addresses.

bats_require_minimum_version 1.5.0

setup_file() {
	export OLD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export NEW=$OLD/other
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home
	local root=$BATS_FILE_TMPDIR/root
	mkdir -p "$JIFFY_HOME" "$root/bin"
	"${CC:-cc}" -O2 -Wall -static -o "$root/bin/woken" \
		"$BATS_TEST_DIRNAME/woken.c"
	"$OLD/jiffy" build -q -t old "dir:$root" >/dev/null
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	name=o$BATS_TEST_NUMBER
	kernels=$JIFFY_HOME/kernels
	"$OLD/jiffy" run -d --name "$name" old /bin/woken
	goes_on
	"$OLD/jiffy" suspend "$name"
}

teardown() {
	"$NEW/jiffy" rm -f "$name" n >/dev/null || true
	rm -rf "$kernels"
}

# goes_on: until the log has two more rounds.
goes_on() {
	local rounds
	rounds=$("$OLD/jiffy" logs "$name" | grep -c ^round) || true
	timeout 20 "$OLD/jiffy" logs -f "$name" 2>&1 3>&- |
		grep -m $((rounds + 2)) ^round | tail -1 >last
	[ "$("$OLD/jiffy" logs "$name" | grep -vc -e ^round -e '^$')" = 0 ]
}

# id FILE: its build ID, as the store has it.
id() {
	local hex
	hex=$(readelf -n "$1" | sed -n 's/.*Build ID: //p')
	printf '%-64s' "$hex" | tr ' ' 0
}

@test "another build wakes it with its own kernel, and lets that go" {
	[ "$(ls "$kernels")" = "$(id "$OLD/jiffy-kernel")" ]
	"$NEW/jiffy" resume "$name"
	goes_on
	pid=$(sed 's/.*"host_pid":\([0-9]*\).*/\1/' \
		"$JIFFY_HOME/instances/$name/state.json")
	[ "$(id "/proc/$pid/exe")" = "$(id "$OLD/jiffy-kernel")" ]
	# It is not needed before the next suspension.
	"$NEW/jiffy" run -d --name n old /bin/woken
	"$NEW/jiffy" suspend n
	[ "$(ls "$kernels")" = "$(id "$NEW/jiffy-kernel")" ]
	"$NEW/jiffy" suspend "$name"
	run -0 ls "$kernels"
	[ "${#lines[@]}" -eq 2 ]
	"$NEW/jiffy" resume n
	"$NEW/jiffy" resume "$name"
	goes_on
	"$NEW/jiffy" suspend n
	[ "$(ls "$kernels")" = "$(id "$NEW/jiffy-kernel")" ]
}

# refused TEXT: the checkpoint stays.
refused() {
	run -125 --separate-stderr "$NEW/jiffy" resume "$name"
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ "$stderr" == *"$1"* ]]
	[ -e "$JIFFY_HOME/instances/$name/checkpoint" ]
}

@test "a kept kernel that is gone, another's or not private is refused" {
	file=$kernels/$(id "$OLD/jiffy-kernel")
	[ "$(stat -c %a "$kernels" "$file" | tr '\n' ' ')" = "700 555 " ]
	chmod 775 "$file"
	refused "the kept kernel is another"
	mv "$file" good
	cp "$NEW/jiffy-kernel" "$file"
	chmod 555 "$file"
	refused "the kept kernel is another"
	rm -f "$file"
	ln -s "$PWD/good" "$file"
	refused "which was not kept"
	rm "$file"
	refused "which was not kept"
	run -0 --separate-stderr "$NEW/jiffy" resume --or-boot "$name"
	[[ "$stderr" == *"which was not kept: it boots anew" ]]
	goes_on
}

@test "clones go on with the kernel of their template" {
	"$OLD/jiffy" resume "$name"
	"$OLD/jiffy" snapshot "$name" -t template
	"$NEW/jiffy" run -d --name n --from template
	timeout 20 "$NEW/jiffy" logs -f n 2>&1 3>&- | grep -qm 2 ^round
	pid=$(sed 's/.*"host_pid":\([0-9]*\).*/\1/' \
		"$JIFFY_HOME/instances/n/state.json")
	[ "$(id "/proc/$pid/exe")" = "$(id "$OLD/jiffy-kernel")" ]
	# An instance that runs on the older kernel can be copied, too.
	[ "$("$NEW/jiffy" fork n -n 2 --name twin | wc -l)" -eq 2 ]
	timeout 20 "$NEW/jiffy" logs -f twin-1 2>&1 3>&- | grep -qm 2 ^round
	"$NEW/jiffy" rm -f twin-1 twin-2
	"$NEW/jiffy" snapshot rm template
}
