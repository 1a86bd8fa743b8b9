# Makes a tree of all that a mapped model keeps for the host.
# seconds: 180
# options: access=client,posixacl

tree=${ITEM#*-}
mkdir "$MNT/tree-$tree"
cd "$MNT/tree-$tree"
umask 022

# contents
echo plain >plain
: >empty
seq 50000 >large
truncate -s 5000000 sparse
printf middle | dd of=sparse bs=1 seek=3000000 conv=notrunc status=none

# modes and owners
mkdir modes owners
for mode in 0000 0200 0444 0640 0751 0777 1644 2755 2644 4711 6755 7777; do
    echo $mode >modes/file-$mode
    mkdir modes/dir-$mode
    chmod $mode modes/*-$mode
done
mkdir -m 1777 sticky
for id in 1 1000 65534 100000 2147483647 2147483648 4294967294; do
    echo $id >owners/file-$id
    mkdir owners/dir-$id
    chown $id:$id owners/*-$id
    ln -s file-$id owners/link-$id
    chown -h $id:1 owners/link-$id
done
chown 7:8 modes/file-4711
chmod 4711 modes/file-4711
as_user 1000 sh -euc 'cd sticky; umask 027; echo mine >file; mkdir dir; ln -s file link; mkfifo fifo; ln file hard'

# kinds
mkdir kinds
mknod -m 600 kinds/null c 1 3
mknod -m 660 kinds/fuse c 10 229
mknod -m 640 kinds/large c 511 1048575
mknod -m 660 kinds/disk b 259 70000
mkfifo -m 622 kinds/fifo
perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) && bind(S, sockaddr_un("kinds/socket")) or die $!'
chown 12:34 kinds/disk kinds/fifo kinds/socket
ln kinds/null kinds/same-null

# symlinks
mkdir links
ln -s ../plain links/relative
ln -s /etc/passwd links/absolute
ln -s nowhere links/dangling
ln -s "$(printf '%04000d' 0 | tr 0 t)" links/long
ln -s "$(printf 'odd \377\n\001')x" links/odd
ln links/relative links/same

# names
mkdir names
long=$(printf '%0255d' 0 | tr 0 n)
for name in ' ' -dash --help '*?[x]$HOME`id`"' "$(printf 'two\nlines')" "$(printf 'invalid\377\376')" "$(printf '\001\177')" \
    ... '#hash#' virtfs.uid=7 "$long"; do
    echo name >"names/$name"
    chown 3:4 "names/$name"
    chmod 604 "names/$name"
done
mkdir -m 750 "names/n${long#n?}"

# what hard links share, whichever name changes it
mkdir hard hard/below
echo shared >hard/one
ln hard/one hard/two
ln hard/one hard/below/three
chmod 640 hard/two
chown 21:22 hard/below/three
echo left >hard/left
chown 23:24 hard/left
ln hard/left hard/removed
rm hard/removed

# renames, over what was there and over what was not; removals, and a new file of an old name
mkdir renames
cd renames
for n in 1 2 3; do
    echo from-$n >from-$n && chmod 60$n from-$n && chown 3$n:4$n from-$n
    echo to-$n >to-$n && chmod 757 to-$n && chown 9:9 to-$n
done
mv from-1 to-1
mv -f to-2 from-2
mv from-3 ../renamed-up
mkdir -m 710 from-dir && chown 5:6 from-dir && echo in >from-dir/in && chmod 400 from-dir/in
mkdir -m 777 to-dir
mv -T from-dir to-dir
mknod moved-device c 5 6
mv moved-device to-3
mkdir -m 700 removed-dir && echo x >removed-dir/x && chown 77:77 removed-dir removed-dir/x
rm -r removed-dir
mkdir removed-dir && echo x >removed-dir/x
echo old >again && chmod 7777 again && chown 66:66 again
rm again
echo new >again
mkfifo -m 666 was-fifo && chown 55:55 was-fifo && rm was-fifo && echo file >was-fifo
cd ..

# ACLs and attributes (none with an empty value: QEMU takes that for a removal)
mkdir -m 755 acl
echo acl >acl/file && setfacl -m u:1000:rw,g:2000:r acl/file
echo acl >acl/masked && setfacl -m u:1000:rwx,m::r acl/masked && chown 88:89 acl/masked
echo acl >acl/gone && setfacl -m u:1000:rw acl/gone && setfacl -b acl/gone
mkdir acl/default && setfacl -d -m u:1000:rwx,o::- acl/default
echo inherits >acl/default/file && mkdir acl/default/dir
mkdir attributes && echo a >attributes/file && chmod 644 attributes/file
setfattr -n user.plain -v value attributes/file
setfattr -n user.binary -v 0x00ff000a attributes/file
setfattr -n user.large -v "$(printf '%03000d' 7)" attributes/file
setfattr -n user.removed -v x attributes/file && setfattr -x user.removed attributes/file
setfattr -n user.of-dir -v dir attributes

# times
find . -depth -print0 | xargs -0 touch -h -d @1600000000
touch -d @1 plain
touch -h -d @2000000000 links/relative
touch -d @4102444800 modes/dir-0751 kinds/disk
