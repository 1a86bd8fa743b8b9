//! A request as it is kept: its bytes, and what in them each side must fill in for itself.

use std::fmt;

use virtfs_proto::{Dialect, HEADER_LEN, NOTAG, Tmessage, head_len, kind};

/// The tag of all requests but `Tversion`: one is under way at a time.
pub(crate) const TAG: u16 = 1;

/// Where the offset of a `Treaddir` lies in its frame.
const READDIR_OFFSET: usize = HEADER_LEN + 4;

/// A request of a schedule.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Request {
    frame: Vec<u8>,
    /// For a `Treaddir`: go on behind the entry with this number, of those that were listed
    /// through the fid. Each side has a cookie of its own for it.
    pub(crate) behind: Option<usize>,
}

impl Request {
    pub(crate) fn new<'a>(message: impl Into<Tmessage<'a>>) -> Self {
        Self::with(message, &[])
    }

    /// With a payload.
    pub(crate) fn with<'a>(message: impl Into<Tmessage<'a>>, payload: &[u8]) -> Self {
        let message = message.into();
        let tag = match message {
            Tmessage::Version(_) => NOTAG,
            _ => TAG,
        };
        let mut frame = vec![0; 8192];
        let length = message.encode(Dialect::L, tag, &mut frame);
        frame.truncate(length.expect("what the generator makes can be encoded"));
        frame.extend(payload);
        Self {
            frame,
            behind: None,
        }
    }

    /// A message that no dialect has.
    pub(crate) fn unknown(kind: u8) -> Self {
        let [low, high] = TAG.to_le_bytes();
        Self {
            frame: vec![HEADER_LEN as u8, 0, 0, 0, kind, low, high],
            behind: None,
        }
    }

    /// Go on behind an entry that was listed.
    pub(crate) fn behind(mut self, entry: usize) -> Self {
        self.behind = Some(entry);
        self
    }

    /// The message; `None` for one that no dialect has.
    pub(crate) fn message(&self) -> Option<Tmessage<'_>> {
        let head = head_len(self.kind(), self.frame.len() as u32) as usize;
        let decoded = Tmessage::decode(Dialect::L, &self.frame[..head]);
        decoded.ok().map(|(_, message)| message)
    }

    /// The type byte.
    pub(crate) fn kind(&self) -> u8 {
        self.frame[4]
    }

    /// The payload of a `Twrite`.
    pub(crate) fn payload(&self) -> &[u8] {
        let head = head_len(self.kind(), self.frame.len() as u32) as usize;
        &self.frame[head..]
    }

    /// The message's name.
    pub(crate) fn name(&self) -> &'static str {
        virtfs_proto::name_of(self.kind()).unwrap_or("unknown")
    }

    /// The bytes to send to a side that knows these cookies for the fid.
    pub(crate) fn frame(&self, cookies: &[u64]) -> Vec<u8> {
        let mut frame = self.frame.clone();
        let entry = self.behind.filter(|_| !cookies.is_empty());
        if let Some(entry) = entry.filter(|_| self.kind() == kind::TREADDIR) {
            let cookie = cookies[entry % cookies.len()];
            frame[READDIR_OFFSET..READDIR_OFFSET + 8].copy_from_slice(&cookie.to_le_bytes());
        }
        frame
    }

    /// The fid that it makes.
    pub(crate) fn newfid(&self) -> Option<u32> {
        match self.message()? {
            Tmessage::Attach(m) => Some(m.fid),
            Tmessage::Walk(m) if m.newfid != m.fid => Some(m.newfid),
            Tmessage::Xattrwalk(m) => Some(m.newfid),
            _ => None,
        }
    }

    /// The fids that it uses; not those that it makes.
    pub(crate) fn fids(&self) -> Vec<u32> {
        let Some(message) = self.message() else {
            return Vec::new();
        };
        match message {
            Tmessage::Version(_) | Tmessage::Auth(_) | Tmessage::Attach(_) | Tmessage::Flush(_) => {
                Vec::new()
            }
            Tmessage::Walk(m) => vec![m.fid],
            Tmessage::Open(m) => vec![m.fid],
            Tmessage::Create(m) => vec![m.fid],
            Tmessage::Read(m) => vec![m.fid],
            Tmessage::Write(m) => vec![m.fid],
            Tmessage::Clunk(m) => vec![m.fid],
            Tmessage::Remove(m) => vec![m.fid],
            Tmessage::Stat(m) => vec![m.fid],
            Tmessage::Wstat(m) => vec![m.fid],
            Tmessage::Statfs(m) => vec![m.fid],
            Tmessage::Lopen(m) => vec![m.fid],
            Tmessage::Lcreate(m) => vec![m.fid],
            Tmessage::Symlink(m) => vec![m.dfid],
            Tmessage::Mknod(m) => vec![m.dfid],
            Tmessage::Rename(m) => vec![m.fid, m.dfid],
            Tmessage::Readlink(m) => vec![m.fid],
            Tmessage::Getattr(m) => vec![m.fid],
            Tmessage::Setattr(m) => vec![m.fid],
            Tmessage::Xattrwalk(m) => vec![m.fid],
            Tmessage::Xattrcreate(m) => vec![m.fid],
            Tmessage::Readdir(m) => vec![m.fid],
            Tmessage::Fsync(m) => vec![m.fid],
            Tmessage::Lock(m) => vec![m.fid],
            Tmessage::Getlock(m) => vec![m.fid],
            Tmessage::Link(m) => vec![m.fid, m.dfid],
            Tmessage::Mkdir(m) => vec![m.dfid],
            Tmessage::Renameat(m) => vec![m.olddirfid, m.newdirfid],
            Tmessage::Unlinkat(m) => vec![m.dirfid],
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message() {
            Some(message) => {
                // Strings as text, not as numbers of bytes.
                f.write_str(&text_in(&format!("{message:?}")))?;
            }
            None => write!(f, "type {}", self.kind())?,
        }
        let payload = self.payload();
        if !payload.is_empty() {
            let (shown, rest) = payload.split_at(payload.len().min(16));
            let dots = if rest.is_empty() { "" } else { "…" };
            write!(f, " + \"{}{dots}\"", shown.escape_ascii())?;
        }
        match self.behind {
            Some(entry) => write!(f, " behind entry {entry}"),
            None => Ok(()),
        }
    }
}

/// Replaces lists of bytes (`[97, 98]`) by strings, and the name of the enum's variant by nothing.
fn text_in(debug: &str) -> String {
    let inner = debug.split_once('(').map_or(debug, |(_, rest)| rest);
    let inner = inner.strip_suffix(')').unwrap_or(inner);
    let mut out = String::new();
    let mut rest = inner;
    while let Some(start) = rest.find('[') {
        let Some(length) = rest[start..].find(']') else {
            break;
        };
        out.push_str(&rest[..start]);
        let list = &rest[start + 1..start + length];
        let bytes: Option<Vec<u8>> = match list {
            "" => Some(Vec::new()),
            list => list.split(", ").map(|number| number.parse().ok()).collect(),
        };
        match bytes {
            Some(bytes) if bytes.len() > 40 => {
                let (shown, length) = (bytes[..8].escape_ascii(), bytes.len());
                out.push_str(&format!("\"{shown}…\" ({length} bytes)"));
            }
            Some(bytes) => out.push_str(&format!("\"{}\"", bytes.escape_ascii())),
            // A list of strings.
            None => {
                out.push('[');
                rest = &rest[start + 1..];
                continue;
            }
        }
        rest = &rest[start + length + 1..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use virtfs_proto::{Names, Treaddir, Twalk, Twrite};

    use super::*;

    #[test]
    fn names_are_shown_as_text() {
        let (fid, newfid) = (1, 2);
        let names = Names::from_slice(&[b"ab", b"", b"\xff"]);
        let shown = format!("{:?}", Request::new(Twalk { fid, newfid, names }));
        let expected = r#"Twalk { fid: 1, newfid: 2, names: ["ab", "", "\xff"] }"#;
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_side_puts_its_own_cookie_into_a_treaddir_and_nothing_into_others() {
        let message = Treaddir {
            fid: 1,
            offset: 0,
            count: 100,
        };
        let request = Request::new(message).behind(3);
        assert_eq!(request.frame(&[]), request.frame);
        let sent = request.frame(&[11, 22]);
        assert_eq!(
            sent[READDIR_OFFSET..READDIR_OFFSET + 8],
            22_u64.to_le_bytes()
        );
        let (fid, offset, count) = (1, 5, 3);
        let write = Request::with(Twrite { fid, offset, count }, b"abc");
        assert_eq!(write.payload(), b"abc");
        assert_eq!(write.frame(&[7]), write.frame);
    }
}
