# flock(1) locks files and directories as it does on a local disk, from one shell and from several.
# seconds: 60

touch file
flock -x "$DIR" true
flock -x 9 9<file
(flock -n -x 9 && refused flock -n -s file true) 9<file
(flock -s 9 && flock -n -s file true && refused flock -n -x file true) 9<file
flock -n -x file true
# Each of these is a process of its own: in this guest the lock belongs to the descriptor.
(
    for _ in 1 2 3; do
        flock -n 9
        flock -u 9
    done
    flock -n -s 9
    flock -n -x 9
    refused flock -n "$DIR/file" true
) 9>file
flock -n -x file true
(flock -n -x 9 && refused flock -n . true) 9<.
flock -n -x . true

# A read-only export, where the server has one.
if [ "$TRANSPORT" = tcp ]; then
    readonly=$TMP/readonly
    mkdir -p "$readonly"
    mount -t 9p -o "trans=tcp,port=$PORT,$MOUNT_OPTIONS,aname=ro" "$SERVER" "$readonly"
    refused touch "$readonly/$ITEM/file"
    flock -x "$readonly/$ITEM" true
    flock -x 9 9<"$readonly/$ITEM/file"
    (flock -n -x 9 && refused flock -n -s "$readonly/$ITEM/file" true) 9<"$readonly/$ITEM/file"
    # The host's flock(2) sees it: the server has nothing else to lock a file with that it cannot write.
    # (For other clients, and the host, the lock of `flock 9` ends with the process of flock.)
    flock -x "$readonly/$ITEM/file" sh -c 'touch locked; until [ -e over ]; do sleep 0.1; done' &
    until [ -e locked ]; do sleep 0.1; done
    refused on_host 'flock -n file true'
    touch over
    wait $!
    on_host 'flock -n file true'
    umount "$readonly"
fi
