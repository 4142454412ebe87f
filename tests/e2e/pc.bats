#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# One real program on platform `pc`, and the kernel; `make check-pc` runs others
# (tests/pc/programs.bats).

bats_require_minimum_version 1.5.0
load ../pc/machine

@test "nginx: files, 1,000 requests" {
	serve 8080 -v "$BATS_FILE_TMPDIR/scripts:/scripts" programs \
		sh /scripts/nginx.sh
	[ "$(fetch "http://127.0.0.1:$PORT/")" = '<p>hello</p>' ]
	head -c 102400 /dev/zero | tr '\0' n >big
	fetch "http://127.0.0.1:$PORT/big" | cmp - big
	load 1000 "http://127.0.0.1:$PORT/"
	load 100 "http://127.0.0.1:$PORT/big"
}

@test "the kernel's file is of one megabyte at most" {
	[ "$(stat -c %s "$BUILD/jiffy-kernel-pc")" -le 1000000 ]
}
