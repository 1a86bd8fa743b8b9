//! Walking: fids from fids.

use virtfs_proto::{MAX_WALK, Names, Twalk};

use super::{Fid, Handle};
use crate::connection::{Batch, Reply, fields};
use crate::{Error, Qid, QidType, Result};

const ENOENT: i32 = 2;
const ENOTDIR: i32 = 20;

impl Fid {
    /// Walks to another file (`Twalk`), any number of names away; without names it makes another
    /// fid of this file. `..` goes up. Symbolic links are not followed.
    pub fn walk<N: AsRef<[u8]>>(&self, names: &[N]) -> Result<Fid> {
        self.walk_slices(&slices(names))
    }

    pub(super) fn walk_slices(&self, names: &[&[u8]]) -> Result<Fid> {
        let (first, mut rest) = self.stage(names);
        let mut batch = Batch::new(self.handle.connection());
        let number = push_walk(&mut batch, self.number(), first)?;
        let reply = batch.send()?.next()?;
        let mut fid = self.walked(&reply, number, first)?;
        while !rest.is_empty() {
            let (next, behind) = self.stage(rest);
            fid.walk_on(next)?;
            rest = behind;
        }
        Ok(fid)
    }

    /// The fid that a walk from here made.
    pub(super) fn walked(&self, reply: &Reply, number: u32, names: &[&[u8]]) -> Result<Fid> {
        let qid = match self.led_to(reply, names) {
            Led::To(qid) => qid,
            Led::Short(error) => return Err(error),
            Led::Clone => self.qid,
        };
        Ok(Fid::new(Handle::new(self.client().clone(), number), qid))
    }

    /// Whether a walk from here led all the way.
    pub(super) fn led_all_the_way(&self, reply: &Reply, names: &[&[u8]]) -> Result<()> {
        match self.led_to(reply, names) {
            Led::Short(error) => Err(error),
            Led::To(_) | Led::Clone => Ok(()),
        }
    }

    /// As many names as one walk may have, and the rest.
    pub(super) fn stage<'n, 'a>(&self, names: &'n [&'a [u8]]) -> (&'n [&'a [u8]], &'n [&'a [u8]]) {
        let room = self.client().msize() as usize - HEAD;
        let mut length = 0;
        let fits = |name: &&&[u8]| {
            length += 2 + name.len();
            length <= room
        };
        let count = names.iter().take(MAX_WALK).take_while(fits).count();
        // A name that does not fit even alone is refused when it is sent.
        names.split_at(count.max(1).min(names.len()))
    }

    /// Moves this very fid.
    fn walk_on(&mut self, names: &[&[u8]]) -> Result<()> {
        let mut batch = Batch::new(self.handle.connection());
        batch.push(Twalk {
            fid: self.number(),
            newfid: self.number(),
            names: Names::from_slice(names),
        })?;
        batch.leave_fid_alone();
        let reply = batch.send()?.next()?;
        match self.led_to(&reply, names) {
            Led::To(qid) => self.qid = qid,
            Led::Short(error) => return Err(error),
            Led::Clone => {}
        }
        Ok(())
    }

    fn led_to(&self, reply: &Reply, names: &[&[u8]]) -> Led {
        let qids = match fields!(reply, Walk) {
            Ok(walk) => walk.qids,
            Err(error) => return Led::Short(error),
        };
        if qids.len() == names.len() {
            return qids.iter().last().map_or(Led::Clone, Led::To);
        }
        // The reply does not say why it stopped: its errno is that of the first name only.
        let reached = qids.iter().last().unwrap_or(self.qid);
        if !reached.kind.contains(QidType::DIR) {
            return Led::Short(Error::Server(ENOTDIR));
        }
        let (way, next) = match (names.get(..qids.len()), names.get(qids.len())) {
            (Some(way), Some(next)) if !way.is_empty() => (way, *next),
            _ => return Led::Short(Error::Server(ENOENT)),
        };
        let again = self
            .walk_slices(way)
            .and_then(|fid| fid.walk_slices(&[next]));
        Led::Short(again.err().unwrap_or(Error::Server(ENOENT)))
    }
}

/// Where a walk ended.
enum Led {
    To(Qid),
    Clone,
    Short(Error),
}

/// The length of a `Twalk` without names.
const HEAD: usize = 17;

/// Adds a walk to a new fid, and gives that fid's number.
pub(super) fn push_walk(batch: &mut Batch<'_>, fid: u32, names: &[&[u8]]) -> Result<u32> {
    let newfid = batch.fresh();
    let walk = Twalk {
        fid,
        newfid,
        names: Names::from_slice(names),
    };
    batch.push(walk).inspect_err(|_| batch.stale())?;
    Ok(newfid)
}

pub(super) fn slices<N: AsRef<[u8]>>(names: &[N]) -> Vec<&[u8]> {
    names.iter().map(AsRef::as_ref).collect()
}
