# The driver is unbound from the device under load and bound again: the guest mounts anew, nothing of
# before is held by the server.
# seconds: 300

boot_peer
ask peer 'umount "$MNT"'
server_holds >"$TMP/before"
rounds=${LONG:+10}
for round in $(seq "${rounds:-3}"); do
    # The driver waits until the mount is gone; the requests that are under way when the work is killed
    # are flushed, and the device is reset right behind them.
    ask peer '
        cd /; . "$RUN/init/mount-9p.sh"
        mount_9p "$MNT" && mkdir -p "$MNT/load" && cd "$MNT/load" || exit 1
        (exec setsid sh -c "while :; do dd if=/dev/zero of=big bs=1M count=64; done & while :; do cat big; done & while :; do ls -l; touch a; mv a b; rm b; done") >/dev/null 2>&1 &
        load=$!
        cd /
        driver=/sys/bus/virtio/drivers/9pnet_virtio
        device=$(basename "$(echo $driver/virtio*)")
        sleep 0.7
        echo $device >$driver/unbind &
        unbind=$!
        sleep 0.3
        kill -KILL -$load
        umount -l "$MNT"
        wait $unbind || exit 2
        [ ! -e $driver/$device ] || exit 3
        echo $device >$driver/bind || exit 4
        mount_9p "$MNT" || exit 5
        echo "round" >"$MNT/round" && [ "$(cat "$MNT/round")" = round ] || exit 6
        umount "$MNT" || exit 7'
    n=0
    until [ "$(server_holds)" = "$(cat "$TMP/before")" ]; do
        n=$((n + 1))
        [ $n -lt 40 ] || { cat "$TMP/before"; server_holds; fail "round $round: the server holds more than before"; }
        sleep 0.25
    done
done
ask peer '. "$RUN/init/mount-9p.sh"; mount_9p "$MNT"'
end_peer
