#!/bin/bash
# The second guest on the same export, asked for by an item with on_host: boot, kill, wait.
# Kill is without any warning, and waits until nothing of it is left.
export here
here=$(dirname "$0")

wait_for() {
    for _ in $(seq $((600 * (SLOWER + 3)))); do
        ! "$@" || return 0
        read -rt 0.05 <>"$RUN/never"
    done
    echo "waited too long: $*"
    return 1
}

gone() { ! pgrep -s "$(cat "$RUN/peer.pid")" >/dev/null; }

case $1 in
    boot)
        rm -rf "$RUN/guest/peer" && mkdir -p "$RUN/guest/peer"
        umount "$RUN/memory-peer" 2>/dev/null
        # A session of its own has all its processes: a User-Mode Linux has one for each address space.
        # shellcheck disable=SC2016 # the other shell expands it
        setsid bash -c 'echo $$ >"$RUN/peer.pid"; for part in user server boot; do . "$here/$part.sh"; done; boot_peer' >"$RUN/peer.log" 2>&1 </dev/null &
        wait_for test -e "$RUN/guest/peer/ready" || { tail -n 50 "$RUN/peer.log"; exit 1; }
        ;;
    kill)
        kernel=$(cat "$RUN/peer.pid")
        # The kernel traces the guest's programs: without it they would run on as the host's own. So it is
        # stopped in the middle of what it does, they are killed, and then it is.
        kill -STOP "$kernel"
        for process in $(pgrep -s "$kernel"); do
            [ "$process" = "$kernel" ] || kill -KILL "$process"
        done
        kill -KILL "$kernel"
        pkill -KILL -s "$kernel"
        wait_for gone
        ;;
    wait) wait_for gone ;;
esac
