//! How servers are built: in the first process for byte streams, and in the process of each VMM.

use std::collections::HashSet;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use virtfs_local::{Containment, FileHandles, LocalFs, Options};
use virtfs_server::{Export, Limits, Server};

use super::config::Config;
use super::descriptors::Shares;
use super::export::OpenExport;
use super::interrupter::SignalInterrupter;
use super::peers::Peers;
use super::sandbox::Walls;
use super::sandbox::seccomp::Seccomp;
use super::users::KnownUsers;
use crate::failure::{Doing, Failure};

/// What all servers of the program have in common.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    msize: u32,
    shares: Shares,
    walls: Walls,
    seccomp: Seccomp,
    file_handles: FileHandles,
    users: Option<KnownUsers>,
    peers: Peers,
}

impl Plan {
    /// For a process that shares its descriptors like this, and is shut in by these walls.
    pub(super) fn new(
        config: &Config,
        users: &Option<KnownUsers>,
        shares: Shares,
        walls: Walls,
        seccomp: Seccomp,
    ) -> Self {
        Self {
            users: users.clone(),
            peers: config.peers.clone(),
            msize: config.msize,
            shares,
            walls,
            seccomp,
            file_handles: config.file_handles,
        }
    }

    /// Whether processes are shut in by Landlock.
    pub(super) fn landlock(&self) -> bool {
        self.walls.landlock
    }

    /// The filters of processes.
    pub(super) fn seccomp(&self) -> &Seccomp {
        &self.seccomp
    }

    /// From whom connections are taken.
    pub(super) fn peers(&self) -> &Peers {
        &self.peers
    }

    /// What a process must keep to serve by it, beside the exports.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let needed = self.users.iter().map(KnownUsers::socket);
        #[cfg(feature = "escape-hook")]
        let needed = needed.chain(super::escape::descriptors());
        needed
    }

    /// What users should know of a server of these exports.
    pub(super) fn describe(&self, exports: &[OpenExport]) -> String {
        let mut models: Vec<_> = exports.iter().map(|e| e.ownership.model.name()).collect();
        let mut seen = HashSet::new();
        models.retain(|model| seen.insert(*model));
        let models = models.join(" and ");
        let sessions = self.shares.sessions;
        format!(
            "security model {models}; {sessions} sessions, msize {} at most",
            self.msize
        )
    }

    /// Starts a server of these exports, the first of which is what clients reach who name none.
    /// It belongs to the process that starts it.
    pub(super) fn start(&self, exports: Vec<OpenExport>) -> Result<Server, Failure> {
        let interrupter = SignalInterrupter::new().doing(|| "signals cannot be set up")?;
        let mut builder = Server::builder()
            .limits(self.limits())
            .interrupter(interrupter);
        // Landlock knows the exports together. With two that can be written it would not notice
        // when the host moves a directory from one to the other.
        let writable = exports.iter().filter(|export| !export.readonly).count();
        let landlock = self.walls.landlock_contains && writable == 1;
        for export in exports {
            let options = Options {
                readonly: export.readonly,
                containment: match landlock && !export.readonly {
                    _ if self.walls.mounts => Containment::Mount,
                    true => Containment::Landlock,
                    false => Containment::Verify,
                },
                landlock_in_force: self.walls.landlock,
                file_handles: self.file_handles,
                max_nodes_open: self.shares.nodes,
                max_files_open: self.shares.files,
                ..export.ownership.options()
            };
            let name = String::from_utf8_lossy(&export.name).into_owned();
            let fs = LocalFs::new(export.dir, options).doing(|| {
                let needs = match self.file_handles {
                    FileHandles::Mandatory => {
                        " (--inode-file-handles mandatory takes root's CAP_DAC_READ_SEARCH, and a \
                         file system that has handles)"
                    }
                    FileHandles::Never | FileHandles::Prefer => "",
                };
                format!("cannot serve {name}{needs}")
            })?;
            let mut export = Export::new(export.name, Arc::new(fs)).readonly(export.readonly);
            if let Some(users) = &self.users {
                export = export.users(users.shared());
            }
            builder = builder.export(export);
        }
        builder.build().doing(|| "threads cannot be started")
    }

    fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.msize = self.msize;
        limits.sessions = self.shares.sessions;
        // The exports keep to their descriptors by themselves; this bounds memory.
        limits.open_files = OPEN_FILES;
        // Directories, and files for locks, cannot be closed and opened again.
        limits.open_directories = self.shares.files / 2;
        limits.lock_files = limits.lock_files.min(self.shares.files / 4);
        limits.request_bytes = limits.request_bytes.max(4 * self.msize as usize);
        limits
    }
}

/// Files that all clients of a server together may have open: far more than there are descriptors.
const OPEN_FILES: usize = 1 << 18;
