//! Inputs are frames: a size of four bytes, which counts itself, a type, a tag, a body. Those of 9P
//! are what a client or server sends; those of [`CONTROL`] and the like are for the target itself,
//! which says what they mean.

use std::ops::Range;

/// The shortest frame, which has no body.
pub const HEADER: usize = 7;

/// The type of a frame that tells the target to do something. No message of 9P has it.
pub const CONTROL: u8 = 0;

/// One frame, or what is left behind the last one that makes sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// All of it.
    pub bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Its type; `None` for what is no frame.
    pub fn kind(&self) -> Option<u8> {
        let size = self
            .bytes
            .first_chunk()
            .map(|size| u32::from_le_bytes(*size))?;
        (size as usize == self.bytes.len()).then(|| self.bytes.get(4).copied())?
    }

    /// Its tag, 0 for what is no frame.
    pub fn tag(&self) -> u16 {
        let tag = self
            .bytes
            .get(5..HEADER)
            .and_then(|tag| tag.try_into().ok());
        u16::from_le_bytes(tag.unwrap_or_default())
    }

    /// What is behind the header.
    pub fn body(&self) -> &'a [u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }
}

/// Where the frames of an input lie. What is no frame any more is the last.
pub fn ranges(input: &[u8]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut from = 0;
    while let Some(rest) = input.get(from..).filter(|rest| !rest.is_empty()) {
        let size = rest
            .first_chunk()
            .map(|size| u32::from_le_bytes(*size) as usize);
        let length = size
            .filter(|size| (HEADER..=rest.len()).contains(size))
            .unwrap_or(rest.len());
        ranges.push(from..from + length);
        from += length;
    }
    ranges
}

/// The frames of an input.
pub fn frames(input: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let frame = |range: Range<usize>| input.get(range).map(|bytes| Frame { bytes });
    ranges(input).into_iter().filter_map(frame)
}

/// A frame made of its parts.
pub fn frame(kind: u8, tag: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = (HEADER as u32 + body.len() as u32).to_le_bytes().to_vec();
    bytes.push(kind);
    bytes.extend(tag.to_le_bytes());
    bytes.extend(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_by_their_sizes_and_nothing_is_lost() {
        let input = [
            frame(100, 1, b"ab"),
            frame(CONTROL, 2, b""),
            vec![3, 0, 0, 0],
        ]
        .concat();
        let cut: Vec<_> = frames(&input).collect();
        assert_eq!(cut.len(), 3);
        assert_eq!(
            (cut[0].kind(), cut[0].tag(), cut[0].body()),
            (Some(100), 1, &b"ab"[..])
        );
        assert_eq!((cut[1].kind(), cut[1].tag()), (Some(CONTROL), 2));
        assert_eq!(cut[2].kind(), None);
        let whole: Vec<u8> = cut.iter().flat_map(|frame| frame.bytes).copied().collect();
        assert_eq!(whole, input);
    }
}
