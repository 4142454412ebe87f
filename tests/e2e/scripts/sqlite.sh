# SPDX-License-Identifier: Apache-2.0
# The sqlite3 shell: transactions, journals, concurrent writers, dumps.
dir=$(mktemp -d)
cd "$dir" || exit 1
for mode in delete wal persist memory; do
	sqlite3 "$mode.db" <<-SQL
		pragma journal_mode = $mode;
		create table t(k integer primary key, v text);
		begin;
		with recursive n(i) as
			(select 1 union all select i + 1 from n where i < 20000)
		insert into t select i, hex(i) from n;
		commit;
		create index v on t(v);
		begin; delete from t; rollback;
		select count(*), sum(k), max(v) from t;
		pragma integrity_check;
	SQL
	ls
done
sqlite3 delete.db .dump | sqlite3 copy.db
sqlite3 copy.db 'select count(*) from t' 'vacuum' 'select max(k) from t'
sqlite3 c.db 'pragma journal_mode = wal' 'create table c(n)'
for writer in 1 2 3 4; do
	for n in 1 2 3 4 5 6 7 8 9 10; do
		echo ".timeout 20000"
		echo "insert into c values($writer * 100 + $n);"
	done | sqlite3 c.db &
done
wait
sqlite3 c.db 'select count(*), sum(n) from c'
sqlite3 -csv delete.db 'select k, v from t where k in (3, 9, 27)'
sqlite3 delete.db "attach 'wal.db' as w" \
	'select count(*) from t join w.t using (k)'
sqlite3 delete.db ".backup backup.db" && cmp delete.db backup.db && echo same
sqlite3 delete.db 'select nonsense' 2>/dev/null || echo "failed"
cd / && rm -r "$dir"
