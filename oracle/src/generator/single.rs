//! Single requests, each message with fields at random. Those on entries are in `entries`.

use virtfs_proto::{
    GetattrMask, LockFlags, LopenFlags, NOFID, Names, Tattach, Tauth, Tclunk, Tflush, Tfsync,
    Tgetattr, Tgetlock, Tlcreate, Tlock, Tlopen, Tread, Treaddir, Treadlink, Tstatfs, Tversion,
    Twalk, Twrite, Txattrcreate, Txattrwalk,
};

use super::{Generator, Wanted};
use crate::request::Request;
use crate::tracker::{Kind, Tracker};

type Make = fn(&mut Generator, &Tracker) -> Request;

/// How often each message is chosen, relative to the others.
const WEIGHTS: &[(u64, Make)] = &[
    (14, Generator::walk),
    (6, Generator::lopen),
    (6, Generator::lcreate),
    (5, Generator::read),
    (6, Generator::write),
    (5, Generator::readdir),
    (7, Generator::getattr),
    (8, Generator::set),
    (4, Generator::mkdir),
    (4, Generator::mknod),
    (3, Generator::symlink),
    (3, Generator::link),
    (3, Generator::rename),
    (5, Generator::renameat),
    (5, Generator::unlinkat),
    (2, Generator::remove),
    (3, Generator::readlink),
    (3, Generator::xattrwalk),
    (2, Generator::xattrcreate),
    (2, Generator::statfs),
    (1, Generator::fsync),
    (2, Generator::lock),
    (1, Generator::getlock),
    (9, Generator::clunk),
    (1, Generator::rare),
];

impl Generator {
    pub(super) fn single(&mut self, tracker: &Tracker) -> Request {
        let all = WEIGHTS.iter().map(|(weight, _)| weight).sum();
        let mut at = self.rng.below(all);
        for (weight, make) in WEIGHTS {
            match at.checked_sub(*weight) {
                Some(rest) => at = rest,
                None => return make(self, tracker),
            }
        }
        self.getattr(tracker)
    }

    /// A request that its fid is of no use after: on a clone in most cases, and always if it would be
    /// the root's.
    pub(super) fn on_a_clone(
        &mut self,
        tracker: &Tracker,
        fid: u32,
        request: impl FnOnce(u32) -> Request,
    ) -> Request {
        if !self.has_free(tracker, 1) || self.rng.percent(if fid == 0 { 2 } else { 60 }) {
            return request(fid);
        }
        let newfid = self.free_fid(tracker);
        self.planned.push_front(request(newfid));
        let names = Names::default();
        Request::new(Twalk { fid, newfid, names })
    }

    fn walk(&mut self, tracker: &Tracker) -> Request {
        let wanted = self.rng.pick(&[
            Wanted::Directory,
            Wanted::Directory,
            Wanted::Any,
            Wanted::Open,
        ]);
        let fid = self.fid(tracker, wanted);
        let newfid = if self.rng.percent(if fid == 0 { 1 } else { 5 }) {
            fid
        } else {
            self.free_fid(tracker)
        };
        let mut names = Vec::new();
        let count = self.rng.pick(&[0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 3]);
        for _ in 0..count {
            if self.rng.percent(6) {
                names.push(b"..".to_vec());
            } else if names.is_empty() {
                names.push(self.name_in(tracker, fid));
            } else {
                names.push(self.name());
            }
        }
        if self.rng.percent(1) {
            let count = self.rng.pick(&[16, 17]);
            names = vec![b"..".to_vec(); count];
        }
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let names = Names::from_slice(&names);
        Request::new(Twalk { fid, newfid, names })
    }

    fn lopen(&mut self, tracker: &Tracker) -> Request {
        let fid = self.fid(tracker, Wanted::Any);
        let kind = tracker.fid(fid).map_or(Kind::Regular, |fid| fid.kind);
        let flags = self.open_flags(kind);
        self.on_a_clone(tracker, fid, |fid| Request::new(Tlopen { fid, flags }))
    }

    fn open_directory(&mut self, tracker: &Tracker) -> Request {
        let fid = self.fid(tracker, Wanted::Directory);
        let flags = LopenFlags::DIRECTORY;
        self.on_a_clone(tracker, fid, |fid| Request::new(Tlopen { fid, flags }))
    }

    fn lcreate(&mut self, tracker: &Tracker) -> Request {
        let fid = self.fid(tracker, Wanted::Directory);
        let name = match self.rng.percent(4) {
            true => self.name_in(tracker, fid),
            false => self.new_name(tracker, fid),
        };
        let flags = self.open_flags(Kind::Regular);
        let mode = self.mode() | self.rng.pick(&[0, 0o100000]);
        let gid = self.id();
        self.on_a_clone(tracker, fid, |fid| {
            Request::new(Tlcreate {
                fid,
                name: &name,
                flags,
                mode,
                gid,
            })
        })
    }

    fn read(&mut self, tracker: &Tracker) -> Request {
        let wanted = self
            .rng
            .pick(&[Wanted::OpenFile, Wanted::XattrRead, Wanted::Open]);
        let Some(fid) = self.fitting_fid(tracker, wanted) else {
            return self.lcreate(tracker);
        };
        Request::new(Tread {
            fid,
            offset: self.size(),
            count: self.count(),
        })
    }

    fn write(&mut self, tracker: &Tracker) -> Request {
        let wanted = self
            .rng
            .pick(&[Wanted::OpenFile, Wanted::OpenFile, Wanted::XattrWrite]);
        let Some(fid) = self.fitting_fid(tracker, wanted) else {
            return self.lcreate(tracker);
        };
        let data = self.data();
        // Not so far out that a tree cannot be looked at.
        let offset = self.size();
        let offset = if offset >= 1 << 62 && self.rng.percent(80) {
            7
        } else {
            offset
        };
        let count = data.len() as u32;
        Request::with(Twrite { fid, offset, count }, &data)
    }

    fn readdir(&mut self, tracker: &Tracker) -> Request {
        let Some(fid) = self.fitting_fid(tracker, Wanted::OpenDirectory) else {
            return self.open_directory(tracker);
        };
        let count = self.rng.pick(&[0, 10, 25, 26, 50, 80, 200, 4096, 8181]);
        let request = Request::new(Treaddir {
            fid,
            offset: 0,
            count,
        });
        match self.rng.percent(50) {
            true => request.behind(self.rng.below(8) as usize),
            false => request,
        }
    }

    fn getattr(&mut self, tracker: &Tracker) -> Request {
        let wanted = self
            .rng
            .pick(&[Wanted::Any, Wanted::Any, Wanted::Open, Wanted::XattrRead]);
        let fid = self.fid(tracker, wanted);
        let request_mask = self.rng.pick(&[
            GetattrMask::BASIC,
            GetattrMask::ALL,
            GetattrMask::MODE,
            GetattrMask::empty(),
        ]);
        Request::new(Tgetattr { fid, request_mask })
    }

    fn set(&mut self, tracker: &Tracker) -> Request {
        let wanted = self.rng.pick(&[Wanted::Any, Wanted::Any, Wanted::Open]);
        let fid = self.fid(tracker, wanted);
        Request::new(self.setattr(tracker, fid))
    }

    fn readlink(&mut self, tracker: &Tracker) -> Request {
        let fid = self.fid(tracker, Wanted::NoDirectory);
        Request::new(Treadlink { fid })
    }

    fn xattrwalk(&mut self, tracker: &Tracker) -> Request {
        let wanted = self.rng.pick(&[Wanted::Any, Wanted::Any, Wanted::Open]);
        let list = self.rng.percent(30);
        Request::new(Txattrwalk {
            fid: self.fid(tracker, wanted),
            newfid: self.free_fid(tracker),
            name: &if list { Vec::new() } else { self.xattr_name() },
        })
    }

    fn xattrcreate(&mut self, tracker: &Tracker) -> Request {
        let fid = self.fid(tracker, Wanted::Any);
        let name = self.xattr_name();
        let size = self.rng.pick(&[0, 1, 4, 5, 30, 65536, 65537, u64::MAX]);
        let flags = self.xattr_flags();
        self.on_a_clone(tracker, fid, |fid| {
            Request::new(Txattrcreate {
                fid,
                name: &name,
                size,
                flags,
            })
        })
    }

    fn statfs(&mut self, tracker: &Tracker) -> Request {
        let fid = self.fid(tracker, Wanted::Any);
        Request::new(Tstatfs { fid })
    }

    fn fsync(&mut self, tracker: &Tracker) -> Request {
        let Some(fid) = self.fitting_fid(tracker, Wanted::Open) else {
            return self.lcreate(tracker);
        };
        Request::new(Tfsync {
            fid,
            datasync: self.rng.pick(&[1, 1, 1, 0]),
        })
    }

    fn lock(&mut self, tracker: &Tracker) -> Request {
        let Some(fid) = self.fitting_fid(tracker, Wanted::OpenFile) else {
            return self.lcreate(tracker);
        };
        let (start, length) = self.range();
        Request::new(Tlock {
            fid,
            kind: self.lock_type(),
            flags: LockFlags::from_bits_retain(match self.rng.below(100) {
                0 => 1,
                1..4 => 2,
                4 => 4,
                _ => 0,
            }),
            start,
            length,
            proc_id: self.rng.pick(&[1, 2]),
            client_id: &self.client_id(),
        })
    }

    fn getlock(&mut self, tracker: &Tracker) -> Request {
        let Some(fid) = self.fitting_fid(tracker, Wanted::OpenFile) else {
            return self.lcreate(tracker);
        };
        let (start, length) = self.range();
        Request::new(Tgetlock {
            fid,
            kind: self.lock_type(),
            start,
            length,
            proc_id: self.rng.pick(&[1, 2]),
            client_id: &self.client_id(),
        })
    }

    fn clunk(&mut self, tracker: &Tracker) -> Request {
        let wanted = self.rng.pick(&[
            Wanted::Any,
            Wanted::Open,
            Wanted::XattrRead,
            Wanted::XattrWrite,
        ]);
        let fid = match self.fid(tracker, wanted) {
            0 => self.rng.below(13) as u32,
            fid => fid,
        };
        // The root's fid stays in most cases: little can be done without it.
        let fid = if fid == 0 && !self.rng.percent(10) {
            1
        } else {
            fid
        };
        Request::new(Tclunk { fid })
    }

    /// What happens seldom in a session.
    fn rare(&mut self, tracker: &Tracker) -> Request {
        match self.rng.below(12) {
            0 => Request::unknown(self.rng.pick(&[0, 90, 105, 255])),
            1 => {
                let afid = self.free_fid(tracker);
                let (uname, aname) = (b"root", b"");
                let n_uname = 0;
                Request::new(Tauth {
                    afid,
                    uname,
                    aname,
                    n_uname,
                })
            }
            2..5 => Request::new(Tattach {
                fid: self.free_fid(tracker),
                afid: NOFID,
                uname: b"somebody",
                aname: b"",
                n_uname: self.id(),
            }),
            5..9 => Request::new(Tflush {
                oldtag: self.rng.pick(&[0, 1, 2, 77, 0xffff]),
            }),
            9 | 10 => Request::new(Tattach {
                fid: 0,
                afid: NOFID,
                uname: b"",
                aname: b"/",
                n_uname: 0,
            }),
            _ => {
                let version = self
                    .rng
                    .pick(&[&b"9P2000.L"[..], b"9P2000.L", b"9P3000", b""]);
                let msize = self.rng.pick(&[8192, 8192, 8192, 4096, 4095, 8 << 20, 0]);
                self.planned.push_front(Request::new(Tattach {
                    fid: 0,
                    afid: NOFID,
                    uname: b"",
                    aname: b"",
                    n_uname: 1000,
                }));
                Request::new(Tversion { msize, version })
            }
        }
    }
}
