//! A server that is killed at any of its system calls, and what it leaves.
#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::fs;
use std::path::Path;

use virtfs_local::{LocalFs, Options, SecurityModel};
use virtfs_vfs::{FileSystem, Node, Qids};

use crate::common::{self, cx};

pub fn options() -> Options {
    Options {
        model: SecurityModel::MappedFile,
        ..Options::default()
    }
}

/// Owner, group and mode.
pub type Seen = (u32, u32, u32);

/// As virtfs sees a name.
pub fn by_virtfs(dir: &Path, name: &str) -> Seen {
    let fs = LocalFs::open(dir, options()).unwrap();
    let (root, _) = fs.attach(&cx()).unwrap();
    let node = walk(&fs, &root, name);
    let attr = fs.stat(&cx(), &node, None, Default::default()).unwrap();
    (attr.uid, attr.gid, attr.mode)
}

pub fn walk(fs: &LocalFs, root: &Node, name: &str) -> Node {
    let mut qids = Qids::new();
    fs.walk(&cx(), root, &[common::name(name)], &mut qids)
        .unwrap()
}

/// As QEMU sees a name: `fgets` into 100 bytes, `strncmp` of the key, `atoi` behind the sign.
pub fn by_qemu(dir: &Path, name: &str) -> Seen {
    use std::os::unix::fs::MetadataExt;
    let host = fs::metadata(dir.join(name)).unwrap();
    let mut seen = (host.uid(), host.gid(), host.mode());
    let text = fs::read(dir.join(".virtfs_metadata").join(name)).unwrap_or_default();
    for line in text
        .split_inclusive(|b| *b == b'\n')
        .flat_map(|l| l.chunks(99))
    {
        let line = String::from_utf8_lossy(line).into_owned();
        let value = |key: &str| {
            let rest = line.strip_prefix(key)?.get(1..)?.trim_start();
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-');
            Some(rest[..end.unwrap_or(rest.len())].parse().unwrap_or(0))
        };
        seen.0 = value("virtfs.uid").unwrap_or(seen.0);
        seen.1 = value("virtfs.gid").unwrap_or(seen.1);
        seen.2 = value("virtfs.mode").unwrap_or(seen.2);
    }
    seen
}

/// Does something in a process that is killed at its nth stop: before and after each system call
/// that comes after the call of what `act` is given. Whether it came that far.
pub fn killed_at(stop: usize, act: impl FnOnce(&dyn Fn())) -> bool {
    // SAFETY: the child calls nothing but this crate and ends by `_exit`; no other thread of this
    // program holds a lock that it needs, for the test is the only one of its program.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        // SAFETY: no pointers are passed.
        let ready = || unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            libc::raise(libc::SIGSTOP);
        };
        let act = std::panic::AssertUnwindSafe(|| act(&ready));
        let done = std::panic::catch_unwind(act);
        // SAFETY: ends the process, without what is to be done only once.
        unsafe { libc::_exit(i32::from(done.is_err())) }
    }
    let wait = || {
        let mut status = 0;
        // SAFETY: the kernel writes one integer.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        status
    };
    // SAFETY: no pointers are passed.
    let trace = |request, data: libc::c_long| unsafe {
        assert_eq!(libc::ptrace(request, child, 0_usize, data), 0);
    };
    assert!(libc::WIFSTOPPED(wait()), "the child did not get ready");
    trace(
        libc::PTRACE_SETOPTIONS,
        libc::c_long::from(libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL),
    );
    for _ in 0..stop {
        trace(libc::PTRACE_SYSCALL, 0);
        let status = wait();
        if libc::WIFEXITED(status) {
            assert_eq!(libc::WEXITSTATUS(status), 0, "the child failed");
            return false;
        }
        assert_eq!(libc::WSTOPSIG(status), libc::SIGTRAP | 0x80);
    }
    // SAFETY: no pointers are passed.
    assert_eq!(unsafe { libc::kill(child, libc::SIGKILL) }, 0);
    assert!(libc::WIFSIGNALED(wait()));
    true
}
