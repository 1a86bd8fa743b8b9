# Writes down all that a guest sees of a tree, on a mount of its own.
# seconds: 180
# options: access=client,posixacl

tree=${ITEM#*-}
cd "$MNT/tree-${tree%%-*}"
names() { find . "$@" -print0 | sort -z; }
{
    # Which inode number a file has is the server's affair; which names have the same one is not.
    names | xargs -0 stat -c '%N: %F, mode %a, owner %u:%g, links %h, size %s, device %t:%T, time %Y, inode %i' |
        awk '{ if (!($NF in seen)) seen[$NF] = ++count; sub(/[0-9]+$/, seen[$NF]); print }'
    names -type f | xargs -0 sha256sum
    names -type l | xargs -0 -n 1 readlink -n | od -An -c
    names | xargs -0 getfattr -h -d -m - -e hex --
    names ! -type l | xargs -0 getfacl -n -p --
} >"$TMP/listing"
[ "$(wc -l <"$TMP/listing")" -gt 500 ]
cp "$TMP/listing" "$DIR/listing"
rm "$TMP/listing"
