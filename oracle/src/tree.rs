//! What is on the host's disk, on both sides: made the same, emptied, compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, Timespec, Timestamps, mknodat, utimensat};

use crate::clock::Clock;
use crate::compare::Difference;
use crate::failure::{At, Result};
use crate::model::Model;
use crate::{host, shown};

/// What is known of each entry: the names of fields, and values as they are compared.
type Snapshot = BTreeMap<Vec<u8>, BTreeMap<&'static str, String>>;

/// Removes everything from a directory and makes it as it was at first, with a few files if
/// `furnished`.
pub(crate) fn make_anew(root: &Path, furnished: bool) -> Result {
    for name in host::list(root)? {
        let path = host::below(root, &name);
        let entry = fs::symlink_metadata(&path)?;
        let removed = if entry.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.at(path.display())?;
    }
    for name in host::xattrs(root)?.keys() {
        rustix::fs::lremovexattr(root, name.as_slice())?;
    }
    std::os::unix::fs::chown(root, Some(0), Some(0))?;
    fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
    if furnished {
        furnish(root).at(root.display())?;
    }
    settle(root)
}

/// What a host may have in a directory before it is served.
fn furnish(root: &Path) -> std::io::Result<()> {
    fs::write(root.join("a"), "the file a\n")?;
    fs::create_dir(root.join("b"))?;
    fs::write(root.join("b/c"), "c in b\n".repeat(2000))?;
    fs::create_dir(root.join("b/d"))?;
    std::os::unix::fs::symlink("../a", root.join("b/e"))?;
    std::os::unix::fs::chown(root.join("b"), Some(1000), Some(1000))?;
    let mode = Mode::from_raw_mode(0o640);
    mknodat(CWD, root.join("p"), FileType::Fifo, mode, 0)?;
    fs::set_permissions(root.join("b/c"), fs::Permissions::from_mode(0o600))?;
    Ok(())
}

/// Keeps the inode numbers of all that is there from being used again.
pub(crate) fn hold(path: &Path, held: &mut Vec<OwnedFd>) -> Result {
    held.push(host::hold(path)?);
    if fs::symlink_metadata(path)?.is_dir() {
        for name in host::list(path)? {
            hold(&host::below(path, &name), held)?;
        }
    }
    Ok(())
}

/// Gives everything the same times, long ago.
fn settle(path: &Path) -> Result {
    let entry = fs::symlink_metadata(path)?;
    if entry.is_dir() {
        for name in host::list(path)? {
            settle(&host::below(path, &name))?;
        }
    }
    let time = Timespec {
        tv_sec: 900_000_000,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

/// In what two trees differ after this request.
pub(crate) fn compare(
    model: Model,
    message: &'static str,
    qemu: &Path,
    virtfs: &Path,
    clock: &Clock,
) -> Result<Vec<Difference>> {
    let (ours, theirs) = (take(virtfs, clock)?, take(qemu, clock)?);
    let mut found = Vec::new();
    let nothing = BTreeMap::from([("tree.there", "no".to_owned())]);
    let mut paths: Vec<_> = ours.keys().chain(theirs.keys()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        let there = theirs.get(path).unwrap_or(&nothing);
        let here = ours.get(path).unwrap_or(&nothing);
        let field = if there.contains_key("tree.type") && here.contains_key("tree.type") {
            None
        } else {
            Some("tree.there")
        };
        let value = |side: &BTreeMap<&'static str, String>, name: &str| {
            side.get(name).map_or("-", String::as_str).to_owned()
        };
        let differs = |name: &str| value(there, name) != value(here, name);
        for name in there.keys().filter(|name| differs(name)) {
            // What other bytes mean for the length is no difference of its own.
            let implied = *name == "tree.size" && differs("tree.bytes");
            // What a server keeps beside the files, it writes when it likes.
            let beside = model == Model::MappedFile
                && path.windows(16).any(|part| part == b".virtfs_metadata")
                && matches!(*name, "tree.atime" | "tree.mtime");
            if !implied && !beside && field.is_none_or(|field| field == *name) {
                found.push(Difference {
                    message,
                    field: name,
                    qemu: value(there, name),
                    virtfs: value(here, name),
                    at: path.escape_ascii().to_string(),
                });
            }
        }
    }
    Ok(found)
}

fn take(root: &Path, clock: &Clock) -> Result<Snapshot> {
    let mut found = Snapshot::new();
    enter(root, Vec::new(), clock, &mut found)?;
    Ok(found)
}

fn enter(at: &Path, path: Vec<u8>, clock: &Clock, found: &mut Snapshot) -> Result {
    let entry = look(at, clock).at(at.display())?;
    let is_dir = entry["tree.type"] == "directory";
    found.insert(path.clone(), entry);
    if is_dir {
        for name in host::list(at)? {
            let below = [&path[..], b"/", &name].concat();
            enter(&host::below(at, &name), below, clock, found)?;
        }
    }
    Ok(())
}

fn look(at: &Path, clock: &Clock) -> Result<BTreeMap<&'static str, String>> {
    let stat = fs::symlink_metadata(at)?;
    let mut fields = BTreeMap::from([
        ("tree.there", "yes".to_owned()),
        ("tree.mode", format!("{:04o}", stat.mode() & 0o7777)),
        ("tree.owner", format!("{}:{}", stat.uid(), stat.gid())),
        ("tree.nlink", stat.nlink().to_string()),
        ("tree.rdev", format!("{:#x}", stat.rdev())),
    ]);
    let kind = match stat.mode() & 0o170000 {
        0o040000 => "directory",
        0o100000 => "file",
        0o120000 => "symlink",
        0o010000 => "fifo",
        0o140000 => "socket",
        0o020000 => "char",
        _ => "block",
    };
    fields.insert("tree.type", kind.to_owned());
    // A directory's size is the host's own business.
    match kind {
        "file" => {
            fields.insert("tree.size", stat.size().to_string());
            fields.insert("tree.bytes", shown::bytes(&host::bytes(at)?));
        }
        "symlink" => {
            let target = rustix::fs::readlinkat(CWD, at, Vec::new())?;
            fields.insert("tree.target", shown::bytes(target.as_bytes()));
        }
        _ => {}
    }
    let time = |sec, nsec| shown::time(clock, sec, nsec);
    fields.insert("tree.atime", time(stat.atime(), stat.atime_nsec()));
    fields.insert("tree.mtime", time(stat.mtime(), stat.mtime_nsec()));
    let xattrs: Vec<_> = host::xattrs(at)?
        .iter()
        .map(|(name, value)| shown_xattr(name, value))
        .collect();
    fields.insert("tree.xattrs", xattrs.join(","));
    Ok(fields)
}

/// An attribute and its value; the mode that a model keeps in one in octal, as modes are written.
fn shown_xattr(name: &[u8], value: &[u8]) -> String {
    match value.try_into().map(u32::from_le_bytes) {
        Ok(mode) if name == b"user.virtfs.mode" => format!("user.virtfs.mode={mode:#o}"),
        _ => format!("{}={}", name.escape_ascii(), shown::bytes(value)),
    }
}
