//! The program has the rights of whoever starts it, and none beside: with a setuid or setgid bit, or
//! with capabilities of its file, every user of the host could serve what they may not read.

use std::path::Path;

use rustix::process::{getegid, geteuid, getgid, getuid};
use rustix::thread::capabilities;

use crate::failure::Failure;

/// Refuses to go on with rights that the program's file gave.
pub(crate) fn refuse() -> Result<(), Failure> {
    if getuid() != geteuid() || getgid() != getegid() {
        return Err(Failure::new(
            "the program's file has a setuid or setgid bit: everybody who may start it would serve \
             with rights that they do not have themselves (chmod u-s,g-s)",
        ));
    }
    // Root has them all anyway.
    if !getuid().is_root() && has_capabilities() && file_has_them(Path::new("/proc/self/exe")) {
        return Err(Failure::new(
            "the program's file has capabilities: everybody who may start it would have them \
             (setcap -r). Give them to the service instead: AmbientCapabilities= of systemd, or \
             'setpriv --inh-caps +NAME --ambient-caps +NAME virtfs ...'",
        ));
    }
    Ok(())
}

fn has_capabilities() -> bool {
    capabilities(None).is_ok_and(|sets| !sets.permitted.is_empty())
}

fn file_has_them(file: &Path) -> bool {
    rustix::fs::getxattr(file, "security.capability", &mut [0; 64][..]).is_ok()
}
