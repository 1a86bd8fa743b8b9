//! Locks over 9P agree with `fcntl` on the host's own file system, step by step: between processes
//! of one client, clients of one server, servers of one directory, and with programs of the host.
//!
//! Left out is what `docs/locks.md` lists: locks of a whole file by several open files.

mod lock_site;

use lock_site::host::{self, Host};
use lock_site::{Export, RD, SUCCESS, UN, WR, lock, open, session};
use virtfs_proto::LockType;
use virtfs_tests::{Raw, Rng, Served};

#[test]
fn host_process() {
    host::obey();
}

/// So many owners, each with the file open so often.
const OWNERS: usize = 3;
const OPEN: u32 = 2;

/// One step of an owner.
#[derive(Clone, Copy, Debug)]
enum Step {
    Set {
        open: u32,
        kind: LockType,
        start: u64,
        length: u64,
    },
    /// Closes the file once and opens it again.
    Reopen { open: u32 },
}

/// An owner of locks on one file.
trait Owner {
    /// Does it: whether a lock was granted.
    fn step(&mut self, step: Step) -> bool;
}

impl Owner for Host {
    fn step(&mut self, step: Step) -> bool {
        match step {
            Step::Set {
                open,
                kind,
                start,
                length,
            } => self.fcntl(open, kind, start, length),
            Step::Reopen { open } => {
                self.close(open);
                self.open(open);
                true
            }
        }
    }
}

/// A process of a client, on a session of its own.
struct Process {
    client: Raw,
    proc_id: u32,
    first: u32,
}

impl Process {
    fn new(served: &Served, proc_id: u32) -> Self {
        let mut client = session(served);
        for fid in 2..2 + OPEN {
            open(&mut client, fid);
        }
        Self {
            client,
            proc_id,
            first: 2,
        }
    }

    fn of(client: &mut Raw, proc_id: u32, first: u32, step: Step) -> bool {
        match step {
            Step::Set {
                open,
                kind,
                start,
                length,
            } => client.lock(first + open, lock(kind, start, length, proc_id)) == SUCCESS,
            // As the client of Linux does.
            Step::Reopen { open: file } => {
                let fid = first + file;
                assert_eq!(client.lock(fid, lock(UN, 0, 0, proc_id)), SUCCESS);
                client.clunk(fid).unwrap();
                open(client, fid);
                true
            }
        }
    }
}

impl Owner for Process {
    fn step(&mut self, step: Step) -> bool {
        Self::of(&mut self.client, self.proc_id, self.first, step)
    }
}

/// Several owners of one file.
struct Party(Vec<Box<dyn Owner>>);

impl Party {
    fn host(export: &Export) -> Self {
        std::fs::write(export.path("f"), "").unwrap();
        let host = || {
            let mut host = Host::new(&export.path("f"));
            (0..OPEN).for_each(|open| host.open(open));
            Box::new(host) as Box<dyn Owner>
        };
        Self((0..OWNERS).map(|_| host()).collect())
    }

    fn step(&mut self, owner: usize, step: Step) -> bool {
        self.0[owner].step(step)
    }

    /// What each byte of a few is to the last owner: free, shared or taken.
    fn look(&mut self) -> Vec<(bool, bool)> {
        let prober = OWNERS - 1;
        let look = |at: u64| {
            let set = |kind| Step::Set {
                open: 0,
                kind,
                start: at,
                length: 1,
            };
            let seen = (self.step(prober, set(RD)), self.step(prober, set(WR)));
            assert!(self.step(prober, set(UN)));
            seen
        };
        [0, 9, 10, 12, 14, 15, 16, 19, 20, 24, 25, 40]
            .map(look)
            .to_vec()
    }
}

/// The processes of one client share its session.
struct OneClient(std::rc::Rc<std::cell::RefCell<Raw>>, u32);

impl Owner for OneClient {
    fn step(&mut self, step: Step) -> bool {
        let (number, mut client) = (self.1, self.0.borrow_mut());
        Process::of(&mut client, number, 10 * (number + 1), step)
    }
}

/// All but the last are of one client: it would wait for itself at each look.
fn processes_of_one_client(served: &Served) -> Party {
    let mut client = session(served);
    for number in 0..OWNERS as u32 - 1 {
        for fid in 0..OPEN {
            open(&mut client, 10 * (number + 1) + fid);
        }
    }
    let client = std::rc::Rc::new(std::cell::RefCell::new(client));
    let process = |number| Box::new(OneClient(client.clone(), number)) as Box<dyn Owner>;
    let mut party = Party((0..OWNERS as u32 - 1).map(process).collect());
    party.0.push(Box::new(Process::new(served, 7)));
    party
}

fn clients(served: [&Served; OWNERS]) -> Party {
    let owner = |served: &&Served| Box::new(Process::new(served, 7)) as Box<dyn Owner>;
    Party(served.iter().map(owner).collect())
}

/// Runs a suite on each party beside the host's.
fn with_each(suite: impl Fn(&mut Party, &mut Party)) {
    let (own, export) = (Export::new(), Export::new());
    let (one, two, memory) = (export.serve(), export.serve(), Served::memory());
    std::fs::write(export.path("f"), "").unwrap();
    drop(session(&memory));
    let mut host = Party::host(&own);
    suite(&mut clients([&memory; OWNERS]), &mut host);
    suite(&mut clients([&one; OWNERS]), &mut host);
    suite(&mut clients([&one, &two, &one]), &mut host);
    let mut mixed = Party::host(&export);
    mixed.0[0] = Box::new(Process::new(&one, 7));
    suite(&mut mixed, &mut host);
    mixed.0[2] = Box::new(Process::new(&two, 7));
    suite(&mut mixed, &mut host);
    drop(mixed);
    suite(&mut processes_of_one_client(&one), &mut host);
}

/// The second range beside the first, which is the bytes 10 to 19.
const RELATIONS: [(&str, u64, u64); 8] = [
    ("the same", 10, 10),
    ("overlaps behind", 15, 10),
    ("overlaps before", 5, 10),
    ("touches behind", 20, 5),
    ("touches before", 5, 5),
    ("is contained, and splits", 12, 4),
    ("contains", 5, 20),
    ("contains, to the end", 5, 0),
];

#[test]
fn every_pair_of_locks_agrees_with_the_host() {
    with_each(|party, host| {
        let kinds = [RD, WR];
        for (relation, start, length) in RELATIONS {
            for (first, second) in kinds.iter().flat_map(|a| kinds.map(|b| (*a, b))) {
                for other in [false, true] {
                    let step = |open, kind, (start, length)| Step::Set {
                        open,
                        kind,
                        start,
                        length,
                    };
                    let (range, owner) = ((start, length), usize::from(other));
                    // Upgraded, cut and released through another open file than it was taken by.
                    let steps = [
                        (0, step(0, first, (10, 10))),
                        (owner, step(1, second, range)),
                        (0, step(1, UN, (12, 4))),
                        (owner, step(0, UN, range)),
                        (0, step(0, second, range)),
                        (0, Step::Reopen { open: 1 }),
                        (owner, Step::Reopen { open: 0 }),
                    ];
                    for (owner, step) in steps {
                        let what = (relation, first, second, other, step);
                        assert_eq!(party.step(owner, step), host.step(owner, step), "{what:?}");
                    }
                    assert_eq!(party.look(), host.look(), "{relation} {first:?} {second:?}");
                }
            }
        }
    });
}

#[test]
fn each_step_of_a_pair_leaves_the_same_bytes_locked_as_on_the_host() {
    let (own, export) = (Export::new(), Export::new());
    let (one, two) = (export.serve(), export.serve());
    let mut host = Party::host(&own);
    let mut party = clients([&one, &one, &two]);
    for (relation, start, length) in RELATIONS {
        for (first, second) in [(RD, RD), (RD, WR), (WR, RD), (WR, WR)] {
            for kind in [second, UN] {
                let set = |kind, start, length| Step::Set {
                    open: 0,
                    kind,
                    start,
                    length,
                };
                for step in [set(first, 10, 10), set(kind, start, length)] {
                    assert_eq!(party.step(0, step), host.step(0, step));
                    assert_eq!(party.look(), host.look(), "{relation} {first:?} {kind:?}");
                }
                for party in [&mut party, &mut host] {
                    assert!(party.step(0, set(UN, 0, 0)));
                }
            }
        }
    }
}

#[test]
fn random_schedules_agree_with_the_host() {
    let seed = std::env::var("LOCK_SEED").map_or(6, |seed| seed.parse().unwrap());
    let steps = std::env::var("LOCK_STEPS").map_or(400, |steps| steps.parse().unwrap());
    with_each(|party, host| {
        let mut rng = Rng::new(seed);
        for at in 0..steps {
            let owner = rng.index(OWNERS);
            let open = rng.below(u64::from(OPEN)) as u32;
            let step = if rng.below(20) == 0 {
                Step::Reopen { open }
            } else {
                let kind = rng.pick(&[RD, RD, WR, UN, UN]);
                let (start, length) = (rng.below(30), rng.below(8));
                Step::Set {
                    open,
                    kind,
                    // To the end, but never the whole.
                    start: start + u64::from(length == 0 && kind != UN),
                    length,
                }
            };
            let (ours, theirs) = (party.step(owner, step), host.step(owner, step));
            assert_eq!(
                ours, theirs,
                "seed {seed}, step {at}: owner {owner}, {step:?}"
            );
        }
        for owner in 0..OWNERS {
            for party in [&mut *party, &mut *host] {
                assert!(party.step(owner, Step::Reopen { open: 0 }));
            }
        }
        assert_eq!(party.look(), host.look());
    });
}
