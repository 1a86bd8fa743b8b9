//! To disturb other processes of the host.

use super::attacks;
use crate::outside::soon;
use crate::sys;
use crate::victim::{Arg, Dead, Victim};

attacks! {
    "signal.kill" => |v, o| {
        let mut target = o.target();
        let sent = v.can(libc::SYS_kill, [target.pid().into(), libc::SIGTERM.into()])?;
        Ok(target.dies(sent))
    },
    "signal.group" => |v, o| {
        // To one process group, not to all that there are.
        let mut target = o.target();
        let group = -target.pid();
        let sent = v.can(libc::SYS_kill, [group.into(), libc::SIGTERM.into()])?;
        Ok(target.dies(sent))
    },
    "signal.thread" => |v, o| {
        let mut target = o.target();
        let (pid, signal) = (target.pid(), libc::SIGTERM);
        let sent = v.can(libc::SYS_tgkill, [pid.into(), pid.into(), signal.into()])?;
        Ok(target.dies(sent))
    },
    "signal.thread-of-old" => |v, o| {
        let mut target = o.target();
        let sent = v.can(libc::SYS_tkill, [target.pid().into(), libc::SIGTERM.into()])?;
        Ok(target.dies(sent))
    },
    "signal.queue" => |v, o| {
        let mut target = o.target();
        // `si_code` of SI_QUEUE, at 8 bytes.
        let mut info = [0; 128];
        info[8..12].copy_from_slice(&libc::SI_QUEUE.to_ne_bytes());
        let args = [target.pid().into(), libc::SIGTERM.into(), Arg::Bytes(&info)];
        let sent = v.can(libc::SYS_rt_sigqueueinfo, args)?;
        Ok(target.dies(sent))
    },
    "signal.by-descriptor" => |v, o| {
        let mut target = o.target();
        let Ok(fd) = v.call(libc::SYS_pidfd_open, [target.pid().into(), 0.into()])? else {
            return Ok(false);
        };
        let args = [fd.into(), libc::SIGTERM.into(), 0.into(), 0.into()];
        let sent = v.can(libc::SYS_pidfd_send_signal, args)?;
        Ok(target.dies(sent))
    },
    "signal.by-directory" => |v, o| {
        // A directory of /proc does as a descriptor of a process, too.
        let mut target = o.target();
        let mut ways = vec![(super::NOWHERE, format!("/proc/{}", target.pid()))];
        for held in v.descriptors()? {
            ways.push((held, target.pid().to_string()));
            ways.push((held, format!("../{}", target.pid())));
        }
        let mut sent = false;
        for (dir, way) in ways {
            let flags = libc::O_DIRECTORY | libc::O_RDONLY;
            if let Ok(fd) = v.open(dir, &crate::victim::text(way), flags)? {
                let args = [fd.into(), libc::SIGTERM.into(), 0.into(), 0.into()];
                sent |= v.can(libc::SYS_pidfd_send_signal, args)?;
            }
        }
        Ok(target.dies(sent))
    },
    "signal.peer-of-socket" => |v, _| {
        // The test itself, which gets no signal: number 0 only asks.
        const SO_PEERPIDFD: i32 = 77;
        let mut peer = [0; 4];
        let args = [
            v.fd.into(),
            libc::SOL_SOCKET.into(),
            SO_PEERPIDFD.into(),
            Arg::Room(&mut peer),
            Arg::Bytes(&[4, 0, 0, 0]),
        ];
        let fd = match v.can(libc::SYS_getsockopt, args)? {
            true => i32::from_ne_bytes(peer),
            false => return Ok(false),
        };
        v.can(libc::SYS_pidfd_send_signal, [fd.into(), 0.into(), 0.into(), 0.into()])
    },
    "signal.owner-of-descriptor" => |v, o| {
        let mut target = o.target();
        let owned = own_socket(v, libc::F_SETOWN, target.pid().into())?;
        // The socket had a message that the answer to this call asks for: SIGIO has gone out.
        Ok(target.dies(owned))
    },
    "signal.owner-by-request" => |v, o| {
        let mut target = o.target();
        let pid = target.pid().to_ne_bytes();
        const FIOSETOWN: i64 = 0x8901;
        let args = [v.fd.into(), FIOSETOWN.into(), Arg::Bytes(&pid)];
        let owned = v.can(libc::SYS_ioctl, args)? && signals_on_message(v)?;
        Ok(target.dies(owned))
    },
    "signal.priority" => |v, o| {
        let target = o.target();
        let (which, pid) = (libc::PRIO_PROCESS as i32, target.pid());
        let set = v.can(libc::SYS_setpriority, [which.into(), pid.into(), 7.into()])?;
        Ok(set && soon(|| sys::priority(pid) == 7))
    },
    "signal.affinity" => |v, o| {
        let target = o.target();
        let one = 1u64.to_ne_bytes();
        v.can(libc::SYS_sched_setaffinity, [target.pid().into(), 8.into(), Arg::Bytes(&one)])
    },
    "signal.limits" => |v, o| {
        let target = o.target();
        let limit = [9u64.to_ne_bytes(), 9u64.to_ne_bytes()].concat();
        let which = libc::RLIMIT_NOFILE as i32;
        let args = [target.pid().into(), which.into(), Arg::Bytes(&limit), 0.into()];
        v.can(libc::SYS_prlimit64, args)
    },
}

fn own_socket(v: &Victim, command: i32, owner: i64) -> Result<bool, Dead> {
    Ok(
        v.can(libc::SYS_fcntl, [v.fd.into(), command.into(), owner.into()])?
            && signals_on_message(v)?,
    )
}

/// Has each message to the process's socket send SIGIO.
fn signals_on_message(v: &Victim) -> Result<bool, Dead> {
    let flags = [v.fd.into(), libc::F_SETFL.into(), libc::O_ASYNC.into()];
    let set = v.can(libc::SYS_fcntl, flags)?;
    v.call(libc::SYS_getpid, [])?.unwrap_or(0);
    Ok(set)
}
