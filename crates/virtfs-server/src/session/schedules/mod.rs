//! A model of a session's threads over its real tables of tags and fids: a seed decides, at every
//! point where a thread takes or lets go of the session's lock, which thread goes on, what the
//! client sends next, and how each call ends. All that threads share is under that lock, so no
//! schedule is left out but by chance. `VIRTFS_SCHEDULES` runs more seeds than the usual few.

mod calls;
mod client;
mod history;
mod locks;
mod rng;
mod threads;
mod waits;
mod wire;

use self::threads::World;

/// How a run ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// All is answered, all fids are clunked, the client hangs up.
    InOrder,
    /// All is answered; a new version, then the client hangs up.
    Version,
    /// The client hangs up in the middle.
    HangsUp,
    /// The server answers what has arrived, and ends it.
    Drained,
    /// The server gives it up in the middle.
    Aborted,
}

const ENDINGS: [Ending; 5] = [
    Ending::InOrder,
    Ending::Version,
    Ending::HangsUp,
    Ending::Drained,
    Ending::Aborted,
];

#[test]
fn in_every_schedule_each_request_is_answered_once_or_flushed_and_no_fid_is_left() {
    let seeds = std::env::var("VIRTFS_SCHEDULES").ok();
    let seeds = seeds.and_then(|seeds| seeds.parse().ok()).unwrap_or(600);
    for seed in 1..=seeds {
        let ran = std::panic::catch_unwind(|| run(seed));
        assert!(ran.is_ok(), "seed {seed}");
    }
}

fn run(seed: u64) {
    let ending = ENDINGS[(seed % 5) as usize];
    let mut world = World::new(seed);
    world.wander(100 + seed as usize % 400);
    match ending {
        Ending::InOrder => {
            world.settle();
            world.clunk_all();
        }
        Ending::Version => {
            world.settle();
            world.begin_anew();
        }
        Ending::HangsUp | Ending::Drained | Ending::Aborted => {}
    }
    world.end(ending);
}
