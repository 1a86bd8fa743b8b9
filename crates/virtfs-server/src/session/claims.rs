//! Which fids a message names, and what it does to them: all that its place in the order of
//! requests depends on. Read from the raw head, before the message is decoded.

use virtfs_proto::{HEADER_LEN, NOFID, kind};

/// What a message claims.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Claims {
    /// The fids that it acts on.
    pub(super) uses: [Option<u32>; 2],
    /// What it does to a fid's number.
    pub(super) effect: Effect,
}

/// What a message does to the binding of a fid's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Effect {
    /// Nothing.
    #[default]
    None,
    /// Binds a number that should be free.
    Make(u32),
    /// Binds the number of its first fid to a new state.
    Change,
    /// Frees the number of its first fid.
    End,
}

impl Claims {
    /// What the message of this kind with this head claims; nothing if it is cut short.
    pub(super) fn of(kind: u8, head: &[u8]) -> Self {
        Self::read(kind, head).unwrap_or_default()
    }

    fn read(kind: u8, head: &[u8]) -> Option<Self> {
        let first = || word(head, HEADER_LEN);
        let second = || word(head, HEADER_LEN + 4);
        let uses = |one, two| Self {
            uses: [Some(one), two],
            effect: Effect::None,
        };
        Some(match kind {
            kind::TATTACH => Self {
                uses: [None; 2],
                effect: Effect::Make(first()?),
            },
            kind::TWALK => {
                let (fid, newfid) = (first()?, second()?);
                let effect = if fid == newfid {
                    Effect::Change
                } else {
                    Effect::Make(newfid)
                };
                Self {
                    uses: [Some(fid), None],
                    effect,
                }
            }
            kind::TXATTRWALK => Self {
                uses: [Some(first()?), None],
                effect: Effect::Make(second()?),
            },
            kind::TLOPEN | kind::TLCREATE | kind::TXATTRCREATE | kind::TOPEN | kind::TCREATE => {
                Self {
                    effect: Effect::Change,
                    ..uses(first()?, None)
                }
            }
            kind::TCLUNK | kind::TREMOVE if head.len() == HEADER_LEN + 4 => Self {
                effect: Effect::End,
                ..uses(first()?, None)
            },
            kind::TRENAME | kind::TLINK => uses(first()?, Some(second()?)),
            kind::TRENAMEAT => {
                let old = HEADER_LEN + 4;
                let length = u16::from_le_bytes(head.get(old..old + 2)?.try_into().ok()?);
                let newdir = word(head, old + 2 + usize::from(length))?;
                uses(first()?, Some(newdir).filter(|fid| *fid != NOFID))
            }
            kind::TVERSION | kind::TAUTH | kind::TFLUSH => Self::default(),
            _ => uses(first()?, None),
        })
    }
}

fn word(head: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?))
}

/// The `count` of a message that carries a payload or asks for one: how many bytes it will keep
/// in flight beside its head.
pub(super) fn payload_bytes(kind: u8, head: &[u8]) -> usize {
    match kind {
        kind::TREAD | kind::TREADDIR => word(head, HEADER_LEN + 12).unwrap_or(0) as usize,
        // What arrived counts, whatever it says of itself.
        kind::TWRITE => (word(head, 0).unwrap_or(0) as usize).saturating_sub(head.len()),
        _ => 0,
    }
}

/// The tag that a `Tflush` names.
pub(super) fn old_tag(head: &[u8]) -> Option<u16> {
    let body = head.get(HEADER_LEN..)?;
    Some(u16::from_le_bytes(body.try_into().ok()?))
}
