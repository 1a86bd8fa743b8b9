#!/bin/bash
# Takes Debian's own kernel, not installed but unpacked into the cache, and makes an initramfs of
# busybox and the modules for 9P over TCP and virtio. Prints the folder (vmlinuz, initrd).
. "$(dirname "$0")/lib.sh"

modules=(virtio_pci virtio_mmio virtio_net 9pnet_fd 9pnet_virtio 9p)

# The meta-package names the newest kernel of the release.
newest() { apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1; }

take_kernel() {
    download "$package" "$version" "$work/deb"
    cp "$work"/deb/boot/vmlinuz-* "$work/vmlinuz"
    release=$(basename "$work"/deb/lib/modules/*)
    depmod -b "$work/deb" "$release"
}

make_initrd() {
    local root=$work/root dir=lib/modules/$release path
    mkdir -p "$root/bin" "$root/$dir"
    cp "$(command -v busybox)" "$root/bin/busybox"
    ln -s busybox "$root/bin/sh"
    for module in "${modules[@]}"; do
        modprobe -d "$work/deb" -S "$release" --show-depends "$module"
    done | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r path; do
        install -D -m 644 "$path" "$root/${path#"$work/deb/"}"
    done
    cp "$work/deb/$dir"/modules.{order,builtin,builtin.modinfo} "$root/$dir/"
    depmod -b "$root" "$release"
    # Members that follow each other must each be a multiple of four bytes: cpio pads, gzip would not.
    (cd "$root" && find . | cpio -o -H newc --quiet) >"$work/initrd"
}

make_guest() {
    take_kernel
    make_initrd
    rm -rf "$work/deb" "$work/root"
    mv -T "$work" "$kept"
}

one_at_a_time
package=$(newest)
[ -n "$package" ] || { refresh_lists; package=$(newest); }
version=$(candidate "$package")
[ -n "$version" ] || die "no kernel package"
key=$version-$(cat "$0" "$(command -v busybox)" | sha256sum | cut -c1-12)
kept=$CACHE/tcg/$key
if [ ! -e "$kept/initrd" ]; then
    work=$kept.new.$$
    trap 'rm -rf "$work"' EXIT
    rm -rf "$kept" && mkdir -p "$work"
    step "emulated guest: $package $version" make_guest
fi
ln -sfn "$key" "$CACHE/tcg/current"
echo "$kept"
