#!/bin/bash
# Runs on the host what a guest's item asks for with on_host, one command at a time: as the user
# who owns the export, unless the command's first line is `# as root`.
. "$(dirname "$0")/user.sh"
mkdir -p "$RUN/guest/agent"
while :; do
    while [ ! -e "$RUN/guest/agent/request" ]; do
        read -rt 0.02 <>"$RUN/never"
    done
    mv "$RUN/guest/agent/request" "$RUN/guest/agent/command"
    command=$(cat "$RUN/guest/agent/command")
    case $command in
        '# as root'*) sh -c "$command" ;;
        *) "${as_reader[@]}" sh -c "$command" ;;
    esac >"$RUN/guest/agent/output" 2>&1 </dev/null
    echo $? >"$RUN/guest/agent/status.new"
    mv "$RUN/guest/agent/status.new" "$RUN/guest/agent/status"
done
