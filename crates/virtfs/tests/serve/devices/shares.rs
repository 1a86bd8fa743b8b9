//! Shares in QEMU's own spelling, each attached by a VMM of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use virtfs_tests::errno::{ENOENT, EROFS};

use super::guest::guest;
use super::{spec, start};

fn share(dir: &Path, rest: &str) -> String {
    format!("local,path={},{rest}", dir.display())
}

#[test]
fn each_share_is_a_device_with_a_model_of_its_own() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [first, second] = dirs.each_ref().map(|dir| dir.path());
    std::fs::write(first.join("first"), "").unwrap();
    std::fs::write(second.join("second"), "").unwrap();
    let sockets = tempfile::tempdir().unwrap();
    let [home, tools] = ["a", "b"].map(|name| sockets.path().join(name));

    let mut command = Command::new(env!("CARGO_BIN_EXE_virtfs"));
    command.arg("serve").stdin(Stdio::null());
    let mapped = share(first, "mount_tag=home,security_model=mapped-xattr");
    command.args(["-virtfs", &mapped]);
    let plain = share(second, "id=x,security_model=none,readonly=on");
    command.args(["-fsdev", &plain]);
    command.args(["-device", "virtio-9p-pci,fsdev=x,mount_tag=tools,addr=0x4"]);
    command.args(["--vhost-user", &spec(&home, "home")]);
    command.args(["--vhost-user", &spec(&tools, "tools")]);
    let _server = start(&mut command);

    let mut vm = guest(&home);
    vm.walk(1, 2, &["first"]).unwrap();
    assert_eq!(vm.walk(1, 3, &["second"]), Err(ENOENT));
    vm.mkdir(1, "made", 0o700).unwrap();
    let mut value = [0; 8];
    let made = first.join("made");
    let length = rustix::fs::getxattr(made, "user.virtfs.mode", &mut value).unwrap();
    assert_eq!(value[..length], 0o040_700_u32.to_le_bytes());

    let mut vm = guest(&tools);
    vm.walk(1, 2, &["second"]).unwrap();
    assert_eq!(vm.mkdir(1, "made", 0o700), Err(EROFS));
}
