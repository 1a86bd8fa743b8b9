#!/bin/sh
# The first process of a guest that has nothing but busybox: in the initramfs of an emulated guest,
# or on a 9P root of its own. The run's files lie in /run-dir of the same tree.
export PATH=/bin HOME=/tmp LANG=C
/bin/busybox --install -s /bin

mkdir -p /proc /sys /dev /tmp /mnt/9p
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
set -a; . /run-dir/env; set +a
. /run-dir/init/modules.sh

ip link set lo up
if [ "$TRANSPORT" = tcp ]; then
    # The card appears a moment after its driver.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -e /sys/class/net/eth0 ] && break
        sleep 1
    done
    ip addr add 10.0.2.15/24 dev eth0
    ip link set eth0 up
fi

export LOCAL= TMP=/tmp MNT=/mnt/9p RUN=/run-dir SHARE= SERVER=10.0.2.2
export HOSTDATA=/run-dir/data BIN=/run-dir/bin POSIX=
sh /run-dir/init/run-items.sh
sync
[ "$GUEST_ENDS" != crash ] || echo c >/proc/sysrq-trigger
poweroff -f
