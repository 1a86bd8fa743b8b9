//! `virtfs stat`.

use std::io::{self, Write};

use virtfs_client::{Attributes, GetattrMask, QidType, Timespec};

use super::connect::{PATIENCE, attach};
use super::mode;
use super::output::{Output, written};
use super::path::RemotePath;
use super::report::Report;
use super::time::Zone;
use crate::cli::client::StatArgs;
use crate::failure::Failure;

pub(crate) fn run(args: StatArgs) -> Result<(), Failure> {
    let root = attach(&args.remote, PATIENCE)?;
    let report = Report::new();
    let zone = Zone::new(args.utc);
    let mut out = Output::new();
    for path in RemotePath::all(&args.paths) {
        let looked = path.walk(&root).and_then(|fid| {
            let file = fid.getattr(GetattrMask::ALL)?;
            let target = match file.qid.kind.contains(QidType::SYMLINK) {
                true => Some(fid.readlink()?),
                false => None,
            };
            Ok((file, target))
        });
        if let Some((file, target)) = report.attempt(path.typed(), looked) {
            written(tell(&mut out, path.typed(), target.as_deref(), &file, zone))?;
        }
    }
    written(out.flush())?;
    report.end()
}

fn tell(
    out: &mut Output,
    name: &[u8],
    target: Option<&[u8]>,
    file: &Attributes,
    zone: Zone,
) -> io::Result<()> {
    out.write_all(b"  File: ")?;
    let name = out.name(name).into_owned();
    out.write_all(&name)?;
    if let Some(target) = target {
        let target = out.name(target).into_owned();
        out.write_all(b" -> ")?;
        out.write_all(&target)?;
    }
    let rdev = match file.mode & 0o170000 {
        0o020000 | 0o060000 => {
            let (major, minor) = device(file.rdev);
            format!("  Device type: {major},{minor}")
        }
        _ => String::new(),
    };
    write!(
        out,
        "\n  Size: {:<15} Blocks: {:<10} IO Block: {:<6} {}\n   Qid: type 0x{:02x}, version 0x{:08x}, path 0x{:x}\n Links: {}{}\nAccess: (0{:03o}/{})  Uid: {}  Gid: {}\n",
        file.size,
        file.blocks,
        file.blksize,
        kind(file),
        file.qid.kind.bits(),
        file.qid.version,
        file.qid.path,
        file.nlink,
        rdev,
        file.mode & 0o7777,
        mode::shown(file.mode),
        file.uid,
        file.gid,
    )?;
    let time = |has: GetattrMask, time: Timespec| match file.valid.contains(has) {
        true => zone.full(time),
        false => "-".into(),
    };
    write!(
        out,
        "Access: {}\nModify: {}\nChange: {}\n Birth: {}\n",
        time(GetattrMask::ATIME, file.atime),
        time(GetattrMask::MTIME, file.mtime),
        time(GetattrMask::CTIME, file.ctime),
        time(GetattrMask::BTIME, file.btime),
    )?;
    if file.valid.contains(GetattrMask::GEN) {
        writeln!(out, "Generation: {}", file.generation)?;
    }
    Ok(())
}

fn kind(file: &Attributes) -> &'static str {
    match file.mode & 0o170000 {
        0o010000 => "fifo",
        0o020000 => "character special file",
        0o040000 => "directory",
        0o060000 => "block special file",
        0o100000 if file.size == 0 => "regular empty file",
        0o100000 => "regular file",
        0o120000 => "symbolic link",
        0o140000 => "socket",
        _ => "unknown",
    }
}

/// Major and minor number of a device number as Linux's `stat` has it.
pub(super) fn device(rdev: u64) -> (u32, u32) {
    (rustix::fs::major(rdev), rustix::fs::minor(rdev))
}

/// `1.2K`, `34M`; rounded up, as df and ls do.
pub(super) fn human(bytes: u64) -> String {
    let mut unit = 1u64;
    for letter in ["", "K", "M", "G", "T", "P", "E"] {
        let whole = bytes.div_ceil(unit);
        if whole < 1024 || letter == "E" {
            let tenths = (u128::from(bytes) * 10).div_ceil(unit.into());
            return match tenths < 100 && unit > 1 {
                true => format!("{}.{}{letter}", tenths / 10, tenths % 10),
                false => format!("{whole}{letter}"),
            };
        }
        unit <<= 10;
    }
    unreachable!("the last letter has returned")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up_to_what_fits() {
        for (bytes, shown) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1025, "1.1K"),
            (10 << 10, "10K"),
            ((1 << 20) - 1, "1.0M"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(human(bytes), shown, "{bytes}");
        }
    }
}
