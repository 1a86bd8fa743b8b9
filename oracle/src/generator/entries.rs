//! Single requests that make, move and remove entries of directories.

use virtfs_proto::{
    NOFID, Tlink, Tmkdir, Tmknod, Tremove, Trename, Trenameat, Tsymlink, Tunlinkat, UnlinkFlags,
};

use super::{Generator, Wanted};
use crate::request::Request;
use crate::tracker::Tracker;

impl Generator {
    pub(super) fn mkdir(&mut self, tracker: &Tracker) -> Request {
        let dfid = self.fid(tracker, Wanted::Directory);
        Request::new(Tmkdir {
            dfid,
            name: &self.new_name(tracker, dfid),
            mode: self.mode() | self.rng.pick(&[0, 0o040000]),
            gid: self.id(),
        })
    }

    pub(super) fn mknod(&mut self, tracker: &Tracker) -> Request {
        let kinds = [
            0o010000, 0o010000, 0o010000, 0o140000, 0o140000, 0o020000, 0o020000, 0o060000,
            0o060000, 0o100000, 0o100000, 0o100000, 0, 0o040000, 0o120000, 0o030000,
        ];
        let dfid = self.fid(tracker, Wanted::Directory);
        let kind = self.rng.pick(&kinds);
        let is_device = matches!(kind, 0o020000 | 0o060000) || self.rng.percent(5);
        let (major, minor) = match is_device {
            true => (
                self.rng.pick(&[0, 10, 259]),
                self.rng.pick(&[0, 229, 70_000]),
            ),
            false => (0, 0),
        };
        Request::new(Tmknod {
            dfid,
            name: &self.new_name(tracker, dfid),
            mode: self.mode() | kind,
            major,
            minor,
            gid: self.id(),
        })
    }

    pub(super) fn symlink(&mut self, tracker: &Tracker) -> Request {
        let targets: [&[u8]; 7] = [
            b"a",
            b"../a",
            b"/etc/passwd",
            b"nowhere",
            b"\xff/x",
            b"",
            b"b",
        ];
        let target = match self.rng.percent(3) {
            true => vec![b'/'; self.rng.pick(&[4095, 4096])],
            false => self.rng.pick(&targets).to_vec(),
        };
        let dfid = self.fid(tracker, Wanted::Directory);
        Request::new(Tsymlink {
            dfid,
            name: &self.new_name(tracker, dfid),
            target: &target,
            gid: self.id(),
        })
    }

    pub(super) fn link(&mut self, tracker: &Tracker) -> Request {
        let wanted = self
            .rng
            .pick(&[Wanted::NoDirectory, Wanted::NoDirectory, Wanted::Open]);
        Request::new(Tlink {
            fid: self.fid(tracker, wanted),
            dfid: self.fid(tracker, Wanted::Directory),
            name: &self.name(),
        })
    }

    pub(super) fn rename(&mut self, tracker: &Tracker) -> Request {
        let wanted = self
            .rng
            .pick(&[Wanted::Any, Wanted::Any, Wanted::Any, Wanted::Open]);
        Request::new(Trename {
            fid: self.fid(tracker, wanted),
            dfid: self.fid(tracker, Wanted::Directory),
            name: &self.name(),
        })
    }

    pub(super) fn renameat(&mut self, tracker: &Tracker) -> Request {
        let olddirfid = self.fid(tracker, Wanted::Directory);
        let newdirfid = match self.rng.percent(40) {
            true => self.rng.pick(&[olddirfid, NOFID]),
            false => self.fid(tracker, Wanted::Directory),
        };
        Request::new(Trenameat {
            olddirfid,
            oldname: &self.name_in(tracker, olddirfid),
            newdirfid,
            newname: &self.name(),
        })
    }

    pub(super) fn unlinkat(&mut self, tracker: &Tracker) -> Request {
        let dirfid = self.fid(tracker, Wanted::Directory);
        Request::new(Tunlinkat {
            dirfid,
            name: &self.name_in(tracker, dirfid),
            flags: UnlinkFlags::from_bits_retain(self.rng.pick(&[0, 0, 0, 0x200, 0x200, 0x1])),
        })
    }

    pub(super) fn remove(&mut self, tracker: &Tracker) -> Request {
        let fid = self.fid(tracker, Wanted::Any);
        if fid == 0 && !self.rng.percent(2) {
            return self.unlinkat(tracker);
        }
        self.on_a_clone(tracker, fid, |fid| Request::new(Tremove { fid }))
    }
}
