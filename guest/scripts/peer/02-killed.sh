# A guest that is killed in the middle of heavy writing leaves nothing in the server, and disturbs no
# other guest; the next one mounts, and finds what was written.
# seconds: 300

server_holds >"$TMP/before"
rounds=${LONG:+5}
for round in $(seq "${rounds:-2}"); do
    boot_peer
    on_peer 'echo written before >before'
    on_peer 'for n in 1 2 3; do
            (while :; do dd if=/dev/zero of=big-$n bs=1M count=64 conv=notrunc; done) >/dev/null 2>&1 &
            (while :; do echo x >small-$n; cat small-$n; mv small-$n moved-$n; rm moved-$n; done) >/dev/null 2>&1 &
            (while :; do cat big-$n; done) >/dev/null 2>&1 &
        done
        (flock held sleep 1000) >/dev/null 2>&1 &
        exec 3<>gone; rm gone; sleep ${SLOWER:-1}'
    # We go on meanwhile.
    dd if=/dev/zero of=ours bs=64k count=200
    kill_peer
    same 'written before' "$(cat before)"
    # Its lock died with it.
    flock -w 10 held true
    # What we cache the server holds for us.
    [ "$CACHE" = none ] || remount
    n=0
    until [ "$(server_holds)" = "$(cat "$TMP/before")" ]; do
        n=$((n + 1))
        [ $n -lt 40 ] || { cat "$TMP/before"; server_holds; fail "round $round: the server holds more than before"; }
        sleep 0.25
    done
done
boot_peer
same 'written before' "$(on_peer 'cat before')" 'what the next guest reads'
on_peer 'rm -f big-* small-* moved-*; echo fresh >after; sync'
same fresh "$(cat after)"
end_peer
[ "$CACHE" = none ] || remount
same "$(cat "$TMP/before")" "$(server_holds)" 'what the server holds after the peer has ended'
