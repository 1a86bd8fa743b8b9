//! Clients that try to hold everything are answered errnos; others go on, and the server stays below
//! the memory that [`virtfs_server::Limits::most_memory`] says, under a limit of the kernel's.

mod device;
mod half_open;
mod kinds;
mod library;
mod limits;

use kinds::KINDS;
use library::Ground;
use virtfs_tests::Raw;

/// One kind after the other, each on several connections.
#[test]
fn each_kind_of_greed_leaves_others_what_they_need() {
    let ground = Ground::new();
    let mut witness = ground.session();
    for (name, greed) in KINDS {
        let held: Vec<Raw> = (0..3).map(|_| greed(&ground)).collect();
        ground.others_go_on(&mut witness, name);
        drop(held);
        ground.wait_until_sessions_end(1);
    }
    // What was held is free again.
    let mut one = ground.session();
    for fid in 100..1000 {
        one.walk(1, fid, &["file"]).unwrap();
    }
    ground.others_go_on(&mut witness, "the end");
}

/// All of them at once, on as many connections as there may be but for the witness and one more.
#[test]
fn all_kinds_of_greed_at_once_leave_others_what_they_need() {
    let ground = Ground::new();
    let mut witness = ground.session();
    let held: Vec<Raw> = std::thread::scope(|scope| {
        let kinds = KINDS.iter().cycle().take(limits::SESSIONS - 2);
        let threads: Vec<_> = kinds
            .map(|(_, greed)| scope.spawn(|| greed(&ground)))
            .collect();
        for _ in 0..3 {
            ground.others_go_on(&mut witness, "the beginning of everything");
        }
        let join = threads.into_iter().map(|thread| thread.join().unwrap());
        join.collect()
    });
    ground.others_go_on(&mut witness, "everything");
    // Who comes now is served, too.
    ground.others_go_on(&mut ground.session(), "who comes last");
    drop(held);
}

/// Each has replies waiting that it does not take.
#[test]
fn clients_that_take_no_replies_share_the_memory_for_them() {
    let ground = Ground::new();
    let mut witness = ground.session();
    let deaf: Vec<Raw> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..limits::SESSIONS - 2)
            .map(|_| scope.spawn(|| kinds::replies(&ground)))
            .collect();
        let join = threads.into_iter().map(|thread| thread.join().unwrap());
        join.collect()
    });
    ground.others_go_on(&mut witness, "the deaf");
    let (memory, most) = (ground.memory(), limits::most_in_buffers());
    assert!(memory <= most, "{memory} bytes, not {most}");
    drop(deaf);
    ground.wait_until_sessions_end(1);
}
