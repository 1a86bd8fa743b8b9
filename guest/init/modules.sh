# Loads the drivers that an emulated guest needs; a kernel without modules has them built in.
# shellcheck shell=sh

load_modules() {
    [ -d /lib/modules ] || return 0
    for module in virtio_pci virtio_mmio virtio_net 9pnet_fd 9pnet_virtio 9p; do
        modprobe "$module" || echo "virtfs-guest: no module $module"
    done
}
load_modules
