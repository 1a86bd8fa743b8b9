# Two guests, each with a server of its own, hand a lock to each other; one that does not wait never
# fails when nobody holds the lock.
# seconds: 200
# peer: yes

boot_peer
rounds=${LONG:+1000}
start=$(cut -d. -f1 /proc/uptime)
for mode in hand try; do
    on_peer "('$BIN/lock-turns' $mode $mode 0 ${rounds:-100} >$mode.log 2>&1; echo \$? >$mode.status) >/dev/null 2>&1 &"
    "$BIN/lock-turns" $mode $mode 1 "${rounds:-100}"
    until [ -s $mode.status ]; do sleep 0.1; done
    same 0 "$(cat $mode.status)" "the peer's $mode: $(cat $mode.log)"
    seconds=$(($(cut -d. -f1 /proc/uptime) - start))
    echo "$mode: $seconds s"
    [ $seconds -lt 60 ] || fail "$mode took $seconds s"
    start=$(cut -d. -f1 /proc/uptime)
done
end_peer
