//! To change what is outside the export.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::{NOWHERE, attacks};
use crate::outside::{Outside, SECRET};
use crate::victim::{Arg, Dead, Victim, text};

attacks! {
    "write.create" => |v, o| {
        let path = o.nothing();
        let _ = v.open(NOWHERE, &text(&path), libc::O_CREAT | libc::O_WRONLY)?;
        Ok(path.exists())
    },
    "write.create-from-a-descriptor" => |v, o| {
        let path = o.nothing();
        let name = format!("../{}", path.file_name().unwrap().to_str().unwrap());
        for fd in v.descriptors()? {
            let _ = v.open(fd, &text(&name), libc::O_CREAT | libc::O_WRONLY)?;
        }
        Ok(path.exists())
    },
    "write.open" => |v, o| {
        let path = o.file();
        if let Ok(fd) = v.open(NOWHERE, &text(&path), libc::O_WRONLY)? {
            let _ = v.call(libc::SYS_write, [fd.into(), Arg::Bytes(b"changed"), 7.into()])?;
        }
        Ok(changed(&path))
    },
    "write.open-by-its-link" => |v, o| {
        // An O_PATH descriptor needs no right to the file.
        let path = o.file();
        if let Ok(fd) = v.open(NOWHERE, &text(&path), libc::O_PATH)? {
            let own = format!("self/fd/{fd}");
            let number = fd.to_string();
            let mut ways = vec![(NOWHERE, format!("/proc/{own}"))];
            for held in v.descriptors()? {
                ways.push((held, own.clone()));
                ways.push((held, number.clone()));
            }
            for (dir, way) in ways {
                if let Ok(fd) = v.open(dir, &text(way), libc::O_WRONLY)? {
                    let bytes = Arg::Bytes(b"changed");
                    let _ = v.call(libc::SYS_write, [fd.into(), bytes, 7.into()])?;
                }
            }
        }
        Ok(changed(&path))
    },
    "write.empty-on-open" => |v, o| {
        let path = o.file();
        let _ = v.open(NOWHERE, &text(&path), libc::O_WRONLY | libc::O_TRUNC)?;
        Ok(changed(&path))
    },
    "write.truncate" => |v, o| {
        let path = o.file();
        let _ = v.can(libc::SYS_truncate, [text(&path).as_slice().into(), 0.into()])?;
        Ok(changed(&path))
    },
    "write.remove" => |v, o| {
        let path = o.file();
        remove(v, &path, 0)?;
        Ok(!path.exists())
    },
    "write.remove-directory" => |v, o| {
        let path = o.nothing();
        fs::create_dir(&path).unwrap();
        remove(v, &path, libc::AT_REMOVEDIR)?;
        Ok(!path.exists())
    },
    "write.rename" => |v, o| {
        let (from, to) = (o.file(), o.nothing());
        rename(v, &from, &to)?;
        Ok(to.exists())
    },
    "write.rename-in" => |v, o| {
        let from = o.file();
        rename(v, &from, &o.inside("renamed-in"))?;
        Ok(!from.exists())
    },
    "write.rename-out" => |v, o| {
        let (from, to) = (o.inside("for-renaming"), o.nothing());
        fs::write(&from, SECRET).unwrap();
        rename(v, &from, &to)?;
        rename_from_export(v, "for-renaming", &to)?;
        Ok(to.exists())
    },
    "write.link-in" => |v, o| {
        let from = o.file();
        link(v, &from, &o.inside("linked-in"))?;
        Ok(fs::metadata(from).unwrap().nlink() > 1)
    },
    "write.link-out" => |v, o| {
        let to = o.nothing();
        link(v, &o.inside("in-it"), &to)?;
        Ok(to.exists())
    },
    "write.symlink" => |v, o| {
        let path = o.nothing();
        let (target, at) = (text("x"), text(&path));
        let args = [target.as_slice().into(), NOWHERE.into(), at.as_slice().into()];
        let _ = v.can(libc::SYS_symlinkat, args)?;
        Ok(path.is_symlink())
    },
    "write.make-directory" => |v, o| {
        let path = o.nothing();
        let at = text(&path);
        let args = [NOWHERE.into(), at.as_slice().into(), 0o700.into()];
        let _ = v.can(libc::SYS_mkdirat, args)?;
        Ok(path.exists())
    },
    "write.make-fifo" => |v, o| make_node(v, o, libc::S_IFIFO, 0),
    "write.make-device" => |v, o| make_node(v, o, libc::S_IFCHR, 0x103),
    "write.mode" => |v, o| {
        let path = o.file();
        let at = text(&path);
        let args = [NOWHERE.into(), at.as_slice().into(), 0o4777.into()];
        let _ = v.can(libc::SYS_fchmodat, args)?;
        Ok(fs::metadata(path).unwrap().permissions().mode() & 0o777 == 0o777)
    },
    "write.owner" => |v, o| {
        // To whom it belongs already clears a setuid bit, at least.
        let path = o.file();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o4755)).unwrap();
        let at = text(&path);
        let user = o.user as i32;
        let args = [NOWHERE.into(), at.as_slice().into(), user.into(), user.into(), 0.into()];
        let done = v.can(libc::SYS_fchownat, args)?;
        Ok(done || fs::metadata(path).unwrap().permissions().mode() & 0o7777 != 0o4755)
    },
    "write.times" => |v, o| {
        let path = o.file();
        let at = text(&path);
        let args = [NOWHERE.into(), at.as_slice().into(), Arg::Bytes(&[0; 32]), 0.into()];
        let _ = v.can(libc::SYS_utimensat, args)?;
        Ok(fs::metadata(path).unwrap().mtime() == 0)
    },
    "write.xattr" => |v, o| {
        let path = o.file();
        let at = text(&path);
        let (name, value) = (Arg::Bytes(b"user.it\0"), Arg::Bytes(b"changed"));
        let args = [at.as_slice().into(), name, value, 7.into(), 0.into()];
        let _ = v.can(libc::SYS_setxattr, args)?;
        Ok(rustix::fs::getxattr(&path, c"user.it", &mut [0u8; 16][..]).is_ok())
    },
    "write.mount-bind" => |v, o| {
        let (from, to) = (text(o.folder()), text(o.inside("")));
        let bind = i64::from(libc::MS_BIND as i32);
        let args = [from.as_slice().into(), to.as_slice().into(), 0.into(), bind.into(), 0.into()];
        v.can(libc::SYS_mount, args)
    },
    "write.mount-tmpfs" => |v, _| {
        let args = [Arg::Bytes(b"x\0"), Arg::Bytes(b"/\0"), Arg::Bytes(b"tmpfs\0"), 0.into(), 0.into()];
        v.can(libc::SYS_mount, args)
    },
    "write.mount-remount" => |v, _| {
        let flags = i64::from((libc::MS_REMOUNT | libc::MS_BIND) as i32);
        let args = [0.into(), Arg::Bytes(b"/\0"), 0.into(), flags.into(), 0.into()];
        v.can(libc::SYS_mount, args)
    },
    "write.mount-clone" => |v, _| {
        let args = [NOWHERE.into(), Arg::Bytes(b"/\0"), 1.into()];
        v.can(libc::SYS_open_tree, args)
    },
    "write.mount-new" => |v, _| v.can(libc::SYS_fsopen, [Arg::Bytes(b"tmpfs\0"), 0.into()]),
    "write.mount-flags" => |v, _| {
        // Clears the flag for read-only.
        let attr: Vec<u8> = [0, 1, 0, 0].iter().flat_map(|word: &u64| word.to_ne_bytes()).collect();
        for fd in v.descriptors()? {
            let args = [
                fd.into(),
                Arg::Bytes(b"\0"),
                libc::AT_EMPTY_PATH.into(),
                Arg::Bytes(&attr),
                32.into(),
            ];
            if v.can(libc::SYS_mount_setattr, args)? {
                return Ok(true);
            }
        }
        Ok(false)
    },
    "write.unmount" => |v, _| {
        v.can(libc::SYS_umount2, [Arg::Bytes(b"/\0"), libc::MNT_DETACH.into()])
    },
    "write.pivot-root" => |v, _| {
        v.can(libc::SYS_pivot_root, [Arg::Bytes(b".\0"), Arg::Bytes(b".\0")])
    },
}

fn changed(path: &Path) -> bool {
    fs::read(path).unwrap() != SECRET
}

fn remove(v: &Victim, path: &Path, flags: i32) -> Result<bool, Dead> {
    let at = text(path);
    let args = [NOWHERE.into(), at.as_slice().into(), flags.into()];
    v.can(libc::SYS_unlinkat, args)
}

fn rename(v: &Victim, from: &Path, to: &Path) -> Result<bool, Dead> {
    let (from, to) = (text(from), text(to));
    let args = [
        NOWHERE.into(),
        from.as_slice().into(),
        NOWHERE.into(),
        to.as_slice().into(),
        0.into(),
    ];
    v.can(libc::SYS_renameat2, args)
}

/// From a directory that the process has open.
fn rename_from_export(v: &Victim, from: &str, to: &Path) -> Result<(), Dead> {
    let up = format!("../{}", to.file_name().unwrap().to_str().unwrap());
    for fd in v.descriptors()? {
        for (dir, to) in [(NOWHERE, text(to)), (fd, text(&up))] {
            let from = text(from);
            let args = [
                fd.into(),
                from.as_slice().into(),
                dir.into(),
                to.as_slice().into(),
                0.into(),
            ];
            let _ = v.can(libc::SYS_renameat2, args)?;
        }
    }
    Ok(())
}

fn link(v: &Victim, from: &Path, to: &Path) -> Result<bool, Dead> {
    let (from, to) = (text(from), text(to));
    let args = [
        NOWHERE.into(),
        from.as_slice().into(),
        NOWHERE.into(),
        to.as_slice().into(),
        0.into(),
    ];
    v.can(libc::SYS_linkat, args)
}

fn make_node(v: &Victim, o: &Outside, kind: libc::mode_t, device: i32) -> Result<bool, Dead> {
    let path = o.nothing();
    let at = text(&path);
    let mode = (kind | 0o600) as i32;
    let args = [
        NOWHERE.into(),
        at.as_slice().into(),
        mode.into(),
        device.into(),
    ];
    let _ = v.can(libc::SYS_mknodat, args)?;
    Ok(path.symlink_metadata().is_ok())
}
