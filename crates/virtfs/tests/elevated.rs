//! The program gives nobody rights that they do not have (CVE-2015-8556: a helper of QEMU's was
//! installed setuid root).

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::fs::{StatVfsMountFlags, XattrFlags, getxattr, setxattr, statvfs};

/// An ordinary user.
const USER: u32 = 61_001;

/// A copy of the program that everybody may start.
fn copy(dir: &Path) -> PathBuf {
    assert!(rustix::process::geteuid().is_root(), "this test needs root");
    let flags = statvfs(dir).unwrap().f_flag;
    assert!(
        !flags.contains(StatVfsMountFlags::NOSUID),
        "{dir:?} is nosuid"
    );
    fs::set_permissions(dir, PermissionsExt::from_mode(0o755)).unwrap();
    let program = dir.join("virtfs");
    fs::copy(env!("CARGO_BIN_EXE_virtfs"), &program).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    program
}

fn start(program: &Path, user: u32) -> Output {
    let mut command = Command::new(program);
    command
        .args(["serve", "--print-capabilities"])
        .uid(user)
        .gid(user);
    command.output().unwrap()
}

fn refused(program: &Path, user: u32, why: &str) {
    let output = start(program, user);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(why), "{told}");
    assert!(output.stdout.is_empty());
}

#[test]
fn cve_2015_8556_the_program_refuses_rights_that_its_user_has_not() {
    let dir = tempfile::tempdir().unwrap();
    let program = copy(dir.path());
    assert!(start(&program, USER).status.success());
    for (mode, owner) in [(0o4755, 0), (0o2755, 0), (0o4755, USER + 1)] {
        // A change of owner takes the bits away.
        chown(&program, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&program, PermissionsExt::from_mode(mode)).unwrap();
        refused(&program, USER, "setuid or setgid");
    }
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    // cap_dac_read_search+ep, as setcap(8) stores it.
    let mut value = [0; 20];
    value[..8].copy_from_slice(&[1, 0, 0, 2, 4, 0, 0, 0]);
    let name = "security.capability";
    setxattr(&program, name, &value, XattrFlags::empty()).unwrap();
    refused(&program, USER, "capabilities");
    // They give root nothing.
    assert!(start(&program, 0).status.success());
}

#[test]
fn cve_2015_8556_nothing_is_installed_with_rights_of_its_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![PathBuf::from(env!("CARGO_BIN_EXE_virtfs"))];
    let dist = fs::read_dir(root.join("dist")).unwrap();
    files.extend(dist.map(|entry| entry.unwrap().path()));
    assert!(files.len() > 3, "{files:?}");
    for file in &files {
        let mode = file.metadata().unwrap().mode();
        assert_eq!(mode & 0o6000, 0, "{file:?}");
        let capability = getxattr(file, "security.capability", &mut [0; 64][..]);
        assert!(capability.is_err(), "{file:?}");
    }
    // Nor does anything that is handed to packagers ask for such a bit.
    for file in &files[1..] {
        let text = fs::read_to_string(file).unwrap().to_lowercase();
        for word in ["setuid", "setgid", "setcap", "u+s", "g+s", "4755", "2755"] {
            assert!(!text.contains(word), "{file:?} has {word}");
        }
    }
}
