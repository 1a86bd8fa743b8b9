//! What is served.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use virtfs_local::{LocalFs, Options, SecurityModel};
use virtfs_vfs::FileSystem;
use virtfs_vfs::memory::MemoryFs;
use virtfs_vfs::synth::{Gate, Synth};

use super::{Has, sample};

/// A fresh file system and what it has.
pub struct Backend {
    source: Source,
    has: Has,
    gate: Option<Gate>,
}

enum Source {
    FileSystem(Arc<dyn FileSystem>),
    Directory(TempDir, SecurityModel),
}

impl Backend {
    /// Any file system; empty and writable if it has [`Has::WRITE`].
    pub fn new(fs: impl FileSystem, has: Has) -> Self {
        Self {
            source: Source::FileSystem(Arc::new(fs)),
            has,
            gate: None,
        }
    }

    /// In memory.
    pub fn memory() -> Self {
        Self::new(MemoryFs::new(), Has::FILES | Has::LARGE_XATTRS)
    }

    /// A directory of the host, whose owners are the clients' own.
    pub fn passthrough() -> Self {
        Self::directory(SecurityModel::Passthrough, Has::FILES)
    }

    /// A directory of the host, whose owners are the clients' where that is permitted.
    pub fn none() -> Self {
        Self::directory(SecurityModel::None, Has::FILES)
    }

    /// A directory of the host that keeps types, owners and modes in extended attributes.
    pub fn mapped_xattr() -> Self {
        Self::directory(SecurityModel::MappedXattr, Has::MAPPED)
    }

    /// A directory of the host that keeps types, owners and modes in hidden files.
    pub fn mapped_file() -> Self {
        Self::directory(SecurityModel::MappedFile, Has::MAPPED)
    }

    /// A tree made by code, with files that block.
    pub fn synth() -> Self {
        let gate = Gate::new();
        let tree = sample::tree(Synth::new()).file("gate", gate.file());
        Self {
            gate: Some(gate),
            ..Self::new(tree, Has::FIXED | Has::GATE | Has::ENTRY_TYPES)
        }
    }

    /// The temporary directory is expected on a disk's file system, such as ext4.
    fn directory(model: SecurityModel, has: Has) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this suite needs root: ownership and device nodes are part of it"
        );
        let dir = tempfile::tempdir().expect("a directory to serve");
        Self {
            source: Source::Directory(dir, model),
            has,
            gate: None,
        }
    }

    /// What it has.
    pub fn has(&self) -> Has {
        self.has
    }

    /// The directory of the host that it is, for a server in another process.
    pub fn served_directory(&self) -> Option<(&Path, SecurityModel)> {
        match &self.source {
            Source::Directory(dir, model) => Some((dir.path(), *model)),
            Source::FileSystem(_) => None,
        }
    }

    /// The file system, for a server in this process.
    pub(super) fn file_system(&self) -> Arc<dyn FileSystem> {
        match &self.source {
            Source::FileSystem(fs) => fs.clone(),
            Source::Directory(dir, model) => {
                let options = Options {
                    model: *model,
                    ..Options::default()
                };
                let fs = LocalFs::open(dir.path(), options);
                Arc::new(fs.expect("the directory can be served"))
            }
        }
    }

    pub(super) fn gate(&self) -> Option<&Gate> {
        self.gate.as_ref()
    }
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backend").field("has", &self.has).finish()
    }
}
