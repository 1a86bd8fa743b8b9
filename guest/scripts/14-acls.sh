# POSIX ACLs, with the mount options that the client wants for them: set, read, obeyed, inherited.
# options: access=client,posixacl
# seconds: 60
# models: passthrough mapped-xattr mapped-file; none has no ACLs, as QEMU's has none

mkdir directory
echo text >file
acl() { getfacl -cEn "$@" | sed '/^$/d' | tr '\n' ' ' | sed 's/ $//'; }
chmod 640 file
setfacl -m u:1000:rw,g:2000:r file
wanted='user::rw- user:1000:rw- group::r-- group:2000:r-- mask::rw- other::---'
same "$wanted" "$(acl file)" ACL
if [ "$MODEL" != mapped-xattr ]; then
    same "$wanted" "$(on_host 'getfacl -cEn file' | sed '/^$/d' | tr '\n' ' ' | sed 's/ $//')" 'ACL on the host'
fi
same 660 "$(stat -c %a file)" 'mode under an ACL'
chmod 600 file
same 'mask::---' "$(acl file | tr ' ' '\n' | grep mask)" 'mask after chmod'
chmod 660 file
as_user 1000 cat file
refused as_user 1001 cat file
setfacl -b file
refused as_user 1000 cat file
setfacl -d -m u:1000:rwx,o::- directory
(umask 077 && touch directory/inherits && mkdir directory/sub)
same 'user::rw- user:1000:rwx group::r-x mask::rw- other::---' "$(acl directory/inherits)" 'inherited ACL'
same 'user:1000:rwx' "$(getfacl -cdEn directory/sub | grep 1000)" 'default ACL handed on'
setfacl -k directory
same '' "$(getfacl -cdEn directory)" 'default ACL after -k'

remount access=client,posixacl
same 'user::rw- user:1000:rwx group::r-x mask::rw- other::---' "$(acl directory/inherits)"
