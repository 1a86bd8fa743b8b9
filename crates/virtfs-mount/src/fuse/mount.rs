//! Mounting: by mount(2) as root, else by `fusermount3`.

use std::ffi::CString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MountFlags;
use rustix::process::{getegid, geteuid};

use super::fusermount;
use super::options::KernelOptions;

/// Who mounted, and so can unmount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// We did.
    Kernel,
    /// The helper of this name.
    Fusermount(&'static str),
}

/// The directory to mount on, absolute and without symbolic links.
pub(super) fn directory(path: &Path) -> io::Result<PathBuf> {
    let at = path.display();
    let directory = fs::canonicalize(path).map_err(|error| {
        let why = match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT) => "does not exist".to_owned(),
            Some(Errno::NOTCONN) => {
                "is a mount whose server has died; unmount it first (fusermount3 -u)".to_owned()
            }
            _ => format!("cannot be looked at: {error}"),
        };
        io::Error::new(error.kind(), format!("{at} {why}"))
    })?;
    let metadata = fs::metadata(&directory).map_err(|error| {
        if Errno::from_io_error(&error) == Some(Errno::NOTCONN) {
            let why = "is a mount whose server has died; unmount it first (fusermount3 -u)";
            return io::Error::new(error.kind(), format!("{at} {why}"));
        }
        io::Error::new(error.kind(), format!("{at} cannot be looked at: {error}"))
    })?;
    if !metadata.is_dir() {
        return Err(io::Error::new(
            ErrorKind::NotADirectory,
            format!("{at} is not a directory"),
        ));
    }
    Ok(directory)
}

/// Mounts on a path from [`directory`]; the descriptor is `/dev/fuse`, and the kernel has sent
/// `INIT` to it.
pub(super) fn mount(mountpoint: &Path, options: &KernelOptions) -> io::Result<(OwnedFd, Way)> {
    if geteuid().is_root() {
        Ok((by_kernel(mountpoint, options)?, Way::Kernel))
    } else {
        let (fd, helper) = fusermount::mount(mountpoint, options)?;
        Ok((fd, Way::Fusermount(helper)))
    }
}

fn by_kernel(mountpoint: &Path, options: &KernelOptions) -> io::Result<OwnedFd> {
    let device = rustix::fs::open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| match errno {
            Errno::NOENT | Errno::NODEV | Errno::NXIO => explain(
                errno,
                "there is no /dev/fuse; try `modprobe fuse`".to_owned(),
            ),
            _ => explain(errno, format!("cannot open /dev/fuse: {errno}")),
        })?;
    let kind = match options.subtype.as_str() {
        "" => "fuse".to_owned(),
        subtype => format!("fuse.{subtype}"),
    };
    let data = CString::new(data(device.as_raw_fd(), options))?;
    rustix::mount::mount(&*options.fsname, mountpoint, kind, flags(options), &*data).map_err(
        |errno| {
            let at = mountpoint.display();
            explain(
                errno,
                match errno {
                    Errno::PERM => {
                        format!("cannot mount on {at}: this process lacks CAP_SYS_ADMIN")
                    }
                    Errno::NODEV => "the kernel has no FUSE; try `modprobe fuse`".to_owned(),
                    Errno::BUSY => format!("cannot mount on {at}: it is busy"),
                    _ => format!("cannot mount on {at}: {errno}"),
                },
            )
        },
    )?;
    Ok(device)
}

/// What only FUSE understands. The root is a directory, whatever its mode.
fn data(fd: i32, options: &KernelOptions) -> String {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    let mut data = format!("fd={fd},rootmode=40000,user_id={user},group_id={group}");
    if options.allow_other {
        data += ",allow_other";
    }
    if options.default_permissions {
        data += ",default_permissions";
    }
    if options.max_read > 0 {
        data += &format!(",max_read={}", options.max_read);
    }
    data
}

fn flags(options: &KernelOptions) -> MountFlags {
    [
        (options.ro, MountFlags::RDONLY),
        (options.nosuid, MountFlags::NOSUID),
        (options.nodev, MountFlags::NODEV),
        (options.noexec, MountFlags::NOEXEC),
        (options.noatime, MountFlags::NOATIME),
        (options.sync, MountFlags::SYNCHRONOUS),
        (options.dirsync, MountFlags::DIRSYNC),
    ]
    .into_iter()
    .filter(|(asked, _)| *asked)
    .fold(MountFlags::empty(), |flags, (_, flag)| flags | flag)
}

fn explain(errno: Errno, what: String) -> io::Error {
    io::Error::new(io::Error::from(errno).kind(), what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_mountpoint_is_named_with_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let missing = directory(&dir.path().join("missing")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert!(
            missing.to_string().ends_with("missing does not exist"),
            "{missing}"
        );
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let file = directory(&file).unwrap_err();
        assert!(
            file.to_string().ends_with("file is not a directory"),
            "{file}"
        );
    }

    #[test]
    fn options_become_mount_data_and_flags() {
        let options = KernelOptions {
            nosuid: false,
            nodev: false,
            max_read: 0,
            ..Default::default()
        };
        assert!(data(3, &options).starts_with("fd=3,rootmode=40000,user_id="));
        assert!(!data(3, &options).contains("allow_other"));
        assert_eq!(flags(&options), MountFlags::empty());
        let options = KernelOptions {
            allow_other: true,
            default_permissions: true,
            max_read: 65536,
            ro: true,
            ..Default::default()
        };
        assert!(data(3, &options).ends_with(",allow_other,default_permissions,max_read=65536"));
        assert_eq!(
            flags(&options),
            MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV
        );
    }
}
