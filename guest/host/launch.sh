#!/bin/bash
# The host's side of one guest. Runs as the first process of its own PID, mount and network
# namespace, so that whatever it starts ends with it and no address is taken from anyone.
# From the harness: KIND, TRANSPORT, BUS, ROOT, PEER, RUN, SHARE, DATA, BIN, SERVER_COMMAND, SERVER_USER,
# VIRTFS, MODEL, QEMU, KERNEL, INITRD, MEMORY, LIMIT (seconds), SLOWER, TURN (a number that differs between
# guests that run at once).
set -u
here=$(dirname "$0")
export SHARE HOST PORT=5640 # the address is in a namespace of our own
export REPORT=$here/report.sh PEER_GUEST=$here/peer.sh DAEMON=$here/daemon.sh CONTROL=$here/control.sh

case $KIND in uml) HOST=10.9.0.1 ;; *) HOST=127.0.0.1 ;; esac
. "$here/user.sh"
. "$here/server.sh"
. "$here/boot.sh"

# A round trip between guest and server takes a third of the time when both are on one CPU: waking
# another that sleeps costs more than the work, above all in a virtual machine.
pin() {
    local cpus
    mapfile -t cpus < <(sed -n 's/^Cpus_allowed_list:\s*//p' /proc/self/status | tr , '\n' |
        while IFS=- read -r first last; do seq "$first" "${last:-$first}"; done)
    taskset -cp "${cpus[TURN % ${#cpus[@]}]}" $$ >/dev/null
}

note() { echo "virtfs-guest: $*"; }

network() {
    ip link set lo up
    [ "$KIND$TRANSPORT" = umltcp ] || return 0
    ip tuntap add dev tap0 mode tap vnet_hdr && ip addr add 10.9.0.1/24 dev tap0 &&
        ip link set tap0 up
}

# When the guest is gone the server must hold what it held before.
left_over() {
    local now
    for _ in $(seq 100); do
        now=$(bash "$DAEMON")
        [ "$now" != "$idle" ] || return 0
        read -rt 0.1 <>"$RUN/never"
    done
    note "left over: $now; before the guest: $idle"
}

mkfifo "$RUN/never"
hand_over || { note "no server for that user"; exit 3; }
bash "$here/agent.sh" &
pin
network || { note "no network"; exit 3; }
[ "$ROOT" != own ] || own_root
if [ "$KIND" != local ] && ! own_device; then
    start_server || { note "the server does not listen"; exit 4; }
    idle=$(bash "$DAEMON")
fi
"boot_$KIND" </dev/null &
guest=$!
# The harness kills everything at the limit, and some seconds after it has asked for the report.
(
    while [ $SECONDS -lt $((LIMIT - 5)) ] && [ ! -e "$RUN/stands-still" ]; do
        read -rt 1 <>"$RUN/never"
    done
    if [ -e "$RUN/stands-still" ]; then note "the guest's kernel stands still"; else note "out of time"; fi
    bash "$REPORT"
    note "end of the report"
) &
wait "$guest"
note "guest status $?"
[ "$KIND" = local ] || own_device || { left_over; stop_server; }
