//! What can be attached to.

use std::fmt;
use std::sync::Arc;

use virtfs_vfs::FileSystem;

use crate::users::{Everybody, Users};

/// A file system that clients attach to by name.
#[derive(Clone)]
pub struct Export {
    pub(crate) name: Box<[u8]>,
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) users: Arc<dyn Users>,
    pub(crate) readonly: bool,
    pub(crate) id: usize,
}

impl Export {
    /// An export of this name: what a client gives as `aname`.
    pub fn new(name: impl AsRef<[u8]>, fs: Arc<dyn FileSystem>) -> Self {
        Self {
            name: name.as_ref().into(),
            fs,
            users: Arc::new(Everybody),
            readonly: false,
            id: 0,
        }
    }

    /// Whom clients act for; [`Everybody`] without.
    pub fn users(mut self, users: Arc<dyn Users>) -> Self {
        self.users = users;
        self
    }

    /// Refuses every change with `EROFS`.
    pub fn readonly(mut self, readonly: bool) -> Self {
        self.readonly = readonly;
        self
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export")
            .field("name", &String::from_utf8_lossy(&self.name))
            .field("readonly", &self.readonly)
            .finish_non_exhaustive()
    }
}

/// All exports of a server. The first is also reached by the empty name and by `/`.
#[derive(Debug, Default)]
pub(crate) struct Exports(Vec<Arc<Export>>);

impl Exports {
    pub(crate) fn new(exports: Vec<Export>) -> Self {
        let numbered = exports.into_iter().enumerate();
        Self(
            numbered
                .map(|(id, export)| Arc::new(Export { id, ..export }))
                .collect(),
        )
    }

    pub(crate) fn find(&self, aname: &[u8]) -> Option<&Arc<Export>> {
        let named = self.0.iter().find(|export| *export.name == *aname);
        named.or_else(|| self.0.first().filter(|_| matches!(aname, b"" | b"/")))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Export>> {
        self.0.iter()
    }
}
