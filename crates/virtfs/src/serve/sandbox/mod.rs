//! Shutting the process in with what it serves, while it has one thread: what is started later
//! inherits it.

mod landlock;
mod privileges;
pub(super) mod seccomp;

use std::os::fd::{AsFd, BorrowedFd};

use ::landlock::{AccessFs, BitFlags};
use rustix::thread::CapabilitySet;
use tracing::{info, warn};

use super::config::Config;
use super::export::OpenExport;
use crate::cli::SandboxMode;
use crate::failure::{Doing, Failure};

/// Drops what the models do not need, and restricts the process to the exports. Whether
/// Landlock is in force.
pub(super) fn enter(config: &Config, exports: &[OpenExport]) -> Result<bool, Failure> {
    let mode = config.sandbox;
    let needed = |export: &OpenExport| privileges::needed(&export.ownership, &config.access);
    let each = exports.iter().map(needed);
    let needed = each.fold(CapabilitySet::empty(), CapabilitySet::union);
    privileges::drop_all_but(needed).doing(|| "privileges cannot be dropped")?;
    if mode == SandboxMode::None {
        warn!("no sandbox, because of --sandbox none: a defect could reach any file of the host");
        return Ok(false);
    }
    match landlock::restrict(rules(exports)) {
        Ok(protection) => {
            info!("sandbox: Landlock keeps the server inside its exports ({protection})");
            Ok(true)
        }
        Err(why) if mode == SandboxMode::Landlock => Err(Failure::new(format!(
            "--sandbox landlock: Landlock cannot be had: {why}; Linux 5.19 or newer is needed, \
             with 'landlock' among its lsm= parameter"
        ))),
        Err(why) => {
            warn!("no sandbox: {why}; a defect could reach any file of the host");
            Ok(false)
        }
    }
}

/// Restricts a process that [`enter`] has restricted once more: to some of the exports, and away from
/// the other processes that were.
pub(super) fn narrow(exports: &[OpenExport]) -> Result<(), String> {
    landlock::restrict(rules(exports)).map(|_| ())
}

fn rules(exports: &[OpenExport]) -> impl Iterator<Item = (BorrowedFd<'_>, BitFlags<AccessFs>)> {
    exports.iter().map(|export| {
        let rights = match export.readonly {
            true => landlock::read_rights(),
            false => landlock::write_rights(),
        };
        (export.dir.as_fd(), rights)
    })
}

/// Leaves the process no capability.
pub(super) fn drop_all() {
    // It asks for nothing that takes one: what cannot be dropped does little harm.
    let _ = privileges::drop_all_but(CapabilitySet::empty());
}

/// Leaves the process nothing but the right to remove files in these directories.
pub(super) fn restrict_to_removal<'fd>(dirs: impl Iterator<Item = BorrowedFd<'fd>>) {
    // It talks to nobody: what cannot be dropped does little harm.
    let _ = privileges::drop_all_but(CapabilitySet::DAC_OVERRIDE);
    let _ = landlock::restrict(dirs.map(|dir| (dir, landlock::removal_right())));
}
