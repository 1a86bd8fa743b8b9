//! All that users try.

use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec as HostTime, Timestamps, UTIME_NOW, Uid,
    XattrFlags, chmod, chownat, ftruncate, getxattr, linkat, listxattr, makedev, mkdir, mknodat,
    open, readlink, removexattr, rename, rmdir, setxattr, statat, symlink, unlink, utimensat,
};
use virtfs_proto::{SetattrMask, Timespec};
use virtfs_tests::SetAttr;

use crate::deed::{Asker, Deed, Said};
use crate::people::{ANN, BOB, CLUB, OTHERS, TEAM};

const REMOVEDIR: u32 = 0x200;
const S_IFIFO: u32 = 0o010_000;
const S_IFCHR: u32 = 0o020_000;

fn done<T>(_: T) -> String {
    String::new()
}

fn listed(mut names: Vec<String>) -> String {
    names.retain(|name| name != "." && name != "..");
    names.sort();
    names.join(" ")
}

fn io(error: std::io::Error) -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(&error).unwrap()
}

fn look(path: &Path) -> Result<String, rustix::io::Errno> {
    let stat = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?;
    let (mode, size) = (stat.st_mode, stat.st_size);
    let size = if mode & 0o170_000 == 0o100_000 {
        size
    } else {
        0
    };
    Ok(format!(
        "{mode:o} {} {} {size} {}",
        stat.st_uid, stat.st_gid, stat.st_nlink
    ))
}

fn attributes(asker: &mut Asker<'_>, path: &str) -> Said {
    let fid = asker.reach(path)?;
    let attr = asker.client.getattr(fid)?;
    let size = if attr.mode & 0o170_000 == 0o100_000 {
        attr.size
    } else {
        0
    };
    Ok(format!(
        "{:o} {} {} {size} {}",
        attr.mode, attr.uid, attr.gid, attr.nlink
    ))
}

fn valid(valid: SetattrMask) -> SetAttr {
    SetAttr {
        valid,
        ..SetAttr::default()
    }
}

/// An ACL that lets Bob write.
fn acl() -> Vec<u8> {
    const NONE: u32 = u32::MAX;
    let entries = [
        (0x01, 6, NONE),
        (0x02, 6, BOB),
        (0x04, 4, NONE),
        (0x10, 6, NONE),
        (0x20, 0, NONE),
    ];
    let mut bytes = 2u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        bytes.extend(u16::to_le_bytes(tag));
        bytes.extend(u16::to_le_bytes(rights));
        bytes.extend(u32::to_le_bytes(id));
    }
    bytes
}

macro_rules! deed {
    ($name:literal, |$t:ident| $direct:expr, |$a:ident, $s:ident| $served:expr) => {
        Deed {
            name: $name,
            direct: |$t| $direct,
            served: |$a, $s| $served,
        }
    };
}

/// All of them.
pub(crate) const DEEDS: &[Deed] = &[
    deed!("stat", |t| look(&t.path("d/f")), |a, _t| attributes(
        a, "d/f"
    )),
    deed!("stat of sub/..", |t| look(&t.path("d/sub/..")), |a, _t| {
        attributes(a, "d/sub/..")
    }),
    deed!("stat of sub/.", |t| look(&t.path("d/sub/.")), |a, _t| {
        attributes(a, "d/sub/.")
    }),
    deed!(
        "read",
        |t| {
            let file = open(t.path("d/f"), OFlags::RDONLY, Mode::empty())?;
            let mut bytes = [0; 64];
            let length = rustix::io::read(file, &mut bytes)?;
            Ok(format!("{:?}", &bytes[..length]))
        },
        |a, _t| {
            let fid = a.opened("d/f", 0)?;
            Ok(format!("{:?}", &a.client.read(fid, 0, 64)?[..]))
        }
    ),
    deed!(
        "write",
        |t| {
            let file = open(t.path("d/f"), OFlags::WRONLY, Mode::empty())?;
            Ok(rustix::io::write(file, b"written")?.to_string())
        },
        |a, _t| {
            let fid = a.opened("d/f", 1)?;
            Ok(a.client.write(fid, 0, b"written")?.to_string())
        }
    ),
    deed!(
        "open for both",
        |t| open(t.path("d/f"), OFlags::RDWR, Mode::empty()).map(done),
        |a, _t| a.opened("d/f", 2).map(done)
    ),
    deed!(
        "open and cut",
        |t| open(t.path("d/f"), OFlags::WRONLY | OFlags::TRUNC, Mode::empty()).map(done),
        |a, _t| a.opened("d/f", 0o1001).map(done)
    ),
    deed!(
        "list",
        |t| {
            let entries = std::fs::read_dir(t.path("d")).map_err(io)?;
            let name = |entry: std::io::Result<std::fs::DirEntry>| {
                Ok(entry?.file_name().into_string().unwrap())
            };
            let names: std::io::Result<_> = entries.map(name).collect();
            Ok(listed(names.map_err(io)?))
        },
        |a, _t| {
            let fid = a.opened("d", 0)?;
            let entries = a.client.readdir_all(fid, 4096)?;
            let names = entries
                .into_iter()
                .map(|e| String::from_utf8(e.name).unwrap());
            Ok(listed(names.collect()))
        }
    ),
    deed!(
        "create",
        |t| {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
            open(t.path("d/new"), flags, t.mode()).map(done)
        },
        |a, t| {
            let fid = a.reach("d")?;
            a.client.lcreate(fid, "new", 0o202, t.mode).map(done)
        }
    ),
    deed!(
        "create what is there",
        |t| {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
            open(t.path("d/f"), flags, t.mode()).map(done)
        },
        |a, t| {
            let fid = a.reach("d")?;
            a.client.lcreate(fid, "f", 0o202, t.mode).map(done)
        }
    ),
    deed!(
        "mkdir",
        |t| mkdir(t.path("d/new"), Mode::from_raw_mode(t.mode & 0o777)).map(done),
        |a, t| {
            let fid = a.reach("d")?;
            a.client.mkdir(fid, "new", t.mode & 0o777).map(done)
        }
    ),
    deed!(
        "symlink",
        |t| symlink("f", t.path("d/new")).map(done),
        |a, _t| {
            let fid = a.reach("d")?;
            a.client.symlink(fid, "new", "f").map(done)
        }
    ),
    deed!(
        "mknod of a FIFO",
        |t| mknodat(CWD, t.path("d/new"), FileType::Fifo, t.mode(), 0).map(done),
        |a, t| {
            let fid = a.reach("d")?;
            a.client.mknod(fid, "new", S_IFIFO | t.mode).map(done)
        }
    ),
    deed!(
        "mknod of a device",
        |t| {
            let null = makedev(0, 0);
            mknodat(
                CWD,
                t.path("d/new"),
                FileType::CharacterDevice,
                t.mode(),
                null,
            )
            .map(done)
        },
        |a, t| {
            let fid = a.reach("d")?;
            a.client.mknod(fid, "new", S_IFCHR | t.mode).map(done)
        }
    ),
    deed!(
        "link",
        |t| linkat(CWD, t.path("d/f"), CWD, t.path("e/new"), AtFlags::empty()).map(done),
        |a, _t| {
            let (fid, dir) = (a.reach("d/f")?, a.reach("e")?);
            a.client.link(dir, fid, "new").map(done)
        }
    ),
    deed!(
        "rename",
        |t| rename(t.path("d/f"), t.path("e/new")).map(done),
        |a, _t| {
            let (from, to) = (a.reach("d")?, a.reach("e")?);
            a.client.renameat((from, "f"), (to, "new")).map(done)
        }
    ),
    deed!(
        "rename over a file",
        |t| rename(t.path("d/f"), t.path("e/x")).map(done),
        |a, _t| {
            let (from, to) = (a.reach("d")?, a.reach("e")?);
            a.client.renameat((from, "f"), (to, "x")).map(done)
        }
    ),
    deed!(
        "rename of a directory",
        |t| rename(t.path("d/sub"), t.path("e/new")).map(done),
        |a, _t| {
            let (from, to) = (a.reach("d")?, a.reach("e")?);
            a.client.renameat((from, "sub"), (to, "new")).map(done)
        }
    ),
    deed!(
        "rename of a node",
        |t| rename(t.path("d/f"), t.path("d/new")).map(done),
        |a, _t| {
            let (fid, to) = (a.reach("d/f")?, a.reach("d")?);
            a.client.rename(fid, to, "new").map(done)
        }
    ),
    deed!("unlink", |t| unlink(t.path("d/f")).map(done), |a, _t| {
        let fid = a.reach("d")?;
        a.client.unlinkat(fid, "f", 0).map(done)
    }),
    deed!(
        "remove of a node",
        |t| unlink(t.path("d/f")).map(done),
        |a, _t| {
            let fid = a.reach("d/f")?;
            a.client.remove(fid).map(done)
        }
    ),
    deed!("rmdir", |t| rmdir(t.path("d/sub")).map(done), |a, _t| {
        let fid = a.reach("d")?;
        a.client.unlinkat(fid, "sub", REMOVEDIR).map(done)
    }),
    deed!(
        "chmod",
        |t| chmod(t.path("d/f"), t.mode()).map(done),
        |a, t| a.set(
            "d/f",
            SetAttr {
                mode: t.mode,
                ..valid(SetattrMask::MODE)
            }
        )
    ),
    deed!(
        "chmod of a directory",
        |t| chmod(t.path("d/sub"), t.mode()).map(done),
        |a, t| a.set(
            "d/sub",
            SetAttr {
                mode: t.mode,
                ..valid(SetattrMask::MODE)
            }
        )
    ),
    deed!(
        "chown",
        |t| {
            let uid = Some(Uid::from_raw(t.uid));
            chownat(CWD, t.path("d/f"), uid, None, AtFlags::empty()).map(done)
        },
        |a, t| a.set(
            "d/f",
            SetAttr {
                uid: t.uid,
                ..valid(SetattrMask::UID)
            }
        )
    ),
    deed!(
        "chgrp",
        |t| {
            let gid = Some(Gid::from_raw(t.gid));
            chownat(CWD, t.path("d/f"), None, gid, AtFlags::empty()).map(done)
        },
        |a, t| a.set(
            "d/f",
            SetAttr {
                gid: t.gid,
                ..valid(SetattrMask::GID)
            }
        )
    ),
    deed!(
        "truncate",
        |t| {
            let file = open(t.path("d/f"), OFlags::WRONLY, Mode::empty())?;
            ftruncate(file, 3).map(done)
        },
        |a, _t| a.set(
            "d/f",
            SetAttr {
                size: 3,
                ..valid(SetattrMask::SIZE)
            }
        )
    ),
    deed!(
        "truncate as Linux asks for it",
        |t| {
            let file = open(t.path("d/f"), OFlags::WRONLY, Mode::empty())?;
            ftruncate(file, 3).map(done)
        },
        |a, _t| a.set(
            "d/f",
            SetAttr {
                size: 3,
                ..valid(SetattrMask::SIZE | SetattrMask::MTIME | SetattrMask::CTIME)
            }
        )
    ),
    deed!(
        "times set",
        |t| {
            let time = HostTime {
                tv_sec: 7,
                tv_nsec: 8,
            };
            let times = Timestamps {
                last_access: time,
                last_modification: time,
            };
            utimensat(CWD, t.path("d/f"), &times, AtFlags::empty()).map(done)
        },
        |a, _t| {
            let time = Timespec { sec: 7, nsec: 8 };
            let both = SetattrMask::ATIME | SetattrMask::MTIME;
            let set = SetattrMask::ATIME_SET | SetattrMask::MTIME_SET;
            a.set(
                "d/f",
                SetAttr {
                    atime: time,
                    mtime: time,
                    ..valid(both | set)
                },
            )
        }
    ),
    deed!(
        "touch",
        |t| {
            let time = HostTime {
                tv_sec: 0,
                tv_nsec: UTIME_NOW,
            };
            let times = Timestamps {
                last_access: time,
                last_modification: time,
            };
            utimensat(CWD, t.path("d/f"), &times, AtFlags::empty()).map(done)
        },
        |a, _t| a.set("d/f", valid(SetattrMask::ATIME | SetattrMask::MTIME))
    ),
    deed!(
        "setxattr",
        |t| setxattr(t.path("d/f"), "user.new", b"value", XattrFlags::empty()).map(done),
        |a, _t| a.put_xattr("d/f", "user.new", b"value", 0)
    ),
    deed!(
        "removexattr",
        |t| removexattr(t.path("d/f"), "user.old").map(done),
        |a, _t| a.put_xattr("d/f", "user.old", b"", 2)
    ),
    deed!(
        "getxattr",
        |t| {
            let mut value = [0; 64];
            let length = getxattr(t.path("d/f"), "user.old", &mut value)?;
            Ok(format!("{:?}", &value[..length]))
        },
        |a, _t| {
            let (fid, value) = (a.reach("d/f")?, 999);
            let length = a.client.xattrwalk(fid, value, "user.old")?;
            let read = a.client.read(value, 0, length as u32);
            a.client.clunk(value)?;
            Ok(format!("{:?}", &read?[..]))
        }
    ),
    deed!(
        "listxattr",
        |t| {
            let mut names = [0; 256];
            Ok(listxattr(t.path("d/f"), &mut names)?.to_string())
        },
        |a, _t| {
            let (fid, names) = (a.reach("d/f")?, 999);
            let length = a.client.xattrwalk(fid, names, "")?;
            a.client.clunk(names)?;
            Ok(length.to_string())
        }
    ),
    deed!(
        "readlink",
        |t| Ok(format!(
            "{:?}",
            readlink(t.path("d/l"), Vec::new())?.as_bytes()
        )),
        |a, _t| {
            let fid = a.reach("d/l")?;
            Ok(format!("{:?}", &a.client.readlink(fid)?[..]))
        }
    ),
    deed!(
        "set an ACL",
        |t| {
            let name = "system.posix_acl_access";
            setxattr(t.path("d/f"), name, &acl(), XattrFlags::empty()).map(done)
        },
        |a, _t| a.put_xattr("d/f", "system.posix_acl_access", &acl(), 0)
    ),
];

/// To whom files may be given.
pub(crate) const UIDS: [u32; 3] = [0, BOB, ANN];
/// And to which groups.
pub(crate) const GIDS: [u32; 5] = [0, TEAM, CLUB, OTHERS, ANN];
