//! The calls that need `unsafe`: inherited descriptors, signals, fork, a socket's peer, groups, the
//! calendar; [`namespaces`] has those of the sandbox.
#![allow(unsafe_code)]

pub(crate) mod namespaces;

use std::ffi::{CStr, c_int};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

use rustix::process::Pid;

/// Takes over a descriptor that the process was started with. To be called before the process
/// opens any, once for each number.
pub(crate) fn inherited_fd(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl with F_GETFD touches no memory; a number that is no descriptor is refused.
    checked(unsafe { libc::fcntl(number, libc::F_GETFD) })?;
    // SAFETY: it is open, as was just seen, and nothing in this process owns it: the caller has
    // opened none yet and asks for each once.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
    Ok(fd)
}

/// Blocks signals for this thread and those that it will start.
pub(crate) fn block_signals(signals: &[c_int]) -> io::Result<()> {
    change_mask(libc::SIG_BLOCK, signals)
}

/// Makes a command start with no signal blocked, whatever is blocked here.
pub(crate) fn unblock_signals_in(command: &mut Command) {
    let none = signal_set(&[]);
    let unblock = move || {
        // SAFETY: the set is initialised; the call is async-signal-safe.
        match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &none, ptr::null_mut()) } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    };
    // SAFETY: between fork and exec it makes one async-signal-safe call and allocates nothing.
    unsafe { command.pre_exec(unblock) };
}

/// A descriptor to read blocked signals from, as `signalfd_siginfo`.
pub(crate) fn signal_fd(signals: &[c_int]) -> io::Result<OwnedFd> {
    let set = signal_set(signals);
    // SAFETY: the set is initialised and lives for the call; -1 asks for a new descriptor.
    let fd = checked(unsafe { libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) })?;
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The signal that interrupts a system call that another thread sleeps in.
fn interruption() -> c_int {
    libc::SIGRTMIN()
}

extern "C" fn nothing(_: c_int) {}

/// Has a signal ignored (`SIG_IGN`), or do what it does by itself (`SIG_DFL`), here and in processes
/// that are forked.
pub(crate) fn set_disposition(signal: c_int, disposition: libc::sighandler_t) -> io::Result<()> {
    if ![libc::SIG_IGN, libc::SIG_DFL].contains(&disposition) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: all zeros is a valid sigaction: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = disposition;
    // SAFETY: the action lives for the call, and names no handler that could be run.
    checked(unsafe { libc::sigaction(signal, &action, ptr::null_mut()) }).map(drop)
}

/// Whether a signal is ignored.
pub(crate) fn is_ignored(signal: c_int) -> io::Result<bool> {
    // SAFETY: all zeros is a valid sigaction.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: nothing is changed, and the action lives for the call, which fills it.
    checked(unsafe { libc::sigaction(signal, ptr::null(), &mut action) })?;
    Ok(action.sa_sigaction == libc::SIG_IGN)
}

/// Makes the signal of [`interrupt`] end a system call with `EINTR`, and nothing else.
pub(crate) fn prepare_interrupt() -> io::Result<()> {
    // SAFETY: all zeros is a valid sigaction: no flags (SA_RESTART among them), an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = nothing as extern "C" fn(c_int) as libc::sighandler_t;
    // SAFETY: the action lives for the call, and its handler does nothing, which is safe in any
    // thread at any time.
    checked(unsafe { libc::sigaction(interruption(), &action, ptr::null_mut()) })?;
    change_mask(libc::SIG_UNBLOCK, &[interruption()])
}

/// Interrupts a thread of this process. If there is none of this number, nothing happens.
pub(crate) fn interrupt(thread: Pid) {
    let (process, thread) = (rustix::process::getpid(), thread);
    // SAFETY: tgkill touches no memory, and the signal's handler does nothing.
    unsafe {
        libc::syscall(
            libc::SYS_tgkill,
            process.as_raw_nonzero().get(),
            thread.as_raw_nonzero().get(),
            interruption(),
        )
    };
}

/// Starts a process that runs `child` and ends with the status that it returns. It keeps none of
/// the descriptors but these. To be called while the process has one thread.
pub(crate) fn fork(keep: &[BorrowedFd<'_>], child: impl FnOnce() -> u8) -> io::Result<Pid> {
    // SAFETY: with one thread, nothing that the child uses can be in the hands of a thread that
    // the child does not have.
    let pid = checked(unsafe { libc::fork() })?;
    if let Some(pid) = Pid::from_raw(pid) {
        return Ok(pid);
    }
    let status = match close_others(keep) {
        // An unwinding child would go on as a second parent.
        Ok(()) => std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(1),
        Err(_) => 1,
    };
    // SAFETY: _exit is always allowed.
    unsafe { libc::_exit(status.into()) }
}

/// Splits the process in two, which both go on from here with all descriptors: the new one's number
/// for the old one, `None` for the new one. To be called while the process has one thread.
pub(crate) fn split() -> io::Result<Option<Pid>> {
    // SAFETY: with one thread, nothing that the child uses can be in the hands of a thread that
    // the child does not have.
    checked(unsafe { libc::fork() }).map(Pid::from_raw)
}

/// Closes all descriptors but these.
fn close_others(keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    close_all_but(keep.iter().map(AsRawFd::as_raw_fd))
}

fn close_all_but(keep: impl Iterator<Item = RawFd>) -> io::Result<()> {
    let mut kept: Vec<u32> = keep.map(|fd| fd as u32).collect();
    kept.sort_unstable();
    kept.dedup();
    let mut first = 0;
    for fd in kept {
        if first < fd {
            close_range(first, fd - 1)?;
        }
        first = fd + 1;
    }
    close_range(first, u32::MAX)
}

/// Closes all descriptors that the process was started with but the standard streams and these. To be
/// called before it has opened any other.
pub(crate) fn close_inherited(keep: impl Iterator<Item = RawFd>) -> io::Result<()> {
    close_all_but((0..=2).chain(keep))
}

fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: touches no memory. Either nothing owns what is closed, for the process has opened
    // nothing yet; or the forked child calls this, which uses what it kept and drops nothing: it
    // leaves by _exit.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The user who connected a Unix socket. `None` if the socket is another, which has none.
///
/// rustix's call of this kind wants the process too, and is undefined where that has no number
/// here: when it is in another PID namespace.
pub(crate) fn peer_uid(socket: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    let mut peer = libc::ucred {
        pid: 0,
        uid: u32::MAX,
        gid: u32::MAX,
    };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: both live for the call, the length is that of the structure, and any bytes that the
    // kernel writes there are three numbers.
    checked(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &mut length,
        )
    })?;
    Ok((peer.uid != u32::MAX).then_some(peer.uid))
}

/// The number of a group, by its name; none if there is no such group.
pub(crate) fn group_id(name: &CStr) -> io::Result<Option<u32>> {
    // Groups with many members are asked for again with more room.
    let mut room = vec![0; 1 << 12];
    loop {
        // SAFETY: all zeros is a valid group: null pointers and a number.
        let mut group: libc::group = unsafe { MaybeUninit::zeroed().assume_init() };
        let mut found = ptr::null_mut();
        // SAFETY: all live for the call, and the length is that of the room.
        let error = unsafe {
            let (text, length) = (room.as_mut_ptr(), room.len());
            libc::getgrnam_r(name.as_ptr(), &mut group, text, length, &mut found)
        };
        match error {
            0 => return Ok((!found.is_null()).then_some(group.gr_gid)),
            libc::ERANGE if room.len() < 1 << 24 => room.resize(2 * room.len(), 0),
            libc::ENOENT | libc::ESRCH => return Ok(None),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// A time in the calendar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calendar {
    pub(crate) year: i64,
    pub(crate) month: c_int,
    pub(crate) day: c_int,
    pub(crate) hour: c_int,
    pub(crate) minute: c_int,
    pub(crate) second: c_int,
    /// Seconds to the east of UTC.
    pub(crate) offset: i64,
}

/// The calendar's word for seconds since 1970, in UTC or local time; none if the year does not
/// fit into the system's calendar.
pub(crate) fn calendar(seconds: i64, utc: bool) -> Option<Calendar> {
    // SAFETY: all zeros is a valid tm: numbers, and a null pointer for the zone's name.
    let mut tm: libc::tm = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: both live for the call. localtime_r reads the environment, which this program
    // never changes.
    let done = unsafe {
        match utc {
            true => libc::gmtime_r(&seconds, &mut tm),
            false => libc::localtime_r(&seconds, &mut tm),
        }
    };
    (!done.is_null()).then_some(Calendar {
        year: i64::from(tm.tm_year) + 1900,
        month: tm.tm_mon + 1,
        day: tm.tm_mday,
        hour: tm.tm_hour,
        minute: tm.tm_min,
        second: tm.tm_sec,
        offset: tm.tm_gmtoff,
    })
}

fn signal_set(signals: &[c_int]) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set, sigaddset changes one that is initialised.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}

fn change_mask(how: c_int, signals: &[c_int]) -> io::Result<()> {
    let set = signal_set(signals);
    // SAFETY: the set is initialised and lives for the call; the old one is not asked for.
    match unsafe { libc::pthread_sigmask(how, &set, ptr::null_mut()) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

fn checked(result: c_int) -> io::Result<c_int> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}
