//! Several requests that belong together.

use virtfs_proto::{
    GetattrMask, LockFlags, LopenFlags, NOFID, Names, SetattrMask, Tclunk, Tgetattr, Tgetlock,
    Tlcreate, Tlock, Tlopen, Tmkdir, Tmknod, Tread, Treaddir, Trenameat, Tsetattr, Tunlinkat,
    Twalk, Twrite, Txattrcreate, Txattrwalk, UnlinkFlags, XattrFlags,
};

use super::{Generator, Wanted};
use crate::request::Request;
use crate::tracker::{Kind, Tracker};

impl Generator {
    /// Begins one of the plans, if there are fids for it.
    pub(super) fn plan(&mut self, tracker: &Tracker) {
        if !self.has_free(tracker, 3) {
            return;
        }
        match self.rng.below(15) {
            0 | 1 => self.life_of_a_file(tracker),
            2 | 3 => self.open_and_unlinked(tracker),
            4 | 5 => self.attribute(tracker),
            6 | 7 => self.two_lock(tracker),
            8 | 9 => self.listing(tracker),
            10 | 11 => self.replaced(tracker),
            12 => self.acl_for_what_is_made(tracker),
            _ => self.attributes_of_a_name(tracker),
        }
    }

    /// A file is made, written, read and closed.
    fn life_of_a_file(&mut self, tracker: &Tracker) {
        let fid = self.make_file(tracker);
        let data = self.data();
        let offset = self.rng.pick(&[0, 0, 3, 5000]);
        self.write_to(fid, offset, &data);
        self.look_at(fid);
        let count = self.count();
        self.push(Tread {
            fid,
            offset: 0,
            count,
        });
        let request_set = self.setattr(tracker, fid);
        self.push(request_set);
        self.look_at(fid);
        self.push(Tclunk { fid });
    }

    /// A file that is open loses its name.
    fn open_and_unlinked(&mut self, tracker: &Tracker) {
        let dirfid = self.fid(tracker, Wanted::Directory);
        let fid = self.free_fid(tracker);
        let name = self.new_name(tracker, dirfid);
        self.clone_fid(dirfid, fid);
        self.push(Tlcreate {
            fid,
            name: &name,
            flags: LopenFlags::RDWR,
            mode: 0o644,
            gid: 1000,
        });
        self.push(Tunlinkat {
            dirfid,
            name: &name,
            flags: UnlinkFlags::empty(),
        });
        let data = self.data();
        self.write_to(fid, 0, &data);
        self.look_at(fid);
        let valid = [SetattrMask::SIZE, SetattrMask::MTIME, SetattrMask::MODE];
        let valid = self.rng.pick(&valid);
        self.push(Tsetattr {
            fid,
            valid,
            mode: 0o100600,
            uid: 0,
            gid: 0,
            size: 7,
            atime: Default::default(),
            mtime: Default::default(),
        });
        self.push(Tread {
            fid,
            offset: 0,
            count: 100,
        });
        self.look_at(fid);
        self.push(Tclunk { fid });
    }

    /// An extended attribute is set, read and listed.
    fn attribute(&mut self, tracker: &Tracker) {
        let file = self.fid(tracker, Wanted::Any);
        let fid = self.free_fid(tracker);
        let name = self.xattr_name();
        let value = self.xattr_value(&name);
        self.clone_fid(file, fid);
        // Some values are shorter or longer than announced.
        let size = value.len() as u64 + self.rng.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 1]);
        let flags = self.xattr_flags();
        self.push(Txattrcreate {
            fid,
            name: &name,
            size,
            flags,
        });
        let (first, second) = value.split_at(value.len() / 2);
        self.write_to(fid, 0, first);
        self.write_to(fid, first.len() as u64, second);
        if self.rng.percent(5) {
            self.write_to(fid, value.len() as u64, b"more");
        }
        self.push(Tclunk { fid });
        self.read_attribute(file, fid, &name);
        self.read_attribute(file, fid, b"");
    }

    /// A directory gets an ACL that what is made in it inherits.
    fn acl_for_what_is_made(&mut self, tracker: &Tracker) {
        let dir = self.fid(tracker, Wanted::Directory);
        let fid = self.free_fid(tracker);
        let name = b"system.posix_acl_default";
        let value = self.acl();
        self.clone_fid(dir, fid);
        let size = value.len() as u64;
        let flags = XattrFlags::empty();
        self.push(Txattrcreate {
            fid,
            name,
            size,
            flags,
        });
        self.write_to(fid, 0, &value);
        self.push(Tclunk { fid });
        let (name, mode) = (self.new_name(tracker, dir), self.mode());
        let gid = 1000;
        match self.rng.below(3) {
            0 => self.push(Tmkdir {
                dfid: dir,
                name: &name,
                mode,
                gid,
            }),
            1 => {
                let mode = mode | 0o010000;
                let (dfid, major, minor, name) = (dir, 0, 0, name.as_slice());
                self.push(Tmknod {
                    dfid,
                    name,
                    mode,
                    major,
                    minor,
                    gid,
                });
            }
            _ => {
                self.clone_fid(dir, fid);
                let flags = LopenFlags::RDWR;
                self.push(Tlcreate {
                    fid,
                    name: &name,
                    flags,
                    mode,
                    gid,
                });
                self.push(Tclunk { fid });
            }
        }
    }

    fn attributes_of_a_name(&mut self, tracker: &Tracker) {
        let file = self.fid(tracker, Wanted::Any);
        let fid = self.free_fid(tracker);
        let name = self.xattr_name();
        self.read_attribute(file, fid, &name);
        self.read_attribute(file, fid, b"");
        self.look_at(file);
    }

    fn read_attribute(&mut self, fid: u32, newfid: u32, name: &[u8]) {
        self.push(Txattrwalk { fid, newfid, name });
        let offset = self.rng.pick(&[0, 0, 0, 3]);
        self.push(Tread {
            fid: newfid,
            offset,
            count: 4096,
        });
        self.push(Tclunk { fid: newfid });
    }

    /// Two fids of a file, and locks through both.
    fn two_lock(&mut self, tracker: &Tracker) {
        let Some(file) = self.fitting_fid(tracker, Wanted::NoDirectory) else {
            return self.life_of_a_file(tracker);
        };
        let fids = [self.free_fid(tracker), 12];
        for fid in fids {
            self.clone_fid(file, fid);
            let flags = LopenFlags::RDWR;
            self.push(Tlopen { fid, flags });
        }
        for _ in 0..4 {
            let fid = self.rng.pick(&fids);
            let kind = self.lock_type();
            let (start, length) = self.range();
            let proc_id = self.rng.pick(&[1, 2]);
            let client_id = self.client_id();
            let client_id = client_id.as_slice();
            if self.rng.percent(60) {
                let flags = LockFlags::empty();
                self.push(Tlock {
                    fid,
                    kind,
                    flags,
                    start,
                    length,
                    proc_id,
                    client_id,
                });
            } else {
                self.push(Tgetlock {
                    fid,
                    kind,
                    start,
                    length,
                    proc_id,
                    client_id,
                });
            }
        }
        for fid in fids {
            self.push(Tclunk { fid });
        }
    }

    /// A directory is listed in pieces.
    fn listing(&mut self, tracker: &Tracker) {
        let dir = self.fid(tracker, Wanted::Directory);
        let fid = self.free_fid(tracker);
        self.clone_fid(dir, fid);
        self.push(Tlopen {
            fid,
            flags: LopenFlags::DIRECTORY,
        });
        let count = self.rng.pick(&[30, 64, 100, 4000]);
        self.push(Treaddir {
            fid,
            offset: 0,
            count,
        });
        for entry in [0, 2, 5, 1] {
            let request = Request::new(Treaddir {
                fid,
                offset: 0,
                count,
            });
            self.planned.push_back(request.behind(entry));
        }
        self.push(Treaddir {
            fid,
            offset: 0,
            count: 8000,
        });
        self.push(Tclunk { fid });
    }

    /// A file is renamed over another while both have fids.
    fn replaced(&mut self, tracker: &Tracker) {
        let olddirfid = self.fid(tracker, Wanted::Directory);
        let newdirfid = self.rng.pick(&[olddirfid, NOFID, 0]);
        let oldname = self.name_in(tracker, olddirfid);
        let newname = self.name_in(tracker, olddirfid);
        let fid = self.free_fid(tracker);
        let names = [oldname.as_slice()];
        let names = Names::from_slice(&names);
        self.push(Twalk {
            fid: olddirfid,
            newfid: fid,
            names,
        });
        self.push(Trenameat {
            olddirfid,
            oldname: &oldname,
            newdirfid,
            newname: &newname,
        });
        self.look_at(fid);
        let flags = self.open_flags(Kind::Directory);
        self.push(Tlopen { fid, flags });
        self.look_at(fid);
        self.push(Tclunk { fid });
    }

    fn make_file(&mut self, tracker: &Tracker) -> u32 {
        let dir = self.fid(tracker, Wanted::Directory);
        let fid = self.free_fid(tracker);
        self.clone_fid(dir, fid);
        let name = self.new_name(tracker, dir);
        let mode = self.mode();
        let gid = self.id();
        self.push(Tlcreate {
            fid,
            name: &name,
            flags: LopenFlags::RDWR,
            mode,
            gid,
        });
        fid
    }

    fn clone_fid(&mut self, fid: u32, newfid: u32) {
        let names = Names::default();
        self.push(Twalk { fid, newfid, names });
    }

    fn look_at(&mut self, fid: u32) {
        let request_mask = GetattrMask::ALL;
        self.push(Tgetattr { fid, request_mask });
    }

    fn write_to(&mut self, fid: u32, offset: u64, data: &[u8]) {
        let count = data.len() as u32;
        let request = Request::with(Twrite { fid, offset, count }, data);
        self.planned.push_back(request);
    }

    fn push<'a>(&mut self, message: impl Into<virtfs_proto::Tmessage<'a>>) {
        self.planned.push_back(Request::new(message));
    }
}
