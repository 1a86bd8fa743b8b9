# Two guests, then a guest and the host, write one database of sqlite at the same time: no busy error
# escapes, and nothing is lost.
# seconds: 900
# peer: yes

count=${LONG:+2000}
count=${count:-40}

# writes NAME: so many transactions of one row each, 20 by each process of sqlite. Without any pause one writer
# keeps the other out for more than 10 s, on a local disk too.
writes() {
    echo "n=0
    while [ \$n -lt $count ]; do
        seq \$((n + 1)) \$((n + 20)) | sed \"s/.*/INSERT INTO t (who, n) VALUES ('$1', &);/\" |
            sqlite3 -bail -cmd '.timeout 10000' db || exit 1
        n=\$((n + 20))
    done"
}

whole() {
    same ok "$(sqlite3 db 'PRAGMA integrity_check')" 'integrity'
    same "$1" "$(sqlite3 db 'SELECT count(*) FROM t')" 'rows'
    same "$2" "$(sqlite3 db 'SELECT count(DISTINCT who || n) FROM t')" 'different rows'
    same ok "$(on_host "sqlite3 db 'PRAGMA integrity_check'")" 'integrity on the host'
}

# both WHERE: here and there at once.
both() {
    "$1" "( ($(writes "$1")) >$1.log 2>&1; echo \$? >$1.status) >/dev/null 2>&1 &"
    sh -ec "$(writes "guest-$1")"
    until [ -s "$1.status" ]; do sleep 0.1; done
    same '' "$(cat "$1.log")" "what sqlite says of $1"
    same 0 "$(cat "$1.status")" "status of $1"
}

sqlite3 db 'CREATE TABLE t (who TEXT, n INTEGER)'
boot_peer
both on_peer
whole $((2 * count)) $((2 * count))
end_peer
both on_host
whole $((4 * count)) $((4 * count))
