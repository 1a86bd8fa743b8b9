#!/bin/bash
# The host's side of one guest. Runs as the first process of its own PID, mount and network
# namespace, so that whatever it starts ends with it and no address is taken from anyone.
# From the harness: KIND, RUN, SHARE, DATA, BIN, SERVER_COMMAND, KERNEL, INITRD,
# MEMORY, LIMIT (seconds), TURN (a number that differs between guests that run at once).
set -u
export SHARE HOST PORT=5640 # the address is in a namespace of our own
here=$(dirname "$0")
export REPORT=$here/report.sh

case $KIND in uml) HOST=10.9.0.1 ;; *) HOST=127.0.0.1 ;; esac

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
    [ "$KIND" = uml ] || return 0
    ip tuntap add dev tap0 mode tap vnet_hdr && ip addr add 10.9.0.1/24 dev tap0 &&
        ip link set tap0 up
}

start_server() {
    # The limit is the one that a service has on small machines: open files must be budgeted.
    prlimit --nofile=20000:20000 bash -c "exec $SERVER_COMMAND" >"$RUN/server.log" 2>&1 </dev/null &
    server=$!
    for _ in $(seq 200); do
        [ -z "$(ss -Hltn "sport = :$PORT")" ] || return 0
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

boot_uml() {
    # The guest's memory is a file; a tmpfs of our own holds it wherever we run.
    mkdir -p "$RUN/memory" && mount -t tmpfs -o size=4g tmpfs "$RUN/memory"
    TMPDIR=$RUN/memory exec "$KERNEL" mem="$MEMORY" umid=guest uml_dir="$RUN/memory/" \
        root=/dev/root rootfstype=hostfs rootflags=/ ro init=/bin/sh \
        GUEST_RUN="$RUN/guest" vec0:transport=tap,ifname=tap0,depth=64,gro=1 \
        con=null con0=null,fd:1 ssl=null quiet panic=-1 -- "$RUN/guest/init/uml.sh"
}

boot_local() {
    exec sh "$RUN/guest/init/local.sh"
}

boot_tcg() {
    # The kernel unpacks archives that follow each other: the prepared one, then this run's.
    cp "$INITRD" "$RUN/initrd"
    mkdir "$RUN/overlay" && mv "$RUN/guest" "$RUN/overlay/run-dir"
    (cd "$RUN/overlay" && find . | cpio -o -H newc --quiet) >>"$RUN/initrd"
    exec qemu-system-x86_64 -machine q35 -cpu max -accel tcg,thread=multi -smp 1 -m "$MEMORY" \
        -display none -monitor none -serial stdio -no-reboot -nodefaults \
        -netdev user,id=net -device virtio-net-pci,netdev=net,romfile= \
        -kernel "$KERNEL" -initrd "$RUN/initrd" \
        -append "console=ttyS0 quiet panic=-1 rdinit=/bin/sh -- /run-dir/init/tcg.sh"
}

mkfifo "$RUN/never"
bash "$here/agent.sh" &
pin
network || { note "no network"; exit 3; }
if [ "$KIND" != local ]; then
    start_server || { note "the server does not listen"; exit 4; }
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
[ "$KIND" = local ] || stop_server
