# SPDX-License-Identifier: Apache-2.0
# What must fail, and say why in one line. A file that loads this may define
# nothing_left: it is called after each refusal.
# shellcheck shell=bash disable=SC2154

bats_require_minimum_version 1.5.0

# refuse STATUS TEXT COMMAND...: that status, one line of jiffy with the text.
refuse() {
	local want=$1 text=$2
	shift 2
	run "-$want" timeout 120 "$@" </dev/null
	echo "status $status: $output"
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" == "jiffy: "*"$text"* ]]
	! declare -F nothing_left >/dev/null || nothing_left
}

# refuse_run STATUS TEXT ARGUMENT...: of `jiffy run --rm ARGUMENT...`.
refuse_run() {
	refuse "$1" "$2" "$JIFFY" run --rm "${@:3}"
	[[ "$output" == "jiffy: run: "* ]]
}
