//! To learn what is outside the export.

use std::os::fd::OwnedFd;
use std::path::Path;

use super::{NOWHERE, attacks};
use crate::outside::{Outside, SECRET};
use crate::victim::{Arg, Dead, Victim, text};

attacks! {
    "read.open-absolute" => |v, o| reads(v, NOWHERE, &text(o.file())),
    "read.open-of-old" => |v, o| {
        let path = text(o.file());
        let fd = v.call(libc::SYS_open, [path.as_slice().into(), libc::O_RDONLY.into()])?;
        fd.map_or(Ok(false), |fd| is_secret(v, fd))
    },
    "read.open-how" => |v, o| {
        let path = text(o.file());
        let fd = v.call(
            libc::SYS_openat2,
            [NOWHERE.into(), path.as_slice().into(), Arg::Bytes(&[0; 24]), 24.into()],
        )?;
        fd.map_or(Ok(false), |fd| is_secret(v, fd))
    },
    "read.up-from-a-descriptor" => |v, o| {
        let folder = o.folder();
        let name = folder.file_name().unwrap().to_str().unwrap();
        from_descriptors(v, &[&format!("../{name}/secret"), &format!("{name}/secret")])
    },
    "read.up-to-the-root" => |v, o| {
        let path = o.file();
        let up = format!("{}{}", "../".repeat(12), path.strip_prefix("/").unwrap().display());
        Ok(from_descriptors(v, &[&up])? || reads(v, NOWHERE, &text(up))?)
    },
    "read.root-of-processes" => |v, o| {
        let path = o.file();
        let to = |root: &str| format!("{root}{}", path.display());
        let (own, first) = (to("self/root"), to("1/root"));
        Ok(from_descriptors(v, &[&own, &first, &to("../root"), &to("../self/root")])?
            || reads(v, NOWHERE, &text(Path::new("/proc").join(own)))?
            || reads(v, NOWHERE, &text(Path::new("/proc").join(first)))?)
    },
    "read.directory-of-processes" => |v, o| {
        let path = o.file();
        let up = format!("self/cwd/{}{}", "../".repeat(40), path.strip_prefix("/").unwrap().display());
        Ok(from_descriptors(v, &[&up])? || reads(v, NOWHERE, &text(Path::new("/proc").join(up)))?)
    },
    "read.descriptors-of-others" => |v, o| {
        let target = o.target();
        let there = format!("{}/fd/0", target.pid());
        Ok(from_descriptors(v, &[&there, &format!("../{there}"), &format!("../../{there}")])?
            || reads(v, NOWHERE, &text(target.proc("fd/0")))?)
    },
    "read.by-handle" => by_handle,
    "read.change-directory" => |v, o| {
        let folder = text(o.folder());
        let there = v.can(libc::SYS_chdir, [folder.as_slice().into()])?;
        Ok(there && reads(v, NOWHERE, &text("secret"))?)
    },
    "read.change-root" => |v, o| {
        let path = text(o.file());
        let inside = text(o.inside(""));
        for root in [b".\0".as_slice(), b"/\0", &inside] {
            let _ = v.can(libc::SYS_chroot, [root.into()])?;
        }
        let up = [b"../../../../../../../../../..".as_slice(), &path].concat();
        reads(v, NOWHERE, &up)
    },
    "read.list" => |v, o| {
        let Ok(fd) = v.open(NOWHERE, &text(o.folder()), libc::O_RDONLY | libc::O_DIRECTORY)? else {
            return Ok(false);
        };
        let mut room = [0; 1024];
        v.call(libc::SYS_getdents64, [fd.into(), Arg::Room(&mut room), 1024.into()])?.unwrap_or(0);
        Ok(room.windows(6).any(|name| name == b"secret"))
    },
    "read.stat" => |v, o| {
        let path = text(o.file());
        let mut stat = [0; 256];
        let args = [
            NOWHERE.into(),
            path.as_slice().into(),
            0.into(),
            0x7ff.into(),
            Arg::Room(&mut stat),
        ];
        let known = v.can(libc::SYS_statx, args)?;
        // The size is 40 bytes from its start.
        Ok(known && stat[40..48] == (SECRET.len() as u64).to_ne_bytes())
    },
    "read.statfs" => |v, o| {
        let path = text(o.file());
        v.can(libc::SYS_statfs, [path.as_slice().into(), Arg::Room(&mut [0; 256])])
    },
    "read.access" => |v, o| {
        let path = text(o.file());
        v.can(libc::SYS_faccessat, [NOWHERE.into(), path.as_slice().into(), 0.into()])
    },
    "read.link-target" => |v, o| {
        let link = o.nothing();
        std::os::unix::fs::symlink("secret", &link).unwrap();
        let (path, mut room) = (text(link), [0; 64]);
        let args = [
            NOWHERE.into(),
            path.as_slice().into(),
            Arg::Room(&mut room),
            64.into(),
        ];
        Ok(v.can(libc::SYS_readlinkat, args)? && room.starts_with(b"secret"))
    },
    "read.xattr" => |v, o| {
        let file = o.file();
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&file, c"user.secret", SECRET, flags).unwrap();
        let (path, mut room) = (text(file), [0; 64]);
        let args = [
            path.as_slice().into(),
            Arg::Bytes(b"user.secret\0"),
            Arg::Room(&mut room),
            64.into(),
        ];
        Ok(v.can(libc::SYS_getxattr, args)? && room.starts_with(SECRET))
    },
    "read.watch" => |v, o| {
        let folder = text(o.folder());
        let Ok(fd) = v.call(libc::SYS_inotify_init1, [libc::IN_NONBLOCK.into()])? else {
            return Ok(false);
        };
        let all = i64::from(libc::IN_ALL_EVENTS);
        v.can(libc::SYS_inotify_add_watch, [fd.into(), folder.as_slice().into(), all.into()])
    },
    "read.other-environment" => |v, o| {
        let target = o.target();
        let path = text(target.proc("environ"));
        let there = format!("{}/environ", target.pid());
        let Ok(fd) = v.open(NOWHERE, &path, libc::O_RDONLY)? else {
            return Ok(from_each(v, &there)?.is_some());
        };
        Ok(!v.read(fd)?.is_empty())
    },
}

/// Whether a path leads to the secret.
fn reads(v: &Victim, dir: i64, path: &[u8]) -> Result<bool, Dead> {
    match v.open(dir, path, libc::O_RDONLY)? {
        Ok(fd) => is_secret(v, fd),
        Err(_) => Ok(false),
    }
}

fn is_secret(v: &Victim, fd: i64) -> Result<bool, Dead> {
    Ok(v.read(fd)? == SECRET)
}

/// Whether one of these paths leads there from a descriptor that the process has.
fn from_descriptors(v: &Victim, paths: &[&str]) -> Result<bool, Dead> {
    for fd in v.descriptors()? {
        for path in paths {
            if reads(v, fd, &text(path))? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn from_each(v: &Victim, path: &str) -> Result<Option<i64>, Dead> {
    for fd in v.descriptors()? {
        if let Ok(opened) = v.open(fd, &text(path), libc::O_RDONLY)? {
            return Ok(Some(opened));
        }
    }
    Ok(None)
}

/// With a handle that was made outside, which is no secret: handles can be guessed.
fn by_handle(v: &Victim, o: &Outside) -> Result<bool, Dead> {
    let file: OwnedFd = std::fs::File::open(o.file()).unwrap().into();
    let handle = crate::sys::handle(&file);
    for fd in v.descriptors()? {
        let args = [fd.into(), handle.as_slice().into(), libc::O_RDONLY.into()];
        if let Ok(opened) = v.call(libc::SYS_open_by_handle_at, args)?
            && is_secret(v, opened)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}
