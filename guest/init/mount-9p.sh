# Mounting and unmounting the export, for the runner and for items that mount by themselves.
# shellcheck shell=sh disable=SC2154

# mount_9p DIRECTORY [OPTIONS]: MOUNT_OPTIONS is the harness's choice; later options win.
mount_9p() {
    if [ -n "$LOCAL" ]; then
        mount --bind "$SHARE" "$1"
        return
    fi
    case $TRANSPORT in
        tcp) mount -t 9p -o "trans=tcp,port=$PORT,$MOUNT_OPTIONS${2:+,$2}" "$SERVER" "$1" ;;
        virtio) mount -t 9p -o "trans=virtio,$MOUNT_OPTIONS${2:+,$2}" share "$1" ;;
    esac
}

# A process that has just ended may hold the mount for a moment longer.
unmount_9p() {
    if [ -n "$LOCAL" ]; then
        mount --bind "$SHARE" "$1"
        return
    fi
    for _ in 1 2 3 4 5; do
        umount "$1" && return
        sleep 0.2
    done
    return 1
}
