//! Looking: attributes, alone or with the walk to their file.

use virtfs_proto::{Tclunk, Tgetattr, Treadlink, Tstatfs};

use super::walk::{push_walk, slices};
use super::{Fid, Handle};
use crate::connection::{Batch, Connection, InFlight, Reply, fields};
use crate::{Attributes, GetattrMask, Result, Statfs};

impl Fid {
    /// Walks to a child and asks for its attributes: in one round trip if the server keeps order
    /// (see [`Client::ordered`](crate::Client::ordered)).
    pub fn lookup(&self, name: &[u8]) -> Result<(Fid, Attributes)> {
        if !self.client().ordered() {
            let fid = self.walk_slices(&[name])?;
            let attributes = fid.attributes()?;
            return Ok((fid, attributes));
        }
        let mut batch = Batch::new(self.handle.connection());
        let number = self.push_lookup(&mut batch, name)?;
        self.looked_up(&mut batch.send()?, number, name)
    }

    /// [`Fid::lookup`] of many children, in few round trips if the server keeps order.
    pub fn lookup_all<N: AsRef<[u8]>>(&self, names: &[N]) -> Vec<Result<(Fid, Attributes)>> {
        let names = slices(names);
        if !self.client().ordered() {
            return names.iter().map(|name| self.lookup(name)).collect();
        }
        self.portions(
            &names,
            2,
            |batch, name| self.push_lookup(batch, name),
            |sent, number, name| self.looked_up(sent, number, name),
        )
    }

    /// The attributes of a file that names lead to, as [`Fid::walk`] follows them: in one round
    /// trip if the server keeps order.
    pub fn stat_at<N: AsRef<[u8]>>(&self, names: &[N]) -> Result<Attributes> {
        let names = slices(names);
        if names.is_empty() {
            return self.attributes();
        }
        let one_stage = self.stage(&names).1.is_empty();
        if !self.client().ordered() || !one_stage {
            return self.walk_slices(&names)?.attributes();
        }
        let mut batch = Batch::new(self.handle.connection());
        self.push_stat(&mut batch, &names)?;
        self.statted(&mut batch.send()?, &names)
    }

    /// The attributes of many children, in few round trips if the server keeps order.
    pub fn stat_all<N: AsRef<[u8]>>(&self, names: &[N]) -> Vec<Result<Attributes>> {
        let names = slices(names);
        if !self.client().ordered() {
            return names.iter().map(|name| self.stat_at(&[name])).collect();
        }
        self.portions(
            &names,
            3,
            |batch, name| self.push_stat(batch, &[name]),
            |sent, (), name| self.statted(sent, &[name]),
        )
    }

    /// The attributes that the mask names, as far as the server has them; see
    /// [`Attributes::valid`] (`Tgetattr`).
    pub fn getattr(&self, mask: GetattrMask) -> Result<Attributes> {
        self.handle.getattr(mask)
    }

    /// What stat(2) gives ([`GetattrMask::BASIC`]).
    pub fn attributes(&self) -> Result<Attributes> {
        self.getattr(GetattrMask::BASIC)
    }

    /// What a symbolic link says (`Treadlink`).
    pub fn readlink(&self) -> Result<Vec<u8>> {
        let fid = self.number();
        let reply = self.handle.call(Treadlink { fid })?;
        Ok(fields!(reply, Readlink)?.target.to_vec())
    }

    /// The numbers of the file system that the file lies on (`Tstatfs`).
    pub fn statfs(&self) -> Result<Statfs> {
        let fid = self.number();
        let reply = self.handle.call(Tstatfs { fid })?;
        fields!(reply, Statfs).map(|statfs| statfs.into())
    }

    fn push_lookup(&self, batch: &mut Batch<'_>, name: &[u8]) -> Result<u32> {
        let number = push_walk(batch, self.number(), &[name])?;
        batch.push(basic(number))?;
        Ok(number)
    }

    fn looked_up(
        &self,
        sent: &mut InFlight<'_>,
        number: u32,
        name: &[u8],
    ) -> Result<(Fid, Attributes)> {
        let walked = sent
            .next()
            .and_then(|reply| self.walked(&reply, number, &[name]));
        // Without the fid it failed too.
        let looked = sent.next();
        let fid = walked?;
        Ok((fid, attributes(&looked?)?))
    }

    fn push_stat(&self, batch: &mut Batch<'_>, names: &[&[u8]]) -> Result<()> {
        let number = push_walk(batch, self.number(), names)?;
        batch.leave_fid_alone();
        batch.push(basic(number))?;
        batch.push(Tclunk { fid: number })
    }

    fn statted(&self, sent: &mut InFlight<'_>, names: &[&[u8]]) -> Result<Attributes> {
        let walked = sent.next();
        let looked = sent.next();
        // Without the fid it failed, which ended the number's use all the same.
        let _ = sent.next();
        self.led_all_the_way(&walked?, names)?;
        attributes(&looked?)
    }

    /// Sends for each name what `push` makes, `each` requests, and takes the replies with `take`.
    fn portions<P, T>(
        &self,
        names: &[&[u8]],
        each: usize,
        push: impl Fn(&mut Batch<'_>, &[u8]) -> Result<P>,
        take: impl Fn(&mut InFlight<'_>, P, &[u8]) -> Result<T>,
    ) -> Vec<Result<T>> {
        let mut results = Vec::with_capacity(names.len());
        for portion in names.chunks(Connection::PORTION / each) {
            let mut batch = Batch::new(self.handle.connection());
            let pushed: Vec<_> = portion.iter().map(|name| push(&mut batch, name)).collect();
            let sent = batch.send();
            match sent {
                Ok(mut sent) => results.extend(
                    pushed
                        .into_iter()
                        .zip(portion)
                        .map(|(pushed, name)| take(&mut sent, pushed?, name)),
                ),
                Err(error) => results.extend(portion.iter().map(|_| Err(error.clone()))),
            }
        }
        results
    }
}

impl Handle {
    pub(crate) fn getattr(&self, request_mask: GetattrMask) -> Result<Attributes> {
        let fid = self.number();
        attributes(&self.call(Tgetattr { fid, request_mask })?)
    }
}

pub(super) fn basic(fid: u32) -> Tgetattr {
    Tgetattr {
        fid,
        request_mask: GetattrMask::BASIC,
    }
}

pub(super) fn attributes(reply: &Reply) -> Result<Attributes> {
    fields!(reply, Getattr).map(|fields| fields.into())
}
