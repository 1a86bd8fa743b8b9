//! The flags of `virtfs serve`.

use std::os::fd::RawFd;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

#[cfg(feature = "escape-hook")]
use super::values::EscapeHook;
use super::values::{
    DeviceSpec, ExportSpec, InodeFileHandles, LogLevel, ModCaps, SandboxMode, SeccompMode, msize,
};
use super::{AccessArgs, Address, OwnershipArgs, QemuArgs};

/// Serve directories to virtual machines and to any 9P client, such as the Linux kernel.
///
/// The program prints, for each address, the command that mounts the directory there, and for each
/// device the lines that attach it to a virtual machine. It serves until it gets SIGTERM or Ctrl-C;
/// then it finishes what it is doing and ends. A second signal ends it at once.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// The directory to serve.
    ///
    /// Clients reach it without naming an export. Files outside it are out of their reach.
    #[arg(long, value_name = "DIR")]
    pub(crate) shared_dir: Option<PathBuf>,

    /// One more directory, which clients choose by its name (mount option aname=NAME).
    ///
    /// May be given several times. With ',ro' at the end clients cannot change it. Without
    /// --shared-dir, the first export is what clients reach who name none.
    #[arg(long, value_name = "NAME=DIR[,ro]")]
    #[arg(value_parser = OsStringValueParser::new().try_map(ExportSpec::parse))]
    pub(crate) export: Vec<ExportSpec>,

    /// Where clients connect: unix:PATH, tcp:HOST:PORT, fd:N or stdio. May be given several times.
    ///
    /// unix:PATH      a socket that only the user who runs the server can connect to (see also
    ///                --socket-group). The right choice on one host.
    /// tcp:HOST:PORT  port 0 takes a free port; IPv6 addresses stand in brackets. On loopback
    ///                every user of this host can connect. See also --unauthenticated-tcp.
    /// fd:N           an inherited descriptor: a listening socket, or the connection itself.
    /// stdio          one connection over standard input and output, then the server ends.
    #[arg(long, value_name = "ADDRESS", verbatim_doc_comment)]
    #[arg(value_parser = OsStringValueParser::new().try_map(Address::parse))]
    pub(crate) listen: Vec<Address>,

    /// Be a virtio-9p device of a virtual machine: the vhost-user socket that the VMM connects to.
    ///
    /// QEMU 10.2, Cloud Hypervisor 52, crosvm, OpenVMM, libkrun and User-Mode Linux can attach it.
    /// One VMM is served at a time, by a process of its own; when it has gone, the next one is.
    #[arg(long, value_name = "SOCK", help_heading = DEVICES, conflicts_with = "fd")]
    pub(crate) socket_path: Option<PathBuf>,

    /// The device's socket as an inherited descriptor: a Unix socket that listens.
    #[arg(long, value_name = "N", help_heading = DEVICES)]
    #[arg(value_parser = clap::value_parser!(i32).range(3..))]
    pub(crate) fd: Option<RawFd>,

    /// The mount tag of the device of --socket-path or --fd: the guest mounts it by this name.
    ///
    /// From 1 to 254 bytes. Without this flag: virtfs.
    #[arg(long, value_name = "TAG", help_heading = DEVICES)]
    pub(crate) tag: Option<String>,

    /// One more device, with a socket and a mount tag of its own. May be given several times.
    ///
    /// With 'export=NAME' it serves that export alone, and else all of them, as other listeners do.
    #[arg(long, value_name = "SOCK,tag=TAG[,export=NAME]", help_heading = DEVICES)]
    #[arg(value_parser = OsStringValueParser::new().try_map(DeviceSpec::parse))]
    pub(crate) vhost_user: Vec<DeviceSpec>,

    /// End when the VMM has gone, instead of waiting for the next.
    ///
    /// Whoever connects and goes without a word is no VMM. With several devices: each ends with its
    /// VMM. The server ends with the last of them, unless
    /// it listens for other clients too.
    #[arg(long, help_heading = DEVICES)]
    pub(crate) once: bool,

    /// Print what the device can do, as JSON for management software, and end.
    #[arg(long, help_heading = DEVICES)]
    pub(crate) print_capabilities: bool,

    /// Let this group, too, connect to the Unix sockets that the server makes.
    ///
    /// Its name or number. Whoever can connect can act as any user on the files that are served.
    #[arg(long, value_name = "GROUP")]
    pub(crate) socket_group: Option<String>,

    /// Let clients change nothing, in any export.
    #[arg(long)]
    pub(crate) readonly: bool,

    /// The largest message that clients are granted, in bytes; K and M are understood.
    ///
    /// Linux asks for 128 KiB unless its mount command says msize=, and takes at most 1 MiB on
    /// sockets. Small messages make large reads and writes slow. From 4K to 16M.
    #[arg(long, value_name = "BYTES", default_value = "1M", value_parser = msize)]
    pub(crate) msize: u32,

    /// How much is told on standard error.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(crate) log_level: LogLevel,

    /// Allow TCP addresses that other hosts can reach.
    ///
    /// The server does not authenticate: whoever reaches such an address can act as any user,
    /// root included, on the files that are served.
    #[arg(long)]
    pub(crate) unauthenticated_tcp: bool,

    /// How the server shuts itself in with the directories that it serves.
    ///
    /// A mode that is named and cannot be had is an error that says why. An ordinary user's namespaces
    /// are made in a user namespace with that user and group alone: files of others show as 65534.
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub(crate) sandbox: SandboxMode,

    /// Capabilities to keep (+) or give up (-) against the rule, as in +chown:-mknod.
    ///
    /// The server keeps what its security models need, of what it was started with: none for the mapped
    /// ones. Root needs +dac_override:+fowner to serve a mapped directory of another user's.
    #[arg(long, value_name = "LIST", value_parser = ModCaps::parse, allow_hyphen_values = true)]
    pub(crate) modcaps: Option<ModCaps>,

    /// What becomes of a process of the server that makes a system call that it never makes.
    ///
    /// Each process has a list of its own. Without this flag: kill, if the kernel has seccomp.
    #[arg(long, value_name = "HOW")]
    pub(crate) seccomp: Option<SeccompMode>,

    /// Whose system calls tests make, on the socket that is standard input.
    #[cfg(feature = "escape-hook")]
    #[arg(long, hide = true)]
    pub(crate) escape_hook: Option<EscapeHook>,

    /// How many descriptors the server may have open (RLIMIT_NOFILE).
    ///
    /// Clients can have some 3/4 of it open as files. Without this flag: what the hard limit
    /// allows, 1,048,576 at most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(256..=1 << 20))]
    pub(crate) rlimit_nofile: Option<u64>,

    /// How files that clients know are found again, after their descriptors were closed to save them.
    ///
    /// To open file handles takes CAP_DAC_READ_SEARCH, as root has it, and a file system that has
    /// them. With that capability a server that was broken into could reach every file of that file
    /// system, so it is kept only if this asks for it. Without handles, files that the host itself moves
    /// are looked for in the whole export, and may be lost to clients (ESTALE).
    #[arg(long, value_name = "WHEN", default_value = "never")]
    pub(crate) inode_file_handles: InodeFileHandles,

    #[command(flatten)]
    pub(crate) ownership: OwnershipArgs,

    #[command(flatten)]
    pub(crate) qemu: QemuArgs,

    #[command(flatten)]
    pub(crate) access: AccessArgs,
}

const DEVICES: &str = "Virtual machines";

const EXAMPLES: &str = "\
Examples:
  A virtio-9p device for a virtual machine; the server prints the VMM's whole line:
    virtfs serve --shared-dir ./tree --socket-path /run/vm.sock --tag tree
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 tree /mnt      (in the guest)

  A directory for programs and guests of this host:
    virtfs serve --shared-dir ./tree --listen tcp:127.0.0.1:5640
    mount -t 9p -o trans=tcp,port=5640,version=9p2000.L,msize=1048576 127.0.0.1 /mnt
  A QEMU guest with '-netdev user' reaches the same server at 10.0.2.2 instead of 127.0.0.1.

  The same over a Unix socket, which other users cannot connect to:
    virtfs serve --shared-dir ./tree --listen unix:/run/tree.sock
    mount -t 9p -o trans=unix,version=9p2000.L,msize=1048576 /run/tree.sock /mnt

  Two more directories, one of them read-only:
    virtfs serve --shared-dir ./tree --export src=/usr/src,ro --export tmp=/var/tmp \\
        --listen unix:/run/tree.sock
    mount -t 9p -o trans=unix,version=9p2000.L,msize=1048576,aname=src /run/tree.sock /mnt

  What QEMU itself serves with -virtfs (or -fsdev and -device), by a server of its own:
    virtfs serve --socket-path /run/vm.sock \\
        --virtfs local,path=./tree,mount_tag=tree,security_model=mapped-xattr

Exit status: 0 after a signal or when the only client hung up, 1 on failure (with --once also if
the VMM broke the protocol), 2 if the command line makes no sense, 3 after a signal when a request
hangs in a call of the host for good (its sessions are closed even so), 128 + n when a second signal
n ended the server at once.";
