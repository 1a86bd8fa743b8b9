# An archive of more than 3,000 files unpacks to the same bytes, modes, owners and times.
# seconds: 300
# models: passthrough mapped-xattr mapped-file; under none files have the server's owner, who may not read those of mode 0000

tar -xf "$HOSTDATA/tree.tar"
[ -z "$LONG" ] || diff -r --no-dereference "$HOSTDATA/tree" tree
remount
diff -r --no-dereference "$HOSTDATA/tree" tree

everything() { (cd "$1" && find . -type l -printf '%y %l %P\n' -o -printf '%y %m %U:%G %n %Ts %P\n'); }
# The links of a directory are the file system's affair.
known() { sed -E 's/^(d [^ ]* [^ ]*) [0-9]+/\1/' | sort; }
everything "$HOSTDATA/tree" | known >"$TMP/wanted"
everything tree | known >"$TMP/got"
diff "$TMP/wanted" "$TMP/got"

# What the guest reads back could be its own mistake twice: the host must agree.
# (Under the mapped models symlinks are files on the host, and owners and modes lie elsewhere.)
if ! shows_on_host; then
    (cd "$HOSTDATA/tree" && find . -type f -exec sha256sum {} + | sort) >"$TMP/wanted"
    on_host '(cd "$DATA/tree" && find . -type f -print0) | (cd tree && xargs -0 sha256sum) | sort' >"$TMP/got"
    diff "$TMP/wanted" "$TMP/got"
    exit 0
fi
on_host 'diff -r --no-dereference "$DATA/tree" tree'
on_host "cd tree && find . -type l -printf '%y %l %P\n' -o -printf '%y %m %U:%G %n %Ts %P\n'" |
    known >"$TMP/got"
diff "$TMP/wanted" "$TMP/got"
