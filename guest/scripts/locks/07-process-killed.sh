# A process of the guest that is killed holds no lock any more, at once, and one that was killed while it waited
# for a lock is not given it later.
# seconds: 60

# starts WHAT FILE: a process that says when it holds, or is about to wait; $started is its number.
starts() {
    : >"$TMP/said"
    "$BIN/lock-rules" "$1" "$2" >"$TMP/said" &
    started=$!
    # shellcheck disable=SC2064 # all that was started until now
    trap "kill -KILL $started ${holder:-} 2>/dev/null" EXIT
    until [ -s "$TMP/said" ]; do sleep 0.02; done
}

ends() {
    kill -KILL "$1"
    wait "$1" || :
}

# The host, the guest, and another client if there can be one (a virtio device is for one mount).
asked() {
    on_host "'$HOST_BIN/lock-rules' ask file"
    "$BIN/lock-rules" ask file
    [ -z "$other" ] || "$BIN/lock-rules" ask "$other/file"
}

all() { asked | sort -u; }

: >file
other=
if [ "$TRANSPORT" = tcp ]; then
    mkdir -p "$TMP/second"
    mount_9p "$TMP/second"
    other=$TMP/second/$ITEM
fi

# The whole by flock is a lock of fcntl on the host (docs/locks.md).
for how in 'hold held -----w-------' 'flock held wwwwwwwwwwwww'; do
    starts "${how%% *}" file
    same "${how#* }" "$(all)" 'while it is held'
    ends $started
    same 'free -------------' "$(all)" 'when its holder was killed'
done

# Who waits is killed while the request is at the server, and in the client's pause between two requests.
for pause in 0 0.3 1.5; do
    starts hold file
    holder=$started
    starts wait file
    sleep $pause
    ends $started
    ends $holder
    same 'free -------------' "$(all)" "when who waited $pause s was killed, and the holder"
done
trap - EXIT

[ -z "$other" ] || umount "$TMP/second"
