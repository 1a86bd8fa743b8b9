//! The bytes that answer `Readdir` and `Readdirplus`.

use zerocopy::IntoBytes;

use super::abi::Dirent;
use super::attr::EntryOut;

/// Entries of a directory, up to the size the kernel asked for; send it with
/// `reply.data(&[buffer.bytes()])`.
#[derive(Debug)]
pub(crate) struct DirBuffer {
    bytes: Vec<u8>,
    size: usize,
}

impl DirBuffer {
    /// For a request of this size.
    pub(crate) fn new(size: u32) -> Self {
        let size = size as usize;
        // Grown as needed when somebody asks for much.
        Self {
            bytes: Vec::with_capacity(size.min(1 << 16)),
            size,
        }
    }

    /// Adds an entry; true when it did not fit and was left out. `offset` is where to go on after
    /// it; `kind` is `DT_*` (the mode shifted right by 12 bits).
    pub(crate) fn push(&mut self, ino: u64, offset: u64, kind: u32, name: &[u8]) -> bool {
        self.add(&[], ino, offset, kind, name)
    }

    /// As `push`, with a look-up: each entry taken counts as one look-up of `entry.node`, unless
    /// that is 0. For `.` and `..` it must be 0, since the kernel does not count them.
    pub(crate) fn push_plus(
        &mut self,
        entry: &EntryOut,
        offset: u64,
        kind: u32,
        name: &[u8],
    ) -> bool {
        self.add(
            entry.encode().as_bytes(),
            entry.attr.ino,
            offset,
            kind,
            name,
        )
    }

    /// What to send.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn add(&mut self, prefix: &[u8], ino: u64, off: u64, kind: u32, name: &[u8]) -> bool {
        let len = prefix.len() + size_of::<Dirent>() + name.len();
        let end = self.bytes.len() + len.next_multiple_of(8);
        let Some(namelen) = u32::try_from(name.len()).ok().filter(|_| end <= self.size) else {
            return true;
        };
        self.bytes.extend_from_slice(prefix);
        self.bytes.extend_from_slice(
            Dirent {
                ino,
                off,
                namelen,
                kind,
            }
            .as_bytes(),
        );
        self.bytes.extend_from_slice(name);
        self.bytes.resize(end, 0);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuse::Attr;

    #[test]
    fn entries_are_padded_to_eight_bytes_and_never_pass_the_size() {
        let mut buffer = DirBuffer::new(24 + 8 + 24 + 8 + 31);
        assert!(!buffer.push(7, 1, 8, b"a"));
        assert!(!buffer.push(8, 2, 4, b"abcdefgh"));
        assert!(buffer.push(9, 3, 4, b"b"));
        assert_eq!(buffer.bytes().len(), 64);
        let mut first = Vec::new();
        for number in [7_u64, 1] {
            first.extend_from_slice(&number.to_ne_bytes());
        }
        for number in [1_u32, 8] {
            first.extend_from_slice(&number.to_ne_bytes());
        }
        first.extend_from_slice(b"a\0\0\0\0\0\0\0");
        assert_eq!(buffer.bytes()[..32], first);
    }

    #[test]
    fn an_entry_with_a_look_up_is_the_entry_and_then_the_name() {
        let mut buffer = DirBuffer::new(160);
        let entry = EntryOut {
            node: 5,
            attr: Attr {
                ino: 50,
                ..Attr::default()
            },
            ..EntryOut::default()
        };
        assert!(!buffer.push_plus(&entry, 1, 8, b"abc"));
        assert!(buffer.push_plus(&entry, 2, 8, b"d"));
        assert_eq!(buffer.bytes().len(), 160);
        assert_eq!(buffer.bytes()[..8], 5_u64.to_ne_bytes());
        assert_eq!(buffer.bytes()[40..48], 50_u64.to_ne_bytes());
        assert_eq!(buffer.bytes()[128..136], 50_u64.to_ne_bytes());
        assert_eq!(buffer.bytes()[152..156], *b"abc\0");
    }
}
