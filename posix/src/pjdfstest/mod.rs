//! pjdfstest on ext4 and on a mount of each ownership model: every case that fails on a mount fails
//! on ext4 too, or is listed with its reason; a listed case that passes is a failure.

mod classic;
mod exceptions;
mod results;
mod rust;

use std::env;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::{At, Result, fail};
use crate::model::Model;
use crate::place::{Place, new_share};
use crate::running::Running;
use crate::{Run, Where};
use exceptions::Exceptions;
use results::{Results, judge};

const STEP: Duration = Duration::from_secs(60);

/// Runs the suite (and the classic one if there is one) on ext4, then on the mounts.
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
    // The program may lie where an ordinary user cannot go.
    fs::copy(&run.virtfs, ext4.join("virtfs")).at(run.virtfs.display())?;
    let mut failed = Vec::new();
    for model in Model::ALL {
        let mounted = suites.mounted(&ext4, model)?;
        let exceptions = Exceptions::read(&run.folder.join(model.exceptions()))?;
        if let Err(failure) = judge(&host, &mounted, &exceptions) {
            failed.push(format!("{}: {failure}", model.name()));
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        fail(failed.join("\n"))
    }
}

struct Suites<'a> {
    run: &'a Run,
    other: PathBuf,
    classic: Option<PathBuf>,
}

impl Suites<'_> {
    /// The suites on the mount of an export of this model.
    fn mounted(&self, ext4: &Path, model: Model) -> Result<Results> {
        let share = new_share(ext4, model.initial())?;
        model.own(&share)?;
        let virtfs = ext4.join("virtfs");
        let place = Place::mounted(&virtfs, model, &share, &self.run.options)?;
        let results = self.results(&place, model.name())?;
        place.end()?;
        Ok(results)
    }

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
    // Whoever serves makes its socket there.
    fs::set_permissions(&at, Permissions::from_mode(0o1777)).at(at.display())?;
    Ok(at)
}

fn mount(arguments: &[&str], at: &Path) -> Result {
    Running::run(Command::new("mount").args(arguments).arg(at), STEP).map(drop)
}
