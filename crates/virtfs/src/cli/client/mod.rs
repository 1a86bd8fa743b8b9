//! The flags of the commands that are clients of a server.

mod change;
mod copy;
mod look;
mod mount;
mod remote;

pub(crate) use self::change::{ChmodArgs, LnArgs, MkdirArgs, MvArgs, RmArgs};
pub(crate) use self::copy::{CopyArgs, GetArgs, PutArgs};
pub(crate) use self::look::{CatArgs, DfArgs, LsArgs, StatArgs};
pub(crate) use self::mount::MountArgs;
pub(crate) use self::remote::{Remote, RemoteServer};
