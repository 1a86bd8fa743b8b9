//! Calls by what they are for.

use libc::{c_int, c_long};

use super::rules::{Calls, Condition};

/// Those that newer kernels added have the same number everywhere.
const SYS_SETXATTRAT: c_long = 463;
const SYS_GETXATTRAT: c_long = 464;
const SYS_LISTXATTRAT: c_long = 465;
const SYS_REMOVEXATTRAT: c_long = 466;

/// What `clone` may not do: a namespace is never made here.
const NAMESPACES: c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// What any program does: memory, locks between threads, time, its own signals and its end.
pub(super) fn basics(calls: &mut Calls) {
    calls.add(&[
        // Memory; mapping is below.
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        // Threads and their locks.
        libc::SYS_futex,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_gettid,
        // Time: some clocks of virtual machines are read by calls.
        libc::SYS_clock_gettime,
        libc::SYS_clock_getres,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_gettimeofday,
        // Signals that come: handlers, and what they interrupted.
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        // Descriptors that are held.
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_close,
        libc::SYS_ppoll,
        // The end.
        libc::SYS_exit,
        libc::SYS_exit_group,
        // What tells little: the seeds of hash tables, numbers of users and processes.
        libc::SYS_getrandom,
        libc::SYS_getpid,
        libc::SYS_getppid,
        libc::SYS_getuid,
        libc::SYS_geteuid,
        libc::SYS_getgid,
        libc::SYS_getegid,
        libc::SYS_getgroups,
        libc::SYS_uname,
        libc::SYS_sysinfo,
    ]);
    #[cfg(target_arch = "x86_64")]
    calls.add(&[libc::SYS_poll, libc::SYS_time]);
    // No memory is ever made executable.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        calls.add_if(call, &[Condition::Bits(2, libc::PROT_EXEC as u64, 0)]);
    }
    // The name of a thread, and of its memory. The last is said once more for each filter.
    let harmless = [
        libc::PR_SET_NAME,
        libc::PR_GET_NAME,
        libc::PR_SET_VMA,
        libc::PR_SET_NO_NEW_PRIVS,
    ];
    calls.add_one_of(libc::SYS_prctl, 0, &harmless);
    // A look at a limit of its own.
    calls.add_if(
        libc::SYS_prlimit64,
        &[Condition::Is(0, 0), Condition::Whole(2, 0)],
    );
}

/// Signals to its own threads only: calls that hang are interrupted by one, and `abort` sends one.
pub(super) fn own_signals(calls: &mut Calls) {
    let own = std::process::id();
    calls.add_if(libc::SYS_tgkill, &[Condition::Is(0, own)]);
}

/// More threads, and no process.
pub(super) fn threads(calls: &mut Calls) {
    let mask = libc::CLONE_THREAD | NAMESPACES;
    let wanted = [Condition::Bits(0, wide(mask), wide(libc::CLONE_THREAD))];
    calls.add_if(libc::SYS_clone, &wanted);
    // Each has an umask of its own, and no more.
    calls.add_if(
        libc::SYS_unshare,
        &[Condition::Whole(0, wide(libc::CLONE_FS))],
    );
    calls.add(&[libc::SYS_umask]);
}

/// Work on the files of exports.
pub(super) fn files(calls: &mut Calls) {
    calls.add(&[
        // To them.
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_fchdir,
        libc::SYS_readlinkat,
        libc::SYS_name_to_handle_at,
        // What they are.
        libc::SYS_statx,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_fstatfs,
        libc::SYS_fchmod,
        libc::SYS_fchmodat,
        libc::SYS_fchmodat2,
        libc::SYS_fchown,
        libc::SYS_fchownat,
        libc::SYS_utimensat,
        // What is in them.
        libc::SYS_pread64,
        libc::SYS_preadv,
        libc::SYS_preadv2,
        libc::SYS_pwrite64,
        libc::SYS_pwritev,
        libc::SYS_pwritev2,
        libc::SYS_lseek,
        libc::SYS_getdents64,
        libc::SYS_ftruncate,
        libc::SYS_fsync,
        libc::SYS_fdatasync,
        libc::SYS_sync_file_range,
        libc::SYS_flock,
        // Entries.
        libc::SYS_mkdirat,
        // Which kinds of nodes, is among the refusals.
        libc::SYS_mknodat,
        libc::SYS_symlinkat,
        libc::SYS_linkat,
        libc::SYS_unlinkat,
        libc::SYS_renameat2,
        // Extended attributes, by all ways that kernels have.
        libc::SYS_fgetxattr,
        libc::SYS_fsetxattr,
        libc::SYS_flistxattr,
        libc::SYS_fremovexattr,
        libc::SYS_getxattr,
        libc::SYS_setxattr,
        libc::SYS_listxattr,
        libc::SYS_removexattr,
        SYS_GETXATTRAT,
        SYS_SETXATTRAT,
        SYS_LISTXATTRAT,
        SYS_REMOVEXATTRAT,
        // CAP_FSETID is raised around a chmod; nothing can be had that was given up.
        libc::SYS_capget,
        libc::SYS_capset,
    ]);
    #[cfg(not(target_arch = "riscv64"))]
    calls.add(&[libc::SYS_renameat]);
    // Which user's rights a thread has, not others than those.
    for call in [libc::SYS_setfsuid, libc::SYS_setfsgid] {
        calls.add_if(call, &[Condition::Is(0, u32::MAX)]);
    }
    descriptor_flags(calls);
    // Locks of open files.
    calls.add_one_of(libc::SYS_fcntl, 1, &[libc::F_OFD_SETLK, libc::F_OFD_GETLK]);
}

/// Copies of descriptors, and how they behave; not whom they signal.
pub(super) fn descriptor_flags(calls: &mut Calls) {
    let commands = [
        libc::F_DUPFD_CLOEXEC,
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
        libc::F_SETFL,
    ];
    calls.add_one_of(libc::SYS_fcntl, 1, &commands);
}

/// The rights of users for a thread.
pub(super) fn credentials(calls: &mut Calls) {
    calls.add(&[libc::SYS_setfsuid, libc::SYS_setfsgid, libc::SYS_setgroups]);
    // A question to the process that looks users up brings the socket for its answer. Of the kinds of
    // sockets this one cannot be sent from to another address.
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    calls.add_if(
        libc::SYS_socketpair,
        &[
            Condition::Is(0, libc::AF_UNIX.cast_unsigned()),
            Condition::Is(1, kind.cast_unsigned()),
        ],
    );
}

/// Files by their handles. The kernel wants CAP_DAC_READ_SEARCH for it.
pub(super) fn handles(calls: &mut Calls) {
    calls.add(&[libc::SYS_open_by_handle_at]);
}

/// Connections that have been made. None is ever made from here.
pub(super) fn connections(calls: &mut Calls, tcp: bool) {
    calls.add(&[
        libc::SYS_recvfrom,
        libc::SYS_shutdown,
        libc::SYS_getsockopt,
        // Sleep and wake.
        libc::SYS_eventfd2,
        libc::SYS_epoll_create1,
        libc::SYS_epoll_ctl,
        libc::SYS_epoll_pwait,
    ]);
    #[cfg(target_arch = "x86_64")]
    calls.add(&[libc::SYS_epoll_wait]);
    if !tcp {
        calls.add(&[libc::SYS_sendto, libc::SYS_sendmsg]);
        return;
    }
    // A listening socket that was shut down can connect by its first message.
    let no_connection = |flags| Condition::Bits(flags, wide(libc::MSG_FASTOPEN), 0);
    calls.add_if(libc::SYS_sendto, &[no_connection(3)]);
    calls.add_if(libc::SYS_sendmsg, &[no_connection(2)]);
    options(
        calls,
        &[
            (libc::IPPROTO_TCP, libc::TCP_NODELAY),
            (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
        ],
    );
}

/// Options of sockets, by their levels.
fn options(calls: &mut Calls, options: &[(c_int, c_int)]) {
    for (level, option) in options {
        let is = |at, value: c_int| Condition::Is(at, value.cast_unsigned());
        calls.add_if(libc::SYS_setsockopt, &[is(1, *level), is(2, *option)]);
    }
}

/// Connections that come, and from where.
pub(super) fn listeners(calls: &mut Calls) {
    calls.add(&[libc::SYS_accept4, libc::SYS_getpeername]);
}

/// The first signal of [`crate::signals`], and a socket that is to wait without end.
pub(super) fn vmm(calls: &mut Calls) {
    let timeouts = [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO].map(|which| (libc::SOL_SOCKET, which));
    options(calls, &timeouts);
    // Descriptors come from the VMM alone: whoever hands in one of a directory outside opens a door.
    calls.add(&[libc::SYS_signalfd4, libc::SYS_recvmsg]);
    let blocking = libc::FIONBIO as u32;
    calls.add_if(libc::SYS_ioctl, &[Condition::Is(1, blocking)]);
}

/// Waiting for processes that were started.
pub(super) fn children(calls: &mut Calls) {
    calls.add(&[libc::SYS_wait4, libc::SYS_waitid]);
}

/// Signals to processes by descriptors that are held.
pub(super) fn signals(calls: &mut Calls) {
    calls.add(&[libc::SYS_pidfd_send_signal]);
}

/// Starting a process, and what it does until it has a filter of its own.
pub(super) fn forks(calls: &mut Calls) {
    calls.add_if(libc::SYS_clone, &[Condition::Bits(0, wide(NAMESPACES), 0)]);
    #[cfg(target_arch = "x86_64")]
    calls.add(&[libc::SYS_fork]);
    calls.add(&[
        libc::SYS_close_range,
        libc::SYS_set_tid_address,
        libc::SYS_pidfd_open,
        // A signal of a thread to its own process has the number of a process that is yet to come.
        libc::SYS_tgkill,
        // The sandbox of its own.
        libc::SYS_landlock_create_ruleset,
        libc::SYS_landlock_add_rule,
        libc::SYS_landlock_restrict_self,
        libc::SYS_seccomp,
    ]);
    // What cannot be watched is ended; never all there are.
    calls.add_if(
        libc::SYS_kill,
        &[
            Condition::AtMost(0, i32::MAX.cast_unsigned()),
            Condition::Not(0, 0),
            Condition::Is(1, libc::SIGKILL.cast_unsigned()),
        ],
    );
    calls.add_one_of(
        libc::SYS_prctl,
        0,
        &[libc::PR_SET_PDEATHSIG, libc::PR_GET_NO_NEW_PRIVS],
    );
}

/// The removal of sockets.
pub(super) fn removal(calls: &mut Calls) {
    calls.add(&[libc::SYS_statx, libc::SYS_newfstatat, libc::SYS_unlinkat]);
}

fn wide(flags: c_int) -> u64 {
    flags.cast_unsigned().into()
}
