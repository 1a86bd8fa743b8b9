#!/bin/bash
# Installs the packages whose names are the arguments, those that are missing.
. "$(dirname "$0")/lib.sh"

missing=()
for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
        missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

[ "$(id -u)" = 0 ] || die "as root, install: ${missing[*]}"
# Lists that are out of date name files that are gone, so a failure is tried again with new ones.
install() {
    export DEBIAN_FRONTEND=noninteractive
    local options=(-q -y -o DPkg::Lock::Timeout=300 --no-install-recommends)
    apt-get install "${options[@]}" "${missing[@]}" && return
    apt-get -q update
    apt-get install "${options[@]}" "${missing[@]}"
}

one_at_a_time
step "packages: ${missing[*]}" install
