#!/bin/sh
# The first process of a guest whose root is the host's own tree, read-only: by hostfs, or by 9P.
# What must be writable is tmpfs. User-Mode Linux sees the host's other folders by hostfs and is handed
# GUEST_RUN (the host's folder for this run) in its environment; an emulated guest comes here from
# switch-root.sh with that folder mounted.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/tmp LANG=C LC_ALL=C TERM=dumb

# see FOLDER PLACE: the host's folder becomes visible at /mnt/PLACE.
see() {
    mkdir "/mnt/$2"
    if [ -n "$GUEST_RUN" ]; then
        mount -t hostfs -o "$1" none "/mnt/$2"
    else
        mount --bind "$1" "/mnt/$2"
    fi
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
if [ -n "$GUEST_RUN" ]; then
    mount -t tmpfs tmpfs /mnt
    see "$GUEST_RUN" run
fi
mkdir /mnt/9p

set -a; . /mnt/run/env; set +a
see "$HOST_SHARE" share
see "$HOST_DATA" data
see "$HOST_BIN" bin
[ -z "$HOST_POSIX" ] || see "$HOST_POSIX" posix

# From here on nothing is read from below /tmp, /run or /var/tmp of the host but through /mnt.
for place in /tmp /run /var/tmp; do
    mount -t tmpfs -o mode=1777 tmpfs "$place"
done
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
ln -sfn /proc/self/fd /dev/fd

ip link set lo up
if [ "$TRANSPORT" = tcp ]; then
    ip addr add 10.9.0.2/24 dev vec0
    ip link set vec0 up
fi

export LOCAL= TMP=/tmp MNT=/mnt/9p RUN=/mnt/run SHARE=/mnt/share SERVER=10.9.0.1
export HOSTDATA=/mnt/data BIN=/mnt/bin POSIX=${HOST_POSIX:+/mnt/posix}
cd /
if [ "$GUEST_NAME" = peer ]; then
    sh /mnt/run/init/peer.sh
else
    sh /mnt/run/init/run-items.sh
fi
sync
[ "$GUEST_ENDS" != crash ] || echo c >/proc/sysrq-trigger
exec busybox poweroff -f
