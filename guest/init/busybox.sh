#!/bin/sh
# The first process of an emulated guest: busybox and a few modules of Debian's kernel, in an
# initramfs; the run's own files lie in /run-dir of the same initramfs.
export PATH=/bin HOME=/tmp LANG=C
/bin/busybox --install -s /bin

mkdir -p /proc /sys /dev /tmp /mnt/9p
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
for module in virtio_pci virtio_net 9pnet_fd 9pnet_virtio 9p; do
    modprobe "$module" || echo "virtfs-guest: no module $module"
done

set -a; . /run-dir/env; set +a
ip link set lo up
# The card appears a moment after its driver.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -e /sys/class/net/eth0 ] && break
    sleep 1
done
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up

export LOCAL= TMP=/tmp MNT=/mnt/9p RUN=/run-dir SHARE= SERVER=10.0.2.2
export HOSTDATA=/run-dir/data BIN=/run-dir/bin
sh /run-dir/init/run-items.sh
poweroff -f
