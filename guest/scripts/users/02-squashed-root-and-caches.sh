# Where root is squashed, a client that writes what it caches as root cannot open for writing with cache=loose, nor
# map to share and write with cache=mmap (docs/users.md); it reads, and writes without a cache.
# seconds: 60
# squash: root

# root, who is nobody here, made the directory.
same '65534:65534' "$(on_host 'stat -c %u:%g .')" 'whose it is on the host'
on_host 'chmod 1777 . && echo "of the host" >read && touch daemons && chown 1:1 daemons'
# denied WHY COMMAND...
denied() {
    why=$1
    shift
    if "$@" >"$TMP/said" 2>&1; then fail "should have been refused: $*"; fi
    grep "$why" "$TMP/said"
}

for cache in loose mmap; do
    remount "cache=$cache"
    same 'of the host' "$(cat read)"
    same 'of the host' "$(as_user 1 cat read)"
    as_user 1 mkdir "dir-$cache"
    same 1:1 "$(on_host "stat -c %u:%g dir-$cache")" 'whose the directory is'
    # All that is opened for writing, or what is mapped to be shared and written, would be written by root.
    if [ $cache = loose ]; then
        denied 'Permission denied' as_user 1 sh -c 'echo x >>daemons'
        denied 'Permission denied' as_user 1 sh -c 'echo x >new-loose'
    else
        as_user 1 sh -c 'echo y >>daemons; echo y >new-mmap'
        denied MAP_FAILED as_user 1 "$BIN/mmap-write" mapped 1 100000
    fi
done
remount cache=none
as_user 1 sh -c 'echo x >>daemons; echo x >new-none'
same 'y x' "$(on_host 'echo $(cat daemons)')"
same '1:1 1:1' "$(on_host 'echo $(stat -c %u:%g new-mmap new-none)')"
