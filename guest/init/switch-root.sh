#!/bin/sh
# The first process of an emulated guest that has the host's tree as its root: mounts it by 9P (tag
# root, read-only), the folder of the run beside it (tag run), and goes on there in debian.sh.
export PATH=/bin
/bin/busybox --install -s /bin

mkdir -p /proc /sys /root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
. /run-dir/init/modules.sh

nine=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "$nine,cache=loose,ro" root /root
mount -t tmpfs tmpfs /root/mnt
mkdir /root/mnt/run
mount -t 9p -o "$nine,cache=none" run /root/mnt/run
umount /sys /proc
exec switch_root /root /bin/sh /mnt/run/init/debian.sh
