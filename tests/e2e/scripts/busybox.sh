# SPDX-License-Identifier: Apache-2.0
# What busybox's shell and applets do. Its output is the same wherever Linux
# is.
dir=$(mktemp -d)
cd "$dir" || exit 1
b=busybox

echo "== pipelines"
$b seq 1 1000 | $b grep 7 | $b wc -l
$b seq 1 1000 | $b sort -rn | $b head -n 3 | $b tr '\n' ' '
echo
echo "a b c" | while read -r x y; do echo "$y|$x"; done
$b yes | $b head -c 1000000 | $b md5sum
$b printf 'one\ntwo\n' | $b xargs -n 1 $b echo item
$b printf '%s\n' c a b | $b sort | $b uniq -c | $b awk '{ n += $1 } END { print n }'
{ echo to-out; echo to-err >&2; } 2>&1 | $b cat

echo "== files"
$b mkdir -p d/e
$b dd if=/dev/zero of=d/zero bs=4k count=64 2>/dev/null
$b stat -c '%s %F' d/zero
$b ln -s zero d/link
$b cp -a d copy
$b find copy | $b sort
$b tar -czf d.tgz d && $b tar -tzf d.tgz | $b sort
$b gzip -c d/zero | $b gunzip | $b cmp - d/zero && echo same
echo text >f && $b sed -i 's/t/T/' f && $b cat f
$b sha256sum d/zero | $b cut -c 1-16
$b mkfifo p
$b cat p & echo through >p
wait
$b rm -r copy d d.tgz
$b ls

echo "== here-documents"
$b cat <<TEXT
$((1 + 2)) $(echo command)
TEXT

echo "== signals"
trap 'echo got usr1' USR1
kill -USR1 $$
(trap 'echo term; exit 3' TERM; $b kill -TERM $($b sh -c 'echo $PPID'))
echo "status $?"
$b cat p &
kill $!
wait $!
echo "killed $?"
$b timeout 0.05 $b cat p
echo "timeout $?"

echo "== jobs"
set -m 2>/dev/null
$b cat p &
job=$!
jobs -l | $b grep -c "$job"
kill -STOP $job
until $b grep -q '^State:.T' /proc/$job/status; do :; done
kill -CONT $job
until $b grep -q '^State:.[SR]' /proc/$job/status; do :; done
until echo released >p; do :; done 2>/dev/null
wait $job
echo "status $?"
(exit 5) & wait $!
echo "status $?"
cd / && $b rm -r "$dir"
