#!/bin/sh
# Runs the items of /run/items in order, each on a mount of its own, and prints one result line for
# each: what the harness reads. An item's output is printed when it fails.
# shellcheck disable=SC2154 # RUN, MNT … come from init, MOUNT_OPTIONS … from the harness

. "$RUN/init/mount-9p.sh"

now() { cut -d' ' -f1 /proc/uptime; }
header() { sed -n "s/^# $1: *//p" "$RUN/items/$item.sh" | head -n 1; }
result() { echo "virtfs-guest: $1 $item $2"; }

# Only the item's own shell stands on the mount, so that the item can unmount it.
run_item() {
    export DIR="$MNT/$item" ITEM="$item" HOSTDIR="${SHARE:+$SHARE/$item}"
    timeout -k 5 "$limit" sh -eux -c \
        'mkdir -p "$DIR"; cd "$DIR"; . "$RUN/init/item-lib.sh"; . "$RUN/items/$ITEM.sh"'
}

# A request that is never answered leaves a process that nothing can kill: show where the guest
# hangs and end it.
give_up() {
    echo "virtfs-guest: $item hangs; blocked tasks of the guest:"
    echo 8 >/proc/sys/kernel/printk
    echo w >/proc/sysrq-trigger
    if [ -n "$SHARE" ]; then
        # shellcheck disable=SC2016 # the agent expands it
        printf '# as root\n%s\n' 'bash "$REPORT"' >"$RUN/agent/request.new"
        mv "$RUN/agent/request.new" "$RUN/agent/request"
        sleep 3
        echo "virtfs-guest: the host's side:"
        cat "$RUN/agent/output"
    fi
    sleep 1
    busybox poweroff -f
}

# Says that the kernel still runs its programs, whatever a mount waits for.
[ -n "$LOCAL" ] || while :; do echo "virtfs-guest: alive"; sleep 5; done &

for item in $ITEMS; do
    options=$(header options)
    limit=$(header seconds)
    limit=$((${limit:-300} * ${SLOWER:-1}))
    echo "virtfs-guest: begin $item"
    start=$(now)
    [ -n "$LOCAL" ] || { sleep $((limit + 20)) && give_up; } &
    watchdog=$!
    if ! mount_9p "$MNT" "$options"; then
        kill $watchdog
        result FAIL "$start $(now) mount"
        continue
    fi
    (run_item) >"$TMP/$item.log" 2>&1 </dev/null
    status=$?
    # An item that leaves something running, or an unmount that does not work, has failed too.
    if ! unmount_9p "$MNT"; then
        echo "cannot unmount $MNT" >>"$TMP/$item.log"
        umount -l "$MNT"
        [ $status -ne 0 ] || status=99
    fi
    kill $watchdog 2>/dev/null
    if [ $status -eq 0 ]; then
        result ok "$start $(now)"
    else
        tail -n 80 "$TMP/$item.log"
        result FAIL "$start $(now) status $status"
    fi
    rm -f "$TMP/$item.log"
done
echo "virtfs-guest: done"
