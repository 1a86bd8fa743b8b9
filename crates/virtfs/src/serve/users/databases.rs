//! The host's databases of users and groups, by way of the C library's name service. The calls need
//! `unsafe`.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::ptr;

use virtfs_vfs::Credentials;

use super::policy::Who;
use super::wire::Answer;

/// Room for the texts of one entry, in bytes: at first, and at most.
const ROOM: [usize; 2] = [1 << 12, 1 << 20];

/// Looks a user up, with the groups that the user is in.
pub(super) fn look_up(who: &Who<'_>) -> Answer {
    let name = match who {
        Who::Uid(_) => CString::default(),
        Who::Name(name) => match CString::new(*name) {
            Ok(name) => name,
            Err(_) => return Answer::Unknown,
        },
    };
    let mut room = vec![0; ROOM[0]];
    loop {
        // SAFETY: all zeros is a valid passwd: null pointers and numbers.
        let mut user: libc::passwd = unsafe { MaybeUninit::zeroed().assume_init() };
        let mut found = ptr::null_mut();
        let (text, length) = (room.as_mut_ptr(), room.len());
        // SAFETY: all live for the call, and the length is that of the room.
        let error = unsafe {
            match who {
                Who::Uid(uid) => libc::getpwuid_r(*uid, &mut user, text, length, &mut found),
                Who::Name(_) => {
                    libc::getpwnam_r(name.as_ptr(), &mut user, text, length, &mut found)
                }
            }
        };
        match error {
            0 if found.is_null() => return Answer::Unknown,
            0 => {
                // SAFETY: the call has found an entry: its name is a text in the room, which lives.
                let name = unsafe { CStr::from_ptr(user.pw_name) };
                return groups(name, user.pw_gid).map_or(Answer::Failed, |groups| {
                    Answer::Found(Credentials {
                        uid: user.pw_uid,
                        gid: user.pw_gid,
                        groups,
                    })
                });
            }
            libc::ERANGE if room.len() < ROOM[1] => room.resize(4 * room.len(), 0),
            // What some name services say when there is none.
            libc::ENOENT | libc::ESRCH => return Answer::Unknown,
            _ => return Answer::Failed,
        }
    }
}

/// All groups of a user, the first among them.
fn groups(name: &CStr, first: u32) -> Option<Box<[u32]>> {
    let mut groups = vec![0; 64];
    loop {
        let mut count = i32::try_from(groups.len()).ok()?;
        // SAFETY: all live for the call, and the count is that of the room.
        let all =
            unsafe { libc::getgrouplist(name.as_ptr(), first, groups.as_mut_ptr(), &mut count) };
        let count = usize::try_from(count).ok()?;
        if all >= 0 {
            groups.truncate(count);
            groups.sort_unstable();
            groups.dedup();
            return Some(groups.into());
        }
        if count <= groups.len() || count > 1 << 20 {
            return None;
        }
        groups.resize(count, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_by_number_and_by_name() {
        let by_number = look_up(&Who::Uid(0));
        let Answer::Found(root) = &by_number else {
            panic!("{by_number:?}");
        };
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
        assert_eq!(look_up(&Who::Name(b"root")), by_number);
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        assert_eq!(look_up(&Who::Uid(u32::MAX - 7)), Answer::Unknown);
        for name in [&b"no such user"[..], b"", b"a\0b"] {
            assert_eq!(look_up(&Who::Name(name)), Answer::Unknown);
        }
    }
}
