#!/bin/bash
# Unpacks QEMU 11 or newer (the first with vhost-user-test-device in Debian) from a newer suite into
# the cache, with all that it depends on: nothing is installed, and it runs through its own dynamic
# loader and libraries. Prints the folder (`qemu` in it is qemu-system-x86_64).
. "$(dirname "$0")/lib.sh"

package=qemu-system-x86
suites=(trixie-backports sid)

# The address and the key of the mirror that the machine itself uses: "URL ENTRY" of its sources.
mirror() {
    # shellcheck disable=SC2016 # apt expands them
    apt-get indextargets --format '$(SITE) $(SOURCESENTRY)' 'Created-By: Packages' 'Origin: Debian' \
        'Component: main' | head -n 1
}

signed_by() {
    sed -nE 's/^Signed-By: *([^ ]+).*/\1/p; s/.*signed-by=([^] ]+).*/\1/p' "$1" 2>/dev/null | head -n 1
}

# apt-get and apt-cache with lists, state and cache of their own: the machine's see nothing of it.
newer() {
    local tool=$1
    shift
    "$tool" -q -o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/status" \
        -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferencesparts=/dev/null -o Dir::Cache="$work/cache" \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o APT::Sandbox::User=root "$@"
}

# suite_lists SUITE: the package lists of it and of what it builds on.
suite_lists() {
    local site entry key list=$work/sources.list
    read -r site entry <<<"$(mirror)"
    key=$(signed_by "${entry%:*}")
    rm -rf "$work/lists" "$work/cache"
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    : >"$work/status"
    echo "deb ${key:+[signed-by=$key] }$site $1 main" >"$list"
    case $1 in *-backports) echo "deb ${key:+[signed-by=$key] }$site ${1%-backports} main" >>"$list" ;; esac
    newer apt-get update
}

# The version that the suite has, if it is 11 or newer.
version_in() {
    newer apt-cache -t "$1" policy "$package" |
        awk '/Candidate:/ { split($2, part, /[:.]/); if (part[2] + 0 >= 11) print $2 }'
}

find_version() {
    local suite
    for suite in "${suites[@]}"; do
        suite_lists "$suite" || continue
        version=$(version_in "$suite")
        [ -z "$version" ] || { echo "$suite $version" >"$work/found"; return; }
    done
    echo "no suite of ${suites[*]} has $package 11"
    return 1
}

# With an empty list of installed packages, what apt would install is the whole closure.
unpack() {
    local suite=$1 archive
    newer apt-get -t "$suite" -y --no-install-recommends --download-only install "$package"
    mkdir "$work/root"
    for archive in "$work"/cache/archives/*.deb; do
        dpkg-deb -x "$archive" "$work/root"
    done
    rm -rf "$work/root/usr/share/doc" "$work/root/usr/share/man" "$work/root/usr/share/locale"
    rm -rf "$work"/{lists,cache,status,sources.list,found,lock*}
}

# Nothing in it names the folder's own place. (`-device help` would also load every module that the
# machine's own QEMU has, and stumble.)
wrap() {
    cat >"$work/qemu" <<'SH'
#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/root
lib=$root/usr/lib/x86_64-linux-gnu
export QEMU_MODULE_DIR="$lib/qemu"
exec "$lib/ld-linux-x86-64.so.2" --library-path "$lib:$root/lib/x86_64-linux-gnu:$lib/pulseaudio" \
    "$root/usr/bin/qemu-system-x86_64" -L "$root/usr/share/seabios" -L "$root/usr/share/qemu" "$@"
SH
    chmod 755 "$work/qemu"
    "$work/qemu" -machine none -device vhost-user-test-device-pci,help | grep virtio-id
    [ -e "$work/root/usr/share/seabios/bios-microvm.bin" ]
}

make_qemu() {
    unpack "$1"
    wrap
    mv -T "$work" "$kept"
}

one_at_a_time
script=$(sha256sum <"$0" | cut -c1-12)
kept=$(find "$CACHE/qemu11" -maxdepth 1 -name "*-$script" 2>/dev/null | tail -n 1) || true
if [ -z "$kept" ]; then
    [ -n "$(mirror)" ] || refresh_lists
    work=$CACHE/qemu11/new.$$
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work"
    step "QEMU 11: package lists" find_version
    read -r suite version <"$work/found"
    # A colon would part the loader's list of folders.
    kept=$CACHE/qemu11/${version//:/.}-$script
    step "QEMU 11: unpack $version of $suite" make_qemu "$suite"
fi
ln -sfn "$(basename "$kept")" "$CACHE/qemu11/current"
echo "$kept"
