//! Landlock: the kernel refuses this process what is not beneath the exports.
//!
//! Reopening through a held `/proc/self/fd` needs no rule: what counts is where the file is.

use std::error::Error;
use std::fmt;
use std::os::fd::BorrowedFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus,
    PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

/// The oldest version that serves: before it, no file could be moved to another directory.
const OLDEST: ABI = ABI::V2;

/// The newest version whose rights are handled where the kernel has them.
const NEWEST: ABI = ABI::V9;

/// All that a client may do in an export. Nothing there is ever executed.
pub(super) fn write_rights() -> BitFlags<AccessFs> {
    AccessFs::from_write(NEWEST) & !BitFlags::from(AccessFs::IoctlDev) | read_rights()
}

/// What a client may do in a read-only export.
pub(super) fn read_rights() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// To remove what is no directory.
pub(super) fn removal_right() -> BitFlags<AccessFs> {
    AccessFs::RemoveFile.into()
}

/// What is in force, for the log.
pub(super) struct Protection {
    version: ABI,
    whole: bool,
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version as i32;
        match self.whole {
            true => write!(f, "ABI {version}"),
            false => write!(f, "ABI {version}; newer kernels refuse more"),
        }
    }
}

/// Restricts this thread, and those that it will start, to these rights beneath these
/// directories. The network and the signals and abstract sockets of others are out of reach too,
/// where the kernel can do that. Errors say why Landlock is not in force.
pub(super) fn restrict<'fd>(
    rules: impl Iterator<Item = (BorrowedFd<'fd>, BitFlags<AccessFs>)>,
) -> Result<Protection, String> {
    let whole = || -> Result<_, landlock::RulesetError> {
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(OLDEST))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?;
        for (dir, rights) in rules {
            ruleset = ruleset.add_rule(PathBeneath::new(dir, rights))?;
        }
        ruleset.restrict_self()
    };
    let status = whole().map_err(in_words)?;
    match status.landlock {
        LandlockStatus::Available { effective_abi, .. }
            if status.ruleset != RulesetStatus::NotEnforced =>
        {
            Ok(Protection {
                version: effective_abi,
                whole: status.ruleset == RulesetStatus::FullyEnforced,
            })
        }
        LandlockStatus::NotEnabled => Err("this kernel has Landlock switched off".into()),
        _ => Err("this kernel has no Landlock".into()),
    }
}

/// Keeps this process from all files and the network, but not from the processes that it started.
pub(super) fn restrict_files() -> Result<(), String> {
    let whole = || -> Result<_, landlock::RulesetError> {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .create()?
            .restrict_self()
    };
    whole().map(drop).map_err(in_words)
}

fn in_words(error: landlock::RulesetError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
