//! The system calls that the test makes itself, to have something that can be attacked.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd};

/// The file's handle, as `open_by_handle_at` takes it.
pub(crate) fn handle(file: &impl AsFd) -> Vec<u8> {
    let mut handle = vec![0; 8 + 128];
    handle[..4].copy_from_slice(&128u32.to_ne_bytes());
    let mut mount = 0i32;
    // SAFETY: the structure has room for as many bytes as it says; the path ends with NUL.
    let done = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            file.as_fd().as_raw_fd(),
            c"".as_ptr(),
            handle.as_mut_ptr(),
            &raw mut mount,
            libc::AT_EMPTY_PATH,
        )
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    handle
}

/// System V memory for everybody, under this key; its number.
pub(crate) fn shared_memory(key: i32) -> i32 {
    // SAFETY: touches no memory of this process.
    let id = unsafe { libc::shmget(key, 4096, libc::IPC_CREAT | 0o666) };
    assert!(id >= 0, "{}", std::io::Error::last_os_error());
    id
}

/// Removes it.
pub(crate) fn remove_shared_memory(id: i32) {
    // SAFETY: nothing of it is mapped here.
    unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
}

/// A System V queue for everybody, under this key; its number.
pub(crate) fn message_queue(key: i32) -> i32 {
    // SAFETY: touches no memory.
    let id = unsafe { libc::msgget(key, libc::IPC_CREAT | 0o666) };
    assert!(id >= 0, "{}", std::io::Error::last_os_error());
    id
}

/// How many messages are in it; it is removed.
pub(crate) fn remove_message_queue(id: i32) -> u64 {
    // SAFETY: all zeros is a valid `msqid_ds`, which the kernel fills.
    unsafe {
        let mut state: libc::msqid_ds = std::mem::zeroed();
        libc::msgctl(id, libc::IPC_STAT, &mut state);
        libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut());
        state.msg_qnum
    }
}

/// A POSIX queue for everybody.
pub(crate) fn posix_queue(name: &std::ffi::CStr) {
    // SAFETY: the name ends with NUL; without attributes the kernel's are taken.
    let queue = unsafe {
        let none = std::ptr::null_mut::<libc::mq_attr>();
        let flags = libc::O_CREAT | libc::O_RDWR;
        let queue = libc::mq_open(name.as_ptr(), flags, 0o666 as libc::mode_t, none);
        libc::mq_close(queue);
        queue
    };
    assert!(queue >= 0, "{}", std::io::Error::last_os_error());
}

/// Removes it.
pub(crate) fn remove_posix_queue(name: &std::ffi::CStr) {
    // SAFETY: the name ends with NUL.
    unsafe { libc::mq_unlink(name.as_ptr()) };
}

/// A process's priority: 0, unless somebody changed it.
pub(crate) fn priority(pid: i32) -> i32 {
    // SAFETY: touches no memory.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, pid as libc::id_t) }
}
