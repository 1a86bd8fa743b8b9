# Where root is not squashed, users and root write with caches, and what is theirs is theirs on the host.
# seconds: 60
# squash: none

same 0:0 "$(on_host 'stat -c %u:%g .')" 'whose it is on the host'
chmod 1777 .
for cache in loose mmap; do
    remount "cache=$cache"
    for user in 0 1 2; do
        as_user $user sh -euc "umask 022; mkdir $cache-$user; cd $cache-$user; dd if=/dev/zero bs=10k count=20 | tr '\\0' $user >big
            echo $user >small; echo again >>small; chmod 640 small; '$BIN/mmap-write' mapped $user 100000"
    done
    refused as_user 1 cat $cache-2/small
    refused as_user 1 sh -c "echo x >$cache-2/new"
    refused as_user 1 rm -f "$cache-2/big"
    sync
    for user in 0 1 2; do
        same "$user:$user 755" "$(on_host "stat -c '%u:%g %a' $cache-$user")" 'the directory'
        same "$user:$user 640" "$(on_host "stat -c '%u:%g %a' $cache-$user/small")" 'the small file'
        same "$user
again" "$(on_host "cat $cache-$user/small")" 'the small file'
        same "204800 $user:$user" "$(on_host "stat -c '%s %u:%g' $cache-$user/big")" 'the big file'
        same 204800 "$(on_host "tr -cd $user <$cache-$user/big | wc -c")" 'the bytes of the big file'
        on_host "'$HOST_BIN/mmap-write' -c $cache-$user/mapped $user 100000"
    done
done
