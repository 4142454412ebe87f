#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many behind jiffyd, for a while. Databases: asleep with open sessions, woken, and
# a ledger of what they acknowledged while jiffyd and monitors are killed. Servers
# that sleep after each request: nothing grows. `make soak` has 200 and an hour.

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	mkdir -p "$JIFFY_HOME"
	timeout 500 "$BATS_TEST_DIRNAME/images" "$JIFFY_BUILD/jiffy"
}

teardown_file() {
	rm -f "$JIFFY_HOME"/jiffyd.*
}

@test "databases: each wakes; nothing acknowledged is lost in kills" {
	"$BATS_TEST_DIRNAME/tenants.py" "$(realpath "$JIFFY_BUILD")" \
		"$JIFFY_HOME" "${TENANTS:-3}" "${TENANTS_SECONDS:-10}"
}

@test "servers: asked at random while they fall asleep; nothing grows" {
	"$BATS_TEST_DIRNAME/servicesoak.py" "$(realpath "$JIFFY_BUILD")" \
		"$JIFFY_HOME" "${SERVICES:-6}" "${SERVICES_SECONDS:-15}"
}
