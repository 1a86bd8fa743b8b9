//! What a user may try, twice: by a system call on the host, and by requests.

use std::path::PathBuf;

use rustix::fs::Mode;
use virtfs_tests::{Raw, SetAttr};

/// What came of it: something to compare, or an errno.
pub(crate) type Said = Result<String, u32>;

/// What is tried, and with which parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deed {
    pub(crate) name: &'static str,
    pub(crate) direct: fn(&Try) -> Result<String, rustix::io::Errno>,
    pub(crate) served: fn(&mut Asker<'_>, &Try) -> Said,
}

/// Parameters.
#[derive(Clone, Debug)]
pub(crate) struct Try {
    /// The directory on the host that has `d` and `e`.
    pub(crate) base: PathBuf,
    pub(crate) mode: u32,
    /// Whom to give a file to.
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Try {
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    pub(crate) fn mode(&self) -> Mode {
        Mode::from_raw_mode(self.mode)
    }
}

impl Deed {
    /// Whether it changes what is in a file.
    pub(crate) fn changes_content(&self) -> bool {
        matches!(self.name, "write" | "open and cut") || self.name.starts_with("truncate")
    }

    /// Does it by system calls.
    pub(crate) fn direct(&self, what: &Try) -> Said {
        (self.direct)(what).map_err(|errno| errno.raw_os_error() as u32)
    }

    /// Does it by requests.
    pub(crate) fn served(&self, client: &mut Raw, root: u32, below: &str, what: &Try) -> Said {
        let mut asker = Asker {
            client,
            root,
            below,
            next: 1000,
        };
        let said = (self.served)(&mut asker, what);
        asker.clunk_all();
        said
    }
}

/// Asks as the user of one root.
pub(crate) struct Asker<'c> {
    pub(crate) client: &'c mut Raw,
    root: u32,
    below: &'c str,
    next: u32,
}

impl Asker<'_> {
    /// A fid of a path, reached one name at a time.
    pub(crate) fn reach(&mut self, path: &str) -> Result<u32, u32> {
        let fid = self.next;
        self.next += 1;
        self.client.walk(self.root, fid, &[self.below])?;
        for name in path.split('/') {
            self.client.walk(fid, fid, &[name])?;
        }
        Ok(fid)
    }

    pub(crate) fn opened(&mut self, path: &str, flags: u32) -> Result<u32, u32> {
        let fid = self.reach(path)?;
        self.client.lopen(fid, flags)?;
        Ok(fid)
    }

    pub(crate) fn set(&mut self, path: &str, changes: SetAttr) -> Said {
        let fid = self.reach(path)?;
        self.client.setattr(fid, changes)?;
        Ok(String::new())
    }

    pub(crate) fn put_xattr(&mut self, path: &str, name: &str, value: &[u8], flags: u32) -> Said {
        let fid = self.reach(path)?;
        self.client
            .xattrcreate(fid, name, value.len() as u64, flags)?;
        if !value.is_empty() {
            self.client.write(fid, 0, value)?;
        }
        self.client.clunk(fid)?;
        Ok(String::new())
    }

    fn clunk_all(&mut self) {
        for fid in 1000..self.next {
            // Some were clunked, or never made.
            let _ = self.client.clunk(fid);
        }
    }
}
