//! What the worker can reach.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Pid;
use virtfs_tests::errno::{ENOENT, EROFS, ESTALE};

use crate::guest::guest;
use crate::is_root;
use crate::ordinary::Ordinary;
use crate::processes::named;
use crate::running::{Running, serve, unix, unix_client};

/// That every descriptor of a process but the standard streams stands for something in its new root,
/// or for nothing that has a path.
fn leads_nowhere_else(process: Pid) {
    for fd in fs::read_dir(format!("/proc/{process}/fd")).unwrap() {
        let fd = fd.unwrap();
        // One may be closed in between.
        let Ok(target) = fs::read_link(fd.path()) else {
            continue;
        };
        let number: u32 = fd.file_name().to_str().unwrap().parse().unwrap();
        let target = target.to_str().unwrap();
        let within = ["/0", "socket:", "pipe:", "anon_inode:", "/memfd:"];
        // The procfs of the worker, and its directory of descriptors.
        let of_proc = target == "/" || target.ends_with("/fd");
        assert!(
            number <= 2 || of_proc || within.iter().any(|start| target.starts_with(start)),
            "{number}: {target}"
        );
    }
}

/// What is mounted in a process, in its own eyes.
fn mounts(process: Pid) -> Vec<(String, String)> {
    let text = fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap();
    let fields = text.lines().map(|line| {
        let fields: Vec<_> = line.split(' ').collect();
        (fields[4].to_owned(), fields[5].to_owned())
    });
    fields.collect()
}

#[test]
fn no_descriptor_of_the_worker_leads_outside() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    // One that nobody asked for is inherited.
    let mut command = Command::new("sh");
    command.args(["-c", "exec 7</ 8</etc; exec \"$@\"", "sh"]);
    command
        .arg(env!("CARGO_BIN_EXE_virtfs"))
        .args(["serve", "--shared-dir"]);
    command.arg(dir.path()).args(["--listen", &unix(&path)]);
    let server = Running::start(command.stdin(std::process::Stdio::null()));
    server.line("listening on ");
    let mut client = unix_client(&path);
    client.mkdir(1, "made", 0o755).unwrap();
    leads_nowhere_else(server.worker());
    let root = fs::read_dir(format!("/proc/{}/root/", server.worker())).unwrap();
    let names: Vec<_> = root.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["0"]);
}

#[test]
fn no_descriptor_of_an_ordinary_users_worker_leads_outside() {
    let place = Ordinary::new();
    let server = Running::start(place.serve().args(["--sandbox", "namespace"]));
    server.line("listening on ");
    unix_client(&place.socket).mkdir(1, "made", 0o755).unwrap();
    if is_root() {
        leads_nowhere_else(server.worker());
    }
}

#[test]
fn no_descriptor_of_a_vmms_process_leads_outside() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let mut command = serve(dir.path());
    command.args(["--tag", "home", "--socket-path"]).arg(&path);
    let server = Running::start(&mut command);
    server.line("listens for VMMs at ");
    let mut client = guest(&path);
    client.mkdir(1, "made", 0o755).unwrap();
    // The acceptor has the same name, and the VMM's process is below it.
    let vmm = named(server.pid(), "virtfs-home");
    assert_ne!(vmm, server.worker());
    leads_nowhere_else(vmm);
}

#[test]
fn each_export_is_a_mount_and_readonly_ones_cannot_be_written() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = ["a", "b"].map(|name| dir.path().join(name));
    fs::create_dir(&first).unwrap();
    fs::create_dir(&second).unwrap();
    let path = dir.path().join("9p");
    let mut command = serve(&first);
    command.args(["--export", &format!("b={},ro", second.display())]);
    let server = Running::start(command.args(["--listen", &unix(&path)]));
    server.line("listening on ");
    let mounts = mounts(server.worker());
    let options = |path: &str| {
        let found: Vec<_> = mounts.iter().filter(|mount| mount.0 == path).collect();
        assert_eq!(found.len(), 1, "{path} in {mounts:?}");
        found[0].1.clone()
    };
    assert_eq!(mounts.len(), 3, "{mounts:?}");
    for (path, access) in [("/", "ro,"), ("/0", "rw,"), ("/1", "ro,")] {
        let options = options(path);
        assert!(options.starts_with(access), "{path} {options}");
        for harmless in ["nosuid", "nodev", "noexec"] {
            assert!(options.contains(harmless), "{path} {options}");
        }
    }
    let mut client = unix_client(&path);
    client.mkdir(1, "made", 0o755).unwrap();
    client.attach(9, "b").unwrap();
    assert_eq!(client.mkdir(9, "made", 0o755).map(drop), Err(EROFS));
}

/// A server in a mount namespace whose mounts are shared, as systemd has them, that mounts a file system
/// in the export when the server runs.
fn mounts_later(dir: &Path, socket: &Path, how: &str) -> Running {
    let script = format!(
        "\"$@\" & server=$!; trap 'kill $server' TERM; read go; \
         mount {how} later '{}/sub' && touch '{0}/sub/file' && echo mounted >&2; \
         wait $server",
        dir.display()
    );
    let mut command = Command::new("unshare");
    // With the first process of its PID namespace all others end.
    command.args([
        "--mount",
        "--propagation",
        "shared",
        "--pid",
        "--mount-proc",
        "--kill-child",
    ]);
    command.args(["sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_virtfs")]);
    command.args(["serve", "--sandbox", "namespace", "--listen", &unix(socket)]);
    command.arg("--shared-dir").arg(dir);
    let server = Running::start(command.stdin(std::process::Stdio::piped()));
    server.line("listening on ");
    server
}

#[test]
fn what_the_host_mounts_in_the_export_later_is_served() {
    if !is_root() {
        return;
    }
    let (dir, sockets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir(dir.path().join("sub")).unwrap();
    let path = sockets.path().join("9p");
    let mut server = mounts_later(dir.path(), &path, "-t tmpfs");
    let mut client = unix_client(&path);
    client.walk(1, 4, &["sub"]).unwrap();
    assert!(client.walk(4, 2, &["file"]).is_err());
    drop(server.child.stdin.take());
    server.line("mounted");
    client.walk(1, 3, &["sub"]).unwrap();
    client.walk(3, 2, &["file"]).unwrap();
    client.mkdir(3, "made", 0o755).unwrap();
    assert!(
        !dir.path().join("sub/made").exists(),
        "it is in what was mounted"
    );
}

/// The export is a bind mount of a part of a file system, as containers have them.
#[test]
fn what_the_host_moves_out_of_a_bind_mount_is_not_changed() {
    if !is_root() {
        return;
    }
    let above = tempfile::tempdir().unwrap();
    let [part, export] = ["part", "export"].map(|name| above.path().join(name));
    fs::create_dir_all(part.join("inner")).unwrap();
    fs::create_dir(&export).unwrap();
    for sandbox in ["namespace", "landlock", "none"] {
        let path = above.path().join(sandbox);
        let script = format!(
            "mount --bind '{}' '{}' && exec \"$@\"",
            part.display(),
            export.display()
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script, "sh"]);
        command
            .arg(env!("CARGO_BIN_EXE_virtfs"))
            .args(["serve", "--sandbox", sandbox]);
        command
            .args(["--listen", &unix(&path), "--shared-dir"])
            .arg(&export);
        let server = Running::start(command.stdin(std::process::Stdio::null()));
        server.line("listening on ");
        let mut client = unix_client(&path);
        client.walk(1, 2, &["inner"]).unwrap();
        client.mkdir(2, sandbox, 0o755).unwrap();
        let outside = above.path().join("outside");
        fs::rename(part.join("inner"), &outside).unwrap();
        let refused = client.mkdir(2, "after", 0o755).unwrap_err();
        assert!([ENOENT, ESTALE].contains(&refused), "{sandbox}: {refused}");
        assert!(!outside.join("after").exists(), "{sandbox}");
        fs::rename(&outside, part.join("inner")).unwrap();
    }
}

#[test]
fn what_was_mounted_in_the_export_before_is_served() {
    if !is_root() {
        return;
    }
    let (dir, sockets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir(dir.path().join("sub")).unwrap();
    let path = sockets.path().join("9p");
    let script = format!(
        "mount -t tmpfs before '{}/sub' && touch '{0}/sub/file' && exec \"$@\"",
        dir.path().display()
    );
    for user in ["", "--user --map-root-user"] {
        let mut command = Command::new("unshare");
        command
            .args(user.split_whitespace())
            .args(["--mount", "sh", "-c", &script, "sh"]);
        command
            .arg(env!("CARGO_BIN_EXE_virtfs"))
            .args(["serve", "--sandbox", "namespace"]);
        command
            .args(["--listen", &unix(&path), "--shared-dir"])
            .arg(dir.path());
        let server = Running::start(command.stdin(std::process::Stdio::null()));
        server.line("listening on ");
        let mut client = unix_client(&path);
        client.walk(1, 3, &["sub"]).unwrap();
        client.walk(3, 2, &["file"]).unwrap();
    }
}
