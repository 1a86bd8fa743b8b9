//! The user and the group that the kernel checks a thread's file-system calls against.

use rustix::io;

/// No user and no group: setting it changes nothing and gives the one in force.
const ASK: u32 = u32::MAX;

/// Makes `uid` the calling thread's file-system user. The kernel tells no failure, so it is looked at
/// afterwards: `EPERM` if it is another.
pub(crate) fn set_uid(uid: u32) -> io::Result<()> {
    set(libc::SYS_setfsuid, uid);
    confirm(fs_uid() == uid)
}

/// The same for the group.
pub(crate) fn set_gid(gid: u32) -> io::Result<()> {
    set(libc::SYS_setfsgid, gid);
    confirm(fs_gid() == gid)
}

/// The calling thread's file-system user.
pub(crate) fn fs_uid() -> u32 {
    set(libc::SYS_setfsuid, ASK)
}

/// The calling thread's file-system group.
pub(crate) fn fs_gid() -> u32 {
    set(libc::SYS_setfsgid, ASK)
}

fn confirm(is: bool) -> io::Result<()> {
    match is {
        true => Ok(()),
        false => Err(io::Errno::PERM),
    }
}

/// The id that was in force before.
fn set(call: libc::c_long, id: u32) -> u32 {
    // SAFETY: touches no memory. The raw call changes this thread alone, in the kernel alone: the
    // C library keeps nothing that would no longer be true.
    unsafe { libc::syscall(call, id) as u32 }
}
