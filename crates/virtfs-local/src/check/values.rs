//! What stored values say of a file, and whether that can be, whichever model stored them.

use virtfs_vfs::FileKind;

use super::problem::Problem;
use crate::ownership::mapped::{Values, device, is_device};

/// Linux keeps a device's number in 12 bits and 20.
const MAJOR_END: u32 = 1 << 12;
const MINOR_END: u32 = 1 << 20;

const SET_ANEW: &str = "set the mode from a client";
const STORE_ANEW: &str = "set the mode from a client, or remove what is stored";

/// Judges the values of a file that is this on the host.
pub(super) fn judge(values: &Values, host: FileKind, problems: &mut Vec<Problem>) {
    for (key, id) in [("user", values.uid), ("group", values.gid)] {
        if id == Some(u32::MAX) {
            let what = format!("its {key} is stored as -1, which is nobody's number");
            problems.push(Problem::error(what, "change the owner from a client"));
        }
    }
    match values.mode {
        Some(mode) => of_mode(mode, host, problems),
        None if values.uid.is_some() || values.gid.is_some() => problems.push(Problem::note(
            "an owner is stored and no mode: clients see the host's mode",
            SET_ANEW,
        )),
        None => {}
    }
    let missing = match (values.uid, values.gid) {
        (None, None) => "owner",
        (None, Some(_)) => "user",
        (Some(_), None) => "group",
        _ => "",
    };
    if !missing.is_empty() && *values != Values::default() && values.mode.is_some() {
        let what = format!("no {missing} is stored: clients see the host's");
        problems.push(Problem::note(what, "set it from a client"));
    } else if matches!(missing, "user" | "group") {
        let what = format!("one of user and group is stored, the {missing} is the host's");
        problems.push(Problem::note(what, "set it from a client"));
    }
    of_rdev(values, host, problems);
}

fn of_mode(mode: u32, host: FileKind, problems: &mut Vec<Problem>) {
    let Some(kind) = FileKind::from_mode(mode).filter(|_| mode <= 0xffff) else {
        problems.push(if mode <= 0o7777 {
            let what = format!(
                "the stored mode 0{mode:o} has lost what kind of file it is (QEMU does so when a \
                 client sends permission bits alone): clients see a {}",
                name(host)
            );
            Problem::warning(what, SET_ANEW)
        } else {
            let what = format!("the stored mode 0x{mode:x} is none");
            Problem::error(what, STORE_ANEW)
        });
        return;
    };
    let possible = match host {
        FileKind::Regular => kind != FileKind::Directory,
        _ => kind == host,
    };
    if !possible {
        let what = format!(
            "the stored mode 0{mode:o} is that of a {}, and this is a {}: it may be that of an \
             earlier file of this name",
            name(kind),
            name(host)
        );
        problems.push(Problem::error(
            what,
            "remove what is stored, or set it anew",
        ));
    }
}

fn of_rdev(values: &Values, host: FileKind, problems: &mut Vec<Problem>) {
    let kind = values.kind(host);
    match values.rdev {
        Some(rdev) if is_device(kind) => {
            let number = device(rdev);
            if number.major >= MAJOR_END || number.minor >= MINOR_END {
                let what = format!("the device number 0x{rdev:x} is more than Linux has");
                problems.push(Problem::warning(what, "make the device anew from a client"));
            }
        }
        None if is_device(kind) && host == FileKind::Regular => problems.push(Problem::error(
            format!("a {} without a stored number", name(kind)),
            "make the device anew from a client",
        )),
        // mknod stores a zero for every kind.
        Some(rdev) if rdev != 0 => {
            let number = device(rdev);
            let what = format!(
                "the device number {}:{} is stored for what clients see as a {}",
                number.major,
                number.minor,
                name(kind)
            );
            let mend = "remove the number, or make the device anew from a client";
            problems.push(Problem::warning(what, mend));
        }
        _ => {}
    }
}

/// A kind of file in words.
pub(super) fn name(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Regular => "regular file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symbolic link",
        FileKind::Fifo => "FIFO",
        FileKind::Socket => "socket",
        FileKind::CharDevice => "character device",
        FileKind::BlockDevice => "block device",
    }
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    fn judged(values: Values, host: FileKind) -> Vec<Severity> {
        let mut problems = Vec::new();
        judge(&values, host, &mut problems);
        problems.iter().map(|problem| problem.severity).collect()
    }

    fn all(mode: u32, rdev: Option<u64>) -> Values {
        Values {
            uid: Some(1),
            gid: Some(1),
            mode: Some(mode),
            rdev,
        }
    }

    #[test]
    fn what_servers_store_is_right() {
        let regular = FileKind::Regular;
        for (values, host) in [
            (Values::default(), regular),
            (all(0o100_644, None), regular),
            (all(0o120_777, None), regular),
            (all(0o010_644, Some(0)), regular),
            (all(0o020_600, Some(0x0103)), regular),
            (all(0o040_755, None), FileKind::Directory),
        ] {
            assert_eq!(judged(values, host), []);
        }
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        let (regular, directory) = (FileKind::Regular, FileKind::Directory);
        for (values, host) in [
            (all(0o120_777, None), directory),
            (all(0o040_755, None), regular),
            (all(0o100_644, None), FileKind::Symlink),
            (all(0o170_644, None), regular),
            (all(0x1_81a4, None), regular),
            (all(0o020_644, None), regular),
        ] {
            assert_eq!(judged(values, host), [Severity::Error], "{values:?}");
        }
        let nobody = Values {
            uid: Some(u32::MAX),
            ..all(0o100_644, None)
        };
        assert_eq!(judged(nobody, regular), [Severity::Error]);
    }

    #[test]
    fn what_is_left_over_is_a_warning_and_what_is_missing_a_note() {
        let regular = FileKind::Regular;
        assert_eq!(judged(all(0o644, None), regular), [Severity::Warning]);
        assert_eq!(
            judged(all(0o100_644, Some(5)), regular),
            [Severity::Warning]
        );
        assert_eq!(
            judged(all(0o020_644, Some(1 << 33)), regular),
            [Severity::Warning]
        );
        let mode = Values {
            mode: Some(0o100_644),
            ..Values::default()
        };
        let owner = Values {
            mode: None,
            ..all(0, None)
        };
        let user = Values {
            gid: None,
            ..all(0o100_644, None)
        };
        for values in [mode, owner, user] {
            assert_eq!(judged(values, regular), [Severity::Note], "{values:?}");
        }
    }
}
