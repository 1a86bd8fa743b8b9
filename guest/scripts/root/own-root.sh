# The export is the root of the guest: what it does there is on the host, and programs run from it.
# seconds: 60

same 9p "$(awk '$2 == "/" { print $3 }' /proc/mounts)" 'type of the root'
host=$TMP/host
mkdir "$host"
# Past 9P, by hostfs.
mount -t hostfs -o "${HOST_SHARE%/share}/root" none "$host"

mkdir -p /etc/init.d /var/log /home/user
echo guest >/etc/hostname
chmod 640 /etc/hostname
chown 1000:1000 /home/user
ln -s ../etc/hostname /home/link
ln /etc/hostname /etc/same
mknod -m 600 /var/log/fifo p
cp /bin/busybox /bin/busybox-copy
same of-the-copy "$(/bin/busybox-copy echo of-the-copy)" 'output of a program that was copied'
mv /bin/busybox-copy /bin/busybox
same replaced "$(/bin/sh -c 'echo replaced')" 'output of a program that was replaced while it runs'
n=0
while [ $n -lt 500 ]; do
    n=$((n + 1))
    echo $n >>/var/log/messages
done
sync
same guest "$(cat "$host/etc/hostname")" 'file on the host'
same '640 2' "$(stat -c '%a %h' "$host/etc/same")" 'mode and links on the host'
same 1000:1000 "$(stat -c %u:%g "$host/home/user")" 'owner on the host'
same 500 "$(wc -l <"$host/var/log/messages")" 'lines on the host'
cmp "$host/bin/busybox" /bin/busybox

# The way every system goes down.
mount -o remount,ro /
refused touch /etc/new
mount -o remount,rw /
touch /etc/new
umount "$host"
