//! The shell scripts can at least be parsed, on any machine.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn every_shell_script_parses() {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for folder in [
        "host",
        "init",
        "prepare",
        "scripts",
        "scripts/busybox",
        "scripts/device",
        "scripts/exchange",
        "scripts/locks",
        "scripts/peer",
        "scripts/posix",
        "scripts/root",
        "scripts/security",
        "scripts/server",
        "scripts/users",
    ] {
        for entry in fs::read_dir(guest.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "sh") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let shell = if text.starts_with("#!/bin/bash") || text.contains("shell=bash") {
                "bash"
            } else {
                "sh"
            };
            let status = Command::new(shell).arg("-n").arg(&path).status().unwrap();
            assert!(status.success(), "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 20);
}
