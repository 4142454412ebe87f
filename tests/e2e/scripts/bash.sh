# SPDX-License-Identifier: Apache-2.0
# What bash can do without a terminal: arrays, substitutions, here-documents,
# traps, coprocesses, jobs. Its output is the same wherever Linux is.
set -u
dir=$(mktemp -d)

echo "== arrays"
list=(one "two words" three)
list+=(four)
list[7]=eight
echo "${#list[@]}: ${list[*]}; indices ${!list[*]}"
declare -A map=([red]=1 [green]=2 [blue]=3)
for key in $(printf '%s\n' "${!map[@]}" | sort); do
	echo "$key=${map[$key]}"
done
mapfile -t lines < <(seq 1 1000)
echo "mapfile: ${#lines[@]} lines, last ${lines[-1]}"

echo "== substitutions"
diff <(seq 1 5) <(seq 2 6)
echo "diff: $?"
seq 1 10 | tee >(wc -l >"$dir/count") >/dev/null
wait $!
until [ -s "$dir/count" ]; do :; done
echo "tee: $(cat "$dir/count")"
echo "nested: $(echo $(echo $(echo deep)))"
read -r a b < <(echo "first second third")
echo "read: $a, $b"

echo "== here-documents"
cat <<-TEXT
	indented $((6 * 7))
	$(echo from a command)
TEXT
cat <<'TEXT'
not $expanded
TEXT
tr a-z A-Z <<<"a here string"
big=$(head -c 200000 /dev/zero | tr '\0' x)
wc -c <<<"$big"

echo "== pipes"
seq 1 20000 | sort -rn | head -n 2
false | true | false
echo "pipestatus ${PIPESTATUS[*]}"
set -o pipefail
false | true
echo "pipefail $?"
set +o pipefail
seq 1 100 | while read -r n; do echo $((n * n)); done | tail -n 1
{ echo out; echo err >&2; } 2>&1 >"$dir/out" | sed 's/^/piped: /'
cat "$dir/out"
yes | head -n 100000 | wc -l

echo "== traps"
trap 'echo "usr1"' USR1
kill -USR1 $BASHPID
trap 'echo "usr2 in $FUNCNAME"' USR2
func() { kill -USR2 $$; }
func
(
	trap 'echo "term in the subshell"; exit 7' TERM
	kill -TERM $BASHPID
	echo "never"
)
echo "subshell $?"
trap 'echo "err trap: $?"' ERR
false
trap - ERR
{ (kill -KILL $BASHPID); } 2>/dev/null
echo "killed: $?"
{ (ulimit -c 0; kill -SEGV $BASHPID); } 2>/dev/null
echo "segv: $?"
(trap 'echo "exit trap, status $?"' EXIT; exit 6)
echo "exit $?"
trap '' INT
kill -INT $$
echo "ignored"
bash -c 'kill -INT $$; echo "inherited ignore"'
trap - INT

echo "== coprocess"
coproc BC { while read -r x y; do echo $((x + y)); done; }
echo "2 3" >&"${BC[1]}"
read -r sum <&"${BC[0]}"
echo "sum $sum"
echo "20 22" >&"${BC[1]}"
read -r sum <&"${BC[0]}"
echo "sum $sum"
pid=$BC_PID
exec {BC[1]}>&-
wait "$pid"
echo "coproc ended $?"

echo "== jobs"
mkfifo "$dir/gate"
(read -r x <"$dir/gate"; exit 3) &
one=$!
(exit 4) &
two=$!
wait $two
echo "two $?"
echo go >"$dir/gate"
wait $one
echo "one $?"
for n in 5 6 7; do (exit $n) & done
wait
echo "all $?"
(exit 9) &
wait -n $!
echo "wait -n $?"
wait 99999 2>/dev/null
echo "no child $?"

echo "== job control"
set -m
(read -r x <"$dir/gate"; echo "read $x") &
job=$!
[ "$(ps -o pgid= -p $job | tr -d ' ')" = "$job" ] && echo "own group"
jobs -r | grep -c Running
kill -STOP $job
until grep -q '^State:.T' /proc/$job/status; do :; done
until [ -n "$(jobs -s)" ]; do :; done
jobs -s | grep -c Stopped
bg >/dev/null
until grep -q '^State:.S' /proc/$job/status; do :; done
jobs -r | grep -c Running
echo hello >"$dir/gate"
wait $job
echo "job $?"
cat "$dir/gate" &
job=$!
kill -TERM -- -$job
wait $job 2>/dev/null
echo "terminated $?"
set +m 2>/dev/null

echo "== descriptors"
exec 5<>"$dir/rw"
echo "written" >&5
exec 5<&-
cat "$dir/rw"
exec {fd}<"$dir/rw"
read -r -u "$fd" word
echo "$word"
exec {fd}<&-
(set -C; echo x >"$dir/rw") 2>/dev/null || echo "noclobber"
echo appended >>"$dir/rw"
wc -l <"$dir/rw"
read -r -t 0.01 nothing <>"$dir/gate"
echo "read timed out: $(($? > 128))"

echo "== arithmetic and strings"
echo $((2 ** 40)) $((0x1f)) $((7 % 3)) $((-7 / 2))
s="hello world"
echo "${s^^} ${s/world/there} ${s:6:3} ${#s} ${s##* }"
[[ $s =~ ([a-z]+)\ ([a-z]+) ]] && echo "${BASH_REMATCH[2]}"
printf '%05d|%-6s|%x|%q\n' 42 ab 255 "a b"
shopt -s extglob nullglob
touch "$dir"/{a,b,c}.txt
echo "$dir"/!(b).txt | sed "s|$dir/||g"
echo {1..5} {a..e}
rm -r "$dir"
