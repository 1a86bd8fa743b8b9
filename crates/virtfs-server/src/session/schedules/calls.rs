//! What becomes of calls: the model's file system.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use virtfs_proto::{Dialect, LockType, Rlerror, Rmessage, Tlock, Tmessage, kind};
use virtfs_vfs::{Errno, LockKind, Node, Open, User, XattrPut};

use super::history::{Ran, StateId};
use super::locks::{Ask, INODE, byte};
use super::threads::{Thread, Token, World, is_cancelled};
use super::wire::Message;
use crate::budget::Permit;
use crate::fid::{Access, Fid, FidKind, Kind, OpenFid, XattrWrite};
use crate::locks::{Taken, Through};
use crate::ops::Retry;
use crate::session::core::Work;
use crate::session::run::Done;
use crate::transport::Exchange;
use crate::users::Caller;

impl World {
    /// The call of a request ends.
    pub(super) fn carry_out(&mut self, work: Work<Message>) -> Thread {
        assert!(!work.waits(), "it ran before its fids were there");
        self.calls = 0;
        let cancelled = is_cancelled(&work);
        let saw = [0, 1].map(|at| work.operands[at].fid().and_then(|fid| id_of(fid)));
        let hung = self.rng.percent(50);
        let fails = self.rng.percent(20) || work.refused.is_some();
        let interrupted = cancelled && hung;
        let found = saw[0].is_some();
        let ok = match work.kind {
            kind::TATTACH => saw[1].is_none(),
            // Whether it makes a fid or changes its own, nothing may be in the way.
            kind::TWALK => found && saw[1].is_none(),
            kind::TCLUNK => found,
            _ => found && !fails,
        } && !interrupted
            && !(fails && work.promise.is_some());
        let mut retry = None;
        let (mut ok, mut interrupted, mut granted) = (ok, interrupted, true);
        let open = work.operands[0].fid().and_then(|fid| fid.opened().ok());
        if ok && work.kind == kind::TLOCK {
            let seen = self.locks.table.waiters().releases(INODE);
            let lock = lock_of(&work);
            let taken = match open {
                Some(open) => self.lock(&work, &lock, open, cancelled),
                None => Err(Errno::EBADF),
            };
            (ok, granted) = (taken.is_ok(), taken == Ok(Taken::Granted));
            interrupted |= taken == Err(Errno::EINTR);
            retry = (ok && !granted).then_some(Retry {
                inode: INODE,
                range: byte(lock.start),
                patience: Duration::from_secs(3600),
                poll: false,
                seen,
            });
        } else if let (true, kind::TCLUNK, Some(open)) = (ok, work.kind, open) {
            let released = self
                .locks
                .release(work.exchange.serial, &open.through, cancelled);
            ok = released.is_ok();
            interrupted |= released.is_err();
        }
        let makes = [kind::TATTACH, kind::TWALK, kind::TLOPEN, kind::TXATTRCREATE];
        let state = (ok && makes.contains(&work.kind)).then(|| self.state(work.kind));
        let reply = match (ok, interrupted) {
            (true, _) => reply_to(&work, granted),
            (_, true) => error(&work, Errno::EINTR),
            _ => error(&work, Errno::EIO),
        };
        if retry.is_none() {
            let made = state.as_deref().and_then(id_of);
            self.history.ran(work.exchange.serial, Ran { saw, made });
        }
        let done = Done {
            work,
            interrupted,
            state,
            retry,
        };
        Thread::Ended(done, reply)
    }

    fn lock(
        &mut self,
        work: &Work<Message>,
        lock: &Tlock<'_>,
        open: &OpenFid,
        interrupted: bool,
    ) -> Result<Taken, Errno> {
        self.locks.set(&Ask {
            through: &open.through,
            serial: work.exchange.serial,
            kind: match lock.kind {
                LockType::UNLCK => LockKind::Unlock,
                _ => LockKind::Write,
            },
            byte: lock.start,
            process: lock.proc_id,
            interrupted,
        })
    }

    fn state(&mut self, made_by: u8) -> Arc<Fid> {
        self.states_alive.fetch_add(1, Ordering::Relaxed);
        let (id, alive) = (self.next_state, self.states_alive.clone());
        self.next_state += 1;
        let node = Node::new(Arc::new(Token { id, alive }));
        let (export, caller) = (self.export.clone(), caller());
        let budget = (&self.xattrs, usize::MAX);
        let kind = match made_by {
            kind::TXATTRCREATE => FidKind::XattrWrite(XattrWrite {
                node,
                name: Box::default(),
                size: 10,
                how: XattrPut::Any,
                value: Mutex::default(),
                _permit: Permit::take(budget, budget, 1).unwrap(),
            }),
            kind::TLOPEN => FidKind::Open(OpenFid {
                open: Open::new(Arc::new(())),
                node,
                directory: false,
                access: Access {
                    read: true,
                    write: true,
                },
                through: Through::new(INODE),
                locks: self.locks.table.clone(),
                _permits: (Permit::take(budget, budget, 1).unwrap(), None),
            }),
            _ => FidKind::Walked(node),
        };
        let attached = Fid::root(export, caller, Node::new(Arc::new(())));
        let fid = Arc::new(attached.another(kind));
        self.locks.opened(&fid);
        fid
    }
}

fn lock_of(work: &Work<Message>) -> Tlock<'_> {
    let message = Tmessage::decode(Dialect::L, work.exchange.head());
    match message {
        Ok((_, Tmessage::Lock(lock))) => lock,
        _ => panic!("it asks for no lock"),
    }
}

fn caller() -> Caller {
    Caller {
        user: User::NOBODY,
        credentials: None,
    }
}

fn id_of(fid: &Fid) -> Option<StateId> {
    let node = match fid.kind() {
        Kind::Walked(node) => node,
        Kind::Open(open) => &open.node,
        Kind::XattrWrite(xattr) => &xattr.node,
        _ => return None,
    };
    node.get::<Token>().ok().map(|token| token.id)
}

/// A reply that says that it was done: nobody looks at more than its head, and
/// whether a lock was granted.
fn reply_to(work: &Work<Message>, granted: bool) -> Vec<u8> {
    let [tag0, tag1] = work.tag.to_le_bytes();
    let head = [7, 0, 0, 0, work.kind + 1, tag0, tag1];
    match work.kind {
        kind::TLOCK => [&head[..], &[u8::from(!granted)]].concat(),
        _ => head.to_vec(),
    }
}

fn error(work: &Work<Message>, errno: Errno) -> Vec<u8> {
    let mut head = vec![0; 16];
    let message = Rmessage::from(Rlerror { ecode: errno.raw() });
    let length = message.encode(Dialect::L, work.tag, &mut head).unwrap();
    head.truncate(length);
    head
}
