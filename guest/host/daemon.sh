#!/bin/bash
# What the server holds, on one line: its processes, their descriptors, and their mappings of shared
# memory (a guest's). Equal lines before and after tell that nothing was left over.
program=$(readlink "/proc/$(cat "$RUN/server.pid")/exe")
processes=0 descriptors=0 memory=0
for process in /proc/[0-9]*; do
    [ "$(readlink "$process/exe" 2>/dev/null)" = "$program" ] || continue
    processes=$((processes + 1))
    descriptors=$((descriptors + $(ls "$process/fd" | wc -l)))
    memory=$((memory + $(grep -c -e memfd: -e /memory- "$process/maps")))
done
echo "$processes processes, $descriptors descriptors, $memory mappings of guest memory"
