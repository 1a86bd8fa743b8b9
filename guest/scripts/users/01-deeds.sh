# Three users with supplementary groups, and root, are answered in the guest what the same users are answered on the
# host, and leave the same behind; root is the host's root only where it is not squashed.
# seconds: 300

# knows DATABASE LINE...: the host's, for this run alone, has these lines too.
knows() {
    database=$1
    shift
    host_does "{ cat /etc/$database; printf '%s\\n' $*; } >\"\$RUN/$database\" && mount --bind \"\$RUN/$database\" /etc/$database"
}

knows passwd ann:x:61001:61001::/:/bin/sh bob:x:61002:61002::/:/bin/sh cid:x:61003:61003::/:/bin/sh
knows group ann:x:61001: bob:x:61002: cid:x:61003: team:x:62001:ann,bob club:x:62002:bob

places='team-reads club-setgid sticky-team setuid group-only'
[ -z "$LONG" ] || places= # all
# Where root is squashed, it is nobody.
case $SQUASH in root) root='65534 -' ;; none) root='same -' ;; esac
for who in '61001 62001' '61002 62001,62002' '61003 -' 'same -'; do
    name=${who%% *} on_host=$who
    [ "$name" != same ] || on_host=$root
    on_host "for tree in here there; do mkdir \$tree-$name && '$HOST_BIN/user-deeds' make \$tree-$name $places || exit 1; done"
    on_host "'$HOST_BIN/user-deeds' try there-$name $on_host $places" >"$TMP/wanted"
    # shellcheck disable=SC2086 # words
    "$BIN/user-deeds" try "here-$name" $who $places >"$TMP/got"
    [ "$(wc -l <"$TMP/wanted")" -gt 250 ]
    # fs.protected_regular of the host does not apply (docs/users.md).
    sed -i '/^sticky.*-open-or-create:/d' "$TMP/wanted" "$TMP/got"
    diff -U0 "$TMP/wanted" "$TMP/got" || fail "answers to $name"
    for tree in here there; do
        on_host "cd $tree-$name && find . -printf '%P %M %U:%G %n %l\n' | sort &&
            find . -type f ! -empty -print0 | sort -z | xargs -0 md5sum" >"$TMP/left-$tree"
    done
    # The server has no right to keep set-ID bits while it writes, for whomever.
    [ "$on_host" != 'same -' ] ||
        sed -i '/^setuid-\(append\|write\|write-synced\|truncate\|cut-open\|open-cut\).d.f / s/-rwsrwsrwx/-rwxrwxrwx/' "$TMP/left-there"
    diff -U0 "$TMP/left-there" "$TMP/left-here" || fail "what $name leaves behind"
done
