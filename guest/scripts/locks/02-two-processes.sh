# Two processes of one guest hand a lock to each other; one that does not wait never fails when nobody
# holds the lock.
# seconds: 150

rounds=${LONG:+1000}
start=$(cut -d. -f1 /proc/uptime)
for mode in hand try; do
    "$BIN/lock-turns" $mode $mode 0 "${rounds:-100}" >"$TMP/other" &
    other=$!
    "$BIN/lock-turns" $mode $mode 1 "${rounds:-100}"
    wait $other || { cat "$TMP/other"; fail "the other of $mode"; }
    seconds=$(($(cut -d. -f1 /proc/uptime) - start))
    echo "$mode: $seconds s"
    [ $seconds -lt 60 ] || fail "$mode took $seconds s"
    start=$(cut -d. -f1 /proc/uptime)
done
