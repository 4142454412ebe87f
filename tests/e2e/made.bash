# SPDX-License-Identifier: Apache-2.0
# made PROGRAM: a test's program in the build's directory is up to date.
# shellcheck shell=bash

made() {
	local top=$BATS_TEST_DIRNAME/../..
	make -s -C "$top" "O=$(realpath --relative-to="$top" "${JIFFY%/*}")" \
		"$1" 3>&-
}
