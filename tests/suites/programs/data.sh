# SPDX-License-Identifier: Apache-2.0
# image: data
# MariaDB answers SQL, recovers from a kill and ends when asked; etcd keeps and
# watches keys; nats-server passes messages.
set -eu
mkdir -p /run/mysqld
chown mysql: /run/mysqld
mariadb-install-db --user=mysql --skip-test-db \
	--auth-root-authentication-method=normal >/tmp/install.log 2>&1
start() {
	mariadbd --user=mysql >>/tmp/mariadb.log 2>&1 &
	server=$!
	until mariadb-admin ping >/dev/null 2>&1; do
		kill -0 $server || { tail /tmp/mariadb.log; exit 1; }
		sleep 0.1
	done
}
start
mariadb -e 'create database d; use d;
	create table t (i int primary key auto_increment, s varchar(99)) engine=innodb;
	insert into t (s) values ("a"), ("b");
	start transaction; insert into t (s) select s from t; rollback;
	insert into t (s) values ("c")'
for i in 1 2 3 4; do
	for j in $(seq 50); do
		echo "insert into t (s) values ('$i-$j');"
	done | mariadb d &
	writers="${writers:-} $!"
done
wait $writers
kill -KILL $server
wait $server || :
rm -f /run/mysqld/*
start
[ "$(mariadb -N d -e 'select count(*), group_concat(s order by s desc limit 2) from t')" = \
	'203	c,b' ]
mariadb-admin shutdown
wait $server

etcd --data-dir /tmp/etcd >/tmp/etcd.log 2>&1 &
server=$!
until etcdctl endpoint health >/dev/null 2>&1; do
	kill -0 $server
	sleep 0.1
done
export ETCDCTL_API=3
etcdctl watch --prefix k >/tmp/watched &
watch=$!
until etcdctl put k0 0 >/dev/null && [ -s /tmp/watched ]; do sleep 0.1; done
for i in $(seq 20); do etcdctl put k$i $i; done >/dev/null
[ "$(etcdctl get k7)" = 'k7
7' ]
until [ "$(grep -c '^k[1-9]' /tmp/watched)" = 20 ]; do sleep 0.1; done
kill $watch
kill -INT $server
wait $server || [ $? = 130 ]

nats-server -l /tmp/nats.log &
server=$!
until grep -q 'Server is ready' /tmp/nats.log; do sleep 0.1; done 2>/dev/null
exec 3<>/dev/tcp/127.0.0.1/4222
printf 'CONNECT {}\r\nSUB a.* 1\r\nPUB a.b 5\r\nhello\r\nPING\r\n' >&3
until [ "${line:-}" = PONG ]; do
	read -r -t 20 line <&3
	line=${line%?}
	echo "${line%% \{*}"
done >/tmp/said
[ "$(tr '\n' , </tmp/said)" = 'INFO,+OK,+OK,+OK,MSG a.b 1 5,hello,PONG,' ] ||
	{ cat /tmp/said; exit 1; }
kill -USR2 $server
wait $server || [ $? -le 1 ]
