# Shared by the preparing scripts: where things are kept, and how a step is announced and timed.
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C # the output of apt-cache is read

GUEST_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${VIRTFS_GUEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/virtfs}
mkdir -p "$CACHE/log"

say() { printf 'guest: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# step NAME COMMAND...: runs quietly, prints the time it took, shows the end of its log if it fails.
step() {
    local name=$1 log=$CACHE/log/${1//[^A-Za-z0-9._-]/-}.$$ start=$SECONDS
    shift
    say "$name ..."
    # Not `if ! "$@"`: that would switch `set -e` off inside the functions.
    local status=0
    set +e
    (set -e; "$@") >"$log" 2>&1 </dev/null
    status=$?
    set -e
    if [ $status -ne 0 ]; then
        tail -n 60 "$log" >&2
        die "$name: failed; the whole log is $log"
    fi
    rm -f "$log"
    say "$name: $(((SECONDS - start) / 60)) min $(((SECONDS - start) % 60)) s"
}

# Only one run at a time prepares; the others wait for its results.
one_at_a_time() {
    exec 9>"$CACHE/lock"
    flock -n 9 || { say "waiting for another run to finish preparing"; flock 9; }
}

# Refreshes the package lists once, and only when a package cannot be found in the ones there are.
refresh_lists() {
    [ -n "${LISTS_FRESH:-}" ] || step "apt-get update" apt-get -q update
    LISTS_FRESH=1
}

candidate() { apt-cache policy "$1" 2>/dev/null | awk '/Candidate:/ && $2 != "(none)" { print $2 }'; }

# download PACKAGE VERSION DIRECTORY: unpacks a package there without installing it. If the lists are
# too old for that version, the newest.
download() {
    local work=$3.deb.$$
    rm -rf "$work" && mkdir -p "$work" "$3"
    cd "$work"
    apt-get -q download "$1=$2" || { apt-get -q update && apt-get -q download "$1"; }
    dpkg-deb -x ./*.deb "$3"
    cd - >/dev/null
    rm -rf "$work"
}
