//! What requests must answer, one after the other: a sequential model of fids over a fixed tree.

use std::collections::HashMap;

use virtfs_proto::{
    GetattrMask, LopenFlags, NOFID, Names, Rmessage, Tattach, Tclunk, Tgetattr, Tlopen, Tread,
    Twalk,
};

use crate::errno::{EBADF, EINVAL, ENOENT, ENOTDIR, EOPNOTSUPP};
use crate::frames::Frames;
use crate::raw::Reply;
use crate::rng::Rng;

/// A node: its parent, its name, and its content if it is a file.
type Node = (usize, &'static str, Option<&'static [u8]>);

/// The tree that every server under test has.
const NODES: &[Node] = &[
    (0, "", None),
    (0, "d", None),
    (1, "e", None),
    (2, "g", Some(b"deep")),
    (0, "f", Some(b"hello, world")),
];

/// The tree, to be made in whatever is served.
#[derive(Clone, Copy, Debug)]
pub struct Tree;

/// What a request must answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expect {
    /// This errno.
    Error(u32),
    /// A walk that went so many steps.
    Walked(usize),
    /// Attributes of a directory, or of a file of this size.
    Attr(Option<u64>),
    /// These bytes.
    Data(Vec<u8>),
    /// It is done.
    Done,
}

#[derive(Clone, Copy, Debug)]
struct Fid {
    node: usize,
    open: bool,
}

/// The state of a session's fids.
#[derive(Clone, Debug, Default)]
pub struct Model {
    fids: HashMap<u32, Fid>,
}

impl Tree {
    /// The directories, parents first: path.
    pub fn directories() -> impl Iterator<Item = String> {
        Self::paths(|content| content.is_none())
    }

    /// The files: path and content.
    pub fn files() -> impl Iterator<Item = (String, &'static [u8])> {
        let contents = NODES.iter().filter_map(|node| node.2);
        Self::paths(|content| content.is_some()).zip(contents)
    }

    fn paths(which: impl Fn(Option<&[u8]>) -> bool) -> impl Iterator<Item = String> {
        let nodes = 1..NODES.len();
        nodes
            .filter(move |node| which(NODES[*node].2))
            .map(|mut node| {
                let mut path = NODES[node].1.to_owned();
                while NODES[node].0 != 0 {
                    node = NODES[node].0;
                    path = format!("{}/{path}", NODES[node].1);
                }
                path
            })
    }
}

impl Expect {
    /// Panics if the reply is another.
    pub fn check(&self, reply: &Reply) {
        let got = match reply.message() {
            Rmessage::Lerror(error) => Self::Error(error.ecode),
            Rmessage::Walk(walk) => Self::Walked(walk.qids.len()),
            Rmessage::Getattr(attr) if attr.mode & 0o170000 == 0o040000 => Self::Attr(None),
            Rmessage::Getattr(attr) => Self::Attr(Some(attr.size)),
            Rmessage::Read(_) => Self::Data(reply.payload().to_vec()),
            _ => Self::Done,
        };
        assert_eq!(got, *self, "tag {}", reply.tag);
    }
}

impl Model {
    /// A session that has attached fid 0.
    pub fn new() -> Self {
        let root = Fid {
            node: 0,
            open: false,
        };
        Self {
            fids: HashMap::from([(0, root)]),
        }
    }

    /// Adds requests to `frames` that make, use and give up one fid, or that mix fids at random,
    /// and gives what each must answer. Fids are below `fids`; 0 is never given up.
    pub fn burst(
        &mut self,
        rng: &mut Rng,
        fids: u32,
        frames: &mut Frames,
        tag: u16,
    ) -> Vec<Expect> {
        let any = |rng: &mut Rng| rng.below(u64::from(fids)) as u32;
        let mut expected = Vec::new();
        let mut push = |expect: Expect| {
            expected.push(expect);
            tag + expected.len() as u16
        };
        match rng.below(8) {
            0..4 => {
                let (from, fid) = (any(rng), any(rng));
                let names = names(rng);
                let answer = self.walk(from, fid, &names);
                add_walk(frames, push(answer) - 1, from, fid, &names);
                if rng.below(3) == 0 {
                    let answer = self.open(fid);
                    add_open(frames, push(answer) - 1, fid);
                    let answer = self.read(fid);
                    add_read(frames, push(answer) - 1, fid);
                } else {
                    let answer = self.getattr(fid);
                    add_getattr(frames, push(answer) - 1, fid);
                }
                if fid != 0 && rng.below(4) != 0 {
                    let answer = self.clunk(fid);
                    frames.add(push(answer) - 1, Tclunk { fid });
                }
            }
            4 => {
                let fid = any(rng);
                let answer = self.getattr(fid);
                add_getattr(frames, push(answer) - 1, fid);
            }
            5 => {
                let fid = any(rng).max(1);
                let answer = self.open(fid);
                add_open(frames, push(answer) - 1, fid);
            }
            6 => {
                let fid = any(rng);
                let answer = self.attach(fid);
                let attach = Tattach {
                    fid,
                    afid: NOFID,
                    uname: b"",
                    aname: b"",
                    n_uname: 0,
                };
                frames.add(push(answer) - 1, attach);
            }
            _ => {
                let fid = any(rng).max(1);
                let answer = self.clunk(fid);
                frames.add(push(answer) - 1, Tclunk { fid });
            }
        }
        expected
    }

    fn attach(&mut self, fid: u32) -> Expect {
        if self.fids.contains_key(&fid) {
            return Expect::Error(EINVAL);
        }
        self.fids.insert(
            fid,
            Fid {
                node: 0,
                open: false,
            },
        );
        Expect::Done
    }

    fn walk(&mut self, from: u32, newfid: u32, names: &[&str]) -> Expect {
        let Some(start) = self.fids.get(&from).copied() else {
            return Expect::Error(ENOENT);
        };
        if from == newfid && start.open || from != newfid && self.fids.contains_key(&newfid) {
            return Expect::Error(EINVAL);
        }
        let mut node = start.node;
        for (steps, name) in names.iter().enumerate() {
            match step(node, name) {
                Ok(next) => node = next,
                Err(errno) if steps == 0 => return Expect::Error(errno),
                Err(_) => return Expect::Walked(steps),
            }
        }
        self.fids.insert(newfid, Fid { node, open: false });
        Expect::Walked(names.len())
    }

    fn getattr(&self, fid: u32) -> Expect {
        match self.fids.get(&fid) {
            None => Expect::Error(ENOENT),
            Some(fid) => Expect::Attr(NODES[fid.node].2.map(|bytes| bytes.len() as u64)),
        }
    }

    fn open(&mut self, fid: u32) -> Expect {
        match self.fids.get_mut(&fid) {
            None => Expect::Error(ENOENT),
            Some(fid) if fid.open => Expect::Error(EINVAL),
            Some(fid) => {
                fid.open = true;
                Expect::Done
            }
        }
    }

    fn read(&self, fid: u32) -> Expect {
        match self.fids.get(&fid) {
            None => Expect::Error(EINVAL),
            Some(fid) if !fid.open => Expect::Error(EBADF),
            Some(fid) => match NODES[fid.node].2 {
                None => Expect::Error(EOPNOTSUPP),
                Some(bytes) => Expect::Data(bytes.to_vec()),
            },
        }
    }

    fn clunk(&mut self, fid: u32) -> Expect {
        match self.fids.remove(&fid) {
            None => Expect::Error(ENOENT),
            Some(_) => Expect::Done,
        }
    }
}

fn step(node: usize, name: &str) -> Result<usize, u32> {
    if NODES[node].2.is_some() {
        return Err(ENOTDIR);
    }
    match name {
        "." => Ok(node),
        ".." => Ok(NODES[node].0),
        _ => (1..NODES.len())
            .find(|&child| NODES[child].0 == node && NODES[child].1 == name)
            .ok_or(ENOENT),
    }
}

fn names(rng: &mut Rng) -> Vec<&'static str> {
    const WAYS: &[&[&str]] = &[
        &["d", "e", "g"],
        &["f"],
        &["d"],
        &["d", "e", "..", "e", "g"],
    ];
    if rng.below(2) == 0 {
        return rng.pick(WAYS).to_vec();
    }
    let count = rng.index(4);
    (0..count)
        .map(|_| rng.pick(&["d", "e", "f", "g", ".", "..", "nothing"]))
        .collect()
}

fn add_walk(frames: &mut Frames, tag: u16, fid: u32, newfid: u32, names: &[&str]) {
    let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    let names = Names::from_slice(&names);
    frames.add(tag, Twalk { fid, newfid, names });
}

fn add_getattr(frames: &mut Frames, tag: u16, fid: u32) {
    let request_mask = GetattrMask::BASIC;
    frames.add(tag, Tgetattr { fid, request_mask });
}

fn add_open(frames: &mut Frames, tag: u16, fid: u32) {
    let flags = LopenFlags::RDONLY;
    frames.add(tag, Tlopen { fid, flags });
}

fn add_read(frames: &mut Frames, tag: u16, fid: u32) {
    let (offset, count) = (0, 100);
    frames.add(tag, Tread { fid, offset, count });
}
