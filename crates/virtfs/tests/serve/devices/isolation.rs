//! Each VMM's process is shut in by itself. Needs strace, as `system_calls.rs` does.

use std::collections::HashSet;
use std::process::Command;

use super::guest::guest;
use super::{device, spec, start};

/// Devices of the same exports would otherwise be in one domain of Landlock, where a process may
/// signal and trace another.
#[test]
fn the_process_of_each_vmm_enters_a_domain_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second, trace] = ["a", "b", "trace"].map(|name| dir.path().join(name));
    let mut served = device(dir.path(), &first);
    served.args(["--sandbox", "landlock", "--once"]);
    served.args(["--vhost-user", &spec(&second, "other")]);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "trace=landlock_restrict_self", "-o"]);
    command.arg(&trace).arg(served.get_program());
    command.args(served.get_args());
    let mut server = start(&mut command);
    server.line("listens for VMMs at ");
    for socket in [&first, &second] {
        guest(socket).walk(1, 2, &[]).unwrap();
    }
    assert_eq!(server.end().code(), Some(0));
    let trace = std::fs::read_to_string(trace).unwrap();
    let restricted: HashSet<_> = trace
        .lines()
        .filter(|line| line.ends_with("= 0"))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(
        restricted.len(),
        4,
        "the first, the keeper and two VMMs': {trace}"
    );
}
