//! The circumstances of a request, which conditions of listed differences ask for.

use virtfs_proto::{LopenFlags, SetattrMask, Tmessage};

use crate::compare::Difference;
use crate::model::Model;
use crate::request::Request;
use crate::tracker::{Fid, Kind, Place, State, Tracker};

/// A request and what was known before it was sent.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) model: Model,
    /// None for a message that no dialect has.
    pub(crate) message: Option<Tmessage<'a>>,
    /// What the first fid stood for.
    fid: Option<Fid>,
    place: Place,
    /// Whether a fid that the request uses is none.
    unknown: bool,
    /// Whether one is of an attribute.
    xattr_fid: bool,
    /// Whether the number of the fid that it would make is taken.
    newfid_in_use: bool,
    /// Whether it is longer than what the two sides agreed on.
    too_long: bool,
    /// Whether the last `Tversion` was of no dialect.
    no_version: bool,
    /// Whether a listing goes on that has begun before.
    goes_on: bool,
    changed_meanwhile: bool,
    default_acl: bool,
    /// Whether both sides have refused the request.
    pub(crate) refused: bool,
    /// Whether there is already a file of the name that is to be made.
    exists: bool,
}

/// The condition, which always holds, of entries that one of [`crate::witnesses`] meets.
pub(crate) const WITNESS: &str = "witness";

type Holds = fn(&Case<'_>, &Difference) -> bool;

/// The conditions by name, but those of [`Case::of_model`].
const CONDITIONS: &[(&str, Holds)] = &[
    // Nothing more can be compared after it.
    ("apart", |_, _| true),
    // Met by a schedule that every run begins with.
    (WITNESS, |_, _| true),
    // The path that QEMU keeps for a fid of the request leads nowhere any more.
    ("gone", |case, _| case.place == Place::Gone),
    // It leads to another file.
    ("other", |case, _| case.place == Place::Other),
    // What the first fid stands for.
    ("directory", |case, _| case.is(Kind::Directory)),
    ("regular", |case, _| case.is(Kind::Regular)),
    ("symlink", |case, _| case.is(Kind::Symlink)),
    ("special", |case, _| case.is(Kind::Special)),
    ("root", |case, _| {
        case.fid.as_ref().is_some_and(|fid| fid.path.is_empty())
    }),
    // What the first fid can do.
    ("unknown-fid", |case, _| case.unknown),
    ("xattr-fid", |case, _| case.xattr_fid),
    ("newfid-in-use", |case, _| case.newfid_in_use),
    ("too-long", |case, _| case.too_long),
    ("no-version", |case, _| case.no_version),
    ("walked", |case, _| case.state() == Some(State::Walked)),
    ("open", |case, _| {
        matches!(case.state(), Some(State::Open(_)))
    }),
    ("xattr-read", |case, _| {
        case.state() == Some(State::XattrRead)
    }),
    ("xattr-write", |case, _| {
        matches!(case.state(), Some(State::XattrWrite(_)))
    }),
    ("xattr-write-of-0", |case, _| {
        case.state() == Some(State::XattrWrite(0))
    }),
    // What the request says.
    ("name-with-zero", |case, _| {
        case.any_name(|name| name.contains(&0))
    }),
    ("name-over-255", |case, _| {
        case.any_name(|name| name.len() > 255)
    }),
    ("metadata-name", |case, _| {
        case.any_name(|name| name.starts_with(b".virtfs_metadata"))
    }),
    ("dots", |case, _| {
        case.any_name(|name| name == b"." || name == b"..")
    }),
    ("sets-ctime-only", |case, _| {
        case.sets() == Some(SetattrMask::CTIME)
    }),
    (
        "noatime",
        |case, _| matches!(case.state(), Some(State::Open(flags)) if flags.contains(LopenFlags::NOATIME)),
    ),
    // What is in the directory of the first fid.
    ("changed-meanwhile", |case, _| case.changed_meanwhile),
    ("default-acl", |case, _| case.default_acl),
    ("exists", |case, _| case.exists),
    ("refused", |case, _| case.refused),
    ("bad-range", |case, _| match &case.message {
        Some(Tmessage::Lock(m)) => is_bad_range(m.start, m.length),
        Some(Tmessage::Getlock(m)) => is_bad_range(m.start, m.length),
        _ => false,
    }),
    ("bad-lock-type", |case, _| match &case.message {
        Some(Tmessage::Lock(m)) => m.kind.0 > 2,
        Some(Tmessage::Getlock(m)) => m.kind.0 > 2,
        _ => false,
    }),
    ("sets-size", |case, _| {
        case.sets()
            .is_some_and(|sets| sets.contains(SetattrMask::SIZE))
    }),
    ("sets-mode", |case, _| {
        case.sets()
            .is_some_and(|sets| sets.contains(SetattrMask::MODE))
    }),
    ("goes-on", |case, _| case.goes_on),
    (
        "short-count",
        |case, _| matches!(&case.message, Some(Tmessage::Readdir(m)) if m.count < 24 + 255),
    ),
    // What the difference is.
    ("setid-bits", |_, found| {
        without(0o6000, &found.qemu) == without(0o6000, &found.virtfs)
    }),
    ("device-number", |_, found| {
        without_device(&found.qemu) == without_device(&found.virtfs)
    }),
    ("type-bits", |_, found| {
        let rest = |text: &str| without(0o170000, &without_device(text));
        rest(&found.qemu) == rest(&found.virtfs)
    }),
];

impl<'a> Case<'a> {
    /// Before `request` is sent.
    pub(crate) fn new(model: Model, request: &'a Request, tracker: &Tracker) -> Self {
        let fids = request.fids();
        let first = fids.first().copied();
        Self {
            model,
            message: request.message(),
            fid: first.and_then(|fid| tracker.fid(fid)).cloned(),
            place: tracker.place_of(request),
            unknown: fids.iter().any(|fid| tracker.fid(*fid).is_none()),
            xattr_fid: fids
                .iter()
                .filter_map(|fid| tracker.fid(*fid))
                .any(|fid| matches!(fid.state, State::XattrRead | State::XattrWrite(_))),
            newfid_in_use: request
                .newfid()
                .is_some_and(|fid| tracker.fid(fid).is_some()),
            too_long: tracker.is_too_long(request),
            no_version: tracker.no_version(),
            goes_on: request.behind.is_some(),
            changed_meanwhile: first.is_some_and(|fid| tracker.changed_meanwhile(fid)),
            default_acl: first
                .and_then(|fid| tracker.fid(fid))
                .is_some_and(|fid| tracker.has_default_acl(fid)),
            refused: false,
            exists: tracker.made_exists(request),
        }
    }

    /// Whether there is such a condition.
    pub(crate) fn knows(name: &str) -> bool {
        let plain = name.strip_prefix('!').unwrap_or(name);
        Self::of_model(name, Model::None).is_some()
            || CONDITIONS.iter().any(|(known, _)| *known == plain)
    }

    /// Whether a condition holds: one of [`CONDITIONS`], not so with `!` before it, or one of models.
    pub(crate) fn holds(&self, name: &str, found: &Difference) -> bool {
        if let Some(holds) = Self::of_model(name, self.model) {
            return holds;
        }
        let (plain, wanted) = match name.strip_prefix('!') {
            Some(plain) => (plain, false),
            None => (name, true),
        };
        let condition = CONDITIONS.iter().find(|(known, _)| *known == plain);
        condition.is_some_and(|(_, holds)| holds(self, found) == wanted)
    }

    /// Whether a condition on the model holds (`passthrough`, …, `mapped` for both that map);
    /// `None` if it is no such condition.
    pub(crate) fn of_model(name: &str, model: Model) -> Option<bool> {
        let (plain, wanted) = match name.strip_prefix('!') {
            Some(plain) => (plain, false),
            None => (name, true),
        };
        let holds = match plain {
            "mapped" => model.is_mapped(),
            name => {
                let named = Model::ALL.into_iter().find(|model| model.name() == name)?;
                named == model
            }
        };
        Some(holds == wanted)
    }

    /// Whether the two sides are still alike when one has answered the request and the other has
    /// refused it.
    pub(crate) fn only_looks(&self) -> bool {
        matches!(
            &self.message,
            None | Some(
                Tmessage::Getattr(_)
                    | Tmessage::Readlink(_)
                    | Tmessage::Statfs(_)
                    | Tmessage::Read(_)
                    | Tmessage::Readdir(_)
                    | Tmessage::Getlock(_)
                    | Tmessage::Lock(_)
                    | Tmessage::Fsync(_)
                    | Tmessage::Flush(_)
                    | Tmessage::Auth(_)
            )
        )
    }

    fn is(&self, kind: Kind) -> bool {
        self.fid.as_ref().is_some_and(|fid| fid.kind == kind)
    }

    fn state(&self) -> Option<State> {
        self.fid.as_ref().map(|fid| fid.state)
    }

    fn sets(&self) -> Option<SetattrMask> {
        match &self.message {
            Some(Tmessage::Setattr(m)) => Some(m.valid),
            _ => None,
        }
    }

    fn any_name(&self, holds: impl Fn(&[u8]) -> bool) -> bool {
        let Some(message) = &self.message else {
            return false;
        };
        match message {
            Tmessage::Walk(m) => m.names.iter().any(holds),
            Tmessage::Lcreate(m) => holds(m.name),
            Tmessage::Symlink(m) => holds(m.name) || holds(m.target),
            Tmessage::Mknod(m) => holds(m.name),
            Tmessage::Mkdir(m) => holds(m.name),
            Tmessage::Link(m) => holds(m.name),
            Tmessage::Rename(m) => holds(m.name),
            Tmessage::Renameat(m) => holds(m.oldname) || holds(m.newname),
            Tmessage::Unlinkat(m) => holds(m.name),
            Tmessage::Xattrwalk(m) => holds(m.name),
            Tmessage::Xattrcreate(m) => holds(m.name),
            _ => false,
        }
    }
}

/// Whether a range of locks ends beyond the last byte that a file can have.
fn is_bad_range(start: u64, length: u64) -> bool {
    let last = start.checked_add(length.saturating_sub(1));
    last.is_none_or(|last| last > i64::MAX as u64)
}

/// A mode (octal), or the attributes (octal) or the metadata file (decimal) that hold one, without
/// these bits of it.
fn without(bits: u32, text: &str) -> String {
    const KEY: &str = "virtfs.mode=";
    let at = text.find(KEY).map_or(0, |at| at + KEY.len());
    let (before, rest) = text.split_at(at);
    let (rest, radix) = match rest.strip_prefix("0o") {
        Some(rest) => (rest, 8),
        None => (rest, if at == 0 { 8 } else { 10 }),
    };
    let digits = rest.find(|c: char| !c.is_ascii_digit());
    let (number, after) = rest.split_at(digits.unwrap_or(rest.len()));
    match u32::from_str_radix(number, radix) {
        Ok(mode) => format!("{before}{:o}{after}", mode & !bits),
        Err(_) => text.to_owned(),
    }
}

/// The attributes, or the metadata file, without the device number in it.
fn without_device(text: &str) -> String {
    let Some((before, rest)) = text.split_once("virtfs.rdev=") else {
        return text.to_owned();
    };
    let end = match rest.strip_prefix('"') {
        Some(value) => value.find('"').map(|end| end + 2),
        None => rest.find(|c: char| !c.is_ascii_digit()),
    };
    format!("{before}{}", &rest[end.unwrap_or(rest.len())..])
}

#[cfg(test)]
mod tests {
    use super::{without, without_device};

    #[test]
    fn device_numbers_are_told_from_what_is_around_them() {
        let same = |one: &str, other: &str| without_device(one) == without_device(other);
        assert!(same(
            r#"virtfs.gid=1\nvirtfs.rdev=5\n"#,
            r#"virtfs.gid=1\nvirtfs.rdev=0\n"#
        ));
        assert!(!same(
            r#"virtfs.gid=1\nvirtfs.rdev=5\n"#,
            r#"virtfs.gid=2\nvirtfs.rdev=5\n"#
        ));
        let xattrs = |rdev, uid| format!(r#"user.virtfs.rdev="{rdev}",user.virtfs.uid="{uid}""#);
        assert!(same(&xattrs(r"\xe5\n", r"\x01"), &xattrs(r"\x00", r"\x01")));
        assert!(!same(
            &xattrs(r"\xe5\n", r"\x01"),
            &xattrs(r"\xe5\n", r"\x02")
        ));
    }

    #[test]
    fn setid_bits_are_told_from_others() {
        let same = |one: &str, other: &str| without(0o6000, one) == without(0o6000, other);
        assert!(same("104755", "100755"));
        assert!(!same("104755", "100754"));
        assert!(same(
            "a=\"x\",user.virtfs.mode=0o106755,b",
            "a=\"x\",user.virtfs.mode=0o100755,b"
        ));
        assert!(!same(
            "a=\"x\",user.virtfs.mode=0o106755,b",
            "a=\"y\",user.virtfs.mode=0o100755,b"
        ));
        let (set, unset) = (0o104755, 0o100755);
        let metadata = |mode| format!("\"virtfs.uid=0\\nvirtfs.mode={mode}\\n\"");
        assert!(same(&metadata(set), &metadata(unset)));
        assert!(!same(&metadata(set), &metadata(0o100754)));
    }
}
