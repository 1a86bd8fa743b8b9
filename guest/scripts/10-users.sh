# With access=user and access=client, root and another user create, read and change files; what
# each may and may not do holds, and the owners on the host are right.
# seconds: 120
# models: passthrough mapped-xattr mapped-file; under none all belongs to the server's user

# host_sees WANTED PATH: so does the guest; where owners and modes are not the host's own, it alone.
host_sees() {
    same "$1" "$(stat -c '%u:%g %a' "${2#*/}")" "$2"
    if shows_on_host; then
        same "$1" "$(on_host "stat -c '%u:%g %a' $2")" "host's $2"
    fi
}

try_as() {
    mkdir "$1" && cd "$1"
    umask 022
    mkdir mine theirs shared
    chown 1000:1000 theirs
    chmod 1777 shared
    echo secret >mine/secret
    chmod 600 mine/secret
    echo public >mine/public

    # root
    host_sees '0:0 755' "$1/mine"
    host_sees '0:0 600' "$1/mine/secret"
    host_sees '1000:1000 755' "$1/theirs"

    # the other user, in a directory of their own
    as_user 1000 sh -euc 'umask 027; echo text >theirs/file; mkdir theirs/dir; ln -s file theirs/link
        ln theirs/file theirs/hard; echo more >>theirs/file; cat theirs/link; mkfifo theirs/fifo'
    host_sees '1000:1000 640' "$1/theirs/file"
    host_sees '1000:1000 750' "$1/theirs/dir"
    host_sees '1000:1000 777' "$1/theirs/link"
    host_sees '1000:1000 640' "$1/theirs/fifo"
    as_user 1000 chmod 4711 theirs/file
    host_sees '1000:1000 4711' "$1/theirs/file"

    # and what they may not do
    same public "$(as_user 1000 cat mine/public)"
    refused as_user 1000 cat mine/secret
    refused as_user 1000 touch mine/new
    refused as_user 1000 rm -f mine/public
    refused as_user 1000 chmod 777 mine/public
    refused as_user 1000 chown 1000 mine/public
    refused as_user 1001 touch theirs/intruder
    refused as_user 1001 ls theirs/dir

    # a sticky directory: each removes their own
    as_user 1000 touch shared/of-1000
    refused as_user 1001 rm -f shared/of-1000
    as_user 1001 touch shared/of-1001
    host_sees '1001:1001 644' "$1/shared/of-1001"
    as_user 1000 rm shared/of-1000

    # root gives and takes
    chown 1001:1001 theirs/hard
    host_sees '1001:1001 711' "$1/theirs/file"
    chmod 600 theirs/file
    refused as_user 1000 cat theirs/file
    same 'text
more' "$(as_user 1001 cat theirs/file)" 'what the new owner reads'

    # a set-group-ID directory gives its group
    mkdir setgid && chown 0:1000 setgid && chmod 2775 setgid
    as_user 1000 sh -c 'umask 022; touch setgid/file; mkdir setgid/dir'
    host_sees '1000:1000 644' "$1/setgid/file"
    host_sees '1000:1000 2755' "$1/setgid/dir"
    touch setgid/of-root
    host_sees '0:1000 644' "$1/setgid/of-root"
    cd ..
}

for access in user client; do
    remount "access=$access"
    try_as "$access"
done
