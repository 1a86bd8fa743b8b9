//! Mounting, and what is mounted.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::process::geteuid;
use virtfs_client::{Attach, Client, Fid};
use virtfs_proto::IO_HEADER_LEN;

use crate::MountOptions;
use crate::fail::Fail;
use crate::fuse::{self, Handler, KernelOptions, Session};
use crate::handler::{Manner, Tree};
use crate::tree::Users;

/// The kernel's sizes are in these at least.
const PAGE: u32 = 4096;

/// Mounting.
#[derive(Debug)]
pub struct Mount;

impl Mount {
    /// Attaches to a tree of the server and mounts it on a directory.
    pub fn start(client: Client, mountpoint: &Path, options: &MountOptions) -> io::Result<Mounted> {
        let own = geteuid().as_raw();
        let root = client.attach(&Attach {
            uname: options.uname.clone().unwrap_or_default(),
            aname: options.aname.clone(),
            uid: match options.uname {
                Some(_) => u32::MAX,
                None => own,
            },
        })?;
        let attributes = root.attributes()?;
        let acl = options.acl && options.default_permissions && has_acls(&root)?;
        let session = Session::mount(mountpoint, &kernel_options(&client, options, acl))?;
        let tree = Arc::new(Tree::new(
            client.clone(),
            root,
            &attributes,
            Users::new(client, options.aname.clone(), own),
            Manner {
                attr_timeout: options.attr_timeout,
                entry_timeout: options.entry_timeout,
                negative_timeout: options.negative_timeout,
                direct_io: options.direct_io,
                kernel_cache: options.kernel_cache,
                acl,
            },
        ));
        let unmounter = Unmounter(session.unmounter());
        let threads = options.threads.unwrap_or_else(default_threads);
        let started = serve(session, &tree, threads);
        if started.is_err() {
            tree.ended();
            let _ = unmounter.unmount();
        }
        Ok(Mounted {
            unmounter,
            server: Some(started?),
        })
    }
}

/// Starts the threads: one serves the kernel with as many others as were asked for, one asks for
/// locks that are waited for, one gives up what was interrupted.
fn serve(
    session: Session,
    tree: &Arc<Tree>,
    threads: usize,
) -> io::Result<JoinHandle<io::Result<()>>> {
    let named = |name: &str| thread::Builder::new().name(name.to_owned());
    let (locks, interrupts, tree) = (tree.clone(), tree.clone(), tree.clone());
    named("virtfs-locks").spawn(move || locks.waiters.serve())?;
    named("virtfs-signals").spawn(move || interrupts.interrupts.watch())?;
    named("virtfs-mount").spawn(move || {
        let result = session.run(&tree, threads);
        tree.ended();
        result
    })
}

/// Something mounted. Dropped: unmounted, by force if it is in use.
#[derive(Debug)]
pub struct Mounted {
    unmounter: Unmounter,
    /// `None` once its end was waited for.
    server: Option<JoinHandle<io::Result<()>>>,
}

impl Mounted {
    /// What unmounts it from another thread, such as one that waits for signals.
    pub fn unmounter(&self) -> Unmounter {
        self.unmounter.clone()
    }

    /// Waits until it is unmounted, by whomever.
    pub fn wait(mut self) -> io::Result<()> {
        self.join()
    }

    fn join(&mut self) -> io::Result<()> {
        match self.server.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other(
                "the thread that served the mount panicked",
            )),
            None => Ok(()),
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.server.is_some() && self.unmounter.unmount().is_ok() {
            let _ = self.join();
        }
    }
}

/// Unmounts from any thread.
#[derive(Clone, Debug)]
pub struct Unmounter(fuse::Unmounter);

impl Unmounter {
    /// Takes the file system away: cleanly if nobody uses it, else by force. No error if it is gone
    /// already.
    pub fn unmount(&self) -> io::Result<()> {
        self.0.unmount()
    }
}

/// Whether the server has POSIX ACLs: if it has not, the kernel need not ask for them file by file.
fn has_acls(root: &Fid) -> io::Result<bool> {
    use rustix::io::Errno;
    match root.xattr_size(b"system.posix_acl_access") {
        Err(error @ (virtfs_client::Error::Lost(_) | virtfs_client::Error::Protocol(_))) => {
            Err(error.into())
        }
        result => Ok(!matches!(
            result.map_err(Fail::from),
            Err(Fail(Errno::OPNOTSUPP))
        )),
    }
}

fn kernel_options(client: &Client, options: &MountOptions, acl: bool) -> KernelOptions {
    // What fits one message, in whole pages: the kernel's largest read and write are one round trip.
    let payload = client.msize().saturating_sub(IO_HEADER_LEN as u32);
    let most = (payload / PAGE * PAGE).max(PAGE);
    KernelOptions {
        max_read: most,
        max_write: most,
        fsname: options.fsname.clone(),
        subtype: options.subtype.clone(),
        allow_other: options.allow_other.unwrap_or(geteuid().is_root()),
        default_permissions: options.default_permissions,
        ro: options.ro,
        nosuid: options.nosuid,
        nodev: options.nodev,
        noexec: options.noexec,
        noatime: options.noatime,
        sync: options.sync,
        dirsync: options.dirsync,
        acl,
        // Only our own server is known to drop the bits by itself.
        killpriv_v2: client.ordered(),
        // What is looked up ahead and must be looked up again when it is used is looked up for
        // nothing.
        readdirplus: !options.entry_timeout.is_zero() && !options.attr_timeout.is_zero(),
        readdirplus_auto: true,
        direct_io_mmap: options.direct_io,
        ..KernelOptions::default()
    }
}

fn default_threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    cores.saturating_mul(2).clamp(4, 8)
}
