# What locks of fcntl and flock become through several descriptors, forks, closes and ends is what the host's own
# file system says: for other processes of the guest, for another client, and for the host; but for a list.
# seconds: 60
# transport: tcp

# flat: a line for each answer: the locks, when they were tried, by whom and with what result.
flat() {
    awk '/^[^ ]/ { scenario = $0; when = ""; next } /^  [^ ]/ { when = substr($0, 3); next }
        { print scenario " | " when " | " substr($0, 5) }' "$@"
}

# What is known to differ (docs/locks.md, "fcntl or flock?"): locks | when | by whom | the host's result | ours
cat >"$TMP/list" <<'LIST'
fcntl of the whole: lock on A, close B | B closed | inside/outside/host | free ------------- | held wwwwwwwwwwwww
fcntl of the whole: shared on A and B, close B | B closed | inside/outside/host | free ------------- | shared rrrrrrrrrrrrr
fcntl of the whole: fork, the child closes | unlocked through B | inside/outside/host | free ------------- | held wwwwwwwwwwwww
fcntl of the whole: the process ends with A and B, a child has A | the process has ended | inside/outside/host | free ------------- | held wwwwwwwwwwwww
open file description: a range | B closed | outside/host | held -----wwwww--- | free -------------
fcntl beside flock |  | set(b, F_WRLCK, start, length): | ok | EAGAIN
fcntl beside flock | fcntl asked after flock | inside/outside/host | held -----wwwww--- | held wwwwwwwwwwwww
fcntl beside flock | fcntl alone | take_flock(a, LOCK_EX): | ok | EAGAIN
fcntl beside flock | flock released | outside/host | held -----wwwww--- | free -------------
flock: fork, the child closes | a child unlocked A | inside/outside | free | held
flock: the process ends, a child has A | the process has ended | outside | held | free
LIST

mkdir -p "$TMP/second"
mount_9p "$TMP/second"
on_host "'$HOST_BIN/lock-rules' run of-host of-host" | flat >"$TMP/by-host"
"$BIN/lock-rules" run file "$TMP/second/$ITEM/file" "cd \"\$SHARE/$ITEM\" && '$HOST_BIN/lock-rules' ask file" >"$TMP/told"
flat "$TMP/told" >"$TMP/got"
umount "$TMP/second"

# Each entry of the list stands for the host's answer, which must be there.
awk 'BEGIN { FS = " [|] " }
    FILENAME == ARGV[1] {
        count = split($3, who, "/")
        for (n = 1; n <= count; n++) {
            before = $1 " | " $2 " | " who[n] " "
            ours[before $4] = before $5
        }
        next
    }
    $0 in ours { print ours[$0]; used[$0]; next }
    { print }
    END { for (line in ours) if (!(line in used)) print "the host does not say: " line }' \
    "$TMP/list" "$TMP/by-host" >"$TMP/wanted"
[ "$(wc -l <"$TMP/wanted")" -gt 250 ]
diff -U0 "$TMP/wanted" "$TMP/got"
