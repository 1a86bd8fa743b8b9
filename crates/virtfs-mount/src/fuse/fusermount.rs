//! The set-user-ID helper of the package `fuse3`, by which ordinary users mount.
//!
//! It mounts, sends the open `/dev/fuse` through the socket that `_FUSE_COMMFD` names, and ends. The
//! socket is its standard input: so no other child of this process can inherit it.

use std::io::{self, ErrorKind, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
    recvmsg, socketpair,
};

use super::options::KernelOptions;

const HELPERS: [&str; 2] = ["fusermount3", "fusermount"];

/// Mounts; the helper's name is that to unmount by.
pub(super) fn mount(
    mountpoint: &Path,
    options: &KernelOptions,
) -> io::Result<(OwnedFd, &'static str)> {
    for helper in HELPERS {
        match mount_by(helper, mountpoint, options) {
            Ok(fd) => return Ok((fd, helper)),
            Err(Failure::NoHelper) => {}
            Err(Failure::Other(error)) => return Err(error),
        }
    }
    let why = "there is no fusermount3, which users other than root need; install fuse3";
    Err(io::Error::new(ErrorKind::NotFound, why))
}

/// Takes the mount out of the tree; who still uses it may go on.
pub(super) fn detach(helper: &str, mountpoint: &Path) -> io::Result<()> {
    let output = Command::new(helper)
        .args(["-u", "-z", "--"])
        .arg(mountpoint)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(refused(helper, &output))
    }
}

enum Failure {
    NoHelper,
    Other(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Other(error)
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Other(errno.into())
    }
}

fn mount_by(helper: &str, mountpoint: &Path, options: &KernelOptions) -> Result<OwnedFd, Failure> {
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let mut command = Command::new(helper);
    command
        .args(["-o", &option_list(options), "--"])
        .arg(mountpoint)
        .env("_FUSE_COMMFD", "0")
        .stdin(theirs)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::NoHelper,
        _ => Failure::Other(error),
    })?;
    // Else our copy of the child's end would keep the socket open when the child has failed.
    drop(command);
    let received = receive(&ours);
    let output = child.wait_with_output()?;
    match received? {
        Some(fd) => Ok(fd),
        None => Err(Failure::Other(refused(helper, &output))),
    }
}

/// The descriptor that comes through the socket; `None` when it was closed instead.
fn receive(socket: impl AsFd) -> Result<Option<OwnedFd>, Errno> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let slices = &mut [IoSliceMut::new(&mut byte)];
    rustix::io::retry_on_intr(|| recvmsg(&socket, slices, &mut control, RecvFlags::CMSG_CLOEXEC))?;
    Ok(control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    }))
}

/// What the helper said, or what it means.
fn refused(helper: &str, output: &Output) -> io::Error {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    if said.contains("user_allow_other") {
        let why = "allow_other is only allowed if /etc/fuse.conf has the line user_allow_other";
        return io::Error::new(ErrorKind::PermissionDenied, why);
    }
    if said.contains("/dev/fuse") || said.contains("modprobe") {
        return io::Error::new(ErrorKind::NotFound, format!("{said}; try `modprobe fuse`"));
    }
    match said {
        "" => io::Error::other(format!("{helper} failed ({})", output.status)),
        said => io::Error::other(said.to_owned()),
    }
}

fn option_list(options: &KernelOptions) -> String {
    let mut list = vec![format!("fsname={}", escaped(&options.fsname))];
    if !options.subtype.is_empty() {
        list.push(format!("subtype={}", escaped(&options.subtype)));
    }
    if options.max_read > 0 {
        list.push(format!("max_read={}", options.max_read));
    }
    let named = [
        (options.allow_other, "allow_other"),
        (options.default_permissions, "default_permissions"),
        (options.ro, "ro"),
        (options.nosuid, "nosuid"),
        (options.nodev, "nodev"),
        (options.noexec, "noexec"),
        (options.noatime, "noatime"),
        (options.sync, "sync"),
        (options.dirsync, "dirsync"),
    ];
    list.extend(
        named
            .iter()
            .filter(|(asked, _)| *asked)
            .map(|(_, name)| (*name).to_owned()),
    );
    list.join(",")
}

/// A comma ends an option, unless a backslash stands before it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace(',', "\\,")
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    use super::*;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap()
    }

    #[test]
    fn a_descriptor_comes_through_the_socket() {
        let (ours, theirs) = pair();
        let (gift, kept) = pair();
        let fds = [gift.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(
            &theirs,
            &[IoSlice::new(&[0])],
            &mut control,
            SendFlags::empty(),
        )
        .unwrap();
        let received = receive(&ours).unwrap().expect("a descriptor was sent");
        drop(gift);
        rustix::io::write(&received, b"x").unwrap();
        let mut byte = [0];
        rustix::io::read(&kept, &mut byte).unwrap();
        assert_eq!(byte, *b"x");
    }

    #[test]
    fn a_socket_closed_without_a_descriptor_brings_none() {
        let (ours, theirs) = pair();
        rustix::io::write(&theirs, b"x").unwrap();
        drop(theirs);
        assert!(receive(&ours).unwrap().is_none());
        assert!(receive(&ours).unwrap().is_none());
    }

    #[test]
    fn what_the_helper_says_is_passed_on() {
        let say = |stderr: &str| {
            let output = Output {
                status: ExitStatus::from_raw(256),
                stdout: Vec::new(),
                stderr: stderr.as_bytes().to_vec(),
            };
            refused("fusermount3", &output).to_string()
        };
        assert!(say("fusermount3: option allow_other only allowed if 'user_allow_other' is set in /etc/fuse.conf\n").contains("has the line"));
        assert!(
            say("fusermount3: failed to open /dev/fuse: No such device\n").contains("modprobe")
        );
        assert_eq!(
            say("fusermount3: mount failed: busy\n"),
            "fusermount3: mount failed: busy"
        );
        assert_eq!(say(""), "fusermount3 failed (exit status: 1)");
    }

    #[test]
    fn options_are_escaped_and_listed() {
        let options = KernelOptions {
            fsname: "a,b\\c".to_owned(),
            ro: true,
            allow_other: true,
            max_read: 4096,
            ..Default::default()
        };
        assert_eq!(
            option_list(&options),
            "fsname=a\\,b\\\\c,subtype=virtfs,max_read=4096,allow_other,ro,nosuid,nodev"
        );
    }
}
