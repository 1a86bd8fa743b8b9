//! Values of fields: usual ones, limits, and wrong ones.

use virtfs_proto::{LockType, LopenFlags, SetattrMask, Timespec, Tsetattr, XattrFlags};

use super::Generator;
use crate::tracker::{Kind, Tracker};

/// Names that meet each other.
const NAMES: [&[u8]; 9] = [b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h", b"p"];

const XATTRS: [&[u8]; 15] = [
    b"user.a",
    b"user.a",
    b"user.b",
    b"user.b",
    b"user.c",
    b"user.\xff\x01",
    b"system.posix_acl_access",
    b"system.posix_acl_default",
    b"trusted.a",
    b"security.capability",
    b"bogus",
    b"user.virtfs.uid",
    b"user.virtfs.a",
    b"user.virtfs.system.posix_acl_access",
    b"user.",
];

/// Flags of an open, and in how many of a hundred cases.
const FLAGS: &[(LopenFlags, u64)] = &[
    (LopenFlags::CREATE, 20),
    (LopenFlags::EXCL, 10),
    (LopenFlags::TRUNC, 15),
    (LopenFlags::APPEND, 15),
    (LopenFlags::NONBLOCK, 10),
    (LopenFlags::NOCTTY, 5),
    (LopenFlags::DSYNC, 1),
    (LopenFlags::FASYNC, 2),
    (LopenFlags::DIRECT, 4),
    (LopenFlags::LARGEFILE, 50),
    (LopenFlags::DIRECTORY, 4),
    (LopenFlags::NOFOLLOW, 6),
    (LopenFlags::NOATIME, 6),
    (LopenFlags::CLOEXEC, 6),
    (LopenFlags::SYNC, 1),
];

impl Generator {
    /// The name of an entry.
    pub(super) fn name(&mut self) -> Vec<u8> {
        if !self.rng.percent(5) {
            return self.rng.pick(&NAMES).to_vec();
        }
        match self.rng.below(14) {
            0 => Vec::new(),
            1 => b".".to_vec(),
            2 | 3 => b"..".to_vec(),
            4 => b"a/b".to_vec(),
            5 => b"/".to_vec(),
            6 => vec![b'n'; 255],
            7 => vec![b'n'; 256],
            8 => b"\xff\xfe\n".to_vec(),
            9 | 10 => b".virtfs_metadata".to_vec(),
            11 => b".virtfs_metadata_root".to_vec(),
            12 => b"n\0l".to_vec(),
            _ => b"...".to_vec(),
        }
    }

    /// Flags of `Tlopen` and `Tlcreate`.
    pub(super) fn open_flags(&mut self, kind: Kind) -> LopenFlags {
        let read_only = kind == Kind::Directory && !self.rng.percent(4);
        let access = if read_only { 0 } else { self.access() };
        let mut flags = LopenFlags::from_bits_retain(access);
        for (flag, chance) in FLAGS {
            if self.rng.percent(*chance) {
                flags |= *flag;
            }
        }
        if self.rng.percent(1) {
            flags |= LopenFlags::from_bits_retain(1 << 30);
        }
        flags
    }

    fn access(&mut self) -> u32 {
        self.rng
            .pick(&[0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3])
    }

    /// Permission bits.
    pub(super) fn mode(&mut self) -> u32 {
        match self.rng.below(40) {
            0 => self.rng.below(0o10000) as u32,
            1 => 0o7777,
            2 => 0o4755,
            3 => 0o2755,
            4..8 => 0o1777,
            8..12 => 0,
            12..20 => self.rng.below(0o1000) as u32,
            _ => self.rng.pick(&[0o644, 0o600, 0o755, 0o700]),
        }
    }

    /// A user's or a group's number.
    pub(super) fn id(&mut self) -> u32 {
        match self.rng.below(10) {
            0 => 0xffff_fffe,
            1 => u32::MAX,
            2 => 65534,
            _ => self.rng.pick(&[0, 1000, 1001, 2000]),
        }
    }

    /// A size, or an offset, in bytes.
    pub(super) fn size(&mut self) -> u64 {
        match self.rng.below(20) {
            0 => 1 << 20,
            1 => u64::MAX,
            2 => 1 << 62,
            3 => i64::MAX as u64,
            4 => 1 << 63,
            5..10 => self.rng.below(30_000),
            _ => self.rng.pick(&[0, 0, 1, 5, 11, 100, 4096, 8191]),
        }
    }

    /// A number of bytes that a message of the usual msize has room for.
    pub(super) fn count(&mut self) -> u32 {
        match self.rng.below(12) {
            0 => 0,
            1 => 8192 - 11,
            2 => 8192 - 24,
            3..6 => self.rng.below(8000) as u32,
            _ => self.rng.pick(&[1, 3, 16, 100, 1000, 4096]),
        }
    }

    /// Bytes to write.
    pub(super) fn data(&mut self) -> Vec<u8> {
        let length = match self.rng.below(8) {
            0 => 0,
            1 => 3000,
            2 => 1 + self.rng.below(2000) as usize,
            _ => 1 + self.rng.below(40) as usize,
        };
        let first = self.rng.below(26) as u8;
        (0..length)
            .map(|at| b'a' + ((usize::from(first) + at) % 26) as u8)
            .collect()
    }

    /// The name of an extended attribute.
    pub(super) fn xattr_name(&mut self) -> Vec<u8> {
        match self.rng.below(40) {
            0 => Vec::new(),
            1 => [&b"user."[..], &[b'x'; 250]].concat(),
            2 => [&b"user."[..], &[b'x'; 251]].concat(),
            3 => b"user.a\0b".to_vec(),
            4..26 => self.rng.pick(&XATTRS[..5]).to_vec(),
            _ => self.rng.pick(&XATTRS).to_vec(),
        }
    }

    /// The value of an extended attribute.
    pub(super) fn xattr_value(&mut self, name: &[u8]) -> Vec<u8> {
        if name.starts_with(b"system.posix_acl") && !self.rng.percent(20) {
            return self.acl();
        }
        let length = self.rng.pick(&[0, 1, 1, 4, 5, 8, 30, 300, 2000]);
        (0..length).map(|at| b'A' + (at % 26) as u8).collect()
    }

    /// A POSIX ACL as Linux sends it: version 2, entries of tag, permissions, id.
    pub(super) fn acl(&mut self) -> Vec<u8> {
        const UNDEFINED: u32 = u32::MAX;
        let mut entries = vec![(0x01_u16, 6_u16, UNDEFINED)];
        let extended = self.rng.percent(50);
        if extended {
            entries.push((0x02, 5, 1000));
        }
        entries.push((0x04, self.rng.below(8) as u16, UNDEFINED));
        if extended {
            entries.push((0x10, self.rng.below(8) as u16, UNDEFINED));
        }
        entries.push((0x20, self.rng.below(8) as u16, UNDEFINED));
        let mut bytes = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    pub(super) fn xattr_flags(&mut self) -> XattrFlags {
        let bits = match self.rng.below(60) {
            0 => 3,
            1 => 4,
            2..12 => 1,
            12..22 => 2,
            _ => 0,
        };
        XattrFlags::from_bits_retain(bits)
    }

    pub(super) fn lock_type(&mut self) -> LockType {
        LockType(self.rng.pick(&[0, 0, 0, 1, 1, 1, 2, 2, 2, 3]))
    }

    /// Start and length of a range to lock.
    pub(super) fn range(&mut self) -> (u64, u64) {
        match self.rng.below(12) {
            0 => (u64::MAX, 0),
            1 => (10, u64::MAX),
            2 => (i64::MAX as u64, 1),
            _ => (
                self.rng.pick(&[0, 0, 5, 10, 100]),
                self.rng.pick(&[0, 1, 5, 10, 20]),
            ),
        }
    }

    pub(super) fn client_id(&mut self) -> Vec<u8> {
        let ids: [&[u8]; 4] = [b"host", b"host", b"other", b""];
        self.rng.pick(&ids).to_vec()
    }

    /// A time long before the run.
    fn time(&mut self) -> Timespec {
        let nsec = match self.rng.below(20) {
            0 => 1_000_000_000,
            1 => u64::MAX,
            _ => self.rng.pick(&[0, 1, 123_456_789, 999_999_999]),
        };
        let sec = match self.rng.below(20) {
            0 => 0,
            1 => (-5_i64) as u64,
            _ => 1_000_000_000 + self.rng.below(1000),
        };
        Timespec { sec, nsec }
    }

    pub(super) fn setattr(&mut self, tracker: &Tracker, fid: u32) -> Tsetattr {
        let kind = tracker.fid(fid).map(|fid| fid.kind);
        let mut valid = SetattrMask::empty();
        let sets = [
            SetattrMask::MODE,
            SetattrMask::MODE,
            SetattrMask::UID,
            SetattrMask::GID,
            SetattrMask::UID | SetattrMask::GID,
            SetattrMask::SIZE,
            SetattrMask::SIZE,
            SetattrMask::SIZE | SetattrMask::MTIME,
            SetattrMask::ATIME,
            SetattrMask::MTIME,
            SetattrMask::ATIME | SetattrMask::ATIME_SET,
            SetattrMask::MTIME | SetattrMask::MTIME_SET,
            SetattrMask::CTIME,
            SetattrMask::ATIME_SET,
            SetattrMask::empty(),
        ];
        for _ in 0..self.rng.pick(&[1, 1, 1, 2, 3]) {
            valid |= self.rng.pick(&sets);
        }
        if self.rng.percent(3) {
            valid |= SetattrMask::from_bits_retain(1 << 20);
        }
        if kind != Some(Kind::Regular) && !self.rng.percent(20) {
            valid -= SetattrMask::SIZE;
        }
        // Linux sends the type of the file with its permissions.
        let kind = match kind {
            Some(Kind::Directory) => 0o040000,
            Some(Kind::Symlink) => 0o120000,
            Some(Kind::Special) => 0o010000,
            _ => 0o100000,
        };
        let typed = self.model.is_mapped() || !self.rng.percent(10);
        Tsetattr {
            fid,
            valid,
            mode: self.mode() | if typed { kind } else { 0 },
            uid: self.id(),
            gid: self.id(),
            size: self.size(),
            atime: self.time(),
            mtime: self.time(),
        }
    }
}
