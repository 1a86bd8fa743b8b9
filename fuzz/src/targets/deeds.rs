//! What a client says that does some of everything to the files of an export: `f`, also called `h`,
//! `e`, `n`, and `g` in the directory `d`.

use std::sync::LazyLock;

use virtfs_proto::{
    GetattrMask, LopenFlags, NOFID, NOTAG, Names, SetattrMask, Tattach, Tclunk, Tgetattr, Timespec,
    Tlink, Tlopen, Tmessage, Treaddir, Treadlink, Trenameat, Tsetattr, Tunlinkat, Tversion, Twalk,
    Twrite, Txattrwalk, UnlinkFlags,
};
use virtfs_tests::frame_with;

/// All of it.
pub(super) static DEEDS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut deeds = Deeds::default();
    deeds.begin();
    let files: [&[&[u8]]; 5] = [&[b"f"], &[b"d"], &[b"d", b"g"], &[b"e"], &[]];
    for (fid, names) in (1..).zip(files) {
        deeds.walk(fid, names);
        deeds.look(fid);
        deeds.change(fid, 0o4751);
        deeds.look(fid);
        deeds.write(fid, names);
        deeds.list(fid);
    }
    deeds.walk(6, &[b"f"]);
    deeds.add(Tlink {
        dfid: 0,
        fid: 6,
        name: b"l",
    });
    // Over what has metadata of its own, with and without some; of an open file that loses its name.
    deeds.walk(7, &[b"d"]);
    for (olddirfid, oldname, newname) in [
        (7, &b"g"[..], &b"e"[..]),
        (0, b"n", b"h"),
        (0, b"e", b"f"),
        (0, b"d", b"o"),
    ] {
        let newdirfid = 0;
        deeds.add(Trenameat {
            olddirfid,
            oldname,
            newdirfid,
            newname,
        });
    }
    for fid in 1..6 {
        deeds.change(fid, 0o600);
        deeds.look(fid);
    }
    let (file, directory) = (UnlinkFlags::empty(), UnlinkFlags::REMOVEDIR);
    for (name, flags) in [
        (&b"l"[..], file),
        (b"h", file),
        (b"f", file),
        (b"o", directory),
    ] {
        deeds.add(Tunlinkat {
            dirfid: 0,
            name,
            flags,
        });
    }
    for fid in 0..8 {
        deeds.look(fid);
        deeds.add(Tclunk { fid });
    }
    deeds.bytes
});

#[derive(Default)]
struct Deeds {
    bytes: Vec<u8>,
    tag: u16,
}

impl Deeds {
    fn add<'a>(&mut self, message: impl Into<Tmessage<'a>>) {
        self.add_with(message, &[]);
    }

    fn add_with<'a>(&mut self, message: impl Into<Tmessage<'a>>, payload: &[u8]) {
        let message = message.into();
        self.tag += 1;
        let tag = match message {
            Tmessage::Version(_) => NOTAG,
            _ => self.tag,
        };
        self.bytes.extend(frame_with(tag, message, payload));
    }

    fn begin(&mut self) {
        let version = b"9P2000.L";
        self.add(Tversion {
            msize: 8192,
            version,
        });
        self.add(Tattach {
            fid: 0,
            afid: NOFID,
            uname: b"",
            aname: b"",
            n_uname: 7,
        });
    }

    fn walk(&mut self, newfid: u32, names: &[&[u8]]) {
        let names = Names::from_slice(names);
        self.add(Twalk {
            fid: 0,
            newfid,
            names,
        });
    }

    /// The fid's attributes, text, and extended attributes.
    fn look(&mut self, fid: u32) {
        let request_mask = GetattrMask::ALL;
        self.add(Tgetattr { fid, request_mask });
        self.add(Treadlink { fid });
        for name in [&b""[..], b"system.posix_acl_access", b"security.capability"] {
            let newfid = 100;
            self.add(Txattrwalk { fid, newfid, name });
            self.add(Tclunk { fid: newfid });
        }
    }

    fn change(&mut self, fid: u32, mode: u32) {
        self.add(Tsetattr {
            fid,
            valid: SetattrMask::MODE | SetattrMask::UID,
            mode,
            uid: 9,
            gid: 9,
            size: 0,
            atime: Timespec::default(),
            mtime: Timespec::default(),
        });
    }

    /// Writes through a fid of its own, which takes setuid away.
    fn write(&mut self, fid: u32, names: &[&[u8]]) {
        let other = fid + 50;
        self.walk(other, names);
        let flags = LopenFlags::RDWR;
        self.add(Tlopen { fid: other, flags });
        let write = Twrite {
            fid: other,
            offset: 3,
            count: 1,
        };
        self.add_with(write, b"x");
        self.look(fid);
    }

    fn list(&mut self, fid: u32) {
        let flags = LopenFlags::RDONLY;
        self.add(Tlopen { fid, flags });
        let (offset, count) = (0, 4000);
        self.add(Treaddir { fid, offset, count });
    }
}
