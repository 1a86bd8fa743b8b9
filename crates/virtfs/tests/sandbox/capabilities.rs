//! Which capabilities a server of root's keeps.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use virtfs_tests::errno::EACCES;

use crate::running::{Running, serve, unix, unix_client};
use crate::{is_root, status};

const USER: u32 = 4242;

/// What is said about capabilities, and those that the worker has.
fn kept(flags: &[&str]) -> (String, u64) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let mut command = serve(dir.path());
    let server = Running::start(command.args(["--listen", &unix(&path)]).args(flags));
    let said = server.line("; capabilities: ");
    server.line("listening on ");
    let permitted = status(server.worker(), "CapPrm");
    (said, u64::from_str_radix(&permitted, 16).unwrap())
}

#[test]
fn mapped_models_keep_none() {
    if !is_root() {
        return;
    }
    for model in ["mapped-xattr", "mapped-file"] {
        let flags = ["--security-model", model, "--fmode", "600"];
        assert_eq!(kept(&flags), ("none".into(), 0), "{model}");
    }
}

#[test]
fn handles_are_what_one_more_is_kept_for() {
    if !is_root() {
        return;
    }
    const DAC_READ_SEARCH: u64 = 1 << 2;
    assert_eq!(kept(&[]).1 & DAC_READ_SEARCH, 0);
    let (said, kept) = kept(&["--inode-file-handles", "prefer"]);
    assert_eq!(kept & DAC_READ_SEARCH, DAC_READ_SEARCH);
    assert!(said.contains("dac_read_search"), "{said}");
}

#[test]
fn modcaps_has_the_last_word() {
    if !is_root() {
        return;
    }
    let flags = ["--modcaps=-mknod:-fsetid:+net_bind_service"];
    let said = "chown, dac_override, fowner, net_bind_service";
    let bits = 1 | 1 << 1 | 1 << 3 | 1 << 10;
    assert_eq!(kept(&flags), (said.into(), bits));
}

#[test]
fn root_is_told_that_a_mapped_directory_of_anothers_needs_more() {
    if !is_root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("theirs");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, PermissionsExt::from_mode(0o755)).unwrap();
    chown(&dir, Some(USER), Some(USER)).unwrap();
    let path = place.path().join("9p");
    let start = |flags: &[&str]| {
        let mut command = serve(&dir);
        command.args(["--security-model", "mapped-file", "--listen", &unix(&path)]);
        Running::start(command.args(flags))
    };
    let server = start(&[]);
    let said = server.line("WARN ");
    let why = format!("belongs to user {USER}: --security-model mapped-file takes root's");
    assert!(said.contains(&why) && said.contains("--modcaps"), "{said}");
    server.line("listening on ");
    assert_eq!(unix_client(&path).mkdir(1, "made", 0o755), Err(EACCES));
    drop(server);

    let server = start(&["--modcaps", "+dac_override:+fowner"]);
    server.line("listening on ");
    unix_client(&path).mkdir(1, "made", 0o755).unwrap();
}
