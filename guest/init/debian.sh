#!/bin/sh
# The first process of a User-Mode Linux guest. Its root is the host's own tree, read-only; what
# must be writable is tmpfs, and what the harness gives is hostfs. The kernel hands us GUEST_RUN
# (the host's folder for this run) in the environment.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/tmp LANG=C LC_ALL=C TERM=dumb

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /mnt
mkdir /mnt/run /mnt/share /mnt/data /mnt/bin /mnt/9p
mount -t hostfs -o "$GUEST_RUN" none /mnt/run

# From here on nothing is read from below /tmp, /run or /var/tmp of the host but through /mnt.
for place in /tmp /run /var/tmp; do
    mount -t tmpfs -o mode=1777 tmpfs "$place"
done
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
ln -sfn /proc/self/fd /dev/fd

set -a; . /mnt/run/env; set +a
mount -t hostfs -o "$HOST_SHARE" none /mnt/share
mount -t hostfs -o "$HOST_DATA" none /mnt/data
mount -t hostfs -o "$HOST_BIN" none /mnt/bin
ip link set lo up
ip addr add 10.9.0.2/24 dev vec0
ip link set vec0 up

export LOCAL= TMP=/tmp MNT=/mnt/9p RUN=/mnt/run SHARE=/mnt/share SERVER=10.9.0.1
export HOSTDATA=/mnt/data BIN=/mnt/bin
cd /
sh /mnt/run/init/run-items.sh
sync
exec busybox poweroff -f
