//! What a file is known again by whose descriptor was closed, in as little memory as may be.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::StatxFlags;

use crate::inode::look;
use crate::proc::ProcFd;
use crate::sys::handle::{self, FileHandle};

/// What a demoted inode is known again by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Trace {
    /// The kernel's handle, and one that Landlock lets be used, as [`pack`] lays them out.
    Handles(Packed),
    /// The time of birth, where the file system has no handles.
    Born(i64, u32),
}

const INLINE: usize = 22;

/// Bytes that need no memory of their own if they are few, as those of ext4 are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Packed {
    Inline(u8, [u8; INLINE]),
    Boxed(Box<[u8]>),
}

/// What a packed trace begins with: whether there is a connectable handle …
const CONNECTABLE: u8 = 1;
/// … and it begins with the bytes of the plain one, which are left out …
const SHARED: u8 = 2;
/// … and whether the kinds have four bytes each, not two.
const WIDE: u8 = 4;

impl Trace {
    /// Of what a descriptor stands for.
    pub(crate) fn of(fd: BorrowedFd<'_>, proc: &ProcFd, connectable: bool) -> Option<Self> {
        if let Ok(plain) = handle::of(fd) {
            let connectable = connectable
                .then(|| handle::connectable(proc.as_fd(), ProcFd::name(fd).as_c_str()).ok())
                .flatten();
            return Some(Self::Handles(pack(&plain, connectable.as_ref())));
        }
        let stat = look(fd, StatxFlags::BTIME).ok()?;
        let known = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
        known.then_some(Self::Born(stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec))
    }

    /// Whether it is of the file that a descriptor stands for.
    pub(crate) fn is_of(&self, fd: BorrowedFd<'_>, proc: &ProcFd) -> bool {
        match (self, Self::of(fd, proc, false)) {
            (Self::Handles(_), Some(other @ Self::Handles(_))) => self
                .handles()
                .is_some_and(|(plain, _)| Some(plain) == other.plain()),
            (Self::Born(..), Some(other @ Self::Born(..))) => *self == other,
            _ => false,
        }
    }

    /// The handle, and the connectable one.
    pub(crate) fn handles(&self) -> Option<(FileHandle, Option<FileHandle>)> {
        match self {
            Self::Handles(Packed::Inline(length, bytes)) => {
                unpack(bytes.get(..usize::from(*length))?)
            }
            Self::Handles(Packed::Boxed(bytes)) => unpack(bytes),
            Self::Born(..) => None,
        }
    }

    fn plain(&self) -> Option<FileHandle> {
        self.handles().map(|(plain, _)| plain)
    }
}

fn pack(plain: &FileHandle, connectable: Option<&FileHandle>) -> Packed {
    let wide = [Some(plain), connectable]
        .iter()
        .flatten()
        .any(|handle| narrow(handle.kind()).is_none());
    let shared = connectable.filter(|other| other.bytes().starts_with(plain.bytes()));
    let mut flags = 0;
    flags |= connectable.map_or(0, |_| CONNECTABLE);
    flags |= shared.map_or(0, |_| SHARED);
    flags |= if wide { WIDE } else { 0 };
    let mut bytes = Bytes::default();
    bytes.put(&[flags]);
    bytes.put_kind(plain, wide);
    bytes.put(&[plain.bytes().len() as u8]); // At most 128.
    if shared.is_none() {
        bytes.put(plain.bytes());
    }
    if let Some(other) = connectable {
        bytes.put_kind(other, wide);
        bytes.put(other.bytes());
    }
    let (bytes, mut inline) = (bytes.all(), [0; INLINE]);
    match inline.get_mut(..bytes.len()) {
        Some(room) => {
            room.copy_from_slice(bytes);
            Packed::Inline(bytes.len() as u8, inline)
        }
        None => Packed::Boxed(bytes.into()),
    }
}

/// Room for two handles of the largest size.
struct Bytes {
    bytes: [u8; 2 * (handle::MAX + 4) + 2],
    length: usize,
}

impl Default for Bytes {
    fn default() -> Self {
        let bytes = [0; 2 * (handle::MAX + 4) + 2];
        Self { bytes, length: 0 }
    }
}

impl Bytes {
    fn put(&mut self, bytes: &[u8]) {
        let to = self.length + bytes.len();
        if let Some(room) = self.bytes.get_mut(self.length..to) {
            room.copy_from_slice(bytes);
            self.length = to;
        }
    }

    fn put_kind(&mut self, handle: &FileHandle, wide: bool) {
        match narrow(handle.kind()) {
            Some(kind) if !wide => self.put(&kind),
            _ => self.put(&handle.kind().to_ne_bytes()),
        }
    }

    fn all(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

fn unpack(bytes: &[u8]) -> Option<(FileHandle, Option<FileHandle>)> {
    let (flags, mut rest) = bytes.split_first()?;
    let plain_kind = take_kind(&mut rest, flags & WIDE != 0)?;
    let length = usize::from(*rest.split_off_first()?);
    let own = match flags & SHARED != 0 {
        true => None,
        false => Some(FileHandle::new(plain_kind, rest.split_off(..length)?)?),
    };
    if flags & CONNECTABLE == 0 {
        return Some((own?, None));
    }
    let connectable = FileHandle::new(take_kind(&mut rest, flags & WIDE != 0)?, rest)?;
    let plain = match own {
        Some(plain) => plain,
        None => FileHandle::new(plain_kind, connectable.bytes().get(..length)?)?,
    };
    Some((plain, Some(connectable)))
}

fn take_kind(rest: &mut &[u8], wide: bool) -> Option<i32> {
    Some(match wide {
        true => i32::from_ne_bytes(rest.split_off(..4)?.try_into().ok()?),
        false => match rest.split_off(..2)? {
            [kind, flags] => i32::from(*kind) | i32::from(*flags) << 16,
            _ => return None,
        },
    })
}

/// A file system's own number of the kind, and the kernel's flags, which begin at bit 16.
fn narrow(kind: i32) -> Option<[u8; 2]> {
    let (own, flags) = (kind as u8, (kind >> 16) as u8);
    (i32::from(own) | i32::from(flags) << 16 == kind).then_some([own, flags])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(kind: i32, bytes: &[u8]) -> FileHandle {
        FileHandle::new(kind, bytes).unwrap()
    }

    #[test]
    fn handles_come_back_as_they_were() {
        let bytes: Vec<u8> = (0..128).collect();
        let plains = [(1, 8), (0x81, 12), (0x4d, 20), (-1, 128), (0x1234, 0)];
        let others = [
            (0x2_0002, 0, 16),
            (0x1_0082, 0, 24),
            (7 << 24, 3, 100),
            (9, 0, 4),
        ];
        for (kind, length) in plains {
            let plain = handle(kind, &bytes[..length]);
            assert_eq!(unpacked(&plain, None), (plain, None));
            for (kind, from, length) in others {
                let other = handle(kind, &bytes[from..from + length]);
                assert_eq!(unpacked(&plain, Some(other)), (plain, Some(other)));
            }
        }
    }

    fn unpacked(plain: &FileHandle, other: Option<FileHandle>) -> (FileHandle, Option<FileHandle>) {
        let trace = Trace::Handles(pack(plain, other.as_ref()));
        trace.handles().unwrap()
    }

    #[test]
    fn both_handles_of_ext4_need_no_memory_of_their_own() {
        let packed = pack(&handle(1, &[7; 8]), Some(&handle(0x1_0002, &[7; 16])));
        assert!(matches!(packed, Packed::Inline(..)));
        assert_eq!(size_of::<Trace>(), 24);
    }
}
