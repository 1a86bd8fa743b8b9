//! What a compromised server can do to the host: each attack is made for real, from inside a server
//! that is shut in as usual, in each way in which it can be, and what came of it is compared with
//! `table.txt`. An attack that is stopped where the table says `OPEN` fails a test too.

mod attacks;
#[path = "../serve/devices/guest.rs"]
mod guest;
mod outside;
#[path = "../serve/running.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod running;
mod site;
mod sys;
mod table;
mod victim;

use self::site::{Process, Site, Start};
use self::table::{Outcome, Outcomes};

/// Makes all attacks.
fn attack_all(start: &Start) -> (Outcomes, String) {
    let first = start.start();
    let told = first.told.clone();
    let mut site = Some(first);
    let mut outcomes = Outcomes::new();
    for (name, attack) in attacks::all() {
        let Site {
            victim, outside, ..
        } = site.get_or_insert_with(|| start.start());
        let outcome = match attack(victim, outside) {
            Ok(false) => Outcome::Refused,
            Ok(true) => Outcome::Open,
            Err(victim::Dead) => Outcome::Killed,
        };
        // What had an effect may have changed what the next one finds.
        if outcome != Outcome::Refused {
            site = None;
        }
        assert_eq!(
            outcomes.insert(name.to_owned(), outcome),
            None,
            "{name} stands twice"
        );
    }
    (outcomes, told)
}

fn check(start: Start) {
    let (seen, told) = attack_all(&start);
    for (name, outcome) in &seen {
        println!("{} {name} {outcome}", start.column);
    }
    let expected = table::column(start.column);
    let mut wrong = String::new();
    for name in seen.keys().chain(expected.keys()) {
        let (seen, expected) = (seen.get(name), expected.get(name));
        if seen != expected {
            let word =
                |outcome: Option<&Outcome>| outcome.map_or("nothing".into(), Outcome::to_string);
            let line = format!("{name}: {} instead of {}\n", word(seen), word(expected));
            if !wrong.contains(&line) {
                wrong += &line;
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{wrong}", start.column);
    told_is_true(&start, &told, &seen);
}

/// The line that the server prints says no more, and no less, than what is so.
fn told_is_true(start: &Start, told: &str, seen: &Outcomes) {
    let is = |attack: &str, outcome: Outcome| seen.get(attack) == Some(&outcome);
    let kills = told.contains("seccomp kills");
    assert_eq!(kills, is("power.execute", Outcome::Killed), "{told}");
    let landlock = told.contains("Landlock (");
    let namespaces = told.contains("namespaces;");
    // Nothing else keeps from looking at a file's size.
    assert_eq!(namespaces, !is("read.stat", Outcome::Open), "{told}");
    let inside = landlock || namespaces;
    assert_eq!(inside, !is("read.open-absolute", Outcome::Open), "{told}");
    if namespaces {
        for name in ["mount", "pid", "net", "ipc"] {
            assert!(told.contains(name), "{told}");
        }
    }
    // Of handles it warns in a line of their own.
    if kills && namespaces && !start.flags.contains(&"--inode-file-handles") {
        assert!(
            seen.values().all(|outcome| *outcome != Outcome::Open),
            "{told}"
        );
    }
}

macro_rules! columns {
    ($($name:ident: $who:ident, $process:ident, [$($flag:literal),*];)*) => {
        $(
            #[test]
            fn $name() {
                check(Start {
                    column: stringify!($name),
                    root: stringify!($who) == "root",
                    process: Process::$process,
                    flags: &[$($flag),*],
                });
            }
        )*
    };
}

columns! {
    root: root, Server, [];
    user: user, Server, [];
    root_handles: root, Server, ["--inode-file-handles", "prefer"];
    root_handles_landlock: root, Server, ["--inode-file-handles", "prefer", "--sandbox", "landlock"];
    root_access: root, Server, ["--access", "user"];
    root_vmm: root, Vmm, [];
    user_vmm: user, Vmm, [];
    root_namespace: root, Server, ["--sandbox", "namespace", "--seccomp", "off"];
    user_namespace: user, Server, ["--sandbox", "namespace", "--seccomp", "off"];
    root_landlock: root, Server, ["--sandbox", "landlock"];
    user_landlock: user, Server, ["--sandbox", "landlock"];
    root_landlock_only: root, Server, ["--sandbox", "landlock", "--seccomp", "off"];
    user_landlock_only: user, Server, ["--sandbox", "landlock", "--seccomp", "off"];
    root_seccomp_only: root, Server, ["--sandbox", "none"];
    root_none: root, Server, ["--sandbox", "none", "--seccomp", "off"];
    user_none: user, Server, ["--sandbox", "none", "--seccomp", "off"];
}
