#!/bin/bash
# Builds pjdfstest and fsx of crates.io, once. Prints the folder that they are in.
. "$(dirname "$0")/../../guest/prepare/lib.sh"
say() { printf 'posix: %s\n' "$*" >&2; }

pjdfstest=0.2.2
fsx=0.3.2
kept=$CACHE/posix/pjdfstest-$pjdfstest-fsx-$fsx

install() {
    nice cargo install "$1" --version "$2" --locked --root "$work" --target-dir "$work/target"
}

one_at_a_time
if [ ! -e "$kept/fsx" ]; then
    work=$kept.new.$$
    trap 'rm -rf "$work"' EXIT
    rm -rf "$kept" && mkdir -p "$work"
    # Outside, so that no configuration of the workspace has a say.
    cd "$work"
    step "pjdfstest $pjdfstest" install pjdfstest "$pjdfstest"
    step "fsx $fsx" install fsx "$fsx"
    mv -T "$work/bin" "$kept"
fi
echo "$kept"
