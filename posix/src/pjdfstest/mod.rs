//! pjdfstest on the mount and on ext4: every case that fails on the mount fails on ext4 too, or is
//! listed with its reason; a listed case that passes is a failure.

mod classic;
mod exceptions;
mod results;
mod rust;

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::{At, Result, fail};
use crate::place::{Place, new_share};
use crate::running::Running;
use crate::{Run, Where};
use exceptions::Exceptions;
use results::{Results, judge};

const STEP: Duration = Duration::from_secs(60);

/// Runs the suite (and the classic one if there is one) on ext4, then on the mount.
pub(crate) fn run(run: &Run) -> Result {
    let other = run.dir.join("other-fs");
    fs::create_dir(&other).at(other.display())?;
    mount(&["-t", "tmpfs", "none"], &other)?;

    let ext4 = ext4(run)?;
    let suites = Suites {
        run,
        other,
        classic: env::var_os("VIRTFS_PJDFSTEST").map(PathBuf::from),
    };
    let host = suites.results(&Place::host(&new_share(&ext4, "h")?), "ext4")?;
    if run.place == Where::Host {
        return host.all_pass();
    }
    let place = Place::mounted(&run.virtfs, &new_share(&ext4, "s")?, &run.options)?;
    let mounted = suites.results(&place, "mount")?;
    place.end()?;
    let exceptions = Exceptions::read(&run.folder.join("pjdfstest-exceptions.txt"))?;
    judge(&host, &mounted, &exceptions)
}

struct Suites<'a> {
    run: &'a Run,
    other: PathBuf,
    classic: Option<PathBuf>,
}

impl Suites<'_> {
    fn results(&self, place: &Place, name: &str) -> Result<Results> {
        let mut results = rust::run(self.run, place, &self.other)?;
        println!("pjdfstest on {name}: {}", results.counts());
        if let Some(classic) = &self.classic {
            let more = classic::run(classic, place, &self.run.dir.join("bin"))?;
            println!("classic pjdfstest on {name}: {}", more.counts());
            results.extend(more);
        }
        Ok(results)
    }
}

/// An ext4 of its own: the cases that remount read-only need it, and the one below may be another.
/// Short names, because a socket's path must be short.
fn ext4(run: &Run) -> Result<PathBuf> {
    let (image, at) = (run.dir.join("ext4.img"), run.dir.join("e"));
    File::create(&image)
        .and_then(|file| file.set_len(512 << 20))
        .at(image.display())?;
    Running::run(Command::new("mkfs.ext4").arg("-q").arg(&image), STEP)?;
    fs::create_dir(&at).at(at.display())?;
    mount(&["-o", "loop", &image.to_string_lossy()], &at)?;
    if rustix::fs::statfs(&at).at(at.display())?.f_type as u64 != 0xef53 {
        return fail(format!("{} is no ext4", at.display()));
    }
    Ok(at)
}

fn mount(arguments: &[&str], at: &Path) -> Result {
    Running::run(Command::new("mount").args(arguments).arg(at), STEP).map(drop)
}
