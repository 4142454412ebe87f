# SPDX-License-Identifier: Apache-2.0
# A daemon for tests: started, asked, killed. A file that loads this has
# JIFFY_HOME of its own.
# shellcheck shell=bash disable=SC2154

# daemon_start [OPTION...]: at $api, with the token "secret"; it answers when
# this returns.
daemon_start() {
	local log=$BATS_TEST_TMPDIR/jiffyd.log
	: >"$log"
	"$JIFFY_BUILD/jiffyd" --state "$JIFFY_HOME" \
		--listen "127.0.0.1:$api_port" --token secret "$@" \
		>>"$log" 2>&1 3>&- &
	daemon=$!
	api=http://127.0.0.1:$api_port/v1
	timeout 20 sh -c "until grep -q ready '$log'; do :; done"
}

# daemon_kill: as the host would, without a word.
daemon_kill() {
	kill -9 "$daemon" 2>/dev/null
	wait "$daemon" 2>/dev/null || true
}

free_tcp_port() {
	python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# call METHOD PATH [BODY]: the answer's body; its HTTP status in $status_file.
call() {
	timeout 60 curl -s --max-time 50 -X "$1" "$api$2" \
		-H "Authorization: Bearer ${token-secret}" \
		-o "$BATS_TEST_TMPDIR/answer" -w '%{http_code}' \
		${3+-d "$3"} >"$BATS_TEST_TMPDIR/http"
	cat "$BATS_TEST_TMPDIR/answer"
}

# expect HTTP JQ METHOD PATH [BODY]: that status, and the jq expression is true.
expect() {
	local http=$1 jq=$2
	shift 2
	call "$@" >/dev/null
	echo "$*: $(cat "$BATS_TEST_TMPDIR/http")" \
		"$(head -c 2000 "$BATS_TEST_TMPDIR/answer")"
	[ "$(cat "$BATS_TEST_TMPDIR/http")" = "$http" ]
	jq -e "$jq" "$BATS_TEST_TMPDIR/answer" >/dev/null
}
