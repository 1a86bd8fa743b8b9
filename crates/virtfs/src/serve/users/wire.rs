//! What is said between the server and the process that looks users up: one datagram there, with
//! the socket for the answer, and one back.

use virtfs_vfs::Credentials;

use super::policy::Who;

/// The longest question, in bytes; a name has 256 at most.
pub(super) const QUESTION: usize = 257;
/// The most groups that Linux lets a user have (`NGROUPS_MAX`).
const GROUPS: usize = 65_536;
/// The longest answer, in bytes.
pub(super) const ANSWER: usize = 9 + 4 * GROUPS;

const UID: u8 = 0;
const NAME: u8 = 1;

const FOUND: u8 = 0;
const UNKNOWN: u8 = 1;
const FAILED: u8 = 2;

/// What the databases say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Found(Credentials),
    /// There is no such user.
    Unknown,
    /// They cannot be asked now.
    Failed,
}

impl<'a> Who<'a> {
    /// `None` for a name that no user can have.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        match *self {
            Self::Uid(uid) => Some([&[UID], &uid.to_le_bytes()[..]].concat()),
            Self::Name(name) => is_name(name).then(|| [&[NAME], name].concat()),
        }
    }

    pub(super) fn decode(question: &'a [u8]) -> Option<Self> {
        match question.split_first()? {
            (&UID, uid) => Some(Self::Uid(u32::from_le_bytes(uid.try_into().ok()?))),
            (&NAME, name) if is_name(name) => Some(Self::Name(name)),
            _ => None,
        }
    }
}

/// Whether a user can be called so: name services put names into paths, queries and lines of text.
fn is_name(name: &[u8]) -> bool {
    let odd = |byte: &u8| matches!(byte, ..0x21 | 0x7f | b':' | b'/');
    name.len() < QUESTION && !name.starts_with(b"-") && !name.iter().any(odd)
}

impl Answer {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Found(user) if user.groups.len() <= GROUPS => {
                let numbers = [user.uid, user.gid];
                let numbers = numbers.iter().chain(&user.groups);
                let mut bytes = vec![FOUND];
                bytes.extend(numbers.flat_map(|number| number.to_le_bytes()));
                bytes
            }
            Self::Found(_) | Self::Failed => vec![FAILED],
            Self::Unknown => vec![UNKNOWN],
        }
    }

    pub(super) fn decode(answer: &[u8]) -> Self {
        let number = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).ok();
        match answer.split_first() {
            Some((&UNKNOWN, _)) => Self::Unknown,
            Some((&FOUND, numbers)) => {
                let numbers: Option<Vec<_>> = numbers.chunks(4).map(number).collect();
                match numbers.as_deref() {
                    Some([uid, gid, groups @ ..]) => Self::Found(Credentials {
                        uid: *uid,
                        gid: *gid,
                        groups: groups.into(),
                    }),
                    _ => Self::Failed,
                }
            }
            _ => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_arrive_as_they_were() {
        for who in [Who::Uid(0), Who::Uid(70_000), Who::Name(b"alice")] {
            let question = who.encode().unwrap();
            assert_eq!(Who::decode(&question), Some(who));
        }
        assert_eq!(Who::Name(&[b'a'; QUESTION]).encode(), None);
        let user = |groups: &[u32]| Credentials {
            uid: 1,
            gid: 70_000,
            groups: groups.into(),
        };
        let answers = [
            Answer::Found(user(&[])),
            Answer::Found(user(&[5, 6, 100_000])),
            Answer::Unknown,
            Answer::Failed,
        ];
        for answer in answers {
            assert_eq!(Answer::decode(&answer.encode()), answer);
        }
        let many = Answer::Found(user(&vec![7; GROUPS + 1]));
        assert_eq!(Answer::decode(&many.encode()), Answer::Failed);
    }

    #[test]
    fn what_no_user_is_called_is_not_asked_for() {
        for name in [
            "a b", "a\n", "a\tb", "\0", "a\x7f", "root:x", "../etc", "/", "-1", "-",
        ] {
            assert_eq!(Who::Name(name.as_bytes()).encode(), None, "{name:?}");
            let question = [&[NAME], name.as_bytes()].concat();
            assert_eq!(Who::decode(&question), None, "{name:?}");
        }
        for name in ["a-b", "a.b", "DOM\\a", "a@b", "a$", "_a", "7", "jürgen"] {
            assert!(Who::Name(name.as_bytes()).encode().is_some(), "{name}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_nobody() {
        for question in [&[][..], &[UID], &[UID, 1, 2], &[7, 1, 2, 3, 4]] {
            assert_eq!(Who::decode(question), None);
        }
        for answer in [
            &[][..],
            &[FOUND],
            &[FOUND, 1, 0, 0, 0],
            &[FOUND, 1, 0, 0, 0, 2],
            &[9],
        ] {
            assert_eq!(Answer::decode(answer), Answer::Failed);
        }
    }
}
