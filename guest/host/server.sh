# Starting and stopping the server of a run. Sourced by launch.sh.
# shellcheck shell=bash disable=SC2154

# Whether the guest uses QEMU's own 9P device instead of a server: to compare, and to try the harness.
own_device() { [ "$SERVER_COMMAND" = qemu ]; }

# devices: the devices of a run over virtio, a line "TAG EXPORT FOLDER[,ro]" for each; a device has
# its socket at $RUN/var/TAG.sock. The peer's are called peer-TAG.
devices() {
    devices_of ''
    [ -z "$PEER" ] || devices_of peer-
}

devices_of() {
    echo "$1share share $SHARE"
    case $ROOT in
        host) echo "$1root root /,ro" ;;
        own) echo "root root $RUN/root" ;;
    esac
    # What a guest that sees the host by hostfs has without 9P.
    [ "$KIND$ROOT" != qemuhost ] || echo "$1run run $RUN/guest"
}

# The tag that a guest mounts by is the same in both guests.
tag_of() { echo "${1#peer-}"; }

# A single device has the short form of the command line.
server_flags() {
    local device export folder
    declare -A exported=()
    flags=()
    [ "$TRANSPORT" = virtio ] || return 0
    if [ "$(devices | wc -l)" -eq 1 ]; then
        flags=(--shared-dir "$SHARE" --tag share --socket-path "$RUN/var/share.sock")
        return
    fi
    while read -r device export folder; do
        [ -n "${exported[$export]:-}" ] || flags+=(--export "$export=$folder")
        exported[$export]=1
        flags+=(--vhost-user "$RUN/var/$device.sock,tag=$(tag_of "$device"),export=$export")
    done < <(devices)
}

listens() {
    local device
    if [ "$TRANSPORT" = tcp ]; then
        [ -n "$(ss -Hltn "sport = :$PORT")" ]
        return
    fi
    while read -r device _; do
        ss -Hlx | grep -qF "$RUN/var/$device.sock" || return 1
    done < <(devices)
}

# Whether it has said so for each address: it opens its sockets first, and then shuts itself in.
says_that_it_listens() {
    local wanted=1
    [ -n "$VIRTFS" ] || return 0
    [ "$TRANSPORT" = tcp ] || wanted=$(devices | wc -l)
    [ "$(tail -c "+$1" "$RUN/server.log" | grep -c -e '^listening on ' -e '^device .* listens for VMMs')" -ge "$wanted" ]
}

# start_server: starts it and waits until it listens; server.pid names the process that was started, server.status
# has its status when it has ended. Whoever starts it, anybody can stop it or start it again.
start_server() {
    local said
    server_flags
    touch "$RUN/server.log"
    said=$(($(stat -c %s "$RUN/server.log") + 1))
    rm -f "$RUN/server.pid" "$RUN/server.status"
    {
        # The limit is the one that a service has on small machines: open files must be budgeted.
        prlimit --nofile=20000:20000 "${as_server[@]}" bash -c "exec $SERVER_COMMAND" - "${flags[@]}" \
            >>"$RUN/server.log" 2>&1 </dev/null &
        server=$!
        echo "$server" >"$RUN/server.pid"
        wait "$server"
        echo $? >"$RUN/server.status.new"
        mv "$RUN/server.status.new" "$RUN/server.status"
    } 2>/dev/null & # the shell would tell that it was killed
    for _ in $(seq 200); do
        ! listens || ! says_that_it_listens "$said" || return 0
        [ ! -e "$RUN/server.status" ] || break
        read -rt 0.05 <>"$RUN/never"
    done
    return 1
}

# ended SECONDS: waits so long for its end.
ended() {
    for _ in $(seq $((20 * $1))); do
        [ ! -e "$RUN/server.status" ] || return 0
        read -rt 0.05 <>"$RUN/never"
    done
    return 1
}

stop_server() {
    kill -TERM "$(cat "$RUN/server.pid")" 2>/dev/null
    if ! ended 10; then
        kill -KILL "$(cat "$RUN/server.pid")"
        note "server ignored SIGTERM"
        ended 10
    fi
    note "server status $(cat "$RUN/server.status")"
}
