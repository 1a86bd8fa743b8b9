#!/bin/bash
# The server of a run, asked for by an item with on_host: kill it without any warning, start it again.
here=$(dirname "$0")
for part in user server; do . "$here/$part.sh"; done

# Killing the one process that was started must be enough for all.
none_left() {
    local process
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/exe" 2>/dev/null)" != "$program" ] || return 1
    done
}

case $1 in
    kill)
        program=$(readlink "/proc/$(cat "$RUN/server.pid")/exe")
        kill -KILL "$(cat "$RUN/server.pid")"
        ended 10 || { echo "does not end"; exit 1; }
        for _ in $(seq 100); do
            ! none_left || exit 0
            read -rt 0.05 <>"$RUN/never"
        done
        echo "$1: processes of the server are left"
        exit 1
        ;;
    start) start_server || { echo "does not listen"; tail -n 5 "$RUN/server.log"; exit 1; } ;;
esac
