# A server that is killed holds no lock any more: the host has them at once, and so has the next server.
# seconds: 60
# transport: tcp

# starts WHAT FILE: a process that says when it holds, or is about to wait.
starts() {
    : >"$TMP/said"
    "$BIN/lock-rules" "$1" "$2" >"$TMP/said" &
    started="${started:-} $!"
    # shellcheck disable=SC2064 # all that was started until now
    trap "kill -KILL $started 2>/dev/null" EXIT
    until [ -s "$TMP/said" ]; do sleep 0.02; done
}

: >file
: >unwritable
mkdir -p "$TMP/readonly" "$TMP/next"
mount_9p "$TMP/readonly" aname=ro
starts hold file
starts flock "$TMP/readonly/$ITEM/unwritable"
starts wait file
same 'held -----w-------' "$(on_host "'$HOST_BIN/lock-rules' ask file")" 'the host while it is held'
refused on_host 'flock -n unwritable true'

kill_server
same 'free -------------' "$(on_host "'$HOST_BIN/lock-rules' ask file")" 'the host on the file'
on_host 'flock -n unwritable true'

# The next server gives them to new mounts while those who held them live, on mounts that are dead.
start_server
mount_9p "$TMP/next"
same 'free -------------' "$("$BIN/lock-rules" ask "$TMP/next/$ITEM/file")" 'the next mount on the file'
umount "$TMP/next"
mount_9p "$TMP/next" aname=ro
flock -n "$TMP/next/$ITEM/unwritable" true
umount "$TMP/next"

trap - EXIT
# shellcheck disable=SC2086 # numbers
kill -KILL $started
# shellcheck disable=SC2086
wait $started || :
umount "$TMP/readonly"
remount
