# As whom a run's server (or QEMU with its own 9P device) runs: root, or the ordinary user SERVER_USER,
# who owns the export. Sourced by launch.sh, agent.sh and peer.sh.
# shellcheck shell=bash disable=SC2034,SC2154

# What stands before a command of that user; past the permissions of folders on the way, for as_reader.
as_server=() as_reader=()
if [ -n "$SERVER_USER" ]; then
    as_server=(setpriv "--reuid=$SERVER_USER" "--regid=$SERVER_USER" --clear-groups)
    as_reader=("${as_server[@]}" --inh-caps=+dac_read_search --ambient-caps=+dac_read_search)
fi

# hand_over: the user can write to the export and to $RUN/var, and runs copies of programs that lie where
# only root may look.
hand_over() {
    mkdir "$RUN/var"
    [ -n "$SERVER_USER" ] || return 0
    chown "$SERVER_USER:$SERVER_USER" "$SHARE" "$RUN/var"
    if [ -n "$VIRTFS" ]; then
        cp "$VIRTFS" "$RUN/virtfs" && VIRTFS=$RUN/virtfs
    fi
    if own_device; then
        chown -R "$SERVER_USER:$SERVER_USER" "$RUN/guest"
        cp "$KERNEL" "$RUN/vmlinuz" && KERNEL=$RUN/vmlinuz
        mkdir "$RUN/qemu" && mount --bind "$(dirname "$QEMU")" "$RUN/qemu" && QEMU=$RUN/qemu/qemu
    fi
}
