#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jiffyd as the official JavaScript SDK of the platform sees it: the package is
# fetched, of one version and with one content.

bats_require_minimum_version 1.5.0

package=@unikraft/cloud@0.2.0
integrity=sha512-2bWuMUD9r7g6S/fvOi62d916XHb77dQISZXHVhYzG8ERw85+4QeG2YH0kHtmF0eGakN88CQg8g2PeGk4MfG2mQ==

# What its high-level class imports, of the version that the registry has.
plugin=@unikraft/cloud-plugin-sandbox-api@1.0.0
plugin_integrity=sha512-2IHAsVKG1ww41qNwCkHc9aJmaGJ1djcQY/AJMWsfHcLkUSe0SkEG/BdGlXiSaJSYG8kURCJbb3EzEewaf7aegw==

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	JIFFY_BUILD=$(realpath "$JIFFY_BUILD")
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home
	local root=$BATS_FILE_TMPDIR/root applet
	mkdir -p "$root/bin" "$root/tmp" "$root/www" "$JIFFY_HOME"
	echo a page >"$root/www/index.html"
	cp -L /bin/busybox "$root/bin/busybox"
	for applet in sh echo httpd; do
		ln -s busybox "$root/bin/$applet"
	done
	"$JIFFY" build -q -t box "dir:$root" >/dev/null
}

# fetch PACKAGE INTEGRITY DIR: unpacked in DIR.
fetch() {
	rm -f ./*.tgz
	if ! timeout 60 npm pack --silent "$1" >/dev/null 2>npm.log; then
		timeout 20 npm ping >/dev/null 2>&1 && {
			cat npm.log
			return 1
		}
		skip "no package registry can be reached"
	fi
	[ "sha512-$(openssl dgst -sha512 -binary ./*.tgz | base64 -w 0)" = "$2" ]
	mkdir -p "$3"
	tar xzf ./*.tgz --strip-components=1 -C "$3"
}

# fetch_sdk: side by side in ./node_modules, as each imports the other.
fetch_sdk() {
	command -v node >/dev/null || skip "no node"
	command -v npm >/dev/null || skip "no npm"
	fetch "$package" "$integrity" node_modules/@unikraft/cloud
	fetch "$plugin" "$plugin_integrity" \
		node_modules/@unikraft/cloud-plugin-sandbox-api
}

teardown() {
	[ -z "${daemon:-}" ] || daemon_kill
	local name
	for name in $(ls "$JIFFY_HOME/instances"); do
		"$JIFFY" rm -f "$name"
	done
}

@test "the official SDK makes, reads, starts, stops, wakes and deletes" {
	load jiffyd.bash
	cd "$BATS_TEST_TMPDIR"
	fetch_sdk
	api_port=$(free_tcp_port)
	daemon_start
	run timeout 120 node "$BATS_TEST_DIRNAME/jiffyd-sdk.mjs" \
		"$PWD/node_modules/@unikraft/cloud" "http://127.0.0.1:$api_port" secret \
		"$(free_tcp_port)" "$(free_tcp_port)"
	echo "$output"
	[[ "$output" == *"all is well"* ]]
}
