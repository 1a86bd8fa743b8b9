//! `--access user`: whom each attach acts for, and with whose rights.
//!
//! [`policy`] says who is accepted as whom. Users and groups are those of the host's databases, which
//! a process of its own looks up ([`process`], [`databases`]): it is forked before the sandbox, and
//! answers whoever has its socket ([`wire`]). What it said is remembered for a while ([`cache`]).

mod cache;
mod databases;
mod policy;
mod process;
mod wire;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use virtfs_local::{CannotActAs, Owner, SecurityModel};
use virtfs_server::Users;

pub(super) use self::policy::{Policy, Squashed};

use self::cache::Cache;
use self::policy::HostUsers;
use self::process::Lookup;
use super::config::ExportConfig;
use super::ownership::id_map;
use crate::cli::{AccessMode, Model, OwnershipArgs, SquashWho};
use crate::failure::{Doing, Failure};

/// The kernel's user and group without rights.
const NOBODY: Owner = Owner {
    uid: 65534,
    gid: 65534,
};

/// Whose rights requests have.
#[derive(Clone, Debug)]
pub(super) enum Access {
    /// The server's.
    Client,
    /// The user's.
    User(Policy),
}

const NOT_MAPPED: &str = "\
--access user is for --security-model passthrough and none: under the mapped models all files belong to \
the server's user, so that no other can use them";

impl Access {
    /// What was typed means. Under `--access user` it takes the squashing over: what users may do is
    /// then the kernel's business, and files keep their owners.
    pub(super) fn new(mode: AccessMode, args: &mut OwnershipArgs) -> Result<Self, Failure> {
        if mode == AccessMode::Client {
            return Ok(Self::Client);
        }
        if let Some(Model::MappedXattr | Model::MappedFile) = args.security_model {
            return Err(Failure::usage(NOT_MAPPED));
        }
        let squashed = match args.squash.take() {
            None | Some(SquashWho::Root) => Squashed::Root,
            Some(SquashWho::All) => Squashed::All,
            Some(SquashWho::None) => Squashed::Nobody,
        };
        Ok(Self::User(Policy {
            squashed,
            to: args.squash_to.take().unwrap_or(NOBODY),
            uid_map: id_map("--uid-map", &args.uid_map)?,
        }))
    }

    /// That every export's files can be those of the users.
    pub(super) fn suits(&self, exports: &[ExportConfig]) -> Result<(), Failure> {
        let mut models = exports.iter().map(|export| export.ownership.model);
        match self {
            Self::User(_) if models.any(SecurityModel::is_mapped) => {
                Err(Failure::usage(NOT_MAPPED))
            }
            _ => Ok(()),
        }
    }

    /// What users should know.
    pub(super) fn describe(&self) -> Option<String> {
        let Self::User(policy) = self else {
            return None;
        };
        let Owner { uid, gid } = policy.to;
        let who = match policy.squashed {
            Squashed::Root => "root and attaches without a user are",
            Squashed::All => "everybody is",
            Squashed::Nobody => "attaches without a user are",
        };
        let mut text = format!("access user; {who} squashed to {uid}:{gid}");
        if policy.squashed == Squashed::Root {
            text += "; Linux clients up to about 6.3 (Debian's 6.1) with cache=loose, or with \
                     writable mappings under cache=mmap, write as root and need --squash none, or \
                     cache=none";
        }
        Some(text)
    }
}

/// Those whom clients may act for. Clones share the process that knows them, and in one process what
/// it has said.
#[derive(Clone, Debug)]
pub(super) struct KnownUsers(Arc<HostUsers<Cache<Lookup>>>);

impl KnownUsers {
    /// Starts the process that looks users up, if there is a need for it. To be called before the
    /// sandbox, while there is one thread.
    pub(super) fn start(access: &Access) -> Result<Option<Self>, Failure> {
        let Access::User(policy) = access else {
            return Ok(None);
        };
        let (lookup, able) = Lookup::start(policy.to)
            .doing(|| "the process that looks up users cannot be started")?;
        able.map_err(|why| refusal(policy, why))?;
        let users = HostUsers::new(policy.clone(), Cache::of(lookup));
        Ok(Some(Self(Arc::new(users))))
    }

    /// For an export.
    pub(super) fn shared(&self) -> Arc<dyn Users> {
        self.0.clone()
    }

    /// The way to the process that knows.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.0.database().source().as_fd()
    }
}

fn refusal(policy: &Policy, why: CannotActAs) -> Failure {
    Failure::new(match why {
        CannotActAs::Capabilities => "--access user: the server may not act as other users: run \
             it as root, or give it CAP_SETUID and CAP_SETGID, for example by systemd's \
             AmbientCapabilities= or by 'setpriv --inh-caps +setuid,+setgid --ambient-caps \
             +setuid,+setgid virtfs serve ...'"
            .to_owned(),
        CannotActAs::Refused(_) => format!(
            "--access user: the server cannot act as user {} with group {}: {why}; in a user \
             namespace all users and groups need a number there (newuidmap, newgidmap), and \
             setting groups must be allowed",
            policy.to.uid, policy.to.gid
        ),
    })
}
