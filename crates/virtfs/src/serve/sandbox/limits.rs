//! Resource limits that stay, and no look into the process: no core dumps, no tracing by others of its
//! user.

use rustix::io;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Of this process, and those that it forks.
pub(super) fn fix() -> io::Result<()> {
    // A core dump would hold what clients wrote, or a guest's memory.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    let files = getrlimit(Resource::Nofile).current;
    let fixed = Rlimit {
        current: files,
        maximum: files,
    };
    setrlimit(Resource::Nofile, fixed)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}
