#!/bin/bash
# Shows what every process of a guest's namespaces waits for and what stands in its sockets: printed
# when a run is out of time, to tell a server that hangs from a guest that does.
echo "-- sockets"
ss -tan
for task in /proc/[0-9]*/task/[0-9]*; do
    state=$(sed -n 's/^State:\s*//p' "$task/status" 2>/dev/null)
    # The address spaces of a User-Mode Linux guest are processes that it traces.
    case $state in t* | '') continue ;; esac
    echo "-- ${task#/proc/} $(cat "$task/comm" 2>/dev/null) $state"
    head -n 8 "$task/stack" 2>/dev/null
done
if [ "$KIND" = uml ]; then
    # The kernel itself is the first of the processes of its name.
    kernel=$(pgrep -ox linux)
    echo "-- the guest's kernel, process $kernel"
    timeout 20 "$BIN/where-it-runs" "$kernel" "$(dirname "$KERNEL")/System.map" 2>&1
fi
