//! Any system call.
#![allow(unsafe_code)]

use std::io;

/// Makes the call of this number with these six arguments; its result, or −errno.
pub(super) fn call([number, a, b, c, d, e, f]: [i64; 7]) -> i64 {
    // SAFETY: there is none. Whoever asks may do to this process what they like: that is what this
    // is for, and why only builds for the tests of the sandbox have it.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    match result {
        -1 => -i64::from(
            io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EIO),
        ),
        result => result,
    }
}
