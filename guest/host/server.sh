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

start_server() {
    server_flags
    # The limit is the one that a service has on small machines: open files must be budgeted.
    prlimit --nofile=20000:20000 "${as_server[@]}" bash -c "exec $SERVER_COMMAND" - "${flags[@]}" \
        >"$RUN/server.log" 2>&1 </dev/null &
    server=$!
    for _ in $(seq 200); do
        ! listens || return 0
        kill -0 "$server" 2>/dev/null || break
        read -rt 0.05 <>"$RUN/never"
    done
    return 1
}

stop_server() {
    kill -TERM "$server"
    for _ in $(seq 100); do
        kill -0 "$server" 2>/dev/null || break
        read -rt 0.05 <>"$RUN/never"
    done
    kill -KILL "$server" 2>/dev/null && note "server ignored SIGTERM"
    wait "$server"
    note "server status $?"
}
