//! Both servers on equal directories, and a schedule played on them.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use virtfs_proto::{NOFID, Rmessage, Tattach, Tmessage, Tversion};

use crate::case::Case;
use crate::clock::Clock;
use crate::compare::{Difference, Pairs, compare};
use crate::differences::{Differences, Listed};
use crate::failure::{Result, fail};
use crate::model::Model;
use crate::peer::{Answer, Peer};
use crate::qtest::Qemu;
use crate::reply::Reply;
use crate::request::Request;
use crate::server::Virtfs;
use crate::tracker::{Place, Tracker};
use crate::{host, tree};

/// Where the servers are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// QEMU.
    pub qemu: PathBuf,
    /// virtfs.
    pub virtfs: PathBuf,
}

/// Both servers with the same security model.
pub(crate) struct Pair {
    model: Model,
    qemu: Side<Qemu>,
    virtfs: Side<Virtfs>,
    clock: Clock,
    /// Whether they must start anew before they can be used.
    stale: bool,
    _folder: TempDir,
}

struct Side<P> {
    peer: P,
    share: PathBuf,
    /// The cookies of the entries listed through each fid.
    cookies: BTreeMap<u32, Vec<u64>>,
    /// Keeps the inode numbers of what was made from being used for other files.
    held: Vec<OwnedFd>,
}

/// How a schedule begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// Whether there are files already.
    pub(crate) furnished: bool,
    /// Who attaches.
    pub(crate) uid: u32,
}

/// What became of a schedule.
#[derive(Debug)]
pub(crate) struct Played {
    /// What was sent.
    pub(crate) requests: Vec<Request>,
    pub(crate) end: End,
}

/// How a schedule ended.
#[derive(Debug)]
pub(crate) enum End {
    /// Everything was the same, or listed.
    Same,
    /// A listed difference, behind which nothing can be compared.
    Apart,
    /// In a way that is not listed, with the last request.
    Differs(Vec<Difference>),
}

/// The msize of all schedules. Small, so that replies reach it.
const MSIZE: u32 = 8192;

impl Pair {
    /// Starts both.
    pub(crate) fn start(programs: &Programs, model: Model) -> Result<Self> {
        let folder = TempDir::with_prefix("virtfs-oracle.")?;
        let share = |name: &str| -> Result<(PathBuf, PathBuf)> {
            let share = folder.path().join(name);
            fs::create_dir(&share)?;
            Ok((share, folder.path().join(format!("{name}.log"))))
        };
        let (qemu, qemu_log) = share("qemu")?;
        let (virtfs, virtfs_log) = share("virtfs")?;
        Ok(Self {
            model,
            qemu: Side::new(Qemu::start(&programs.qemu, model, &qemu, &qemu_log)?, qemu),
            virtfs: Side::new(
                Virtfs::start(&programs.virtfs, model, &virtfs, &virtfs_log)?,
                virtfs,
            ),
            clock: Clock::start(),
            stale: false,
            _folder: folder,
        })
    }

    /// Plays a schedule from the start: `next` gives its requests.
    pub(crate) fn play(
        &mut self,
        start: Start,
        differences: &Differences,
        mut next: impl FnMut(&Tracker) -> Option<Request>,
    ) -> Result<Played> {
        let mut tracker = self.begin(start)?;
        let mut pairs = Pairs::default();
        let mut requests = Vec::new();
        while let Some(request) = next(&tracker) {
            // QEMU would do to another file what ours does to the right one.
            if confuses(&tracker, &request) {
                continue;
            }
            let mut case = Case::new(self.model, &request, &tracker);
            let fid = request.fids().first().copied().unwrap_or(NOFID);
            let qemu = self.qemu.send(&request, fid)?;
            let virtfs = self.virtfs.send(&request, fid)?;
            let (there, here) = (Reply::new(&qemu), Reply::new(&virtfs));
            let mut found = compare(request.name(), &there, &here, &mut pairs, &self.clock);
            case.refused = !there.is_done() && !here.is_done();
            let alike = there.is_done() == here.is_done() || case.only_looks();
            if alike && may_change_the_tree(&request) {
                let (theirs, ours) = (&self.qemu.share, &self.virtfs.share);
                let (model, name) = (self.model, request.name());
                found.extend(tree::compare(model, name, theirs, ours, &self.clock)?);
            }
            let end = self.judge(&case, found, differences);
            self.note(&request, &there, &here, &mut tracker);
            let broken = matches!((&there, &here), (Reply::Broken, _) | (_, Reply::Broken));
            self.stale |= broken;
            requests.push(request);
            match end {
                End::Same if broken => {
                    return Ok(Played {
                        requests,
                        end: End::Apart,
                    });
                }
                End::Same => {}
                end => return Ok(Played { requests, end }),
            }
        }
        Ok(Played {
            requests,
            end: End::Same,
        })
    }

    /// Empty directories or furnished ones, and fid 0 for their root.
    fn begin(&mut self, start: Start) -> Result<Tracker> {
        if std::mem::take(&mut self.stale) {
            self.qemu.peer.renew()?;
            self.virtfs.peer.renew()?;
        }
        let version = Request::new(Tversion {
            msize: MSIZE,
            version: b"9P2000.L",
        });
        let attach = Request::new(Tattach {
            fid: 0,
            afid: NOFID,
            uname: b"",
            aname: b"",
            n_uname: start.uid,
        });
        let mut tracker = Tracker::new(&self.qemu.share);
        self.qemu.begin(&version, start)?;
        self.virtfs.begin(&version, start)?;
        let answer = self.qemu.send(&attach, 0)?;
        let reply = Reply::new(&answer);
        let attached = reply.is_done() && Reply::new(&self.virtfs.send(&attach, 0)?).is_done();
        if !attached {
            return fail("a server cannot be attached to");
        }
        tracker.note(&attach, &reply);
        Ok(tracker)
    }

    fn judge(&self, case: &Case<'_>, found: Vec<Difference>, listed: &Differences) -> End {
        let mut apart = false;
        let mut left = Vec::new();
        for difference in found {
            match listed.find(case, &difference) {
                Some(Listed::Apart) => apart = true,
                Some(Listed::Goes) => {}
                None => left.push(difference),
            }
        }
        if !left.is_empty() {
            End::Differs(left)
        } else if apart {
            End::Apart
        } else {
            End::Same
        }
    }

    fn note(
        &mut self,
        request: &Request,
        there: &Reply<'_>,
        here: &Reply<'_>,
        tracker: &mut Tracker,
    ) {
        if let (true, true, Some(made)) = (there.is_done(), here.is_done(), tracker.made(request)) {
            self.qemu.hold(&made);
            self.virtfs.hold(&made);
        }
        if let Some(Tmessage::Clunk(clunk)) = request.message() {
            self.qemu.cookies.remove(&clunk.fid);
            self.virtfs.cookies.remove(&clunk.fid);
        }
        if let Reply::Done(Rmessage::Version(m), _) = there
            && m.version == b"9P2000.L"
        {
            self.qemu.peer.negotiated(m.msize);
        }
        tracker.note(request, there);
    }
}

impl<P: Peer> Side<P> {
    fn new(peer: P, share: PathBuf) -> Self {
        Self {
            peer,
            share,
            cookies: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    fn begin(&mut self, version: &Request, start: Start) -> Result {
        self.peer.negotiated(MSIZE);
        let mut answer = self.peer.call(&version.frame(&[]))?;
        if answer == Answer::Broken {
            self.peer.renew()?;
            answer = self.peer.call(&version.frame(&[]))?;
        }
        if !Reply::new(&answer).is_done() {
            return fail(format!("a server refuses the version: {answer:?}"));
        }
        self.cookies.clear();
        self.held.clear();
        tree::make_anew(&self.share, start.furnished)?;
        tree::hold(&self.share, &mut self.held)
    }

    fn send(&mut self, request: &Request, fid: u32) -> Result<Answer> {
        let cookies = self.cookies.get(&fid).map_or(&[][..], Vec::as_slice);
        let answer = self.peer.call(&request.frame(cookies))?;
        let listed = Reply::new(&answer).cookies();
        if !listed.is_empty() {
            self.cookies.entry(fid).or_default().extend(listed);
        }
        Ok(answer)
    }

    fn hold(&mut self, made: &Path) {
        self.held.extend(host::hold(&self.share.join(made)));
    }
}

/// Whether QEMU's path for a fid of the request leads to another file than the fid was made for.
fn confuses(tracker: &Tracker, request: &Request) -> bool {
    !matches!(request.message(), Some(Tmessage::Clunk(_)))
        && tracker.place_of(request) == Place::Other
}

/// Whether a request may leave something else on disk than there was.
fn may_change_the_tree(request: &Request) -> bool {
    !matches!(
        request.message(),
        None | Some(
            Tmessage::Walk(_)
                | Tmessage::Getattr(_)
                | Tmessage::Statfs(_)
                | Tmessage::Xattrwalk(_)
                | Tmessage::Xattrcreate(_)
                | Tmessage::Attach(_)
                | Tmessage::Auth(_)
                | Tmessage::Flush(_)
                | Tmessage::Fsync(_)
                | Tmessage::Lock(_)
                | Tmessage::Getlock(_)
        )
    )
}
