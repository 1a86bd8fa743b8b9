//! One method for each request that a test waits for; `Err` is the errno of the `Rlerror`.

use virtfs_proto::{
    DirEntries, GetattrMask, LockFlags, LockStatus, LockType, LopenFlags, NOFID, NONUNAME, NOTAG,
    Names, Qid, Rgetattr, Rmessage, Rstatfs, SetattrMask, Tattach, Tclunk, Tflush, Tfsync,
    Tgetattr, Tgetlock, Timespec, Tlcreate, Tlink, Tlock, Tlopen, Tmkdir, Tmknod, Tread, Treaddir,
    Treadlink, Tremove, Trename, Trenameat, Tsetattr, Tstatfs, Tsymlink, Tunlinkat, Tversion,
    Twalk, Twrite, Txattrcreate, Txattrwalk, UnlinkFlags, XattrFlags,
};

use crate::raw::Raw;
use crate::served::MSIZE;

/// An entry of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What it is.
    pub qid: Qid,
    /// Where to go on behind it.
    pub offset: u64,
    /// Its type as `d_type` of readdir(3).
    pub kind: u8,
    /// Its name.
    pub name: Vec<u8>,
}

/// A lock as it is asked for, and as `Rgetlock` tells of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lock<'a> {
    /// Shared, exclusive or none.
    pub kind: LockType,
    /// The first byte.
    pub start: u64,
    /// How many bytes; 0 to the end.
    pub length: u64,
    /// The process.
    pub proc_id: u32,
    /// The client.
    pub client_id: &'a str,
}

/// What a `Tsetattr` is to change: all fields of `valid` say so.
#[derive(Clone, Copy, Default, Debug)]
pub struct SetAttr {
    /// Which of the fields count.
    pub valid: SetattrMask,
    /// Permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size.
    pub size: u64,
    /// Time of access.
    pub atime: Timespec,
    /// Time of modification.
    pub mtime: Timespec,
}

/// Sends, and takes the reply apart.
macro_rules! answer {
    ($raw:expr, $message:expr, $variant:ident($reply:pat) => $value:expr) => {{
        let message = $message;
        let reply = $raw.call(message);
        match reply.result()? {
            Rmessage::$variant($reply) => Ok($value),
            other => panic!("{message:?} was answered {other:?}"),
        }
    }};
}

impl Raw {
    /// `Tversion`: the msize and the version answered.
    pub fn version(&mut self, msize: u32, version: &str) -> Result<(u32, String), u32> {
        self.send(
            NOTAG,
            Tversion {
                msize,
                version: version.as_bytes(),
            },
        );
        let reply = self.receive();
        assert_eq!(reply.tag, NOTAG);
        match reply.result()? {
            Rmessage::Version(v) => Ok((v.msize, String::from_utf8_lossy(v.version).into_owned())),
            other => panic!("Tversion was answered {other:?}"),
        }
    }

    /// `Tversion` as every session begins.
    pub fn start(&mut self) {
        let agreed = self
            .version(MSIZE, "9P2000.L")
            .expect("a version is agreed");
        assert_eq!(agreed, (MSIZE, "9P2000.L".to_owned()));
    }

    /// `Tattach` as user 0.
    pub fn attach(&mut self, fid: u32, aname: &str) -> Result<Qid, u32> {
        let message = Tattach {
            fid,
            afid: NOFID,
            uname: b"root",
            aname: aname.as_bytes(),
            n_uname: 0,
        };
        answer!(self, message, Attach(r) => r.qid)
    }

    /// `Tattach` by name alone.
    pub fn attach_nobody(&mut self, fid: u32) -> Result<Qid, u32> {
        let message = Tattach {
            fid,
            afid: NOFID,
            uname: b"nobody",
            aname: b"",
            n_uname: NONUNAME,
        };
        answer!(self, message, Attach(r) => r.qid)
    }

    /// `Twalk`: the qids on the way.
    pub fn walk(&mut self, fid: u32, newfid: u32, names: &[&str]) -> Result<Vec<Qid>, u32> {
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        self.walk_bytes(fid, newfid, &names)
    }

    /// `Twalk` along names that are no text.
    pub fn walk_bytes(&mut self, fid: u32, newfid: u32, names: &[&[u8]]) -> Result<Vec<Qid>, u32> {
        let names = Names::from_slice(names);
        answer!(self, Twalk { fid, newfid, names }, Walk(r) => r.qids.iter().collect())
    }

    /// `Tlopen`: the qid and the iounit. `flags` as Linux numbers them.
    pub fn lopen(&mut self, fid: u32, flags: u32) -> Result<(Qid, u32), u32> {
        let flags = LopenFlags::from_bits_retain(flags);
        answer!(self, Tlopen { fid, flags }, Lopen(r) => (r.qid, r.iounit))
    }

    /// `Tlcreate`, group 0.
    pub fn lcreate(
        &mut self,
        fid: u32,
        name: &str,
        flags: u32,
        mode: u32,
    ) -> Result<(Qid, u32), u32> {
        let message = Tlcreate {
            fid,
            name: name.as_bytes(),
            flags: LopenFlags::from_bits_retain(flags),
            mode,
            gid: 0,
        };
        answer!(self, message, Lcreate(r) => (r.qid, r.iounit))
    }

    /// `Tread`.
    pub fn read(&mut self, fid: u32, offset: u64, count: u32) -> Result<Vec<u8>, u32> {
        let reply = self.call(Tread { fid, offset, count });
        match reply.result()? {
            Rmessage::Read(_) => Ok(reply.payload().to_vec()),
            other => panic!("Tread was answered {other:?}"),
        }
    }

    /// `Twrite`: how much went.
    pub fn write(&mut self, fid: u32, offset: u64, data: &[u8]) -> Result<u32, u32> {
        let count = data.len() as u32;
        let reply = self.call_with(Twrite { fid, offset, count }, data);
        match reply.result()? {
            Rmessage::Write(write) => Ok(write.count),
            other => panic!("Twrite was answered {other:?}"),
        }
    }

    /// `Tgetattr` of all that there is.
    pub fn getattr(&mut self, fid: u32) -> Result<Rgetattr, u32> {
        let request_mask = GetattrMask::ALL;
        answer!(self, Tgetattr { fid, request_mask }, Getattr(r) => r)
    }

    /// `Tsetattr`.
    pub fn setattr(&mut self, fid: u32, set: SetAttr) -> Result<(), u32> {
        let message = Tsetattr {
            fid,
            valid: set.valid,
            mode: set.mode,
            uid: set.uid,
            gid: set.gid,
            size: set.size,
            atime: set.atime,
            mtime: set.mtime,
        };
        answer!(self, message, Setattr(_) => ())
    }

    /// `Tclunk`.
    pub fn clunk(&mut self, fid: u32) -> Result<(), u32> {
        answer!(self, Tclunk { fid }, Clunk(_) => ())
    }

    /// `Tremove`.
    pub fn remove(&mut self, fid: u32) -> Result<(), u32> {
        answer!(self, Tremove { fid }, Remove(_) => ())
    }

    /// `Tmkdir`, group 0.
    pub fn mkdir(&mut self, dfid: u32, name: &str, mode: u32) -> Result<Qid, u32> {
        let (name, gid) = (name.as_bytes(), 0);
        answer!(self, Tmkdir { dfid, name, mode, gid }, Mkdir(r) => r.qid)
    }

    /// `Tsymlink`, group 0.
    pub fn symlink(&mut self, dfid: u32, name: &str, target: &str) -> Result<Qid, u32> {
        let message = Tsymlink {
            dfid,
            name: name.as_bytes(),
            target: target.as_bytes(),
            gid: 0,
        };
        answer!(self, message, Symlink(r) => r.qid)
    }

    /// `Tmknod`, device 0:0, group 0.
    pub fn mknod(&mut self, dfid: u32, name: &str, mode: u32) -> Result<Qid, u32> {
        let message = Tmknod {
            dfid,
            name: name.as_bytes(),
            mode,
            major: 0,
            minor: 0,
            gid: 0,
        };
        answer!(self, message, Mknod(r) => r.qid)
    }

    /// `Tlink`.
    pub fn link(&mut self, dfid: u32, fid: u32, name: &str) -> Result<(), u32> {
        let name = name.as_bytes();
        answer!(self, Tlink { dfid, fid, name }, Link(_) => ())
    }

    /// `Trename`.
    pub fn rename(&mut self, fid: u32, dfid: u32, name: &str) -> Result<(), u32> {
        let name = name.as_bytes();
        answer!(self, Trename { fid, dfid, name }, Rename(_) => ())
    }

    /// `Trenameat`.
    pub fn renameat(&mut self, from: (u32, &str), to: (u32, &str)) -> Result<(), u32> {
        let message = Trenameat {
            olddirfid: from.0,
            oldname: from.1.as_bytes(),
            newdirfid: to.0,
            newname: to.1.as_bytes(),
        };
        answer!(self, message, Renameat(_) => ())
    }

    /// `Tunlinkat`; `flags` 0x200 for a directory.
    pub fn unlinkat(&mut self, dirfid: u32, name: &str, flags: u32) -> Result<(), u32> {
        let message = Tunlinkat {
            dirfid,
            name: name.as_bytes(),
            flags: UnlinkFlags::from_bits_retain(flags),
        };
        answer!(self, message, Unlinkat(_) => ())
    }

    /// `Treadlink`.
    pub fn readlink(&mut self, fid: u32) -> Result<Vec<u8>, u32> {
        answer!(self, Treadlink { fid }, Readlink(r) => r.target.to_vec())
    }

    /// `Tstatfs`.
    pub fn statfs(&mut self, fid: u32) -> Result<Rstatfs, u32> {
        answer!(self, Tstatfs { fid }, Statfs(r) => r)
    }

    /// `Tfsync`.
    pub fn fsync(&mut self, fid: u32) -> Result<(), u32> {
        answer!(self, Tfsync { fid, datasync: 0 }, Fsync(_) => ())
    }

    /// `Txattrwalk`: the length.
    pub fn xattrwalk(&mut self, fid: u32, newfid: u32, name: &str) -> Result<u64, u32> {
        let name = name.as_bytes();
        answer!(self, Txattrwalk { fid, newfid, name }, Xattrwalk(r) => r.size)
    }

    /// `Txattrcreate`.
    pub fn xattrcreate(&mut self, fid: u32, name: &str, size: u64, flags: u32) -> Result<(), u32> {
        let message = Txattrcreate {
            fid,
            name: name.as_bytes(),
            size,
            flags: XattrFlags::from_bits_retain(flags),
        };
        answer!(self, message, Xattrcreate(_) => ())
    }

    /// `Treaddir`: the entries of one reply.
    pub fn readdir(&mut self, fid: u32, offset: u64, count: u32) -> Result<Vec<Entry>, u32> {
        let reply = self.call(Treaddir { fid, offset, count });
        match reply.result()? {
            Rmessage::Readdir(_) => {}
            other => panic!("Treaddir was answered {other:?}"),
        }
        assert!(reply.payload().len() <= count as usize);
        let entries = DirEntries::new(reply.payload()).map(|entry| {
            let entry = entry.expect("entries are well made");
            Entry {
                qid: entry.qid,
                offset: entry.offset,
                kind: entry.kind,
                name: entry.name.to_vec(),
            }
        });
        Ok(entries.collect())
    }

    /// All entries, in replies of this many bytes.
    pub fn readdir_all(&mut self, fid: u32, count: u32) -> Result<Vec<Entry>, u32> {
        let mut all: Vec<Entry> = Vec::new();
        loop {
            let offset = all.last().map_or(0, |entry| entry.offset);
            let some = self.readdir(fid, offset, count)?;
            if some.is_empty() {
                return Ok(all);
            }
            all.extend(some);
        }
    }

    /// `Tlock` that does not wait.
    pub fn lock(&mut self, fid: u32, lock: Lock<'_>) -> Result<LockStatus, u32> {
        self.lock_flags(fid, lock, 0)
    }

    /// `Tlock` with these flags.
    pub fn lock_flags(&mut self, fid: u32, lock: Lock<'_>, flags: u32) -> Result<LockStatus, u32> {
        let message = Tlock {
            fid,
            kind: lock.kind,
            flags: LockFlags::from_bits_retain(flags),
            start: lock.start,
            length: lock.length,
            proc_id: lock.proc_id,
            client_id: lock.client_id.as_bytes(),
        };
        answer!(self, message, Lock(r) => r.status)
    }

    /// `Tgetlock`: kind, start, length, process and client.
    pub fn getlock(
        &mut self,
        fid: u32,
        lock: Lock<'_>,
    ) -> Result<(LockType, u64, u64, u32, Vec<u8>), u32> {
        let message = Tgetlock {
            fid,
            kind: lock.kind,
            start: lock.start,
            length: lock.length,
            proc_id: lock.proc_id,
            client_id: lock.client_id.as_bytes(),
        };
        answer!(self, message, Getlock(r) => {
            (r.kind, r.start, r.length, r.proc_id, r.client_id.to_vec())
        })
    }

    /// `Tflush` of a tag.
    pub fn flush(&mut self, oldtag: u16) -> Result<(), u32> {
        answer!(self, Tflush { oldtag }, Flush(_) => ())
    }

    /// Makes a file with this content in the directory of a fid, by way of fid `spare`.
    pub fn put_file(&mut self, dir: u32, spare: u32, name: &str, content: &[u8]) {
        self.walk(dir, spare, &[])
            .expect("a directory can be cloned");
        self.lcreate(spare, name, 0o2, 0o644)
            .expect("a file can be made");
        assert_eq!(self.write(spare, 0, content), Ok(content.len() as u32));
        self.clunk(spare).expect("a fid can be given up");
    }
}
