//! The processes that a program has started.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// How long a process may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// The children of a process, and theirs, with their names.
pub(crate) fn below(process: Pid) -> Vec<(Pid, String)> {
    let all: Vec<_> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        // One may end in between.
        .filter_map(|pid: i32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let (head, tail) = stat.rsplit_once(") ")?;
            let parent = tail.split(' ').nth(1)?.parse().ok()?;
            let name = head.split_once('(')?.1.to_owned();
            Some((Pid::from_raw(pid)?, Pid::from_raw(parent)?, name))
        })
        .collect();
    let mut found = Vec::new();
    let mut parents = vec![process];
    while let Some(parent) = parents.pop() {
        for (pid, _, name) in all.iter().filter(|(_, its, _)| *its == parent) {
            found.push((*pid, name.clone()));
            parents.push(*pid);
        }
    }
    found
}

/// The one below a process that has this name, and no child of the same name. One that was just
/// started may have to name itself.
pub(crate) fn named(process: Pid, name: &str) -> Pid {
    let is = |process: &&(Pid, String)| process.1 == name;
    let last = |process: &&(Pid, String)| !below(process.0).iter().any(|below| below.1 == name);
    let until = Instant::now() + PATIENCE;
    loop {
        let all = below(process);
        if let Some(found) = all.iter().filter(is).find(last) {
            return found.0;
        }
        assert!(Instant::now() < until, "no {name} among {all:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How many descriptors a process has.
pub(crate) fn descriptors(process: Pid) -> usize {
    let fds = format!("/proc/{process}/fd");
    std::fs::read_dir(fds).unwrap().count()
}

/// How many of them are not what namespaces need one more of.
pub(crate) fn beside_the_worker(processes: &[(Pid, String)]) -> usize {
    let names = processes.iter().map(|(_, name)| name);
    names.filter(|name| *name != "virtfs-worker").count()
}

/// Processes that are to end.
pub(crate) struct Watched {
    all: Vec<OwnedFd>,
    count: usize,
}

impl Watched {
    /// Those below a process.
    pub(crate) fn below(process: Pid) -> Self {
        let open = |(pid, _)| pidfd_open(pid, PidfdFlags::empty()).ok();
        let all = below(process);
        Self {
            count: beside_the_worker(&all),
            all: all.into_iter().filter_map(open).collect(),
        }
    }

    /// How many they are, beside the worker.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Waits until all have ended.
    pub(crate) fn end(&self) {
        let limit = Timespec::try_from(PATIENCE).unwrap();
        for process in &self.all {
            let mut fds = [PollFd::new(process, PollFlags::IN)];
            assert_eq!(
                poll(&mut fds, Some(&limit)),
                Ok(1),
                "a process does not end"
            );
        }
    }
}
