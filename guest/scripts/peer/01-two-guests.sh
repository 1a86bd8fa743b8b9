# Two guests on one export see each other's changes: without a cache at once, with one after a new mount.
# seconds: 300

boot_peer
on_peer 'echo of the peer >peers; mkdir dir; echo deep >dir/deep'
echo of ours >ours
sync
if [ "$CACHE" = none ]; then
    same 'of the peer' "$(cat peers)"
    same 'of ours' "$(on_peer 'cat ours')"
    # Each change is seen by the very next call of the other.
    n=0
    while [ $n -lt 30 ]; do
        n=$((n + 1))
        on_peer "echo $n >counter"
        same $n "$(cat counter)" 'what the peer wrote'
        echo "again $n" >counter
        same "again $n" "$(on_peer 'cat counter')" 'what the peer reads'
    done
    on_peer 'mv dir moved; chmod 604 peers; ln peers link'
    [ ! -e dir ]
    same deep "$(cat moved/deep)"
    same '604 2' "$(stat -c '%a %h' peers)" 'mode and links'
    mv moved dir
    rm link
    on_peer '[ ! -e link ] && [ -e dir/deep ]'

    # Appends of both are all there, whole.
    on_peer '(for n in $(seq 300); do echo peer-$n >>log; done) >/dev/null 2>&1 &'
    for n in $(seq 300); do echo guest-$n >>log; done
    wait_until=60
    while [ "$(wc -l <log)" -lt 600 ] && [ $wait_until -gt 0 ]; do
        wait_until=$((wait_until - 1))
        sleep 0.5
    done
    same 600 "$(sort -u log | grep -cE '^(peer|guest)-[0-9]+$')" 'different lines of the log'

    # A lock of one keeps the other out. (Without -n the client of Linux would sleep for 30 s.)
    on_peer '(flock lock sh -c "echo >held; until [ -e release ]; do sleep 0.2; done" >/dev/null 2>&1 &)
        until [ -e held ]; do sleep 0.1; done'
    refused flock -n lock true
    echo >release
    until flock -n lock true; do sleep 0.5; done
    same '' "$(on_peer 'flock -n lock true')" 'what flock says in the peer'

    # Open and gone: the peer removes what we read.
    echo kept >victim
    exec 3<victim
    on_peer 'rm victim'
    same kept "$(cat <&3)" 'bytes of the file that the peer removed'
    exec 3<&-
else
    remount
    same 'of the peer' "$(cat peers)"
    same deep "$(cat dir/deep)"
    same 'of ours' "$(on_peer 'cat ours')"
fi
end_peer
