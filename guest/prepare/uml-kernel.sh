#!/bin/bash
# Builds a User-Mode Linux kernel from Debian's linux-source and kernel/uml.config.
# Prints the path of the kernel; kept in the cache under source version and config hash.
. "$(dirname "$0")/lib.sh"

package=${VIRTFS_UML_SOURCE:-linux-source-6.1}
config=$GUEST_DIR/kernel/uml.config

source_tree() {
    download "$package" "$version" "$work/deb"
    # No guest needs another machine's code; unpacking less is half the time.
    tar -C "$work" -xf "$work/deb/usr/src/$package.tar.xz" --strip-components=1 \
        --exclude='*/Documentation/*.rst' --exclude='*/arch/[!xu]*/*.[cSh]' \
        --exclude='*/arch/[!xu]*/*.dts*' --exclude='*/drivers/gpu/drm/*.[ch]' \
        --exclude='*/sound/*.[ch]' --exclude='*/drivers/media/*.[ch]' \
        --exclude='*/tools/testing/*'
    rm -rf "$work/deb"
}

configure() {
    cd "$work"
    make ARCH=um SUBARCH=x86_64 x86_64_defconfig
    ARCH=um SUBARCH=x86_64 ./scripts/kconfig/merge_config.sh -m .config "$config"
    make ARCH=um SUBARCH=x86_64 olddefconfig
    # An option that kconfig silently dropped would show as a puzzling failure in the guest.
    local wanted
    grep -E '^(CONFIG_|# CONFIG_)' "$config" | while read -r wanted; do
        case $wanted in
            '# '*) ! grep -q "^$(echo "$wanted" | cut -d' ' -f2)=" .config ;;
            *) grep -qxF "$wanted" .config ;;
        esac || { echo "not in the final config: $wanted"; exit 1; }
    done
}

compile() {
    nice make -C "$work" ARCH=um SUBARCH=x86_64 -j"$(nproc)" linux
    strip -o "$work/linux.stripped" "$work/linux"
    mkdir -p "$kept"
    cp "$work/.config" "$kept/config"
    # Says where a kernel that stands still is.
    nm -n "$work/linux" >"$kept/System.map"
    mv "$work/linux.stripped" "$kept/linux"
}

one_at_a_time
version=$(candidate "$package")
[ -n "$version" ] || { refresh_lists; version=$(candidate "$package"); }
[ -n "$version" ] || die "no package $package"
key=${package#linux-source-}-$version-$(sha256sum <"$config" | cut -c1-12)
kept=$CACHE/uml/$key
if [ ! -x "$kept/linux" ] || [ ! -e "$kept/System.map" ]; then
    work=$CACHE/uml/build.$$
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work"
    step "UML kernel: unpack $package $version" source_tree
    step "UML kernel: configure" configure
    step "UML kernel: compile" compile
fi
ln -sfn "$key" "$CACHE/uml/current"
echo "$kept/linux"
