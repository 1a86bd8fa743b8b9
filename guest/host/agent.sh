#!/bin/bash
# Runs on the host what a guest's item asks for with on_host, one command at a time.
mkdir -p "$RUN/guest/agent"
while :; do
    while [ ! -e "$RUN/guest/agent/request" ]; do
        read -rt 0.02 <>"$RUN/never"
    done
    mv "$RUN/guest/agent/request" "$RUN/guest/agent/command"
    sh "$RUN/guest/agent/command" >"$RUN/guest/agent/output" 2>&1 </dev/null
    echo $? >"$RUN/guest/agent/status.new"
    mv "$RUN/guest/agent/status.new" "$RUN/guest/agent/status"
done
