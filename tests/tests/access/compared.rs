//! The answer to every request, and what it leaves behind, are what the same user gets on the host.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, setxattr};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use virtfs_local::{Containment, Options};
use virtfs_tests::{Raw, Rng, Served};

use crate::deed::{Deed, Try};
use crate::deeds::{DEEDS, GIDS, UIDS};
use crate::people::{ANN, BOB, BOSS, CID, NOBODY, OTHERS, TEAM, as_user, attach, open_dir, served};

/// Owner, group and mode.
#[derive(Clone, Copy, Debug)]
struct Spec(u32, u32, u32);

const DIR_MODES: [u32; 11] = [
    0o755, 0o700, 0o770, 0o711, 0o777, 0o1777, 0o2775, 0o2777, 0o555, 0o300, 0o000,
];
const FILE_MODES: [u32; 9] = [
    0o644, 0o600, 0o660, 0o666, 0o444, 0o040, 0o4755, 0o2775, 0o6777,
];
const NEW_MODES: [u32; 7] = [0o644, 0o600, 0o000, 0o777, 0o4755, 0o2755, 0o1777];

/// A tree that each tries on a copy of its own.
#[derive(Clone, Copy, Debug)]
struct Site {
    dir: Spec,
    other_dir: Spec,
    file: Spec,
}

impl Site {
    fn random(rng: &mut Rng) -> Self {
        let mut spec = |modes: &[u32]| {
            let (uid, gid) = (rng.pick(&[ANN, BOB, 0]), rng.pick(&[ANN, TEAM, OTHERS, 0]));
            Spec(uid, gid, rng.pick(modes))
        };
        Self {
            dir: spec(&DIR_MODES),
            other_dir: spec(&DIR_MODES),
            file: spec(&FILE_MODES),
        }
    }

    fn build(&self, base: &Path) {
        for dir in ["", "d", "e", "d/sub"] {
            fs::create_dir(base.join(dir)).unwrap();
        }
        for file in ["d/f", "e/x"] {
            let path = base.join(file);
            fs::write(&path, "content").unwrap();
            setxattr(&path, "user.old", b"value", XattrFlags::empty()).unwrap();
            own(&path, self.file);
        }
        symlink("f", base.join("d/l")).unwrap();
        own(&base.join("d/sub"), self.other_dir);
        own(&base.join("d"), self.dir);
        own(&base.join("e"), self.other_dir);
    }
}

fn own(path: &Path, Spec(uid, gid, mode): Spec) {
    chown(path, Some(uid), Some(gid)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// All that is there, as root sees it.
fn seen(base: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for dir in ["d", "e"] {
        note(base, Path::new(dir), &mut lines);
    }
    lines.sort();
    lines
}

fn note(base: &Path, path: &Path, lines: &mut Vec<String>) {
    let at = base.join(path);
    let meta = at.symlink_metadata().unwrap();
    let is_dir = meta.is_dir();
    let size = if is_dir { 0 } else { meta.len() };
    let mut value = [0; 64];
    let attribute = |name: &str, value: &mut [u8]| match meta.is_file() {
        true => getxattr(&at, name, value).ok(),
        false => None,
    };
    let old = attribute("user.old", &mut value);
    let new = attribute("user.new", &mut value);
    let fixed = if meta.mtime() == 7 { "at 7" } else { "" };
    lines.push(format!(
        "{} {:o} {} {} {size} {} {old:?} {new:?} {fixed}",
        path.display(),
        meta.mode(),
        meta.uid(),
        meta.gid(),
        meta.nlink()
    ));
    if is_dir {
        for entry in fs::read_dir(&at).unwrap() {
            note(base, &path.join(entry.unwrap().file_name()), lines);
        }
    }
}

/// Compares so many random tries; another seed by `VIRTFS_ACCESS_SEED`, more by
/// `VIRTFS_ACCESS_TRIES`.
pub(crate) fn compare(
    start: impl Fn(&Path, Options) -> (Served, Raw),
    containment: Containment,
    tries: u64,
    people: &[(u32, u32)],
) {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    let tries = number("VIRTFS_ACCESS_TRIES").unwrap_or(tries);
    let seed = number("VIRTFS_ACCESS_SEED").unwrap_or(6);
    let mut rng = Rng::new(seed);
    let dir = open_dir();
    let (direct, served) = (dir.path().join("direct"), dir.path().join("served"));
    for dir in [&direct, &served] {
        fs::create_dir(dir).unwrap();
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let options = Options {
        containment,
        ..Options::default()
    };
    let (_server, mut client) = start(&served, options);
    client.start();
    for (root, (claim, _)) in people.iter().enumerate() {
        attach(&mut client, root as u32, Some(*claim)).unwrap();
    }
    let mut refused = 0;
    for at in 0..tries {
        let site = Site::random(&mut rng);
        let root = rng.index(people.len());
        let (_, uid) = people[root];
        let deed: Deed = DEEDS[(at as usize) % DEEDS.len()];
        let below = format!("t{at}");
        site.build(&direct.join(&below));
        site.build(&served.join(&below));
        let what = Try {
            base: direct.join(&below),
            mode: rng.pick(&NEW_MODES),
            uid: rng.pick(&UIDS),
            gid: rng.pick(&GIDS),
        };
        let expected = as_user(uid, || {
            if deed.changes_content() {
                // Root keeps setuid bits on a write; through a server it does not (setuid.rs).
                let mut sets = capabilities(None).unwrap();
                sets.effective.remove(CapabilitySet::FSETID);
                set_capabilities(None, sets).unwrap();
            }
            deed.direct(&what)
        });
        let got = deed.served(&mut client, root as u32, &below, &what);
        let told = format!(
            "seed {seed}, {at}: {} by {uid}, {what:?}, {site:?}",
            deed.name
        );
        assert_eq!(got, expected, "{told}");
        assert_eq!(
            seen(&served.join(&below)),
            seen(&direct.join(&below)),
            "{told}"
        );
        refused += u64::from(got.is_err());
    }
    // Neither all nor nothing is permitted.
    assert!(
        refused > tries / 20 && refused < tries * 19 / 20,
        "{refused} of {tries}"
    );
}

/// Who they say that they are, and who they are.
pub(crate) const PEOPLE: [(u32, u32); 5] = [
    (ANN, ANN),
    (BOB, BOB),
    (CID, CID),
    // Root is squashed.
    (0, NOBODY),
    (NOBODY, NOBODY),
];

#[test]
fn every_answer_is_what_the_user_gets_on_the_host() {
    compare(served, Containment::Verify, 1500, &PEOPLE);
}

#[test]
fn under_landlock_too_every_answer_is_what_the_user_gets_on_the_host() {
    // What it says of the process is a lie that only saves the checks of the way up.
    compare(served, Containment::Landlock, 700, &PEOPLE);
}

#[test]
fn root_that_is_not_squashed_gets_what_root_gets_on_the_host() {
    compare(
        served,
        Containment::Verify,
        700,
        &[(BOSS, 0), (ANN, ANN), (BOSS, 0)],
    );
}
