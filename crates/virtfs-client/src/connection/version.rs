//! `Tversion`: what both sides agree on before anything else.

use std::sync::atomic::Ordering;
use std::time::Instant;

use virtfs_proto::{Dialect, NOTAG, Tversion};

use super::batch::Batch;
use super::expect::Expect;
use super::reply::fields;
use super::state::Want;
use super::wait::Patience;
use super::{Connection, Parker};
use crate::{Error, Options, Result};

/// The smallest msize that is proposed or taken: below it servers refuse.
pub(super) const SMALLEST: u32 = 4096;

impl Connection {
    pub(super) fn version(&self, options: &Options) -> Result<()> {
        let outcome = self.agree(options);
        if let Err(error) = &outcome {
            self.fail(error.clone());
        }
        outcome
    }

    fn agree(&self, options: &Options) -> Result<()> {
        let message = Tversion {
            msize: self.msize(),
            version: Dialect::L.version_string(),
        };
        let mut batch = Batch::new(self);
        batch.push(message)?;
        batch.set_tags([NOTAG].into_iter());
        let until = options
            .connect_timeout
            .and_then(|timeout| Instant::now().checked_add(timeout));
        let patience = Patience {
            until,
            interruptible: true,
        };
        let mut state = self.lock();
        let expect = Expect::of(&message.into());
        state.slots.take_notag(expect, Parker::current());
        let (state, _, sent) = self.transmit(state, &batch, patience);
        sent?;
        let (state, reply) = self.wait(state, Want::Reply, patience, |state| state.collect(NOTAG));
        drop(state);
        let reply = match reply? {
            Ok(Ok(reply)) => reply,
            Ok(Err(errno)) => return Err(Error::Server(errno)),
            Err(()) => return Err(super::misfit("nothing")),
        };
        let agreed = fields!(reply, Version)?;
        if agreed.version != Dialect::L.version_string() {
            let version = String::from_utf8_lossy(agreed.version);
            let what = format!("the server speaks {version:.32}, not 9P2000.L");
            return Err(Error::Protocol(what));
        }
        if !(SMALLEST..=message.msize).contains(&agreed.msize) {
            let what = format!("an msize of {} for {}", agreed.msize, message.msize);
            return Err(Error::Protocol(what));
        }
        self.msize.store(agreed.msize, Ordering::Relaxed);
        Ok(())
    }
}
