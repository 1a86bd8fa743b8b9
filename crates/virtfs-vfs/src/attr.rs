//! What is known of a file, and what can be changed of it.

use bitflags::bitflags;

/// The kind of a file: the `S_IFMT` bits of a mode.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO.
    Fifo,
    /// A Unix socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

impl FileKind {
    /// The kind in a mode's `S_IFMT` bits; `None` for bits that name no kind.
    pub const fn from_mode(mode: u32) -> Option<Self> {
        Some(match mode & 0o170000 {
            0o100000 => Self::Regular,
            0o040000 => Self::Directory,
            0o120000 => Self::Symlink,
            0o010000 => Self::Fifo,
            0o140000 => Self::Socket,
            0o020000 => Self::CharDevice,
            0o060000 => Self::BlockDevice,
            _ => return None,
        })
    }

    /// The `S_IFMT` bits.
    pub const fn mode_bits(self) -> u32 {
        match self {
            Self::Regular => 0o100000,
            Self::Directory => 0o040000,
            Self::Symlink => 0o120000,
            Self::Fifo => 0o010000,
            Self::Socket => 0o140000,
            Self::CharDevice => 0o020000,
            Self::BlockDevice => 0o060000,
        }
    }

    /// The `d_type` of a directory entry of this kind (`DT_REG` …).
    pub const fn dirent_type(self) -> u8 {
        (self.mode_bits() >> 12) as u8
    }
}

/// What identifies a file to a client, before it is put on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Qid {
    /// The kind; `None` where it is not known (a directory entry of unknown type).
    pub kind: Option<FileKind>,
    /// Changes when the file does. Never 0 for a regular file of the host (Linux clients take 0
    /// for "do not cache"), 0 for synthetic files.
    pub version: u32,
    /// Unique among the files of an export for as long as they live.
    pub path: u64,
}

/// The qids of one walk: at most 16, as many as a `Twalk` can name.
#[derive(Clone, Copy, Debug)]
pub struct Qids {
    len: usize,
    qids: [Qid; Self::MAX],
}

impl Qids {
    /// The most names that one walk can have (`MAXWELEM`).
    pub const MAX: usize = 16;

    /// None yet.
    pub const fn new() -> Self {
        let none = Qid {
            kind: None,
            version: 0,
            path: 0,
        };
        Self {
            len: 0,
            qids: [none; Self::MAX],
        }
    }

    /// Appends one; ignored beyond [`Qids::MAX`], which no walk exceeds.
    pub fn push(&mut self, qid: Qid) {
        if let Some(slot) = self.qids.get_mut(self.len) {
            *slot = qid;
            self.len += 1;
        }
    }
}

impl Default for Qids {
    fn default() -> Self {
        Self::new()
    }
}

impl std::ops::Deref for Qids {
    type Target = [Qid];

    fn deref(&self) -> &[Qid] {
        &self.qids[..self.len]
    }
}

/// A point in time since 1970-01-01 00:00:00 UTC.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, PartialOrd, Ord)]
pub struct Time {
    /// Seconds; negative before 1970.
    pub sec: i64,
    /// Nanoseconds, 0 to 999,999,999.
    pub nsec: u32,
}

/// A device's number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Device {
    /// The driver.
    pub major: u32,
    /// The unit.
    pub minor: u32,
}

impl Device {
    /// The number in the 64-bit encoding of glibc, which `Rgetattr` carries.
    pub const fn to_wire(self) -> u64 {
        let (major, minor) = (self.major as u64, self.minor as u64);
        (major & 0xffff_f000) << 32
            | (major & 0xfff) << 8
            | (minor & 0xffff_ff00) << 12
            | (minor & 0xff)
    }
}

/// The attributes of a file (`Rgetattr`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attr {
    /// What identifies the file.
    pub qid: Qid,
    /// Type and permission bits (`st_mode`).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of hard links.
    pub nlink: u64,
    /// The device that a device node stands for.
    pub rdev: Device,
    /// Length in bytes.
    pub size: u64,
    /// Preferred size of an I/O operation, in bytes.
    pub blksize: u32,
    /// 512-byte blocks in use.
    pub blocks: u64,
    /// Last access.
    pub atime: Time,
    /// Last change of the content.
    pub mtime: Time,
    /// Last change of content or attributes.
    pub ctime: Time,
    /// Birth, where the host knows it and it was asked for.
    pub btime: Option<Time>,
    /// The inode's generation, where the host tells it and it was asked for. Best effort.
    pub generation: Option<u64>,
}

bitflags! {
    /// What a [`crate::FileSystem::stat`] is asked for beyond the basic attributes.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct StatWant: u8 {
        /// The birth time.
        const BTIME = 0x1;
        /// The generation.
        const GENERATION = 0x2;
    }
}

/// A time to set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetTime {
    /// The server's present.
    Now,
    /// This time.
    At(Time),
}

/// The attributes to change (`Tsetattr`), applied in the order mode, times, owner, size; the
/// first error ends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SetAttr {
    /// Permission bits; type bits are ignored.
    pub mode: Option<u32>,
    /// New owner.
    pub uid: Option<u32>,
    /// New group.
    pub gid: Option<u32>,
    /// New length: truncate or extend.
    pub size: Option<u64>,
    /// New access time.
    pub atime: Option<SetTime>,
    /// New modification time.
    pub mtime: Option<SetTime>,
    /// Bump the change time though nothing else is set (`P9_ATTR_CTIME` alone).
    pub ctime: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_number_is_encoded_as_glibc_does() {
        assert_eq!(
            Device {
                major: 10,
                minor: 229
            }
            .to_wire(),
            2789
        );
        assert_eq!(
            Device {
                major: 0x12345,
                minor: 0x6789a
            }
            .to_wire(),
            0x0001_2000_6783_459a
        );
    }

    #[test]
    fn a_kind_survives_its_mode_bits() {
        for bits in [1, 2, 4, 6, 8, 10, 12] {
            let kind = FileKind::from_mode(bits << 12 | 0o7777).unwrap();
            assert_eq!(kind.mode_bits(), bits << 12);
            assert_eq!(u32::from(kind.dirent_type()), bits);
        }
        assert_eq!(FileKind::from_mode(0o644), None);
    }
}
