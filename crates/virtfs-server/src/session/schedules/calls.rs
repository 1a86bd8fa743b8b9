//! What becomes of calls: the model's file system.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use virtfs_proto::{Dialect, Rlerror, Rmessage, kind};
use virtfs_vfs::{Errno, Node, User, XattrPut};

use super::history::{Ran, StateId};
use super::threads::{Thread, Token, World, is_cancelled};
use super::wire::Message;
use crate::budget::Permit;
use crate::fid::{Fid, FidKind, XattrWrite};
use crate::locks::InodeKey;
use crate::ops::Retry;
use crate::session::core::Work;
use crate::session::run::Done;
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
        if ok && work.kind == kind::TLOCK && self.rng.percent(60) {
            retry = Some(Retry {
                inode: InodeKey { export: 0, path: 1 },
                patience: Duration::from_secs(3600),
                poll: false,
                seen: 0,
            });
        }
        let makes = [kind::TATTACH, kind::TWALK, kind::TLOPEN, kind::TXATTRCREATE];
        let state = (ok && makes.contains(&work.kind)).then(|| self.state(work.kind));
        let reply = match (ok, interrupted) {
            (true, _) => reply_to(&work),
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

    fn state(&mut self, made_by: u8) -> Arc<Fid> {
        self.states_alive.fetch_add(1, Ordering::Relaxed);
        let (id, alive) = (self.next_state, self.states_alive.clone());
        self.next_state += 1;
        let node = Node::new(Arc::new(Token { id, alive }));
        let (export, caller) = (self.export.clone(), caller());
        let kind = match made_by {
            kind::TXATTRCREATE => {
                let budget = (&self.xattrs, usize::MAX);
                FidKind::XattrWrite(Box::new(XattrWrite {
                    node,
                    name: Box::default(),
                    size: 10,
                    how: XattrPut::Any,
                    value: Mutex::default(),
                    _permit: Permit::take(budget, budget, 1).unwrap(),
                }))
            }
            _ => FidKind::Walked { node, root: false },
        };
        Arc::new(Fid {
            export,
            caller,
            kind,
        })
    }
}

fn caller() -> Caller {
    Caller {
        user: User::NOBODY,
        credentials: None,
    }
}

fn id_of(fid: &Fid) -> Option<StateId> {
    let node = match &fid.kind {
        FidKind::Walked { node, .. } => node,
        FidKind::XattrWrite(xattr) => &xattr.node,
        _ => return None,
    };
    node.get::<Token>().ok().map(|token| token.id)
}

/// A reply that says that it was done: nobody looks at more than its head.
fn reply_to(work: &Work<Message>) -> Vec<u8> {
    let [tag0, tag1] = work.tag.to_le_bytes();
    vec![7, 0, 0, 0, work.kind + 1, tag0, tag1]
}

fn error(work: &Work<Message>, errno: Errno) -> Vec<u8> {
    let mut head = vec![0; 16];
    let message = Rmessage::from(Rlerror { ecode: errno.raw() });
    let length = message.encode(Dialect::L, work.tag, &mut head).unwrap();
    head.truncate(length);
    head
}
