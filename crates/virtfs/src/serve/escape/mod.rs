//! A deliberately compromised server, for the tests of the sandbox: whoever holds the other end of a
//! socket has a thread of it make system calls. No build has it but one with the feature
//! `escape-hook`.
//!
//! A message holds a call: its number and six arguments, and then bytes that are first copied to a
//! fixed place, the arena, so that arguments can point there. The answer holds the result, or −errno,
//! and as many bytes of the arena. The first message of all comes from here: where the arena is, and
//! the number of the socket.

mod sys;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::thread;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::stdio;
use tracing::warn;

use super::config::Config;
use crate::cli::EscapeHook;
use crate::failure::{Doing, Failure};

/// How many bytes come with a call, at most.
const ARENA: usize = 16 << 10;
/// A call's number and arguments, of eight bytes each.
const HEAD: usize = 7 * 8;

static HOOK: OnceLock<Hook> = OnceLock::new();

#[derive(Debug)]
struct Hook {
    socket: OwnedFd,
    process: EscapeHook,
}

/// Takes over the socket, which is of `SOCK_SEQPACKET`, from standard input.
pub(super) fn take(config: &Config) -> Result<(), Failure> {
    let Some(process) = config.escape_hook else {
        return Ok(());
    };
    warn!("DANGER: --escape-hook lets others make system calls of this server: it is for tests");
    let socket = fcntl_dupfd_cloexec(stdio::stdin(), 3).doing(|| "--escape-hook")?;
    let _ = HOOK.set(Hook { socket, process });
    Ok(())
}

/// What the processes must keep.
pub(super) fn descriptors<'all>() -> impl Iterator<Item = BorrowedFd<'all>> {
    HOOK.get().into_iter().map(|hook| hook.socket.as_fd())
}

/// Starts the thread, if this process is the one.
pub(super) fn start(process: EscapeHook) {
    let Some(hook) = HOOK.get().filter(|hook| hook.process == process) else {
        return;
    };
    let thread = thread::Builder::new().name("escape".into());
    if let Err(error) = thread.spawn(|| answer(&hook.socket)) {
        warn!("--escape-hook: {error}");
    }
}

fn answer(socket: &OwnedFd) {
    let arena: &'static mut [u8] = Vec::leak(vec![0; ARENA]);
    let mut place = arena
        .as_mut_ptr()
        .expose_provenance()
        .to_ne_bytes()
        .to_vec();
    place.extend(i64::from(socket.as_raw_fd()).to_ne_bytes());
    let mut sent = send(socket, &place, SendFlags::NOSIGNAL);
    let mut message = vec![0; HEAD + ARENA];
    while sent.is_ok() {
        let Ok((_, length)) = recv(socket, &mut message[..], RecvFlags::empty()) else {
            return;
        };
        let Some((head, bytes)) = message.get(..length).and_then(|m| m.split_at_checked(HEAD))
        else {
            return;
        };
        let Some(filled) = arena.get_mut(..bytes.len()) else {
            return;
        };
        filled.copy_from_slice(bytes);
        let mut call = [0; 7];
        for (word, bytes) in call.iter_mut().zip(head.as_chunks().0) {
            *word = i64::from_ne_bytes(*bytes);
        }
        let result = sys::call(call);
        let mut reply = result.to_ne_bytes().to_vec();
        reply.extend_from_slice(arena.get(..bytes.len()).unwrap_or_default());
        sent = send(socket, &reply, SendFlags::NOSIGNAL);
    }
}
