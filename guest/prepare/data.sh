#!/bin/bash
# Makes what the items work on, once: `tree` (at least 3,000 files of a kernel's source, with
# some unusual modes) and tree.tar of it; small.tar of 300 files with their checksums for the
# emulated guest. Prints the folder.
. "$(dirname "$0")/lib.sh"

package=linux-source-6.1
key=$(sha256sum <"$0" | cut -c1-12)
kept=$CACHE/data/$key

take_sources() {
    download "$package" "$(candidate "$package")" "$work/deb"
    mkdir -p "$work/tree"
    tar -C "$work/tree" -xf "$work/deb/usr/src/$package.tar.xz" --strip-components=1 \
        --wildcards '*/include/linux/*' '*/scripts/*'
    rm -rf "$work/deb"
    [ "$(find "$work/tree" -type f | wc -l)" -ge 3000 ]
}

# Sources have two modes; a file server must keep all of them.
vary_modes() {
    local n=0 file
    local modes=(0600 0444 0751 0640 4755 2755 1666 0000)
    chown -R 0:0 "$work/tree"
    find "$work/tree/scripts/dtc" -type f | sort | while read -r file; do
        chmod "${modes[n++ % ${#modes[@]}]}" "$file"
    done
    chmod 3771 "$work/tree/scripts/dtc"
    ln -s ../include/linux/fs.h "$work/tree/scripts/symlink"
    ln -s nowhere "$work/tree/scripts/dangling"
    : >"$work/tree/scripts/empty"
}

take_small() {
    (cd "$work/tree" && find include/linux -maxdepth 1 -type f | sort | head -n 300 >"$work/list" &&
        xargs sha256sum <"$work/list" >"$work/small.sums" && tar -cf "$work/small.tar" -T "$work/list")
}

make_data() {
    take_sources && vary_modes && tar -C "$work" -cf "$work/tree.tar" --sort=name tree && take_small
    mv "$work" "$kept"
}

one_at_a_time
if [ ! -e "$kept/tree.tar" ]; then
    [ -n "$(candidate "$package")" ] || refresh_lists
    work=$kept.new.$$
    trap 'rm -rf "$work"' EXIT
    rm -rf "$kept" && mkdir -p "$work"
    step "source tree for the items" make_data
fi
ln -sfn "$key" "$CACHE/data/current"
echo "$kept"
