//! To become more than it is, or to use what of the kernel a file server never needs.

use super::{NOWHERE, attacks};
use crate::victim::{Arg, Dead, Victim, text};

attacks! {
    "power.execute" => |v, _| {
        // It fails for want of a program, if it is not refused before.
        let null = Arg::Bytes(&[0; 8]);
        let args = [Arg::Bytes(b"/\0"), null, Arg::Bytes(&[0; 8])];
        Ok(v.call(libc::SYS_execve, args)? == Err(libc::EACCES) && sees_root(v)?)
    },
    "power.execute-from-memory" => |v, _| {
        let Ok(fd) = v.call(libc::SYS_memfd_create, [Arg::Bytes(b"x\0"), 0.into()])? else {
            return Ok(false);
        };
        let _ = v.call(libc::SYS_write, [fd.into(), Arg::Bytes(b"\x7fELFxxxx"), 8.into()])?;
        let args = [
            fd.into(),
            Arg::Bytes(b"\0"),
            Arg::Bytes(&[0; 8]),
            Arg::Bytes(&[0; 8]),
            libc::AT_EMPTY_PATH.into(),
        ];
        // It is no program, but the kernel looked.
        Ok(v.call(libc::SYS_execveat, args)? == Err(libc::ENOEXEC))
    },
    "power.new-code" => |v, _| {
        let (protection, flags) = (
            libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        let args = [
            0.into(),
            4096.into(),
            protection.into(),
            flags.into(),
            Arg::from(-1),
            0.into(),
        ];
        v.can(libc::SYS_mmap, args)
    },
    "power.new-code-later" => |v, _| {
        let (protection, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        let args = [
            0.into(),
            4096.into(),
            protection.into(),
            flags.into(),
            Arg::from(-1),
            0.into(),
        ];
        let at = v.call(libc::SYS_mmap, args)?.unwrap();
        let protection = libc::PROT_READ | libc::PROT_EXEC;
        v.can(libc::SYS_mprotect, [at.into(), 4096.into(), protection.into()])
    },
    "power.new-process" => |v, _| forks(v, 0),
    "power.become-root" => |v, o| {
        let become_root = o.user != 0 && v.can(libc::SYS_setuid, [0.into()])?;
        Ok(become_root)
    },
    "power.become-another" => |v, _| {
        let args = [4243.into(), 4243.into(), 4243.into()];
        v.can(libc::SYS_setresuid, args)
    },
    "power.capabilities" => |v, _| {
        let header = [0x2008_0522u32.to_ne_bytes(), 0u32.to_ne_bytes()].concat();
        let args = [Arg::Bytes(&header), Arg::Bytes(&[0xff; 24])];
        v.can(libc::SYS_capset, args)
    },
    "power.user-namespace" => |v, _| forks(v, libc::CLONE_NEWUSER),
    "power.mount-namespace" => |v, _| v.can(libc::SYS_unshare, [libc::CLONE_NEWNS.into()]),
    "power.network-namespace" => |v, _| v.can(libc::SYS_unshare, [libc::CLONE_NEWNET.into()]),
    "power.enter-namespace" => |v, _| {
        let parent = std::os::unix::process::parent_id();
        let mut ways = vec![(NOWHERE, format!("/proc/{parent}/ns/net"))];
        for held in v.descriptors()? {
            ways.push((held, format!("{parent}/ns/net")));
            ways.push((held, "1/ns/net".into()));
        }
        for (dir, way) in ways {
            if let Ok(fd) = v.open(dir, &text(way), libc::O_RDONLY)?
                && v.can(libc::SYS_setns, [fd.into(), 0.into()])?
            {
                return Ok(true);
            }
        }
        v.can(libc::SYS_setns, [v.fd.into(), 0.into()])
    },
    "power.bpf" => |v, _| {
        // A map of an array with one element.
        let map: Vec<u8> = [2u32, 4, 8, 1].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut attr = [0; 72];
        attr[..16].copy_from_slice(&map);
        v.can(libc::SYS_bpf, [0.into(), Arg::Bytes(&attr), 72.into()])
    },
    "power.uring" => |v, _| {
        v.can(libc::SYS_io_uring_setup, [1.into(), Arg::Room(&mut [0; 120])])
    },
    "power.own-page-faults" => |v, _| v.can(libc::SYS_userfaultfd, [1.into()]),
    "power.keys" => |v, _| {
        let (kind, name) = (Arg::Bytes(b"user\0"), Arg::Bytes(b"virtfs-escape\0"));
        let args = [kind, name, Arg::Bytes(b"x"), 1.into(), Arg::from(-3)];
        v.can(libc::SYS_add_key, args)
    },
    "power.keys-of-others" => |v, _| {
        // The keyring of the user, whoever made what is on it.
        v.can(libc::SYS_keyctl, [0.into(), Arg::from(-4), 0.into()])
    },
    "power.another-kernel" => |v, _| {
        v.can(libc::SYS_kexec_load, [0.into(), 0.into(), 0.into(), 0.into()])
    },
    "power.modules" => |v, _| {
        let args = [Arg::Bytes(b"x"), 1.into(), Arg::Bytes(b"\0")];
        // It is no module, but the kernel looked.
        Ok(v.call(libc::SYS_init_module, args)? == Err(libc::ENOEXEC))
    },
    "power.restart" => |v, _| {
        // Only what Ctrl-Alt-Del does is set, to what it is.
        let (first, second, off) = (0xfee1_deadi64, 672_274_793, 0);
        v.can(libc::SYS_reboot, [first.into(), second.into(), off.into(), 0.into()])
    },
    "power.clock" => |v, _| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = [
            (now.as_secs() as i64).to_ne_bytes(),
            i64::from(now.subsec_nanos()).to_ne_bytes(),
        ];
        v.can(libc::SYS_clock_settime, [0.into(), Arg::Bytes(&now.concat())])
    },
    "power.host-name" => |v, _| {
        let name = rustix::system::uname();
        let name = name.nodename().to_bytes();
        let named = v.can(libc::SYS_sethostname, [name.into(), (name.len() as i64).into()])?;
        let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/uts")).unwrap();
        Ok(named && namespace(&v.pid.to_string()) == namespace("self"))
    },
    "power.kernel-log" => |v, _| {
        v.can(libc::SYS_syslog, [3.into(), Arg::Room(&mut [0; 64]), 64.into()])
    },
    "power.swap" => |v, _| v.can(libc::SYS_swapoff, [Arg::Bytes(b"/none\0")]),
    "power.accounting" => |v, _| v.can(libc::SYS_acct, [0.into()]),
    "power.ports" => ports,
    "power.type-for-terminal" => |v, _| {
        for fd in 0..3 {
            let args = [fd.into(), (libc::TIOCSTI as i64).into(), Arg::Bytes(b"x")];
            if v.can(libc::SYS_ioctl, args)? {
                return Ok(true);
            }
        }
        Ok(false)
    },
    "power.watch-file-system" => |v, _| {
        const FAN_REPORT_FID: i32 = 0x200;
        v.can(libc::SYS_fanotify_init, [FAN_REPORT_FID.into(), 0.into()])
    },
    "power.core-dumps" => |v, _| {
        let set = [libc::PR_SET_DUMPABLE.into(), 1.into(), 0.into(), 0.into(), 0.into()];
        v.can(libc::SYS_prctl, set)
    },
    "power.personality" => |v, _| v.can(libc::SYS_personality, [0x0040_0000.into()]),
    "power.limits" => |v, _| {
        let limit = [u64::MAX.to_ne_bytes(), u64::MAX.to_ne_bytes()].concat();
        let which = libc::RLIMIT_NOFILE as i32;
        v.can(libc::SYS_prlimit64, [0.into(), which.into(), Arg::Bytes(&limit), 0.into()])
    },
}

/// Whether `/` is that of the host: what it holds can be looked at.
fn sees_root(v: &Victim) -> Result<bool, Dead> {
    let args = [
        NOWHERE.into(),
        Arg::Bytes(b"/usr/bin\0"),
        0.into(),
        0x7ff.into(),
        Arg::Room(&mut [0; 256]),
    ];
    v.can(libc::SYS_statx, args)
}

/// Starts a process, which ends at once.
fn forks(v: &Victim, flags: i32) -> Result<bool, Dead> {
    // This one waits until that has ended, so that they do not both answer.
    let flags = flags | libc::CLONE_VFORK | libc::SIGCHLD;
    let args = [flags.into(), 0.into(), 0.into(), 0.into(), 0.into()];
    let child = v.call(libc::SYS_clone, args)? == Ok(0);
    if child {
        // What is answered is the call before, to the process that made it.
        v.call(libc::SYS_exit_group, [0.into()])?.unwrap_or(0);
    }
    Ok(child)
}

#[cfg(target_arch = "x86_64")]
fn ports(v: &Victim, _: &crate::outside::Outside) -> Result<bool, Dead> {
    v.can(libc::SYS_iopl, [3.into()])
}

/// Other processors have none.
#[cfg(not(target_arch = "x86_64"))]
fn ports(_: &Victim, _: &crate::outside::Outside) -> Result<bool, Dead> {
    Ok(false)
}
