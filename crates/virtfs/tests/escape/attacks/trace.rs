//! To look into other processes of the host.

use super::{NOWHERE, attacks};
use crate::victim::{Arg, text};

attacks! {
    "trace.attach" => |v, o| {
        let target = o.target();
        let args = [ATTACH.into(), target.pid().into(), 0.into(), 0.into()];
        v.can(libc::SYS_ptrace, args)
    },
    "trace.seize" => |v, o| {
        let target = o.target();
        let args = [SEIZE.into(), target.pid().into(), 0.into(), 0.into()];
        v.can(libc::SYS_ptrace, args)
    },
    "trace.read-memory" => |v, o| {
        let target = o.target();
        let remote = remote(target.pid());
        let mut room = [0; 4];
        let args = [
            target.pid().into(),
            Arg::Vector(&mut room),
            1.into(),
            Arg::Bytes(&remote),
            1.into(),
            0.into(),
        ];
        Ok(v.call(libc::SYS_process_vm_readv, args)? == Ok(4) && room == *b"\x7fELF")
    },
    "trace.write-memory" => |v, o| {
        // A page that cannot be written: only a right to try shows, by another errno.
        let target = o.target();
        let remote = remote(target.pid());
        let mut room = [0; 4];
        let args = [
            target.pid().into(),
            Arg::Vector(&mut room),
            1.into(),
            Arg::Bytes(&remote),
            1.into(),
            0.into(),
        ];
        Ok(v.call(libc::SYS_process_vm_writev, args)? == Err(libc::EFAULT))
    },
    "trace.memory-file" => |v, o| {
        let target = o.target();
        let there = format!("{}/mem", target.pid());
        let mut ways = vec![(NOWHERE, format!("/proc/{there}"))];
        for held in v.descriptors()? {
            ways.push((held, there.clone()));
            ways.push((held, format!("../{there}")));
        }
        for (dir, way) in ways {
            if v.open(dir, &text(way), libc::O_RDWR)?.is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    },
    "trace.take-descriptor" => |v, o| {
        let target = o.target();
        let Ok(fd) = v.call(libc::SYS_pidfd_open, [target.pid().into(), 0.into()])? else {
            return Ok(false);
        };
        v.can(libc::SYS_pidfd_getfd, [fd.into(), 0.into(), 0.into()])
    },
    "trace.compare" => |v, o| {
        let target = o.target();
        let own = v.call(libc::SYS_getpid, [])?.unwrap_or(0);
        let args = [target.pid().into(), own.into(), 1.into(), 0.into(), 0.into()];
        v.can(libc::SYS_kcmp, args)
    },
    "trace.robust-list" => |v, o| {
        let target = o.target();
        let args = [target.pid().into(), Arg::Room(&mut [0; 8]), Arg::Room(&mut [0; 8])];
        v.can(libc::SYS_get_robust_list, args)
    },
    "trace.move-pages" => |v, o| {
        let target = o.target();
        let args = [target.pid().into(), 0.into(), 0.into(), 0.into(), 0.into(), 0.into()];
        v.can(libc::SYS_move_pages, args)
    },
    "trace.count-events" => |v, o| {
        // A software clock of the other process, user space only.
        let target = o.target();
        let mut attr = [0; 128];
        attr[..4].copy_from_slice(&1u32.to_ne_bytes());
        attr[4..8].copy_from_slice(&128u32.to_ne_bytes());
        attr[8..16].copy_from_slice(&1u64.to_ne_bytes());
        attr[40] = 0x61;
        let args = [
            Arg::Bytes(&attr),
            target.pid().into(),
            Arg::from(-1),
            Arg::from(-1),
            0.into(),
        ];
        v.can(libc::SYS_perf_event_open, args)
    },
}

const ATTACH: i32 = libc::PTRACE_ATTACH as i32;
const SEIZE: i32 = libc::PTRACE_SEIZE as i32;

/// One `struct iovec` of the first bytes of what a process has mapped.
fn remote(pid: i32) -> Vec<u8> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let address = maps.split('-').next().unwrap();
    let address = u64::from_str_radix(address, 16).unwrap();
    [address.to_ne_bytes(), 4u64.to_ne_bytes()].concat()
}
