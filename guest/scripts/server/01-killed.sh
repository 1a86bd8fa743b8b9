# The server is killed under a guest that works: who works on the mount gets errors and ends, others go on, the
# next server serves a new mount, and what was synced before is whole.
# seconds: 300

# work NAME COMMAND: does it over and over, until it fails.
work() {
    (
        set +x
        while eval "$2"; do
            echo again >>"$TMP/turns-$1"
        done
        echo failed >"$TMP/ended-$1"
    ) >/dev/null 2>"$TMP/errors-$1" &
    works="${works:-} $1"
}

all_have() {
    for name in $works; do
        [ -s "$TMP/$1-$name" ] || return 1
    done
}

# wait_until COMMAND...: for 20 s.
wait_until() {
    waits=200
    until "$@"; do
        waits=$((waits - 1))
        [ $waits -gt 0 ] || return 1
        sleep 0.1
    done
}

fresh() { dd if=/dev/urandom of="$1" bs=10k count="$2" conv=fsync status=none && sha256sum "$1" >>"$TMP/sums"; }

rounds=${LONG:+5}
for round in $(seq "${rounds:-2}"); do
    rm -f "$TMP"/turns-* "$TMP"/ended-* "$TMP/sums" && works=
    mkdir synced
    for n in 1 2 3 4 5 6; do
        fresh synced/$n $((n * n))
    done
    # Also one that is written on, and one that takes the place of another.
    fresh renamed.new 7 && mv renamed.new renamed && sed -i 's/renamed.new/renamed/' "$TMP/sums"
    dd if=/dev/zero of=grows bs=10k count=5 conv=fsync status=none

    work writer 'dd if=/dev/zero of=big bs=1M count=8 conv=notrunc'
    work syncer 'dd if=/dev/zero of=log bs=10k count=1 oflag=append,sync conv=notrunc'
    work appender 'dd if=/dev/zero of=grows bs=10k count=3 oflag=append conv=notrunc,fsync'
    # What a client caches it may go on reading.
    [ "$CACHE" = loose ] || work reader 'cat synced/*'
    work names 'mkdir dir && touch dir/a && mv dir/a dir/b && ls -l dir && rm -r dir'
    work waiter 'flock -w 1 -E 0 lock true'
    flock lock sleep 100 &
    holder=$!
    exec 4<synced/6
    wait_until all_have turns || fail 'the work does not begin'
    [ $round = 1 ] || sleep 0.$round
    kill_server

    # Nothing hangs: neither who works on the mount nor who does not.
    wait_until all_have ended || { tail "$TMP"/errors-*; ps axo pid,stat,wchan:30,args; fail 'somebody hangs'; }
    tail -qn 1 "$TMP"/errors-*
    [ "$CACHE" != none ] || refused cat <&4
    [ "$CACHE" = loose ] || refused ls
    refused touch new
    exec 4<&-
    echo here >"$TMP/elsewhere"
    sync
    kill -KILL $holder $(pgrep -P $holder)
    wait $holder || :

    cd /
    unmount_9p "$MNT"
    refused mount_9p "$MNT"
    start_server
    mount_9p "$MNT"
    cd "$DIR"
    sha256sum --quiet -c "$TMP/sums"
    [ "$(stat -c %s grows)" -ge 51200 ]
    same 0 "$(head -c 51200 grows | tr -d '\0' | wc -c)" 'other bytes than what was written'
    # Work goes on.
    flock -n lock true
    rm -rf synced dir renamed grows big log
    fresh after 3
    sha256sum --quiet -c --ignore-missing "$TMP/sums"
done
