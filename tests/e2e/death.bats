#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Host processes of an instance, or its monitor, are killed at random moments
# under load: a crash is reported within a second and nothing is left.

bats_require_minimum_version 1.5.0

add() { # PROGRAM: it and its libraries into the root
	local lib
	mkdir -p "$root$(dirname "$1")"
	cp -L "$1" "$root$1"
	for lib in $(ldd "$1" | grep -o '/[^ ]*'); do
		mkdir -p "$root$(dirname "$lib")"
		cp -L "$lib" "$root$lib"
	done
}

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home
	local root=$BATS_FILE_TMPDIR/root
	mkdir -p "$root"
	cp -a "$JIFFY_BUILD/guest-root/." "$root/"
	if [ -x /usr/sbin/nginx ]; then
		add /usr/sbin/nginx
		mkdir -p "$root/etc/nginx" "$root/var/log/nginx" \
			"$root/var/lib/nginx" "$root/www"
		echo hello >"$root/www/index.html"
		cat >"$root/etc/nginx/nginx.conf" <<-END
			user nobody nogroup;
			worker_processes 2;
			events { worker_connections 256; }
			http {
				access_log off;
				server { listen 80; root /www; }
			}
		END
	fi
	"$JIFFY" build -q -t death "dir:$root" >/dev/null
}

rounds() { # KIND COUNT
	run timeout 120 python3 "$BATS_TEST_DIRNAME/death.py" "$1" "$2"
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$(ls -A "$JIFFY_HOME/instances")" ]
}

@test "a host process of a shell that forks is killed" {
	rounds shell 12
}

@test "a host process of nginx is killed under load" {
	[ -x /usr/sbin/nginx ] && command -v ab || skip "needs nginx and ab"
	rounds nginx 8
}

@test "the monitor is killed" {
	rounds monitor 6
}

@test "an instance that the host stops and continues goes on" {
	coproc "$JIFFY" run --rm death sh -c 'sleep 1 & echo up; wait; echo end'
	local monitor=$COPROC_PID out=${COPROC[0]} line pids p
	read -r -t 20 line <&"$out"
	[ "$line" = up ]
	pids=$(cat "/proc/$monitor/task/$monitor/children")
	# The sleep goes on as restart_syscall, which the filter must let pass.
	kill -STOP $pids
	for p in $pids; do
		until grep -q '^State:.T' "/proc/$p/status"; do :; done
	done
	kill -CONT $pids
	read -r -t 20 line <&"$out"
	[ "$line" = end ]
	wait "$monitor"
}
