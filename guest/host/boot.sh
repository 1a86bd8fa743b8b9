# Booting each kind of guest; each function becomes the guest. Sourced by launch.sh and peer.sh.
# shellcheck shell=bash disable=SC2154

# uml NAME INIT ARGUMENT...: the kernel, with the memory and the state of this guest.
uml() {
    local name=$1 init=$2
    shift 2
    # The guest's memory is a file; a tmpfs of our own holds it wherever we run.
    mkdir -p "$RUN/memory-$name" && mount -t tmpfs -o size=4g tmpfs "$RUN/memory-$name"
    TMPDIR=$RUN/memory-$name exec "$KERNEL" mem="$MEMORY" umid="$name" \
        uml_dir="$RUN/memory-$name/" GUEST_RUN="$RUN/guest" GUEST_NAME="$name" \
        con=null con0=null,fd:1 ssl=null quiet panic=-1 init=/bin/sh "$@" -- "$init"
}

boot_uml() {
    local root=(root=/dev/root rootfstype=hostfs rootflags=/ ro)
    local nine=(root=root rootfstype=9p rootflags=trans=virtio,version=9p2000.L,msize=512000)
    local devices=(vec0:transport=tap,ifname=tap0,depth=64,gro=1) init=$RUN/guest/init/debian.sh
    [ "$TRANSPORT" = tcp ] || devices=("virtio_uml.device=$RUN/var/share.sock:9:1")
    case $ROOT in
        host) root=("${nine[@]},cache=loose" ro) ;;
        own) root=("${nine[@]},cache=mmap" rw) init=/run-dir/init/busybox.sh ;;
    esac
    # Before it powers off, this kernel takes its devices away, and waits for ever until a 9P device
    # is in no mount's use.
    [ -z "$ROOT" ] || devices+=("virtio_uml.device=$RUN/var/root.sock:9:2" GUEST_ENDS=crash)
    uml guest "$init" "${root[@]}" "${devices[@]}"
}

boot_peer() { "boot_peer_$KIND"; }

boot_peer_uml() {
    uml peer "$RUN/guest/init/debian.sh" root=/dev/root rootfstype=hostfs rootflags=/ ro \
        "virtio_uml.device=$RUN/var/peer-share.sock:9:1"
}

boot_local() {
    exec sh "$RUN/guest/init/local.sh"
}

# own_root: a root of busybox that the guest may write to.
own_root() {
    mkdir -p "$RUN"/root/{bin,proc,sys,dev,tmp,mnt,sbin,etc} && chmod 755 "$RUN/root"
    cp "$(command -v busybox)" "$RUN/root/bin/busybox"
    ln -s busybox "$RUN/root/bin/sh"
    cp -r "$RUN/guest" "$RUN/root/run-dir"
    mkdir -p "$RUN/root/run-dir/bin"
}

# The kernel unpacks archives that follow each other: the prepared one, then this run's.
make_initrd() {
    cp "$INITRD" "$RUN/initrd"
    mkdir "$RUN/overlay" && cp -r "$RUN/guest" "$RUN/overlay/run-dir"
    # busybox leaves only a tree that looks like an initramfs.
    ln "$RUN/guest/init/switch-root.sh" "$RUN/overlay/init"
    (cd "$RUN/overlay" && find . | cpio -o -H newc --quiet) >>"$RUN/initrd"
}

boot_tcg() {
    make_initrd
    exec qemu-system-x86_64 -machine q35 -cpu max -accel tcg,thread=multi -smp 1 -m "$MEMORY" \
        -display none -monitor none -serial stdio -no-reboot -nodefaults \
        -netdev user,id=net -device virtio-net-pci,netdev=net,romfile= \
        -kernel "$KERNEL" -initrd "$RUN/initrd" \
        -append "console=ttyS0 quiet panic=-1 rdinit=/bin/sh -- /run-dir/init/busybox.sh"
}

# What is not the export is only read, or serves the run.
model_of() {
    if [ "$1" = share ]; then echo "$MODEL"; elif [ -n "$SERVER_USER" ]; then echo none; else echo passthrough; fi
}

# qemu_devices PREFIX: a device for each of the run's with that prefix, or QEMU's own.
qemu_devices() {
    local device export folder tag suffix=-pci own=virtio-9p-pci readonly
    [ "$BUS" = pci ] || { suffix='' own=virtio-9p-device; }
    while read -r device export folder; do
        tag=$(tag_of "$device")
        if own_device; then
            readonly=off
            case $folder in *,ro) readonly=on ;; esac
            arguments+=(-fsdev "local,id=$tag,path=${folder%,ro},security_model=$(model_of "$export"),readonly=$readonly,multidevs=remap"
                -device "$own,fsdev=$tag,mount_tag=$tag")
        else
            arguments+=(-chardev "socket,id=$tag,path=$RUN/var/$device.sock"
                -device "vhost-user-test-device$suffix,chardev=$tag,virtio-id=9,num_vqs=1,vq_size=128,config_size=$((2 + ${#tag}))")
        fi
    done < <(devices_of "$1")
}

boot_qemu() {
    make_initrd
    qemu guest ''
}

boot_peer_qemu() { qemu peer peer-; }

# qemu NAME PREFIX: the guest of that name, on the devices with that prefix.
qemu() {
    local name=$1 console=$RUN/var/console-$1 machine=q35 init=/run-dir/init/busybox.sh arguments=()
    [ "$BUS" = pci ] || machine=microvm
    [ "$ROOT" != host ] || init=/run-dir/init/switch-root.sh
    qemu_devices "$2"
    local command=("$QEMU" -machine "$machine,memory-backend=mem" -cpu max -accel tcg -smp 1 -m "$MEMORY"
        -object "memory-backend-memfd,id=mem,size=$MEMORY,share=on"
        -global virtio-mmio.force-legacy=false
        -display none -monitor none -chardev "stdio,id=console,logfile=$console,signal=off" -serial chardev:console -nodefaults ${NO_REBOOT:+-no-reboot}
        "${arguments[@]}" -kernel "$KERNEL" -initrd "$RUN/initrd"
        -append "console=ttyS0 quiet panic=-1 GUEST_NAME=$name rdinit=/bin/sh -- $init")
    ! own_device || command=("${as_server[@]}" "${command[@]}")
    [ "$BUS" = mmio ] || exec "${command[@]}"
    until_it_boots "$console" "${command[@]}"
}

# until_it_boots CONSOLE COMMAND...: on a busy machine microvm's timer is measured wrong now and then, and the kernel
# waits for it for ever, before it has seen any device: such a one is started again.
until_it_boots() {
    local console=$1 guest
    shift
    for _ in 1 2 3 4 5 6; do
        rm -f "$console"
        "$@" </dev/null &
        guest=$!
        for _ in $(seq 40); do
            ! grep -qa 'virtfs-guest:' "$console" 2>/dev/null || { wait $guest; return; }
            kill -0 $guest 2>/dev/null || { wait $guest; return; }
            read -rt 0.5 <>"$RUN/never"
        done
        echo "the kernel does not boot: started again"
        kill -KILL $guest
        wait $guest
    done
}
