#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Building images from directories, archives, OCI layouts and Debian packages:
# what is kept, what is refused, what is remembered, what is left behind.

load refuse

setup() {
	JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	export JIFFY_HOME=$BATS_TEST_TMPDIR/home
	W=$BATS_TEST_TMPDIR/work
	mkdir -p "$W"
	cd "$W"
}

# The path of an image's root file.
root_of() {
	local digest
	digest=$("$JIFFY" inspect "$1" | sed -n 's/.*"digest": "\(.*\)".*/\1/p')
	echo "$JIFFY_HOME/images/sha256/$digest/root.erofs"
}

# Unpack an image into the directory out.
unpack() {
	rm -rf out
	fsck.erofs --extract="$PWD/out" "$(root_of "$1")" >/dev/null
}

# The mode of a file in an image, from the inode itself: the tools that unpack
# or print drop the set-user-ID bit.
mode_of() {
	local root nid meta
	root=$(root_of "$1")
	nid=$(dump.erofs --path="$2" "$root" | sed -n 's/^NID: \([0-9]*\).*/\1/p')
	meta=$(od -An -tu4 -j1064 -N4 "$root")
	printf '%o\n' "$(od -An -tu2 -j$((meta * 4096 + nid * 32 + 4)) -N2 "$root")"
}

# No build may leave work or half an image behind.
assert_clean() {
	[ -z "$(ls "$JIFFY_HOME/tmp" 2>/dev/null)" ]
	[ -z "$(find "$JIFFY_HOME" -name '*.tmp-*')" ]
}
nothing_left() {
	[ ! -d "$JIFFY_HOME" ] || assert_clean
}

make_dir() {
	mkdir -p d/bin d/etc
	echo 'echo hello' >d/bin/hello
	chmod 4755 d/bin/hello
	ln d/bin/hello d/bin/again
	ln -s hello d/bin/link
	echo text >d/etc/conf
	touch -d 2020-02-02T00:00:00Z d/etc/conf
}

@test "dir: keeps modes, links and times, and is named after the directory" {
	make_dir
	run "$JIFFY" build dir:d
	[ "$status" -eq 0 ]
	[[ "$output" == "d:latest "* ]]
	unpack d
	[ "$(mode_of d /bin/hello)" = 104755 ]
	[ "$(stat -c %h out/bin/hello)" = 2 ] ||
		cmp out/bin/hello out/bin/again
	[ "$(readlink out/bin/link)" = hello ]
	[ "$(stat -c %Y out/etc/conf)" = "$(date -d 2020-02-02T00:00:00Z +%s)" ]
	assert_clean
}

@test "dir: is built once, until anything in it changes" {
	make_dir
	"$JIFFY" build -t one dir:d
	first=$(stat -c %i "$(root_of one)")
	"$JIFFY" build -t two dir:d
	[ "$(stat -c %i "$(root_of two)")" = "$first" ]
	# the same size and the same time: still a change
	echo TEXT >d/etc/conf
	touch -d 2020-02-02T00:00:00Z d/etc/conf
	"$JIFFY" build -t three dir:d
	unpack three
	[ "$(cat out/etc/conf)" = TEXT ]
	chmod 600 d/etc/conf
	"$JIFFY" build -t four dir:d
	[ "$(root_of four)" != "$(root_of three)" ]
}

@test "the same tree gives the same image" {
	make_dir
	"$JIFFY" build -t one dir:d
	"$JIFFY" build --no-cache -t two dir:d
	[ "$(root_of one)" = "$(root_of two)" ]
}

@test "options change the manifest, not the root" {
	make_dir
	"$JIFFY" build -t plain dir:d
	"$JIFFY" build -t other --cmd "/bin/hello 'a b'" -e K=v -u nobody \
		-w /etc --expose 80 dir:d
	run "$JIFFY" inspect other
	[[ "$output" == *'"a b"'* ]]
	[[ "$output" == *'"K=v"'* ]]
	[[ "$output" == *'"user": "nobody"'* ]]
	[[ "$output" == *'"workdir": "/etc"'* ]]
	[[ "$output" == *'"80/tcp"'* ]]
	[ "$(stat -c %i "$(root_of plain)")" = "$(stat -c %i "$(root_of other)")" ]
	refuse 125 "--env" "$JIFFY" build -e =v dir:d
	refuse 125 "not absolute" "$JIFFY" build -w etc dir:d
	refuse 125 "partner" "$JIFFY" build --cmd "a 'b" dir:d
	refuse 125 "not an image name" "$JIFFY" build -t Bad dir:d
}

@test "tar: plain and compressed archives give the same root" {
	make_dir
	tar -C d --sort=name -cf a.tar .
	gzip -k a.tar
	xz -k a.tar
	zstd -q a.tar
	for f in a.tar a.tar.gz a.tar.xz a.tar.zst; do
		"$JIFFY" build -t "${f//./-}" "tar:$f"
	done
	for f in a-tar-gz a-tar-xz a-tar-zst; do
		cmp "$(root_of a-tar)" "$(root_of "$f")"
	done
	unpack a-tar
	[ "$(mode_of a-tar /bin/hello)" = 104755 ]
	[ "$(cat out/bin/again)" = "echo hello" ]
}

@test "tar: owners, devices and attributes are kept (as root)" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	mkdir t
	echo x >t/file
	chown 33:44 t/file
	mknod t/null c 1 3
	mkfifo t/fifo
	tar -C t -cf t.tar .
	"$JIFFY" build tar:t.tar
	unpack t
	[ "$(stat -c %u:%g out/file)" = 33:44 ]
	[ "$(stat -c %F:%t:%T out/null)" = "character special file:1:3" ]
	[ -p out/fifo ]
}

@test "tar: no name or link reaches out of the image" {
	mkdir t victim
	echo safe >victim/file
	echo evil >t/file
	tar -C t -cf dots.tar --transform 's,file,../../victim/file,' -P file
	refuse 125 "leaves the image" "$JIFFY" build tar:dots.tar
	tar -C t -cf abs.tar --transform "s,file,$W/victim/file," -P file
	"$JIFFY" build tar:abs.tar
	# through an absolute symbolic link, to a directory and to a file
	ln -s "$W/victim" t/dir
	ln -s "$W/victim/file" t/link
	tar -C t -cf link.tar dir link
	tar -C t -rf link.tar --transform 's,^file,dir/file,' file
	refuse 125 "dir/file" "$JIFFY" build tar:link.tar
	tar -C t -cf over.tar link
	tar -C t -rf over.tar --transform 's,^file,link,' file
	"$JIFFY" build tar:over.tar
	unpack over
	[ "$(cat out/link)" = evil ]
	[ "$(cat victim/file)" = safe ]
	[ ! -L out/link ]
	assert_clean
}

@test "tar: a hard link reaches nothing outside" {
	echo secret >"$W/secret"
	mkdir t
	echo x >t/a
	ln t/a t/b
	tar -C t --sort=name -cf h.tar a b
	# the target's name in the second header becomes an absolute path
	python3 - "$W/secret" <<'EOF'
import sys
data = bytearray(open("h.tar", "rb").read())
for at in range(0, len(data), 512):
    h = data[at:at + 512]
    if h[156:157] == b"1":
        h[157:257] = sys.argv[1].encode().ljust(100, b"\0")
        h[148:156] = b" " * 8
        h[148:156] = b"%06o\0 " % sum(h)
        data[at:at + 512] = h
open("h.tar", "wb").write(data)
EOF
	refuse 125 "b: link to" "$JIFFY" build tar:h.tar
}

@test "tar: damaged and foreign files are refused in one line" {
	make_dir
	head -c 300000 /dev/urandom >d/noise
	tar -C d -czf a.tgz .
	head -c 100000 a.tgz >cut.tgz
	refuse 125 "cut.tgz" "$JIFFY" build tar:cut.tgz
	tar -C d -cf a.tar .
	head -c 100000 a.tar >cut.tar
	refuse 125 "cut.tar" "$JIFFY" build tar:cut.tar
	head -c 5000 /dev/urandom >noise.tar
	refuse 125 "not a tar archive" "$JIFFY" build tar:noise.tar
	: >empty.tar
	refuse 125 "empty" "$JIFFY" build tar:empty.tar
	refuse 125 "No such file" "$JIFFY" build tar:absent.tar
	refuse 125 "not a file" "$JIFFY" build tar:d
	[ -z "$(ls "$JIFFY_HOME/images/sha256")" ]
}

# --- OCI layouts made of tar and printf -------------------------------------

# Store stdin as a blob; print its digest.
blob() {
	mkdir -p lay/blobs/sha256
	cat >lay/new
	local sum
	sum=$(sha256sum lay/new | cut -d' ' -f1)
	mv lay/new "lay/blobs/sha256/$sum"
	echo "$sum"
}

# descriptor TYPE DIGEST [MORE]
descriptor() {
	printf '{"mediaType":"%s","digest":"sha256:%s","size":%d%s}' "$1" "$2" \
		"$(stat -c %s "lay/blobs/sha256/$2")" "$3"
}

T=application/vnd.oci.image

# image ARCH LAYER... : print the digest of an image manifest
image() {
	local arch=$1 config layers=
	shift
	config=$(printf '{"architecture":"%s","os":"linux","config":{
		"Entrypoint":["/entry"],"Cmd":["arg"],"Env":["A=1"],
		"User":"7:8","WorkingDir":"/w","StopSignal":"SIGQUIT",
		"ExposedPorts":{"80/tcp":{}},"Labels":{"l":"v"}},
		"rootfs":{"type":"layers","diff_ids":[]}}' "$arch" | blob)
	for l in "$@"; do
		layers+=${layers:+,}$(descriptor $T.layer.v1.tar "$l")
	done
	printf '{"schemaVersion":2,"config":%s,"layers":[%s]}' \
		"$(descriptor $T.config.v1+json "$config")" "$layers" | blob
}

# index ENTRY... : write lay/index.json
index() {
	local all
	all=$(IFS=,; echo "$*")
	printf '{"schemaVersion":2,"manifests":[%s]}' "$all" >lay/index.json
	echo '{"imageLayoutVersion":"1.0.0"}' >lay/oci-layout
}

two_layers() {
	mkdir -p l1/a/sub l1/b l2/a l2/b
	echo one >l1/a/gone
	echo one >l1/a/stays
	echo one >l1/a/sub/file
	echo one >l1/b/lower
	ln -s b l1/alias
	: >l2/a/.wh.gone
	: >l2/a/.wh.sub
	echo two >l2/b/upper
	: >l2/b/.wh..wh..opq
	L1=$(tar -C l1 --sort=name -c . | gzip -n | blob)
	# the marker comes after the file that it must not remove
	L2=$(tar -C l2 -c a b/upper b/.wh..wh..opq | zstd -q | blob)
}

@test "oci: layers, whiteouts, opaque directories and the configuration" {
	two_layers
	index "$(descriptor $T.manifest.v1+json "$(image amd64 "$L1" "$L2")")"
	run "$JIFFY" build -t o oci:lay
	echo "$output"
	[ "$status" -eq 0 ]
	unpack o
	[ ! -e out/a/gone ]
	[ ! -e out/a/sub ]
	[ "$(cat out/a/stays)" = one ]
	[ ! -e out/b/lower ]
	[ "$(cat out/b/upper)" = two ]
	[ -z "$(find out -name '.wh.*')" ]
	[ -L out/alias ]
	run "$JIFFY" inspect o
	for word in '"/entry"' '"arg"' '"A=1"' '"user": "7:8"' \
		'"workdir": "/w"' SIGQUIT '"80/tcp"' '"l": "v"'; do
		[[ "$output" == *"$word"* ]]
	done
}

@test "oci: tags and platforms choose the image" {
	mkdir l1
	echo 1 >l1/f
	L=$(tar -C l1 -c . | blob)
	amd=$(image amd64 "$L")
	arm=$(image arm64 "$L")
	nested=$(printf '{"schemaVersion":2,"manifests":[%s,%s]}' \
		"$(descriptor $T.manifest.v1+json "$arm" ',"platform":{"os":"linux","architecture":"arm64"}')" \
		"$(descriptor $T.manifest.v1+json "$amd" ',"platform":{"os":"linux","architecture":"amd64"}')" | blob)
	index "$(descriptor $T.index.v1+json "$nested" ',"annotations":{"org.opencontainers.image.ref.name":"v1"}')" \
		"$(descriptor $T.manifest.v1+json "$arm" ',"annotations":{"org.opencontainers.image.ref.name":"arm"}')"
	"$JIFFY" build oci:lay:v1
	refuse 125 "no linux/amd64 image with tag 'v2'" "$JIFFY" build oci:lay:v2
	refuse 125 "for linux/arm64" "$JIFFY" build oci:lay:arm
	refuse 125 "2 images" "$JIFFY" build oci:lay
}

@test "oci: every blob must have its digest" {
	two_layers
	m=$(image amd64 "$L1" "$L2")
	index "$(descriptor $T.manifest.v1+json "$m")"
	cp lay/blobs/sha256/"$L2" good
	printf X | dd of="lay/blobs/sha256/$L2" bs=1 seek=40 conv=notrunc status=none
	refuse 125 "digest mismatch" "$JIFFY" build oci:lay
	truncate -s +1 "lay/blobs/sha256/$L2"
	refuse 125 "layer 1" "$JIFFY" build oci:lay
	rm "lay/blobs/sha256/$L2"
	refuse 125 "No such file" "$JIFFY" build oci:lay
	mv good "lay/blobs/sha256/$L2"
	sed -i 's/schemaVersion/schemaversioN/' "lay/blobs/sha256/$m"
	refuse 125 "digest mismatch" "$JIFFY" build oci:lay
	rm lay/oci-layout
	refuse 125 "not an OCI image layout" "$JIFFY" build oci:lay
	[ -z "$(ls "$JIFFY_HOME/images/sha256")" ]
}

@test "oci: nonsense documents are refused in one line" {
	mkdir -p lay
	echo '{"imageLayoutVersion":"1.0.0"}' >lay/oci-layout
	echo '{"manifests":[' >lay/index.json
	refuse 125 "index.json: line" "$JIFFY" build oci:lay
	echo '{"manifests":7}' >lay/index.json
	refuse 125 "manifests: expected an array" "$JIFFY" build oci:lay
	echo '{"manifests":[{"digest":"sha256:../../x","size":1}]}' >lay/index.json
	refuse 125 "digest" "$JIFFY" build oci:lay
	refuse 125 "No such file" "$JIFFY" build oci:absent
}

# --- the store ---------------------------------------------------------------

@test "work of a crashed build is removed, work of a running one is not" {
	make_dir
	"$JIFFY" build dir:d
	mkdir -p "$JIFFY_HOME/tmp/build-crashed/root/deep"
	mkdir "$JIFFY_HOME/tmp/build-running"
	exec 9<"$JIFFY_HOME/tmp/build-running"
	flock -n 9
	"$JIFFY" build --no-cache dir:d
	[ ! -e "$JIFFY_HOME/tmp/build-crashed" ]
	[ -e "$JIFFY_HOME/tmp/build-running" ]
	exec 9<&-
	"$JIFFY" build --no-cache dir:d
	assert_clean
}

@test "images lists, rmi removes: tags first, then the image" {
	make_dir
	"$JIFFY" build -t a/one:v1 dir:d
	"$JIFFY" build -t two dir:d
	run "$JIFFY" images
	[[ "${lines[1]}" == a/one*v1* ]]
	[[ "${lines[2]}" == two*latest* ]]
	run "$JIFFY" images -o json
	[[ "$output" == *'"name": "a/one"'* ]]
	root=$(root_of two)
	"$JIFFY" rmi a/one:v1
	[ -e "$root" ]
	"$JIFFY" rmi two
	[ ! -e "$root" ]
	refuse 125 "no image 'two'" "$JIFFY" rmi two
	[ -z "$(ls "$JIFFY_HOME/images/sha256")" ]
}

@test "a damaged manifest or root is refused in one line" {
	make_dir
	"$JIFFY" build -t x --cmd /bin/hello dir:d
	root=$(root_of x)
	manifest=${root%root.erofs}manifest.json
	sed -i 's/"schema": 1/"schema": 9/' "$manifest"
	refuse 125 "schema: 9" "$JIFFY" run x
	echo '{"schema":1' >"$manifest"
	refuse 125 "manifest.json: line" "$JIFFY" run x
	"$JIFFY" build --no-cache -t y --cmd '/bin/hello y' dir:d
	truncate -s -4096 "$(root_of y)"
	refuse 125 "root.erofs" "$JIFFY" run y
	[ -z "$(ls "$JIFFY_HOME/instances")" ]
}

# --- Debian packages (needs the machine's apt sources) ----------------------

@test "deb: a package is installed, stripped, cached" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	"$JIFFY" build deb:busybox
	unpack busybox
	[ -x out/bin/busybox ]
	[ -x out/bin/sh ]
	grep -q '^www-data:' out/etc/passwd
	[ -e out/usr/share/doc/busybox/copyright ]
	[ -z "$(find out/usr/share/doc -type f ! -name copyright)" ]
	[ -z "$(ls out/usr/share/man out/usr/share/locale 2>/dev/null | grep -v :)" ]
	[ -d out/usr/lib/locale/C.utf8 ]
	[ -z "$(ls -A out/dev)" ]
	[ ! -s out/etc/resolv.conf ]
	[ ! -e out/usr/sbin/policy-rc.d ]
	first=$(stat -c %i "$(root_of busybox)")
	start=$(date +%s%N)
	"$JIFFY" build -t again deb:busybox
	echo "cached build: $(( ($(date +%s%N) - start) / 1000 )) us"
	[ "$(stat -c %i "$(root_of again)")" = "$first" ]
	run "$JIFFY" inspect busybox
	[[ "$output" == *'"/bin/busybox"'* ]]
	assert_clean
}

# An installer that says "started" on a fifo and then does nothing; the fifo ends
# when the last process that it started is gone.
stuck_installer() {
	mkdir -p bin
	mkfifo alive
	printf '#!/bin/sh\nexec 9>%s/alive\necho started >&9\nsleep 1000 & wait\n' \
		"$W" >bin/mmdebstrap
	chmod +x bin/mmdebstrap
	PATH=$W/bin:$PATH "$JIFFY" build --no-cache deb:busybox 3>&- &
	builder=$!
	exec 8<alive
	read -r line <&8
	[ "$line" = started ]
	[ -n "$(ls "$JIFFY_HOME/tmp")" ]
}

@test "deb: an interrupted build cleans up and takes all its processes along" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	stuck_installer
	kill -TERM "$builder"
	status=0
	wait "$builder" || status=$?
	[ "$status" -eq 125 ]
	[ -z "$(cat <&8)" ]
	assert_clean
}

@test "deb: a killed build takes all its processes along, the next cleans up" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	stuck_installer
	kill -KILL "$builder"
	wait "$builder" || true
	[ -z "$(cat <&8)" ]
	make_dir
	"$JIFFY" build dir:d
	assert_clean
}

@test "deb: a package that does not exist is refused in one line" {
	refuse 125 "no-such-package-here" "$JIFFY" build deb:no-such-package-here
	refuse 125 "not a package name" "$JIFFY" build "deb:nginx;reboot"
	refuse 125 "not a package name" "$JIFFY" build deb:nginx,
}

@test "unknown commands, options and sources get one line and a hint" {
	refuse 125 "see 'jiffy help'" "$JIFFY" frobnicate
	refuse 125 "perhaps 'images'" "$JIFFY" immages
	refuse 125 "see 'jiffy build --help'" "$JIFFY" build --nope dir:d
	refuse 125 "not a source" "$JIFFY" build something
	refuse 125 "operand" "$JIFFY" build
	refuse 125 "unexpected operand" "$JIFFY" build a b
}

@test "--copy puts directories into the image, and never outside" {
	make_dir
	ln -s "$W/out-of-it" d/away
	mkdir -p app/sub out-of-it "d/$W/out-of-it"
	echo one >app/f
	ln -s f app/l
	echo two >app/sub/g
	"$JIFFY" build -q -t c --copy app:/srv/app --copy app/sub:/away/x dir:d
	unpack c
	[ "$(cat out/srv/app/f)" = one ]
	[ "$(readlink out/srv/app/l)" = f ]
	[ "$(cat out/srv/app/sub/g)" = two ]
	[ -e out/bin/hello ]
	[ "$(cat "out/$W/out-of-it/x/g")" = two ]
	[ -z "$(ls out-of-it)" ]
	[ ! -e d/srv ]
	[ "$("$JIFFY" build -q -t c --copy app:/srv/app --copy app/sub:/away/x \
		dir:d)" = "$("$JIFFY" build --no-tag --copy app:/srv/app \
		--copy app/sub:/away/x dir:d)" ]
	echo three >app/f
	"$JIFFY" build -q -t c --copy app:/srv/app dir:d
	unpack c
	[ "$(cat out/srv/app/f)" = three ]
	refuse 125 "is not DIR:PATH" "$JIFFY" build --copy app dir:d
	refuse 125 "is not DIR:PATH" "$JIFFY" build --copy app:srv dir:d
	refuse 125 "No such file" "$JIFFY" build --copy none:/srv dir:d
	refuse 125 "leaves the image" "$JIFFY" build --copy app:/srv/../.. dir:d
	assert_clean
}

@test "the instances' directory may be elsewhere from the start" {
	mkdir -p "$JIFFY_HOME" "$W/elsewhere" "$W/tree"
	ln -s "$W/elsewhere" "$JIFFY_HOME/instances"
	echo x >"$W/tree/file"
	"$JIFFY" build -t moved "dir:$W/tree"
	[ -e "$(root_of moved)" ]
}

@test "--stop-signal is kept, by name or number; an unknown one is refused" {
	mkdir root
	echo hello >root/file
	"$JIFFY" build -q -t stop --cmd /file --stop-signal INT dir:root
	"$JIFFY" inspect stop | grep '"stop_signal": "INT"'
	run "$JIFFY" build -q --stop-signal SIGNOTHING dir:root
	[ "$status" -ne 0 ]
	[[ $output == *"--stop-signal: unknown signal 'SIGNOTHING'"* ]]
	assert_clean
}
