# The driver is unbound from the device under load and bound again, and the guest mounts anew.
# seconds: 30

driver=/sys/bus/virtio/drivers/9pnet_virtio
device=$(basename "$(echo $driver/virtio*)")
cd /
unmount_9p "$MNT"
for round in 1 2 3; do
    mount_9p "$MNT"
    (cd "$DIR" && exec setsid sh -c '
        while :; do dd if=/dev/zero of=big bs=1M count=64; done &
        while :; do cat big; done &
        while :; do ls -l; touch a; mv a b; rm b; done' >/dev/null 2>&1) &
    load=$!
    sleep 1
    # The driver waits until the mount is gone; the requests that are under way when the work is
    # killed are flushed, and the device is reset right behind them.
    echo "$device" >$driver/unbind &
    unbind=$!
    sleep 0.3
    kill -KILL -$load
    umount -l "$MNT"
    wait $unbind
    [ ! -e $driver/"$device" ]
    refused mount_9p "$MNT"
    echo "$device" >$driver/bind
    mount_9p "$MNT"
    echo $round >"$DIR/round"
    same $round "$(cat "$DIR/round")"
    unmount_9p "$MNT"
done
mount_9p "$MNT"
