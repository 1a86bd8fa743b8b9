//! Two answers to one request, held against each other.
//!
//! What cannot be the same on both sides is brought to what must be:
//!
//! - qids: the path is another number on each side, but the same file must have the same one all the
//!   time, and two files two ([`Pairs`]). The version is left out: QEMU's is made of mtime and size,
//!   ours of ctime and size. The type must be equal.
//! - times: those that a request has set must be equal to the nanosecond, those of the run count as
//!   `now`.
//! - `Rgetattr`: of `valid` the bits that stat(2) gives; btime, gen and data_version are left out, of
//!   which QEMU knows only gen, and that not for all files. A directory's size and the number of
//!   blocks are the host file system's affair: of blocks it must be equal whether there are any.
//! - `Rreaddir`: cookies are opaque, and each side gets its own back. The order must be equal: it is
//!   the host file system's (of the names, on ext4), the same for both.
//! - `Rstatfs`: what is free changes by the minute.

use std::collections::BTreeMap;

use virtfs_proto::{DirEntries, GetattrMask, Qid, Rmessage, Timespec};

use crate::clock::Clock;
use crate::reply::Reply;
use crate::shown;

/// One thing that is not the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Difference {
    /// The request's name.
    pub(crate) message: &'static str,
    /// `answer` for the reply as a whole, else what in it or on the disk.
    pub(crate) field: &'static str,
    pub(crate) qemu: String,
    pub(crate) virtfs: String,
    /// Where in the tree.
    pub(crate) at: String,
}

impl Difference {
    /// Whether another is one more of this kind.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let named = |text: &str| text.starts_with(|first: char| first.is_ascii_uppercase());
        // Numbers and texts need not be the same ones.
        let like = |one: &str, other: &str| one == other || !named(one) && !named(other);
        (self.message, self.field) == (other.message, other.field)
            && like(&self.qemu, &other.qemu)
            && like(&self.virtfs, &other.virtfs)
    }
}

/// Which path of QEMU's qids belongs to which of ours.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    of_qemu: BTreeMap<u64, u64>,
    of_virtfs: BTreeMap<u64, u64>,
}

impl Pairs {
    /// Whether these two can be the same file.
    fn agree(&mut self, qemu: u64, virtfs: u64) -> bool {
        let of_qemu = *self.of_qemu.entry(qemu).or_insert(virtfs);
        let of_virtfs = *self.of_virtfs.entry(virtfs).or_insert(qemu);
        of_qemu == virtfs && of_virtfs == qemu
    }
}

/// A value of a reply.
enum Value {
    Plain(String),
    File(Qid),
}

/// In what two answers to a request differ.
pub(crate) fn compare(
    message: &'static str,
    qemu: &Reply<'_>,
    virtfs: &Reply<'_>,
    pairs: &mut Pairs,
    clock: &Clock,
) -> Vec<Difference> {
    let differs = |field, qemu: String, virtfs: String| Difference {
        message,
        field,
        qemu,
        virtfs,
        at: String::new(),
    };
    let (Reply::Done(there, there_payload), Reply::Done(here, here_payload)) = (qemu, virtfs)
    else {
        let (there, here) = (qemu.word(), virtfs.word());
        if there == here {
            return Vec::new();
        }
        return vec![differs("answer", there, here)];
    };
    if there.kind() != here.kind() {
        return vec![differs(
            "answer",
            there.name().to_owned(),
            here.name().to_owned(),
        )];
    }
    let there = fields(there, there_payload, clock);
    let here = fields(here, here_payload, clock);
    if there.len() != here.len() {
        let count = |fields: &[(_, Value)]| fields.len().to_string();
        return vec![differs(
            "count",
            texts(&there, count(&there)),
            texts(&here, count(&here)),
        )];
    }
    let mut found = Vec::new();
    // Whether the qids that follow are of one file.
    let mut same = true;
    for ((field, there), (_, here)) in there.iter().zip(&here) {
        match (there, here) {
            (Value::File(_), Value::File(_)) if !same => {}
            (Value::File(there), Value::File(here)) => {
                if there.kind != here.kind {
                    let text = |qid: &Qid| format!("{:#x}", qid.kind.bits());
                    found.push(differs("qid.type", text(there), text(here)));
                }
                if !pairs.agree(there.path, here.path) {
                    let text = |qid: &Qid| format!("{:#x}", qid.path);
                    found.push(differs("qid.path", text(there), text(here)));
                }
            }
            (Value::Plain(there), Value::Plain(here)) => {
                if there != here {
                    found.push(differs(field, there.clone(), here.clone()));
                }
                same |= *field == "name";
                same &= *field != "name" || there == here;
            }
            _ => {}
        }
    }
    found
}

/// All that is said, in short, for lists that are not equally long.
fn texts(fields: &[(&'static str, Value)], count: String) -> String {
    let texts = fields.iter().filter_map(|(field, value)| match value {
        Value::Plain(text) if *field == "name" => Some(text.as_str()),
        _ => None,
    });
    let texts: Vec<_> = texts.collect();
    format!("{count}[{}]", texts.join(","))
}

/// What a reply says, in the order of the wire, without what is left out.
fn fields(message: &Rmessage<'_>, payload: &[u8], clock: &Clock) -> Vec<(&'static str, Value)> {
    use Value::{File, Plain};
    let plain = |value: &dyn ToString| Plain(value.to_string());
    match message {
        Rmessage::Version(m) => vec![
            ("msize", plain(&m.msize)),
            ("version", Plain(shown::bytes(m.version))),
        ],
        Rmessage::Attach(m) => vec![("qid", File(m.qid))],
        Rmessage::Walk(m) => m.qids.iter().map(|qid| ("qid", File(qid))).collect(),
        Rmessage::Lopen(m) => vec![("qid", File(m.qid)), ("iounit", plain(&m.iounit))],
        Rmessage::Lcreate(m) => vec![("qid", File(m.qid)), ("iounit", plain(&m.iounit))],
        Rmessage::Symlink(m) => vec![("qid", File(m.qid))],
        Rmessage::Mknod(m) => vec![("qid", File(m.qid))],
        Rmessage::Mkdir(m) => vec![("qid", File(m.qid))],
        Rmessage::Readlink(m) => vec![("target", Plain(shown::bytes(m.target)))],
        Rmessage::Read(m) => vec![
            ("count", plain(&m.count)),
            ("data", Plain(shown::bytes(payload))),
        ],
        Rmessage::Write(m) => vec![("count", plain(&m.count))],
        Rmessage::Xattrwalk(m) => vec![("size", plain(&m.size))],
        Rmessage::Lock(m) => vec![("status", Plain(status(m.status.0)))],
        Rmessage::Getlock(m) => vec![
            ("type", Plain(lock_type(m.kind.0))),
            ("start", plain(&m.start)),
            ("length", plain(&m.length)),
            ("proc_id", plain(&m.proc_id)),
            ("client_id", Plain(shown::bytes(m.client_id))),
        ],
        Rmessage::Statfs(m) => vec![
            ("type", plain(&m.kind)),
            ("bsize", plain(&m.bsize)),
            ("blocks", plain(&m.blocks)),
            ("files", plain(&m.files)),
            ("fsid", plain(&m.fsid)),
            ("namelen", plain(&m.namelen)),
        ],
        Rmessage::Readdir(_) => entries(payload),
        Rmessage::Getattr(m) => {
            let time =
                |time: Timespec| Plain(shown::time(clock, time.sec as i64, time.nsec as i64));
            let is_dir = m.mode & 0o170000 == 0o040000;
            let own = |value| if is_dir { Plain(String::new()) } else { value };
            vec![
                (
                    "valid",
                    Plain(format!("{:?}", m.valid & GetattrMask::BASIC)),
                ),
                ("qid", File(m.qid)),
                ("mode", Plain(format!("{:06o}", m.mode))),
                ("uid", plain(&m.uid)),
                ("gid", plain(&m.gid)),
                ("nlink", plain(&m.nlink)),
                ("rdev", plain(&m.rdev)),
                ("size", own(plain(&m.size))),
                ("blksize", plain(&m.blksize)),
                ("blocks", own(plain(&(m.blocks > 0)))),
                ("atime", time(m.atime)),
                ("mtime", time(m.mtime)),
                ("ctime", time(m.ctime)),
            ]
        }
        _ => Vec::new(),
    }
}

fn entries(payload: &[u8]) -> Vec<(&'static str, Value)> {
    let mut found = Vec::new();
    for entry in DirEntries::new(payload) {
        match entry {
            Ok(entry) => {
                found.push(("name", Value::Plain(shown::bytes(entry.name))));
                // What is above the export: QEMU tells its inode number.
                if entry.name != b".." {
                    found.push(("qid", Value::File(entry.qid)));
                }
                found.push(("type", Value::Plain(entry.kind.to_string())));
            }
            Err(error) => found.push(("name", Value::Plain(error.to_string()))),
        }
    }
    found
}

fn status(status: u8) -> String {
    let names = ["SUCCESS", "BLOCKED", "ERROR", "GRACE"];
    let name = names.get(usize::from(status));
    name.map_or_else(|| status.to_string(), |name| (*name).to_owned())
}

fn lock_type(kind: u8) -> String {
    let names = ["RDLCK", "WRLCK", "UNLCK"];
    let name = names.get(usize::from(kind));
    name.map_or_else(|| kind.to_string(), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use virtfs_proto::{QidType, Rattach};

    use super::*;
    use crate::errno;

    fn attach(path: u64) -> Reply<'static> {
        let qid = Qid {
            kind: QidType::DIR,
            version: path as u32,
            path,
        };
        Reply::Done(Rmessage::Attach(Rattach { qid }), &[])
    }

    #[test]
    fn a_file_keeps_its_partner() {
        let mut pairs = Pairs::default();
        let clock = Clock::start();
        let mut found = |qemu, virtfs| {
            let (qemu, virtfs) = (attach(qemu), attach(virtfs));
            compare("Tattach", &qemu, &virtfs, &mut pairs, &clock).len()
        };
        assert_eq!(found(3, 1), 0);
        assert_eq!(found(5, 2), 0);
        assert_eq!(found(3, 1), 0);
        assert_eq!(found(3, 2), 1);
        assert_eq!(found(5, 1), 1);
        assert_eq!(found(7, 1), 1);
    }

    #[test]
    fn errors_are_compared_by_name() {
        let mut pairs = Pairs::default();
        let (no_entry, done) = (Reply::Failed(2), attach(1));
        let clock = Clock::start();
        assert!(compare("Tattach", &no_entry, &no_entry, &mut pairs, &clock).is_empty());
        let found = compare("Tattach", &no_entry, &done, &mut pairs, &clock);
        assert_eq!(
            (found[0].qemu.as_str(), found[0].virtfs.as_str()),
            ("ENOENT", "OK")
        );
        assert_eq!(errno::name(2), "ENOENT");
    }
}
