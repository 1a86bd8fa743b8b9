//! As which user the server itself runs.

use std::io::Write;
use std::process::{Command, Stdio};

use virtfs_tests::errno::EACCES;

use crate::running::Running;
use crate::site::{DAEMON, NOBODY, Site, UNKNOWN, attach};

/// Another than those who attach.
const SERVER: &str = "2";

/// `setpriv` to another user with these capabilities, then the server.
fn with_capabilities(site: &Site, capabilities: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", SERVER, "--regid", SERVER, "--clear-groups"]);
    command.args(["--inh-caps", capabilities, "--ambient-caps", capabilities]);
    command.arg(site.program()).args(site.flags());
    command.current_dir("/").stdin(Stdio::null());
    command
}

/// Sixteen clients at once, each of three users in turns.
fn works(site: &Site) {
    std::thread::scope(|scope| {
        for number in 0..16 {
            scope.spawn(move || client_works(site, number));
        }
    });
}

fn client_works(site: &Site, number: u32) {
    let mut client = site.client();
    attach(&mut client, 0, "nobody", None).unwrap();
    attach(&mut client, 1, "", Some(DAEMON)).unwrap();
    attach(&mut client, 2, "", Some(0)).unwrap();
    for turn in 0..10 {
        for (fid, owner) in [(0, NOBODY), (1, DAEMON), (2, NOBODY)] {
            let name = format!("{number}-{turn}-{fid}");
            client.walk(fid, 10, &[]).unwrap();
            client.lcreate(10, &name, 0o2, 0o600).unwrap();
            client.write(10, 0, b"mine").unwrap();
            client.clunk(10).unwrap();
            assert_eq!(site.owner(&name), (owner, owner));
            // Their own again, and nobody else's.
            client.walk(fid, 10, &[&name]).unwrap();
            client.lopen(10, 0o2).unwrap();
            client.clunk(10).unwrap();
            let other = if fid == 1 { 0 } else { 1 };
            client.walk(other, 10, &[&name]).unwrap();
            assert_eq!(client.lopen(10, 0), Err(EACCES));
            client.clunk(10).unwrap();
        }
    }
    assert_eq!(attach(&mut client, 9, "", Some(UNKNOWN)), Err(EACCES));
}

/// More files than descriptors: those that are closed are found again for whom they are.
fn works_with_few_descriptors(site: &Site) {
    const FILES: u32 = 600;
    let mut client = site.client();
    let users = [NOBODY, DAEMON];
    attach(&mut client, 0, "nobody", None).unwrap();
    attach(&mut client, 1, "", Some(DAEMON)).unwrap();
    let name = |file: u32| format!("f{file}");
    for file in 0..FILES {
        let (root, open, node) = (file % 2, 1000 + file, 2000 + file);
        client.walk(root, open, &[]).unwrap();
        client.lcreate(open, &name(file), 0o2, 0o600).unwrap();
        client.write(open, 0, name(file).as_bytes()).unwrap();
        client.walk(root, node, &[&name(file)]).unwrap();
        client.walk(1 - root, 3000 + file, &[&name(file)]).unwrap();
    }
    for file in 0..FILES {
        let (open, node, others) = (1000 + file, 2000 + file, 3000 + file);
        let uid = users[file as usize % 2];
        assert_eq!(client.getattr(node).unwrap().uid, uid);
        assert_eq!(client.getattr(others).unwrap().uid, uid);
        assert_eq!(client.read(open, 0, 9).unwrap(), name(file).as_bytes());
        assert_eq!(client.lopen(others, 0), Err(EACCES));
        client.lopen(node, 0).unwrap();
        assert_eq!(client.read(node, 0, 9).unwrap(), name(file).as_bytes());
        client.clunk(node).unwrap();
    }
}

#[test]
fn few_descriptors_take_nothing_from_users_and_give_them_nothing() {
    let few = ["--rlimit-nofile", "256"];
    let site = Site::new();
    let server = Running::start(site.serve().args(few));
    server.line("listening on ");
    works_with_few_descriptors(&site);
    drop(server);
    let site = Site::new();
    let mut unprivileged = with_capabilities(&site, "+setuid,+setgid");
    let server = Running::start(unprivileged.args(few));
    server.line("listening on ");
    works_with_few_descriptors(&site);
}

#[test]
fn an_ordinary_user_with_two_capabilities_can_act_as_others() {
    let site = Site::new();
    let server = Running::start(&mut with_capabilities(&site, "+setuid,+setgid"));
    server.line("listening on ");
    works(&site);
}

#[test]
fn with_the_capabilities_to_reach_files_users_get_no_more() {
    let site = Site::new();
    let all = "+setuid,+setgid,+dac_override,+dac_read_search,+fowner,+chown";
    let server = Running::start(&mut with_capabilities(&site, all));
    server.line("listening on ");
    works(&site);
}

#[test]
fn without_the_capabilities_it_says_what_to_do() {
    for capabilities in ["-all", "+setgid"] {
        let site = Site::new();
        let server = Running::start(&mut with_capabilities(&site, capabilities));
        let (status, told) = server.failure();
        assert_eq!(status, Some(1), "{told}");
        assert!(
            told.contains("--access user") && told.contains("CAP_SETUID"),
            "{told}"
        );
        assert!(!site.socket().exists(), "the socket is removed again");
    }
}

/// Starts a server as root of a user namespace that knows these users and groups of the host.
fn in_user_namespace(site: &Site, map: &str, setgroups: &str) -> Running {
    let mut command = Command::new("unshare");
    // The numbers are written while it waits; then it is root there.
    let wait = "read go && exec \"$@\"";
    command.args(["--user", "sh", "-c", wait, "sh"]);
    command.arg(site.program()).args(site.flags());
    let mut server = Running::start(command.stdin(Stdio::piped()));
    let pid = server.pid();
    let file = |name: &str| format!("/proc/{pid}/{name}");
    let other = |name: &str| std::fs::read_link(file(name)).ok();
    let ours = std::fs::read_link("/proc/self/ns/user").ok();
    while other("ns/user").is_none_or(|theirs| Some(theirs) == ours) {
        std::thread::yield_now();
    }
    std::fs::write(file("setgroups"), setgroups).unwrap();
    for name in ["uid_map", "gid_map"] {
        std::fs::write(file(name), map).unwrap();
    }
    server
        .child
        .stdin
        .take()
        .unwrap()
        .write_all(b"go\n")
        .unwrap();
    server
}

#[test]
fn in_a_user_namespace_its_users_can_be_acted_as() {
    let site = Site::new();
    let server = in_user_namespace(&site, "0 0 4242\n65534 65534 1\n", "allow");
    server.line("listening on ");
    works(&site);
}

#[test]
fn where_the_squash_user_has_no_number_it_says_so() {
    for (map, setgroups) in [("0 0 1000\n", "allow"), ("0 0 70000\n", "deny")] {
        let site = Site::new();
        let (status, told) = in_user_namespace(&site, map, setgroups).failure();
        assert_eq!(status, Some(1), "{told}");
        assert!(told.contains("user namespace"), "{told}");
    }
}
