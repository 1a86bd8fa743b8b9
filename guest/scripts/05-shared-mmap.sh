# What is written through a shared mapping reaches the host, with msync and without.
# caches: loose mmap
# seconds: 60

host_has() { on_host "\"\$BIN/mmap-write\" -c $*"; }

"$BIN/mmap-write" flushed 1 1000000 msync
host_has flushed 1 1000000

"$BIN/mmap-write" later 2 3000001
sync -f later
host_has later 2 3000001

# An overwritten file, then a longer one, then a shorter one.
"$BIN/mmap-write" later 3 3000001 msync
host_has later 3 3000001
"$BIN/mmap-write" later 4 4000000 msync
host_has later 4 4000000
"$BIN/mmap-write" later 5 4097 msync
host_has later 5 4097

# Left to the client: it must have written all by the time the mount is gone.
"$BIN/mmap-write" unmounted 6 2000000
remount
host_has unmounted 6 2000000
"$BIN/mmap-write" -c unmounted 6 2000000
