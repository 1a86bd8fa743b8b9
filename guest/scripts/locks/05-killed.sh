# A guest that is killed holds no lock any more.
# seconds: 120
# peer: yes

boot_peer
on_peer "{ '$BIN/lock-turns' hold file >holds 2>&1 & flock flocked sh -c 'echo >flocks; sleep 1000' >/dev/null 2>&1 & }"
until [ -s holds ] && [ -e flocks ]; do sleep 0.2; done
same 'held by 0' "$("$BIN/lock-turns" ask file 5 1 | sed 's/-1/0/')"
same 'held by 0' "$("$BIN/lock-turns" ask file 1000 0 | sed 's/-1/0/')"
same free "$("$BIN/lock-turns" ask file 6 50)"
same 'held -----w------r' "$(on_host "'$HOST_BIN/lock-rules' ask file")" 'the host while they are held'
refused flock -n flocked true
kill_peer
flock -w 10 flocked true
n=0
until [ "$("$BIN/lock-turns" ask file 0 0)" = free ]; do
    n=$((n + 1))
    [ $n -lt 100 ] || fail 'the locks outlive their guest'
    sleep 0.1
done
same 'free -------------' "$(on_host "'$HOST_BIN/lock-rules' ask file")" 'the host afterwards'
same 'free -------------' "$(on_host "'$HOST_BIN/lock-rules' ask flocked")" 'the host afterwards'
