//! What it tells about devices.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use super::{device, spec, start};
use crate::running::{Running, serve};

fn stdout_of(command: &mut Command) -> String {
    let mut server = start(command);
    server.signal(Signal::TERM);
    server.end();
    server.stdout()
}

#[test]
fn the_config_size_is_that_of_the_tag() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    for (length, config_size) in [(1, "config_size=3\n"), (254, "config_size=256\n")] {
        let tag = "t".repeat(length);
        let mut command = serve(dir.path());
        command
            .arg("--socket-path")
            .arg(&path)
            .args(["--tag", &tag]);
        let text = stdout_of(&mut command);
        assert!(text.contains(config_size), "{text}");
        assert!(text.contains(&format!(" {tag} /mnt\n")), "{text}");
    }
}

#[test]
fn whole_lines_are_printed_for_each_device() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("a"), dir.path().join("b"));
    let export = format!("src={},ro", dir.path().display());
    let only = format!("{},export=src", spec(&second, "src"));
    let mut command = device(dir.path(), &first);
    command.args(["--export", &export, "--vhost-user", &only]);
    let text = stdout_of(&mut command);

    for (number, path, size) in [(0, first.display(), 6), (1, second.display(), 5)] {
        for part in [
            "memory-backend=mem -m 2G -object memory-backend-memfd,id=mem,size=2G,share=on".into(),
            format!("-chardev socket,id=virtfs{number},path={path} "),
            format!(
                "-device vhost-user-test-device-pci,chardev=virtfs{number},virtio-id=9,num_vqs=1,\
                 vq_size=128,config_size={size}\n"
            ),
            format!("--generic-vhost-user 'socket={path},device_type=9p,queue_sizes=[128]'\n"),
            format!("crosvm run --vhost-user type=9p,socket={path}\n"),
            format!("virtio_uml.device={path}:9:{}\n", number + 1),
        ] {
            assert!(text.contains(&part), "{part}\n{text}");
        }
    }
    let mounts: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("mount "))
        .collect();
    let options = "trans=virtio,version=9p2000.L,msize=512000,cache=mmap,access=client";
    assert_eq!(
        mounts,
        [
            format!("mount -t 9p -o {options} home /mnt"),
            format!("mount -t 9p -o {options},ro,aname=src home /mnt"),
            format!("mount -t 9p -o {options},ro src /mnt"),
        ]
    );
}

#[test]
fn without_a_tag_it_is_virtfs() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = serve(dir.path());
    command.arg("--socket-path").arg(dir.path().join("vm"));
    let text = stdout_of(&mut command);
    assert!(text.contains("config_size=8\n"), "{text}");
    assert!(text.contains(" virtfs /mnt\n"), "{text}");
}

#[test]
fn capabilities_are_told_whatever_else_is_typed() {
    for flags in [&[][..], &["--socket-path=/nowhere/vm", "--fd=77"][..1]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_virtfs"));
        command.args(["serve", "--print-capabilities"]).args(flags);
        let mut program = Running::start(&mut command);
        assert_eq!(program.end().code(), Some(0));
        assert_eq!(program.stdout(), "{\"type\": \"9p\"}\n");
    }
}

#[test]
fn what_the_discovery_file_names_tells_capabilities() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist");
    let text = std::fs::read_to_string(dist.join("50-virtfs.json")).unwrap();
    assert!(text.contains("\"type\": \"9p\""), "{text}");
    let (_, binary) = text.split_once("\"binary\": \"/usr/libexec/").unwrap();
    let binary = dist.join(binary.split_once('"').unwrap().0);

    let program = Path::new(env!("CARGO_BIN_EXE_virtfs"));
    let mut command = Command::new(binary);
    command.arg("--print-capabilities");
    command.env("PATH", program.parent().unwrap());
    let mut program = Running::start(&mut command);
    assert_eq!(program.end().code(), Some(0));
    assert_eq!(program.stdout(), "{\"type\": \"9p\"}\n");
}
