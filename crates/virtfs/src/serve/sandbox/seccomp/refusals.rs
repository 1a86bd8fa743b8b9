//! Calls that are refused by an errno: what C libraries, or other versions of them, try and do
//! without, and what a client's request may lead to.

use libc::c_long;

use super::Needs;
use super::rules::{Calls, Condition};

/// Without a constant of libc everywhere.
const SYS_MSEAL: c_long = 462;
const SO_PEERPIDFD: u32 = 77;
const SYS_FUTEX_WAKE: c_long = 454;
const SYS_FUTEX_WAIT: c_long = 455;
const SYS_FUTEX_REQUEUE: c_long = 456;

/// What may not be there on an older kernel either: who is told so takes another way.
const UNKNOWN: &[c_long] = &[
    // Its flags lie in memory, where no filter sees them: `clone` is used instead.
    libc::SYS_clone3,
    libc::SYS_membarrier,
    // By which musl aborts, and does so without as well.
    libc::SYS_tkill,
    // Descriptors are taken from VMMs only.
    libc::SYS_recvmsg,
    libc::SYS_futex_waitv,
    SYS_FUTEX_WAKE,
    SYS_FUTEX_WAIT,
    SYS_FUTEX_REQUEUE,
    SYS_MSEAL,
    libc::SYS_epoll_pwait2,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getcwd,
    libc::SYS_getcpu,
    libc::SYS_getrusage,
    libc::SYS_times,
    libc::SYS_get_mempolicy,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_pipe2,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_memfd_create,
    libc::SYS_statfs,
    libc::SYS_fallocate,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_fadvise64,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_getrlimit,
];

/// What is refused by which errno. It goes on the list too: it does not kill.
pub(super) fn of(needs: Needs, list: &mut Calls) -> [(libc::c_int, Calls); 2] {
    let mut unknown = Calls::default();
    for call in UNKNOWN {
        if !list.has(*call) {
            unknown.add(&[*call]);
            list.add(&[*call]);
        }
    }
    let mut forbidden = Calls::default();
    // With other arguments than those of the list: harmless to try, and a library of a later day may.
    for call in [libc::SYS_prctl, libc::SYS_ioctl, libc::SYS_fcntl] {
        let others = list.widen(call);
        match others.is_empty() {
            true => forbidden.add(&[call]),
            false => forbidden.add_if(call, &others),
        };
    }
    list.add(&[libc::SYS_prlimit64]);
    for others_or_new in [Condition::Not(0, 0), Condition::NotWhole(2, 0)] {
        forbidden.add_if(libc::SYS_prlimit64, &[others_or_new]);
    }
    // It would give a descriptor of the client's process, to signal it by.
    let socket = Condition::Is(1, libc::SOL_SOCKET.cast_unsigned());
    forbidden.add_if(
        libc::SYS_getsockopt,
        &[socket, Condition::Is(2, SO_PEERPIDFD)],
    );
    // A client may ask for one.
    if list.has(libc::SYS_mknodat) && !needs.device_nodes {
        for device in [libc::S_IFCHR, libc::S_IFBLK] {
            let is = Condition::Bits(2, libc::S_IFMT.into(), device.into());
            forbidden.add_if(libc::SYS_mknodat, &[is]);
        }
    }
    [(libc::ENOSYS, unknown), (libc::EPERM, forbidden)]
}
