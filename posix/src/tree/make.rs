//! A tree of files made from a seed: sizes, holes, links, modes, owners, times and attributes.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};

use super::odd_names::name;
use crate::failure::{At, Result};
use crate::rng::Rng;

/// Makes `root` with `files` entries that are no directories.
pub(crate) fn make(root: &Path, files: u64, seed: u64) -> Result {
    let mut rng = Rng::new(seed);
    let mut made = Made {
        directories: vec![root.to_owned()],
        regular: Vec::new(),
    };
    fs::create_dir(root).at(root.display())?;
    for number in 0..files {
        if number % 25 == 0 {
            let path = made.place(&mut rng, number, "d");
            fs::create_dir(&path).at(path.display())?;
            made.directories.push(path);
        }
        one(&mut made, &mut rng, number)?;
    }
    // Last, and the deepest first: what is made in a directory changes its times.
    for directory in made.directories.iter().rev() {
        let mode = rng.of(&[0o755, 0o755, 0o700, 0o1777, 0o2775, 0o555]);
        finish(directory, &mut rng, Some(mode)).at(directory.display())?;
    }
    Ok(())
}

struct Made {
    directories: Vec<PathBuf>,
    regular: Vec<PathBuf>,
}

impl Made {
    /// A new path. One in four lies in one of the last directories, so that some are deep.
    fn place(&self, rng: &mut Rng, number: u64, prefix: &str) -> PathBuf {
        let count = self.directories.len();
        let directory = if rng.one_in(4) {
            count - 1
        } else {
            rng.below(count as u64) as usize
        };
        let mut name = name(rng, number);
        if prefix == "d" {
            name = format!("{prefix}{number}").into();
        }
        self.directories[directory].join(name)
    }
}

fn one(made: &mut Made, rng: &mut Rng, number: u64) -> Result {
    let path = made.place(rng, number, "f");
    match rng.below(40) {
        0 => {
            let length = 1 + rng.below(200) as usize;
            let target = format!("{:.<length$}", made.regular.len());
            symlink(target, &path).at(path.display())?;
            finish(&path, rng, None).at(path.display())?;
        }
        1 if !made.regular.is_empty() => {
            let first = &made.regular[rng.below(made.regular.len() as u64) as usize];
            fs::hard_link(first, &path).at(path.display())?;
        }
        kind => {
            write(&path, rng, kind).at(path.display())?;
            let mode = rng.of(&[
                0o644, 0o600, 0o755, 0o444, 0, 0o4755, 0o2755, 0o1666, 0o6711,
            ]);
            finish(&path, rng, Some(mode)).at(path.display())?;
            made.regular.push(path);
        }
    }
    Ok(())
}

fn write(path: &Path, rng: &mut Rng, kind: u64) -> std::io::Result<()> {
    let file = File::create_new(path)?;
    match kind {
        2..=4 => {}
        5 => sparse(&file, rng)?,
        6 => {
            let length = 128 * 1024 + rng.below(1 << 20) as usize;
            file.write_all_at(&rng.bytes(length), 0)?;
        }
        _ => {
            let most = 1 << (4 + rng.below(12));
            let length = 1 + rng.below(most) as usize;
            file.write_all_at(&rng.bytes(length), 0)?;
        }
    }
    Ok(())
}

/// Up to 32 MiB with little in it, ending in a hole or in data; or data and holes by turns.
fn sparse(file: &File, rng: &mut Rng) -> std::io::Result<()> {
    if rng.one_in(4) {
        for block in 0..1 + rng.below(8) {
            file.write_all_at(&rng.bytes(4096), block * 8192)?;
        }
        return file.set_len(17 * 4096 + rng.below(4096));
    }
    file.set_len(1 + rng.below(32 << 20))?;
    for _ in 0..rng.below(4) {
        let length = 1 + rng.below(20_000) as usize;
        file.write_all_at(&rng.bytes(length), rng.below(32 << 20))?;
    }
    Ok(())
}

/// Owner, attributes, mode and times, in the order in which none undoes another.
fn finish(path: &Path, rng: &mut Rng, mode: Option<u32>) -> rustix::io::Result<()> {
    let owner = |rng: &mut Rng| rng.of(&[0, 0, 1, 1000, 65534, 4_000_000_000]);
    let (user, group) = (Uid::from_raw(owner(rng)), Gid::from_raw(owner(rng)));
    let nofollow = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(CWD, path, Some(user), Some(group), nofollow)?;
    if let Some(mode) = mode {
        if rng.one_in(8) {
            xattrs(path, rng)?;
        }
        rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(mode), AtFlags::empty())?;
    }
    let times = Timestamps {
        last_access: time(rng),
        last_modification: time(rng),
    };
    rustix::fs::utimensat(CWD, path, &times, nofollow)
}

/// Between 1970 and 2100, to the nanosecond; a few before 1970.
fn time(rng: &mut Rng) -> Timespec {
    let seconds = rng.below(4_100_000_000) as i64;
    Timespec {
        tv_sec: if rng.one_in(50) {
            -(seconds / 8)
        } else {
            seconds
        },
        tv_nsec: rng.below(1_000_000_000) as i64,
    }
}

fn xattrs(path: &Path, rng: &mut Rng) -> rustix::io::Result<()> {
    for number in 0..=rng.below(3) {
        let length = rng.of(&[0, 1, 20, 300]);
        let value = rng.bytes(length);
        let name = format!("user.test-{number}");
        rustix::fs::setxattr(path, name, &value, XattrFlags::empty())?;
    }
    if rng.one_in(4) {
        let name = "system.posix_acl_access";
        match rustix::fs::setxattr(path, name, &ACL, XattrFlags::empty()) {
            Err(rustix::io::Errno::OPNOTSUPP) => {}
            result => result?,
        }
    }
    Ok(())
}

/// user::rw- user:1000:r-- group::r-- mask::r-- other::--- in the kernel's form: a version, then
/// tag, permissions and id of each entry.
const ACL: [u8; 44] = {
    let entries: [(u8, u8, u32); 5] = [
        (0x01, 6, u32::MAX),
        (0x02, 4, 1000),
        (0x04, 4, u32::MAX),
        (0x10, 4, u32::MAX),
        (0x20, 0, u32::MAX),
    ];
    let mut bytes = [0; 44];
    bytes[0] = 2;
    let mut i = 0;
    while i < entries.len() {
        let (tag, permissions, id) = entries[i];
        let (at, id) = (4 + 8 * i, id.to_le_bytes());
        bytes[at] = tag;
        bytes[at + 2] = permissions;
        let mut k = 0;
        while k < 4 {
            bytes[at + 4 + k] = id[k];
            k += 1;
        }
        i += 1;
    }
    bytes
};
