//! What a backend, or the way to it, has.

use bitflags::bitflags;

bitflags! {
    /// What a case can need.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Has: u32 {
        /// A tree that clients can change, with hard links, symbolic links, FIFOs and sockets.
        const WRITE = 0x1;
        /// A tree made by code: nothing can be made, moved or removed.
        const FIXED = 0x2;
        /// Files belong to who makes them, and can be given away.
        const OWNERS = 0x4;
        /// Character and block devices can be made.
        const DEVICE_NODES = 0x8;
        /// Extended attributes of the `user.` namespace, 3,000 bytes of them at least.
        const XATTRS = 0x10;
        /// Extended attributes of 64 KiB each.
        const LARGE_XATTRS = 0x20;
        /// Byte-range locks.
        const LOCKS = 0x40;
        /// Birth times.
        const BIRTH_TIME = 0x80;
        /// A file `gate`, whose reads and writes block until the test lets them go.
        const GATE = 0x100;
        /// All connections of a site reach one server, which knows them apart.
        const ONE_SERVER = 0x200;
        /// The server is in this process and lets a session have no more than
        /// [`FIDS`](super::transports::FIDS) fids.
        const FEW_FIDS = 0x400;
        /// A directory tells its entries' types; elsewhere all are told to be unknown
        /// (`DT_UNKNOWN`).
        const ENTRY_TYPES = 0x800;
    }
}

impl Has {
    /// What the host's file system (ext4, as root) and the one in memory have.
    pub const FILES: Self = Self::WRITE
        .union(Self::OWNERS)
        .union(Self::DEVICE_NODES)
        .union(Self::XATTRS)
        .union(Self::LOCKS)
        .union(Self::BIRTH_TIME)
        .union(Self::ENTRY_TYPES);

    /// What a directory of the host has where types and owners are kept beside the files: a type
    /// would have to be looked up for every entry.
    pub const MAPPED: Self = Self::FILES.difference(Self::ENTRY_TYPES);
}
