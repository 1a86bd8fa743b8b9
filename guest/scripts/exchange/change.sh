# Changes a tree that another server made, in every way that touches what the model keeps.
# seconds: 180
# options: access=client,posixacl

cd "$MNT/tree-${ITEM#*-}"
umask 022
echo more >>plain
truncate -s 100 large
chmod 604 plain
chown 111:112 plain modes modes/dir-2755
chmod 2750 modes/dir-2755
chmod 0000 modes/file-0777
chown -h 113:114 links/dangling kinds/null
chmod 606 kinds/fuse
chown 4294967294:5 owners/file-1

# other names for what there is
ln kinds/fuse kinds/same-fuse
ln plain hard/plain
chmod 444 hard/plain
rm hard/one
chown 121:122 hard/two
chmod 7700 hard/below/three
mv kinds/fifo kinds/moved-fifo
mv -f owners/link-1000 links/dangling
mv modes/dir-0751 modes/dir-moved
mv -T names/' ' "names/$(printf 'odd\377')"
mv -f owners/file-65534 modes/file-7777
mv -f modes/file-0444 owners/file-1000
mv -T modes/dir-0777 owners/dir-1000
echo in >owners/dir-1000/new

# gone, and made anew
rm kinds/disk links/long names/--help sticky/fifo
rm -r modes/dir-1644 renames
echo new >kinds/disk
mkdir -m 755 links/long
ln -s new names/--help
mkfifo -m 644 sticky/fifo
mknod -m 600 kinds/new c 7 8
mkdir renames && echo new >renames/again

# ACLs and attributes
setfacl -m u:1001:r acl/file
setfacl -b acl/masked
setfacl -m g:3000:rx acl/gone
setfacl -k acl/default
setfacl -m d:g:4000:rx acl
echo inherits >acl/inherits
mv acl/default/file acl/moved
setfattr -n user.plain -v second attributes/file
setfattr -x user.large attributes/file
setfattr -n user.new -v new plain

find . -depth -print0 | xargs -0 touch -h -d @1700000000
touch -d @1111111111 plain
