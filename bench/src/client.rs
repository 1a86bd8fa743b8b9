//! A load generator: so many lanes on one connection, each with one request in flight.

use std::error::Error;

use virtfs_proto::{
    Dialect, GetattrMask, LopenFlags, NOFID, NOTAG, Names, Tattach, Tclunk, Tgetattr, Tlcreate,
    Tlopen, Tmessage, Tread, Tversion, Twalk, Twrite,
};

use crate::workload::{BIG, Dice, Kind, MADE, Workload, small};

/// What carries requests and replies.
pub(crate) trait Carrier {
    /// Takes a request to be sent, whose reply has `room` bytes at most. The tag is that of a
    /// lane, or 0 or `NOTAG` while nothing else is in flight.
    fn queue(
        &mut self,
        tag: u16,
        head: &[u8],
        payload: &[u8],
        room: usize,
    ) -> Result<(), Box<dyn Error>>;

    /// Sends what was queued, waits for replies, and adds their tags. An error is no reply.
    fn exchange(&mut self, replies: &mut Vec<u16>) -> Result<(), Box<dyn Error>>;
}

/// The longest message.
pub(crate) const MSIZE: u32 = 1 << 20;
/// Fids that all lanes use; a lane's own are numbered from [`LANES`].
const ROOT: u32 = 0;
const FILE: u32 = 1;
const DIR: u32 = 2;
const LANES: u32 = 16;

/// A connection with lanes.
pub(crate) struct Client<C> {
    carrier: C,
    /// The step that each lane is at.
    steps: Vec<usize>,
    replies: Vec<u16>,
    dice: Dice,
    count: usize,
    payload: Vec<u8>,
}

impl<C: Carrier> Client<C> {
    pub(crate) fn over(carrier: C, depth: usize) -> Result<Self, Box<dyn Error>> {
        let mut client = Self {
            carrier,
            steps: vec![0; depth],
            replies: Vec::new(),
            dice: Dice::new(1),
            count: 0,
            payload: vec![7; 512 << 10],
        };
        client.call(
            NOTAG,
            Tversion {
                msize: MSIZE,
                version: b"9P2000.L",
            }
            .into(),
        )?;
        let uname: &[u8] = b"root";
        let attach = Tattach {
            fid: ROOT,
            afid: NOFID,
            uname,
            aname: b"",
            n_uname: 0,
        };
        client.call(0, attach.into())?;
        Ok(client)
    }

    /// Makes the fids that the lanes share.
    pub(crate) fn prepare(&mut self, workload: &Workload) -> Result<(), Box<dyn Error>> {
        let (to, name) = match workload.kind {
            Kind::Create => (DIR, MADE),
            _ => (FILE, BIG),
        };
        let names = [name.as_bytes()];
        let walk = Twalk {
            fid: ROOT,
            newfid: to,
            names: Names::from_slice(&names),
        };
        self.call(0, walk.into())?;
        if matches!(workload.kind, Kind::Read(_) | Kind::Write(_)) {
            self.call(
                0,
                Tlopen {
                    fid: FILE,
                    flags: LopenFlags::RDWR,
                }
                .into(),
            )?;
        }
        Ok(())
    }

    /// Does so many operations; how many.
    pub(crate) fn run(
        &mut self,
        workload: &Workload,
        times: usize,
    ) -> Result<usize, Box<dyn Error>> {
        let lanes = self.steps.len();
        self.steps.fill(0);
        let mut begun = lanes.min(times);
        let mut ended = 0;
        for lane in 0..begun {
            self.send(workload, lane)?;
        }
        while ended < times {
            let mut replies = std::mem::take(&mut self.replies);
            self.carrier.exchange(&mut replies)?;
            for tag in replies.drain(..) {
                let lane = usize::from(tag);
                self.steps[lane] += 1;
                if self.steps[lane] == workload.messages {
                    self.steps[lane] = 0;
                    ended += 1;
                    if begun == times {
                        continue;
                    }
                    begun += 1;
                }
                self.send(workload, lane)?;
            }
            self.replies = replies;
        }
        Ok(times)
    }

    /// What carries it.
    pub(crate) fn carrier(&self) -> &C {
        &self.carrier
    }

    /// Queues the next request of a lane.
    fn send(&mut self, workload: &Workload, lane: usize) -> Result<(), Box<dyn Error>> {
        let (tag, fid) = (lane as u16, LANES + lane as u32);
        match (workload.kind, self.steps[lane]) {
            (Kind::GetAttr, _) => {
                let request_mask = GetattrMask::BASIC;
                self.queue(
                    tag,
                    Tgetattr {
                        fid: FILE,
                        request_mask,
                    }
                    .into(),
                )
            }
            (Kind::Stat, 0) => {
                self.count += 1;
                let name = small(self.count);
                let names = [name.as_bytes()];
                let names = Names::from_slice(&names);
                self.queue(
                    tag,
                    Twalk {
                        fid: ROOT,
                        newfid: fid,
                        names,
                    }
                    .into(),
                )
            }
            (Kind::Stat, 1) => {
                let request_mask = GetattrMask::BASIC;
                self.queue(tag, Tgetattr { fid, request_mask }.into())
            }
            (Kind::Read(size), _) => {
                let offset = self.dice.offset(size);
                self.queue(
                    tag,
                    Tread {
                        fid: FILE,
                        offset,
                        count: size as u32,
                    }
                    .into(),
                )
            }
            (Kind::Write(size), _) => {
                let offset = self.dice.offset(size);
                self.queue(
                    tag,
                    Twrite {
                        fid: FILE,
                        offset,
                        count: size as u32,
                    }
                    .into(),
                )
            }
            (Kind::Create, 0) => {
                let names = Names::from_slice(&[]);
                self.queue(
                    tag,
                    Twalk {
                        fid: DIR,
                        newfid: fid,
                        names,
                    }
                    .into(),
                )
            }
            (Kind::Create, 1) => {
                self.count += 1;
                let name = format!("served-{}", self.count);
                let create = Tlcreate {
                    fid,
                    name: name.as_bytes(),
                    flags: LopenFlags::WRONLY,
                    mode: 0o644,
                    gid: 0,
                };
                self.queue(tag, create.into())
            }
            (Kind::Create, 2) => self.queue(
                tag,
                Twrite {
                    fid,
                    offset: 0,
                    count: 4096,
                }
                .into(),
            ),
            (Kind::Stat | Kind::Create, _) => self.queue(tag, Tclunk { fid }.into()),
        }
    }

    fn queue(&mut self, tag: u16, message: Tmessage<'_>) -> Result<(), Box<dyn Error>> {
        let mut head = [0; 512];
        let length = message.encode(Dialect::L, tag, &mut head)?;
        let payload = &self.payload[..message.payload_len() as usize];
        let room = match message {
            Tmessage::Read(read) => 11 + read.count as usize,
            _ => 512,
        };
        self.carrier.queue(tag, &head[..length], payload, room)
    }

    fn call(&mut self, tag: u16, message: Tmessage<'_>) -> Result<(), Box<dyn Error>> {
        self.queue(tag, message)?;
        let mut replies = Vec::new();
        while replies.is_empty() {
            self.carrier.exchange(&mut replies)?;
        }
        Ok(())
    }
}
