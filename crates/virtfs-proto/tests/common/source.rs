//! Makes the fields of messages from arbitrary bytes.

use virtfs_proto::*;

/// Hands out field values made from bytes, and zeros when those are used up.
pub(crate) struct Source<'a> {
    bytes: &'a [u8],
    dialect: Dialect,
}

impl<'a> Source<'a> {
    pub(crate) fn new(dialect: Dialect, bytes: &'a [u8]) -> Self {
        Source { bytes, dialect }
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.bytes.split_at(self.bytes.len().min(N));
        self.bytes = rest;
        let mut array = [0; N];
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    pub(crate) fn draw<T: Draw>(&mut self) -> T {
        T::draw(self)
    }
}

/// A type of field that can be made from bytes.
///
/// Strings and lists are leaked, which spares the tests an owned twin of every message.
pub(crate) trait Draw {
    fn draw(source: &mut Source<'_>) -> Self;
}

macro_rules! draw {
    ($($type:ty: |$source:ident| $value:expr;)*) => {
        $(impl Draw for $type {
            fn draw($source: &mut Source<'_>) -> Self {
                $value
            }
        })*
    };
}

draw! {
    u8: |s| u8::from_le_bytes(s.array());
    u16: |s| u16::from_le_bytes(s.array());
    u32: |s| u32::from_le_bytes(s.array());
    u64: |s| u64::from_le_bytes(s.array());
    &'static [u8]: |s| {
        let len = usize::from(s.draw::<u8>() % 24).min(s.bytes.len());
        let (string, rest) = s.bytes.split_at(len);
        s.bytes = rest;
        string.to_vec().leak()
    };
    Names<'static>: |s| {
        let names: Vec<&'static [u8]> = (0..s.draw::<u8>() % 20).map(|_| s.draw()).collect();
        Names::from_slice(names.leak())
    };
    Qids<'static>: |s| {
        let qids: Vec<Qid> = (0..s.draw::<u8>() % 20).map(|_| s.draw()).collect();
        Qids::from_slice(qids.leak())
    };
    Qid: |s| Qid { kind: QidType::from_bits_retain(s.draw()), version: s.draw(), path: s.draw() };
    Timespec: |s| Timespec { sec: s.draw(), nsec: s.draw() };
    LopenFlags: |s| LopenFlags::from_bits_retain(s.draw());
    OpenMode: |s| OpenMode::from_bits_retain(s.draw());
    GetattrMask: |s| GetattrMask::from_bits_retain(s.draw());
    SetattrMask: |s| SetattrMask::from_bits_retain(s.draw());
    LockFlags: |s| LockFlags::from_bits_retain(s.draw());
    XattrFlags: |s| XattrFlags::from_bits_retain(s.draw());
    UnlinkFlags: |s| UnlinkFlags::from_bits_retain(s.draw());
    Perm: |s| Perm::from_bits_retain(s.draw());
    LockType: |s| LockType(s.draw());
    LockStatus: |s| LockStatus(s.draw());
}

/// A struct all of whose fields are drawn.
macro_rules! drawn {
    ($source:ident => $name:ident { $($field:ident),* $(,)? }) => {
        $name { $($field: $source.draw()),* }
    };
}

pub(crate) use drawn;

/// A number or string that plain 9P2000 does not carry: what it decodes as instead.
pub(crate) fn unless_plain<T: Draw>(source: &mut Source<'_>, absent: T) -> T {
    match source.dialect {
        Dialect::Plain => absent,
        Dialect::U | Dialect::L => source.draw(),
    }
}

impl Draw for Stat<'static> {
    fn draw(s: &mut Source<'_>) -> Self {
        Stat {
            extension: unless_plain(s, &[]),
            n_uid: unless_plain(s, NONUNAME),
            n_gid: unless_plain(s, NONUNAME),
            n_muid: unless_plain(s, NONUNAME),
            ..drawn!(s => Stat {
                kind, dev, qid, mode, atime, mtime, length, name, uid, gid, muid,
                extension, n_uid, n_gid, n_muid,
            })
        }
    }
}
