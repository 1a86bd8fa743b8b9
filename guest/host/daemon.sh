#!/bin/bash
# What the server holds, on one line: its processes, their descriptors, and their mappings of shared
# memory (a guest's). Equal lines before and after tell that nothing was left over. While a guest has its
# root on 9p, what the processes that serve guests have open changes with what it runs, and does not count.
program=$(readlink "/proc/$(cat "$RUN/server.pid")/exe")
processes=0 descriptors=0 memory=0
for process in /proc/[0-9]*; do
    [ "$(readlink "$process/exe" 2>/dev/null)" = "$program" ] || continue
    processes=$((processes + 1))
    guests=$(grep -c -e memfd: -e /memory- "$process/maps")
    memory=$((memory + guests))
    [ "$ROOT" != host ] || [ "$guests" -eq 0 ] || continue
    descriptors=$((descriptors + $(ls "$process/fd" | wc -l)))
done
echo "$processes processes, $descriptors descriptors, $memory mappings of guest memory"
