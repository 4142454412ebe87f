# SPDX-License-Identifier: Apache-2.0
# redis-server on loopback: commands, a pipeline of many, BGSAVE, the rewrite of
# the append-only file, both read again after a restart.
dir=$(mktemp -d)
cd "$dir" || exit 1
port=$((20000 + $$ % 10000))
cli() { redis-cli -p $port "$@"; }
start() {
	redis-server --port $port --bind 127.0.0.1 --dir "$dir" --save '' \
		--enable-debug-command local --daemonize no "$@" >>log 2>&1 &
	server=$!
	until cli ping 2>/dev/null | grep -q PONG; do
		kill -0 $server || { cat log; exit 1; }
	done
}
# Wait for a field of INFO persistence to have a value.
await() { until cli info persistence | tr -d '\r' | grep -qx "$1"; do :; done; }
stop() {
	cli shutdown "$1" >/dev/null 2>&1
	wait $server
	echo "server exit $?"
}

start --appendonly no
echo "== commands"
cli set key value
cli get key
cli incrby counter 42
cli rpush list a b c
cli lrange list 0 -1
cli hset hash f1 v1 f2 v2
cli zadd z 3 c 1 a 2 b
cli zrange z 0 -1 withscores
cli eval 'return redis.call("get", KEYS[1]) .. ARGV[1]' 1 key !
cli setex gone 100 x
cli ttl gone
cli type list
cli xadd stream 1-1 a b
cli get none
cli nonsense
echo "== many"
i=0
while [ $i -lt 20000 ]; do
	echo "SET key:$i value-$i"
	i=$((i + 1))
done | cli --pipe 2>&1 | grep replies
cli dbsize
redis-benchmark -p $port -n 20000 -c 20 -P 4 -q -t set,get,lpush 2>&1 |
	tr '\r' '\n' | grep -c 'requests per second'
echo "== publish"
mkfifo out
cli subscribe news >out &
exec 3<out
read -r _ <&3; read -r _ <&3; read -r _ <&3
cli publish news hello
for line in 1 2 3; do read -r text <&3; echo "$text"; done
kill $!
exec 3<&-
wait $! 2>/dev/null
echo "== bgsave"
before=$(cli debug digest)
cli bgsave
await rdb_bgsave_in_progress:0
await rdb_last_bgsave_status:ok
[ -s dump.rdb ] && echo saved
stop nosave
start --appendonly no
[ "$(cli debug digest)" = "$before" ] && echo "the same after a restart"
echo "== append-only file"
cli config set appendonly yes
await aof_rewrite_in_progress:0
cli set after rewrite
cli bgrewriteaof
await aof_rewrite_in_progress:0
await aof_last_bgrewrite_status:ok
cli set last one
before=$(cli debug digest)
stop nosave
start --appendonly yes
[ "$(cli debug digest)" = "$before" ] && echo "the same after a restart"
cli get last
echo "== signals"
kill -TERM $server
wait $server
echo "server exit $?"
cd / && rm -r "$dir"
