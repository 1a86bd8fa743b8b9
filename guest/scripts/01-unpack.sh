# An archive of more than 3,000 files unpacks to the same bytes, modes, owners and times.
# seconds: 120

tar -xf "$HOSTDATA/tree.tar"
[ -z "$LONG" ] || diff -r --no-dereference "$HOSTDATA/tree" tree
remount
diff -r --no-dereference "$HOSTDATA/tree" tree

everything() { (cd "$1" && find . -type l -printf '%y %l %P\n' -o -printf '%y %m %U:%G %n %Ts %P\n' | sort); }
everything "$HOSTDATA/tree" | sed -E 's/^(d [^ ]* [^ ]*) [0-9]+/\1/' >"$TMP/wanted"
everything tree | sed -E 's/^(d [^ ]* [^ ]*) [0-9]+/\1/' >"$TMP/got"
diff "$TMP/wanted" "$TMP/got"

# What the guest reads back could be its own mistake twice: the host must agree.
on_host 'diff -r --no-dereference "$DATA/tree" tree'
on_host "cd tree && find . -type l -printf '%y %l %P\n' -o -printf '%y %m %U:%G %n %Ts %P\n' | sort" |
    sed -E 's/^(d [^ ]* [^ ]*) [0-9]+/\1/' >"$TMP/got"
diff "$TMP/wanted" "$TMP/got"
