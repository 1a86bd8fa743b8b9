# An open file stays whole when its name is gone or taken: src-c/open-unlinked.c.
# seconds: 60

mkdir root
"$BIN/open-unlinked" root

# The shell's way: a log that was rotated away.
exec 3>log 4<log
echo first >&3
rm log
echo other >log
echo second >&3
same 'first
second' "$(cat <&4)" 'bytes of the removed file'
same other "$(cat log)" 'bytes of the new file'
exec 3>&- 4>&-
sync
same other "$(on_host 'cat log')" 'bytes on the host'
