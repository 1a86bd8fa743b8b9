//! What `mapped-xattr` stores with one file: `user.virtfs.*`.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::io;
use virtfs_vfs::{Cx, Detached, Device, FileKind, User};

use super::problem::{Problem, shown};
use super::{acl, endian, values};
use crate::ownership::ACLS;
use crate::ownership::mapped::Values;
use crate::ownership::mapped_xattr::{GID, MODE, RDEV, UID};
use crate::proc::ProcFd;
use crate::xattrs::Holder;

const PREFIX: &[u8] = b"user.virtfs.";
/// `XATTR_LIST_MAX` and `XATTR_SIZE_MAX`.
const MOST: usize = 1 << 16;
/// Which names are looked for where the kernel does not tell them all.
const OWN: [&CStr; 6] = [
    UID,
    GID,
    MODE,
    RDEV,
    c"user.virtfs.system.posix_acl_access",
    c"user.virtfs.system.posix_acl_default",
];

/// Looks at files, one after the other.
pub(super) struct Xattrs {
    names: Box<[u8]>,
    value: Box<[u8]>,
}

/// What was found with a file.
#[derive(Default)]
pub(super) struct Found {
    /// Whether anything of the model was.
    pub(super) any: bool,
    pub(super) values: Values,
}

impl Xattrs {
    pub(super) fn new() -> Self {
        Self {
            names: vec![0; MOST].into(),
            value: vec![0; MOST].into(),
        }
    }

    /// Judges the attributes of a regular file or a directory.
    pub(super) fn judge(
        &mut self,
        proc: &ProcFd,
        file: BorrowedFd<'_>,
        host: FileKind,
        problems: &mut Vec<Problem>,
    ) -> Found {
        let cx = Cx::new(User::NOBODY, &Detached);
        let holder = Holder::Path(proc, file);
        let length = match holder.list(&cx, &mut self.names) {
            Ok(length) => length,
            Err(io::Errno::OPNOTSUPP) => 0,
            Err(io::Errno::TOOBIG | io::Errno::RANGE) => self.own_names(),
            Err(error) => {
                problems.push(Problem::unchecked("its attributes cannot be listed", error));
                0
            }
        };
        let mut raw = Raw::default();
        let names = self.names.get(..length).unwrap_or_default();
        for name in names.split_inclusive(|byte| *byte == 0) {
            let (Ok(name), Some(rest)) = (
                CStr::from_bytes_with_nul(name),
                name.strip_prefix(PREFIX)
                    .and_then(|r| r.strip_suffix(b"\0")),
            ) else {
                continue;
            };
            let known = ACLS.contains(&rest) || matches!(rest, b"uid" | b"gid" | b"mode" | b"rdev");
            if !known {
                problems.extend(other(rest));
                continue;
            }
            let value = match holder.get(&cx, name, &mut self.value) {
                Ok(length) => self.value.get(..length).unwrap_or_default(),
                Err(io::Errno::NODATA) => continue,
                Err(error) => {
                    let what = format!("{} cannot be read", name.to_string_lossy());
                    problems.push(Problem::unchecked(&what, error));
                    continue;
                }
            };
            raw.any = true;
            if ACLS.contains(&rest) {
                of_acl(rest, value, host, problems);
            } else {
                raw.take(rest, value, problems);
            }
        }
        let any = raw.any;
        let values = raw.values(host, problems);
        values::judge(&values, host, problems);
        Found { any, values }
    }

    /// Writes the names that are looked for in any case where the kernel would have listed all.
    fn own_names(&mut self) -> usize {
        let names = OWN.map(CStr::to_bytes_with_nul).concat();
        match self.names.get_mut(..names.len()) {
            Some(room) => {
                room.copy_from_slice(&names);
                names.len()
            }
            None => 0,
        }
    }
}

/// An attribute that says nothing of owner, mode or device.
fn other(rest: &[u8]) -> Option<Problem> {
    // Kept for clients; the server's own.
    let known = rest.starts_with(b"security.") || rest.starts_with(b"trusted.");
    if known || rest == b"server" || rest.starts_with(b"server.") {
        return None;
    }
    let name = [PREFIX, rest].concat();
    let what = format!(
        "no server reads the attribute {}, and no client sees it",
        shown(&name)
    );
    Some(Problem::note(what, "remove it"))
}

fn of_acl(name: &[u8], value: &[u8], host: FileKind, problems: &mut Vec<Problem>) {
    let name = name.escape_ascii();
    let mend = "set the ACL from a client, or remove the attribute";
    if let Some(wrong) = acl::wrong(value) {
        let what = format!("user.virtfs.{name} is no ACL: {wrong}; clients get an error");
        problems.push(Problem::error(what, mend));
    } else if name.to_string().ends_with("default") && host != FileKind::Directory {
        let what = format!("user.virtfs.{name} is with a file that is no directory");
        problems.push(Problem::warning(what, "remove the attribute"));
    }
}

/// The four values as far as their lengths are right, in the order of bytes that is right.
#[derive(Default)]
struct Raw {
    any: bool,
    uid: Option<u32>,
    gid: Option<u32>,
    mode: Option<u32>,
    /// Whether the mode has 4 bytes, and so an order that shows.
    long_mode: bool,
    rdev: Option<u64>,
    long_rdev: bool,
}

impl Raw {
    fn take(&mut self, key: &[u8], value: &[u8], problems: &mut Vec<Problem>) {
        let mut short = |width| {
            let what = format!(
                "user.virtfs.{} has {width} bytes, as QEMU writes it on macOS and FreeBSD",
                key.escape_ascii()
            );
            let mend = "nothing; QEMU on Linux adds bytes of its own when it reads it";
            problems.push(Problem::note(what, mend));
        };
        match (key, value) {
            (b"uid", [a, b, c, d]) => self.uid = Some(u32::from_le_bytes([*a, *b, *c, *d])),
            (b"gid", [a, b, c, d]) => self.gid = Some(u32::from_le_bytes([*a, *b, *c, *d])),
            (b"mode", [a, b, c, d]) => {
                self.mode = Some(u32::from_le_bytes([*a, *b, *c, *d]));
                self.long_mode = true;
            }
            (b"mode", [a, b]) => {
                self.mode = Some(u16::from_le_bytes([*a, *b]).into());
                short(2);
            }
            (b"rdev", [a, b, c, d, e, f, g, h]) => {
                self.rdev = Some(u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]));
                self.long_rdev = true;
            }
            (b"rdev", [minor @ .., major]) if minor.len() == 3 => {
                let minor = minor
                    .iter()
                    .rev()
                    .fold(0, |all, byte| all << 8 | u32::from(*byte));
                let major = u32::from(*major);
                self.rdev = Some(Device { major, minor }.to_wire());
                short(4);
            }
            _ => {
                let what = format!(
                    "user.virtfs.{} has a length of {} instead of {}: virtfs takes the host's value, \
                     QEMU adds bytes of its own",
                    key.escape_ascii(),
                    value.len(),
                    if key == b"rdev" { 8 } else { 4 }
                );
                let mend = "set it from a client, or remove the attribute";
                problems.push(Problem::error(what, mend));
            }
        }
    }

    /// The values that were meant; tells those that are stored in another order of bytes.
    fn values(mut self, host: FileKind, problems: &mut Vec<Problem>) -> Values {
        let mode = self.mode.filter(|_| self.long_mode);
        let sure = mode.and_then(|mode| endian::mode(mode, host));
        let mut swapped = Vec::new();
        if let (Some(sure), Some(mode)) = (sure, mode) {
            self.mode = Some(mode.swap_bytes());
            swapped.push((sure, "mode", format!("0{:o}", mode.swap_bytes()), le(mode)));
        }
        for (key, id) in [("uid", &mut self.uid), ("gid", &mut self.gid)] {
            let Some(stored) = *id else { continue };
            let found = endian::id(stored, sure);
            if let Some(found) = found {
                if found > endian::Sure::Perhaps {
                    *id = Some(stored.swap_bytes());
                }
                swapped.push((found, key, stored.swap_bytes().to_string(), le(stored)));
            }
        }
        let rdev = self.rdev.filter(|_| self.long_rdev);
        if let (Some(rdev), Some(sure)) = (rdev, rdev.and_then(endian::rdev)) {
            let number = rdev.swap_bytes();
            self.rdev = Some(number);
            let bytes = format!("0x{:016x}", rdev);
            swapped.push((sure, "rdev", format!("0x{number:x}"), bytes));
        }
        for sure in [
            endian::Sure::Surely,
            endian::Sure::Probably,
            endian::Sure::Perhaps,
        ] {
            let these = swapped.iter().filter(|(found, ..)| *found == sure);
            problems.extend(big_endian(sure, these));
        }
        Values {
            uid: self.uid,
            gid: self.gid,
            mode: self.mode,
            rdev: self.rdev,
        }
    }
}

/// The bytes to store instead of a value: what was read, in the other order.
fn le(stored: u32) -> String {
    format!("0x{stored:08x}")
}

type Swapped = (endian::Sure, &'static str, String, String);

fn big_endian<'s>(sure: endian::Sure, these: impl Iterator<Item = &'s Swapped>) -> Option<Problem> {
    let (mut values, mut bytes) = (Vec::new(), Vec::new());
    for (_, key, value, instead) in these {
        values.push(format!("{key} {value}"));
        bytes.push(format!("user.virtfs.{key} {instead}"));
    }
    if values.is_empty() {
        return None;
    }
    let what = format!(
        "{} big-endian, stored by a QEMU of up to 2.1 on a big-endian host: {}",
        match sure {
            endian::Sure::Surely => "surely",
            endian::Sure::Probably => "probably",
            endian::Sure::Perhaps => "perhaps",
        },
        values.join(", ")
    );
    let mend = format!(
        "set from a client, or by setfattr -n NAME -v VALUE: {}",
        bytes.join(", ")
    );
    Some(match sure {
        endian::Sure::Surely => Problem::error(what, mend),
        endian::Sure::Probably => Problem::warning(what, mend),
        endian::Sure::Perhaps => Problem::note(what, mend),
    })
}
