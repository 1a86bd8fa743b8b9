//! What users cost: calls that change a thread's rights, counted by strace. One user's requests in a
//! row need none.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::running::Running;
use crate::site::{DAEMON, Site, attach};

const TIMES: usize = 200;

/// The threads that changed their rights, one for each time.
fn changes(trace: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(trace).unwrap();
    let calls = text.lines().filter(|line| line.contains("setgroups("));
    calls
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

#[test]
fn a_user_s_requests_in_a_row_change_no_rights() {
    let site = Site::new();
    let trace = site.path("trace");
    let mut command = Command::new("strace");
    // With -D the server is our child.
    command.args(["-D", "-f", "-qq", "-e", "trace=setgroups", "-o"]);
    command.arg(&trace).arg(site.program()).args(site.flags());
    let server = Running::start(command.stdin(Stdio::null()));
    server.line("listening on ");
    let mut client = site.client();
    attach(&mut client, 0, "", Some(DAEMON)).unwrap();
    attach(&mut client, 1, "nobody", None).unwrap();
    client.getattr(0).unwrap();
    let before = changes(&trace).len();
    for _ in 0..TIMES {
        client.getattr(0).unwrap();
    }
    // Another thread may take over now and then, and has the user's rights from then on; one that
    // has just started leaves those first that it began with.
    let in_a_row = changes(&trace).split_off(before);
    let threads: HashSet<_> = in_a_row.iter().collect();
    assert!(in_a_row.len() <= 2 * threads.len(), "{in_a_row:?}");
    for at in 0..TIMES {
        client.getattr(at as u32 % 2).unwrap();
    }
    let in_turns = changes(&trace).len() - before - in_a_row.len();
    println!("{TIMES} requests: {in_a_row:?} in a row, {in_turns} changes in turns");
    assert!((1..=TIMES).contains(&in_turns), "{in_turns}");
}
