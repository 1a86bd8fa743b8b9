#!/bin/sh
# The second guest on an export: mounts it as the first does and runs what an item of the first asks
# for with on_peer, one command after the other, until it is told to end.
# shellcheck disable=SC2154

. "$RUN/init/mount-9p.sh"
mount_9p "$MNT" "$PEER_OPTIONS" || exit 1
echo >"$RUN/peer/ready"
while :; do
    while [ ! -e "$RUN/peer/request" ]; do
        [ ! -e "$RUN/peer/end" ] || break 2
        sleep 0.02
    done
    mv "$RUN/peer/request" "$RUN/peer/command"
    sh "$RUN/peer/command" >"$RUN/peer/output" 2>&1 </dev/null
    echo $? >"$RUN/peer/status.new"
    mv "$RUN/peer/status.new" "$RUN/peer/status"
done
cd /
unmount_9p "$MNT"
