//! What the mount is to be like.

/// The kernel's side of a mount.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one option of mount(8)"
)]
pub(crate) struct KernelOptions {
    /// What `findmnt` shows as the source: the server's address.
    pub fsname: String,
    /// The type is `fuse.` and this.
    pub subtype: String,
    /// Other users than the one who mounts may enter.
    pub allow_other: bool,
    /// The kernel checks permissions by mode and owner.
    pub default_permissions: bool,
    /// Read-only.
    pub ro: bool,
    /// Set-user-ID bits and file capabilities have no effect.
    pub nosuid: bool,
    /// Device nodes cannot be opened.
    pub nodev: bool,
    /// Nothing can be executed.
    pub noexec: bool,
    /// Reading does not change the time of access.
    pub noatime: bool,
    /// Writes are synchronous.
    pub sync: bool,
    /// Changes of directories are synchronous.
    pub dirsync: bool,
    /// Most bytes of one `Read`.
    pub max_read: u32,
    /// Most bytes of one `Write`; at least a page, at most 1 MiB.
    pub max_write: u32,
    /// Most requests in flight for which no process waits (read-ahead, write-back, release).
    pub max_background: u16,
    /// POSIX ACLs: the kernel checks them, and applies the default ACL or the umask not at all (the
    /// server does).
    pub acl: bool,
    /// The server drops set-user-ID and set-group-ID bits when told (`kill_suidgid`).
    pub killpriv_v2: bool,
    /// `Readdirplus` instead of `Readdir`.
    pub readdirplus: bool,
    /// … only while the directory's entries are really looked up.
    pub readdirplus_auto: bool,
    /// Shared mappings of files opened with [`DIRECT_IO`](super::OpenFlags::DIRECT_IO) are allowed
    /// (kernel 6.6 and newer).
    pub direct_io_mmap: bool,
}

impl Default for KernelOptions {
    fn default() -> Self {
        Self {
            fsname: "virtfs".to_owned(),
            subtype: "virtfs".to_owned(),
            allow_other: false,
            default_permissions: false,
            ro: false,
            nosuid: true,
            nodev: true,
            noexec: false,
            noatime: false,
            sync: false,
            dirsync: false,
            max_read: 1 << 20,
            max_write: 1 << 20,
            max_background: 64,
            acl: false,
            killpriv_v2: false,
            readdirplus: true,
            readdirplus_auto: false,
            direct_io_mmap: false,
        }
    }
}
