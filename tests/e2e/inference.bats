#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Instances of one model image share its weights (inference.py), with an
# inference server of our own (bench/inference.c).

setup_file() {
	export JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home
	local root=$BATS_FILE_TMPDIR/root
	mkdir -p "$JIFFY_HOME" "$root"
	"${CC:-cc}" -O2 -Wall -static -o "$root/inference" \
		"$BATS_TEST_DIRNAME/../../bench/inference.c" -lm
	"$root/inference" --make "$root/model"
	timeout 200 "$JIFFY" build -q -t inference "dir:$root"
	rm "$root/model"
}

@test "twenty instances: one copy of the model, and none in checkpoints" {
	timeout 300 "$BATS_TEST_DIRNAME/inference.py" "$JIFFY" 20
}
