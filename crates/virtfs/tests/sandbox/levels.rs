//! What each kind of start gets, and what it says about it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::getpid;

use crate::ordinary::Ordinary;
use crate::running::{Running, serve, unix, unix_client};
use crate::{is_root, namespace, status};

const SEPARATE: [&str; 5] = ["mnt", "pid", "net", "ipc", "uts"];

/// That a server serves its directory.
fn works(place: &Ordinary) {
    let mut client = unix_client(&place.socket);
    client.mkdir(1, "made", 0o755).unwrap();
    assert!(place.served.join("made").is_dir());
}

/// `PROGRAM... virtfs serve ...`, run by the user of the place.
fn by(place: &Ordinary, outer: &[&str], script: &str) -> Command {
    let mut command = Command::new(outer[0]);
    command.args(&outer[1..]);
    place.script(&mut command, script);
    if rustix::process::geteuid().is_root() {
        command.uid(place.user).gid(place.user);
    }
    command
}

#[test]
fn root_gets_namespaces_and_stays_in_its_user_namespace() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let server = Running::start(serve(dir.path()).args(["--listen", &unix(&path)]));
    let said = server.line("sandbox: ");
    assert!(
        said.starts_with("mount, pid, net, ipc and uts namespaces; Landlock (ABI "),
        "{said}"
    );
    let capabilities = "; capabilities: chown, dac_override, fowner, fsetid, mknod";
    assert!(said.ends_with(capabilities), "{said}");
    server.line("listening on ");
    let worker = server.worker();
    assert_ne!(worker, server.pid());
    for name in SEPARATE {
        assert_ne!(namespace(worker, name), namespace(getpid(), name), "{name}");
    }
    assert_eq!(namespace(worker, "user"), namespace(getpid(), "user"));
    unix_client(&path).mkdir(1, "made", 0o755).unwrap();
}

#[test]
fn an_ordinary_user_gets_namespaces_by_a_user_namespace() {
    let place = Ordinary::new();
    let server = Running::start(place.serve().args(["--sandbox", "namespace"]));
    let said = server.line("sandbox: ");
    assert!(
        said.starts_with("user, mount, pid, net, ipc and uts namespaces; "),
        "{said}"
    );
    assert!(said.ends_with("; capabilities: none"), "{said}");
    let lacks = server.line("none without privileges: ");
    let own = format!("has the users {0} and the groups {0}", place.user);
    assert!(lacks.contains(&own), "{lacks}");
    server.line("listening on ");
    let worker = server.worker();
    for name in SEPARATE.into_iter().chain(["user"]) {
        assert_ne!(namespace(worker, name), namespace(getpid(), name), "{name}");
    }
    works(&place);
}

#[test]
fn under_no_new_privs_an_ordinary_user_gets_the_same() {
    let place = Ordinary::new();
    let script = "exec \"$@\" --sandbox namespace";
    let server = Running::start(&mut by(&place, &["setpriv", "--no-new-privs"], script));
    server.line("sandbox: user, mount, pid, net, ipc and uts namespaces; ");
    server.line("listening on ");
    works(&place);
}

/// As in a container: there is a user namespace, no privilege in it, and no other one to be had.
const CONTAINER: [&str; 4] = ["unshare", "--user", "--map-root-user", "--kill-child"];
const WITHOUT: &str = "echo 0 > /proc/sys/user/max_user_namespaces && \
                       exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs \"$@\"";

#[test]
fn without_user_namespaces_landlock_is_what_is_left_and_it_is_said_why() {
    let place = Ordinary::new();
    let server = Running::start(&mut by(&place, &CONTAINER, WITHOUT));
    let said = server.line("sandbox: ");
    assert!(said.starts_with("Landlock (ABI "), "{said}");
    let why = "; no namespaces: this host's limit of user namespaces is reached \
               (user.max_user_namespaces)";
    assert!(said.ends_with(why), "{said}");
    server.line("listening on ");
    works(&place);
}

#[test]
fn namespaces_that_were_named_and_cannot_be_had_are_an_error_that_says_why() {
    let place = Ordinary::new();
    let script = format!("{WITHOUT} --sandbox namespace");
    let (code, said) = Running::start(&mut by(&place, &CONTAINER, &script)).failure();
    assert_eq!(code, Some(1), "{said}");
    let why = "--sandbox namespace: namespaces cannot be had: this host's limit of user namespaces";
    assert!(said.contains(why), "{said}");
    assert!(!place.socket.exists(), "the socket is removed again");
}

/// What container runtimes do: nobody who cannot see all of a procfs may mount one.
#[test]
fn behind_a_masked_proc_landlock_is_what_is_left() {
    if !is_root() {
        return;
    }
    let place = Ordinary::new();
    let user = place.user.to_string();
    let script = format!(
        "mount -t tmpfs mask /proc/fs && \
         exec setpriv --reuid {user} --regid {user} --clear-groups \"$@\""
    );
    let mut command = Command::new("unshare");
    place.script(command.arg("--mount"), &script);
    let server = Running::start(&mut command);
    let said = server.line("sandbox: ");
    assert!(said.starts_with("Landlock (ABI "), "{said}");
    assert!(
        said.contains("; no namespaces: no procfs can be mounted: "),
        "{said}"
    );
    server.line("listening on ");
    works(&place);
}

#[test]
fn root_of_a_user_namespace_needs_no_other() {
    let place = Ordinary::new();
    let outer = ["unshare", "--user", "--map-root-user", "--kill-child"];
    let script = "exec \"$@\" --security-model none";
    let server = Running::start(&mut by(&place, &outer, script));
    server.line("sandbox: mount, pid, net, ipc and uts namespaces; ");
    server.line("listening on ");
    works(&place);
}

#[test]
fn a_user_whom_the_user_namespace_would_not_know_keeps_it_away() {
    let place = Ordinary::new();
    let other = (place.user + 1).to_string();
    let mut command = place.serve();
    let server = Running::start(command.args(["--peer-uid", "same", "--peer-uid", &other]));
    let said = server.line("sandbox: ");
    assert!(said.starts_with("Landlock (ABI "), "{said}");
    let why = format!("user {other} would not exist in the user namespace");
    assert!(said.contains(&why), "{said}");
    drop(server);

    let mut command = place.serve();
    let server = Running::start(command.args(["--peer-uid", "same"]));
    server.line("sandbox: user, mount, pid, net, ipc and uts namespaces; ");
    server.line("listening on ");
    if !rustix::process::geteuid().is_root() {
        works(&place);
    }
}

/// With these it may act as others, and root may not be among them.
#[test]
fn with_the_right_to_act_as_others_all_users_exist_but_root() {
    if !is_root() {
        return;
    }
    let place = Ordinary::new();
    let capabilities = "+setuid,+setgid";
    let user = place.user.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
    command.args(["--inh-caps", capabilities, "--ambient-caps", capabilities]);
    place.script(&mut command, "exec \"$@\" --access user");
    let server = Running::start(&mut command);
    let said = server.line("sandbox: ");
    assert!(said.starts_with("user, mount, pid, "), "{said}");
    assert!(said.ends_with("; capabilities: setgid, setuid"), "{said}");
    server.line("listening on ");
    let map = std::fs::read_to_string(format!("/proc/{}/uid_map", server.worker())).unwrap();
    let map: Vec<_> = map.split_whitespace().collect();
    assert_eq!(map, ["1", "1", "4294967294"]);
}

/// What a user namespace would make useless is worth more than it.
#[test]
fn a_capability_that_counts_on_the_host_only_keeps_a_user_namespace_away() {
    if !is_root() {
        return;
    }
    let place = Ordinary::new();
    let capabilities = "+setuid,+setgid,+setfcap,+mknod,+chown,+fowner,+dac_override";
    let user = place.user.to_string();
    let start = |flags: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
        command.args(["--inh-caps", capabilities, "--ambient-caps", capabilities]);
        place.script(&mut command, &format!("exec \"$@\" {flags}"));
        Running::start(&mut command)
    };
    let server = start("--security-model passthrough");
    let said = server.line("sandbox: ");
    assert!(said.starts_with("Landlock (ABI "), "{said}");
    assert!(said.ends_with("would be of no use: mknod"), "{said}");
    server.line("listening on ");
    drop(server);
    let server = start("--security-model passthrough --sandbox namespace");
    let said = server.line("sandbox: ");
    assert!(said.starts_with("user, mount, pid, "), "{said}");
    assert!(
        said.ends_with("; capabilities: chown, dac_override, fowner"),
        "{said}"
    );
    server.line("listening on ");
}

#[test]
fn landlock_alone_leaves_one_process() {
    let place = Ordinary::new();
    let server = Running::start(place.serve().args(["--sandbox", "landlock"]));
    let said = server.line("sandbox: ");
    assert!(said.starts_with("Landlock (ABI "), "{said}");
    assert!(!said.contains("namespaces"), "{said}");
    server.line("listening on ");
    assert_eq!(server.worker(), server.pid());
    assert_eq!(status(server.pid(), "NoNewPrivs"), "1");
    works(&place);
}

/// Else the ACLs of a guest would be refused, which name its users.
#[test]
fn acls_that_are_the_hosts_own_keep_a_user_namespace_of_one_away() {
    let place = Ordinary::new();
    let server = Running::start(place.serve().args(["--security-model", "mapped-file"]));
    let said = server.line("sandbox: ");
    assert!(said.starts_with("Landlock ("), "{said}");
    assert!(
        said.contains("no namespaces: under --security-model mapped-file"),
        "{said}"
    );
    server.line("listening on ");
    works(&place);
}
