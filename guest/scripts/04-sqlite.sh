# sqlite3 does 1,000 transactions and finds its database whole: with a rollback journal, and with
# a write-ahead log where the cache mode has shared mappings.
# seconds: 180

transactions() {
    echo "PRAGMA journal_mode=$1; CREATE TABLE t (n INTEGER PRIMARY KEY, v TEXT);"
    seq 1000 | sed 's/.*/BEGIN; INSERT INTO t VALUES (&, hex(randomblob(100))); COMMIT;/'
}

whole() {
    same ok "$(sqlite3 "$1" 'PRAGMA integrity_check')" "integrity of $1"
    same 1000 "$(sqlite3 "$1" 'SELECT count(*) FROM t')" "rows of $1"
}

transactions delete | sqlite3 -bail rollback.db
whole rollback.db
same 500500 "$(sqlite3 rollback.db 'SELECT sum(n) FROM t')" 'sum'

# A transaction that is rolled back leaves nothing.
sqlite3 rollback.db 'BEGIN; DELETE FROM t; ROLLBACK'
whole rollback.db

if [ "$CACHE" != none ]; then
    transactions wal | sqlite3 -bail wal.db
    whole wal.db
    same wal "$(sqlite3 wal.db 'PRAGMA journal_mode')" 'journal mode'
fi

remount
for db in *.db; do
    whole "$db"
    same ok "$(on_host "sqlite3 $db 'PRAGMA integrity_check'")" "integrity of $db on the host"
done
