# What an item may use. It runs under `sh -eux` in its own empty directory $DIR of the mount, as root.
# The host has that directory as $HOSTDIR, past 9P (empty where the guest cannot see the host).
# shellcheck shell=sh disable=SC2154

. "$RUN/init/mount-9p.sh"

fail() {
    echo "FAILED: $*"
    exit 1
}

# refused COMMAND...: the command must fail.
refused() {
    if "$@"; then fail "should have been refused: $*"; fi
}

# same WANTED GOT [WHAT]
same() {
    [ "$1" = "$2" ] || fail "${3:-value}: want '$1', got '$2'"
}

# as_user UID COMMAND...: runs it as that user and group, with no other group and no capability.
as_user() {
    user=$1
    shift
    setpriv --reuid="$user" --regid="$user" --clear-groups "$@"
}

# Empties the client's caches: what is read afterwards comes from the server.
remount() {
    cd /
    unmount_9p "$MNT"
    mount_9p "$MNT" "${1:-}"
    cd "$DIR"
}

# Whether the model keeps the owners and special files that the guest gives.
keeps_owners() { [ "$MODEL" != none ]; }

# Whether the host's own files have the owners, modes and kinds that the guest gave them.
shows_on_host() { [ "$MODEL" = passthrough ]; }

# on_host COMMAND: runs it with sh on the host, in the host's directory of this item, as the user who
# owns the export; prints its output and gives its status. The harness answers it (host/agent.sh). With
# a cache the host has only what was written back: sync before.
on_host() {
    ask agent "cd \"\$SHARE/$ITEM\" && $1"
}

# on_peer COMMAND: the same in the second guest, in its directory of this item. Only for a run with a peer.
on_peer() {
    ask peer "cd \"\$MNT/$ITEM\" && $1"
}

# The second guest: it is there after boot_peer. kill_peer ends it at once, end_peer after an unmount.
boot_peer() { host_does 'bash "$PEER_GUEST" boot'; }
kill_peer() { host_does 'bash "$PEER_GUEST" kill'; }
end_peer() {
    echo >"$RUN/peer/end"
    host_does 'bash "$PEER_GUEST" wait'
}

# The server of this run is killed by SIGKILL, and started again.
kill_server() { host_does 'bash "$CONTROL" kill'; }
start_server() { host_does 'bash "$CONTROL" start'; }

# What the server holds: its processes, descriptors, and mappings of guests' memory.
server_holds() { host_does 'bash "$DAEMON"'; }

# host_does COMMAND: as root, who can look into the server.
host_does() {
    ask agent "# as root
$1"
}

# ask FOLDER COMMAND: has whoever looks at that folder of the run do it.
ask() {
    # Waiting would fill the log.
    case $- in *x*) trace='set -x' ;; *) trace=: ;; esac
    { set +x; } 2>/dev/null
    printf '%s\n' "$2" >"$RUN/$1/request.new"
    mv "$RUN/$1/request.new" "$RUN/$1/request"
    while [ ! -e "$RUN/$1/status" ]; do
        sleep 0.02
    done
    cat "$RUN/$1/output"
    asked_status=$(cat "$RUN/$1/status")
    rm "$RUN/$1/status"
    $trace
    return "$asked_status"
}

# manifest DIRECTORY: type, mode, size, link target and name of everything below it, sorted.
manifest() {
    (cd "$1" && find . -mindepth 1 \( -type d -printf '%y %m - %l %P\n' \
        -o -printf '%y %m %s %l %P\n' \) | sort)
}
