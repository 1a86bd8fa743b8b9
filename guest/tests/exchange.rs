//! A tree that a guest writes through QEMU's own 9P device is the same through virtfs, and the reverse, also
//! after the other one has changed it: under both mapped models, served by an ordinary user.
//!
//! Ignored by default: `guest/run` prepares the kernels and runs it.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use virtfs_guest::{Bus, Guest, Item, Model, Mount, Root, Server, Transport};

#[test]
#[ignore = "boots a kernel: guest/run exchange"]
fn trees_are_exchanged_with_qemu_under_mapped_xattr() {
    exchange(Model::MappedXattr);
}

#[test]
#[ignore = "boots a kernel: guest/run exchange"]
fn trees_are_exchanged_with_qemu_under_mapped_file() {
    exchange(Model::MappedFile);
}

/// Tree `a` is QEMU's, changed by virtfs; tree `b` the reverse.
fn exchange(model: Model) {
    let folder = tempfile::tempdir().expect("a folder");
    let share = folder.path().join("share");
    for path in [folder.path(), &share] {
        fs::create_dir_all(path).expect("a folder");
        fs::set_permissions(path, fs::Permissions::from_mode(0o711)).expect("its mode");
    }
    let qemu = Guest::qemu(Server::qemu().model(model), Bus::Pci)
        .expect("a prepared kernel")
        .root(Root::Host)
        .label(&format!("{model} QEMU"));
    let virtfs = Guest::uml(Server::from_env().expect("a server").model(model))
        .expect("a prepared kernel")
        .transport(Transport::Virtio)
        .label(&format!("{model} virtfs"));
    let run = |guest: &Guest, names: &[&str]| {
        let items: Vec<_> = names.iter().map(|name| item(name)).collect();
        guest
            .clone()
            .share(&share)
            .limit(common::limit())
            .run(&items, &Mount::default())
            .expect("the guest can be started")
            .check();
    };
    run(&qemu, &["write-a", "list-a-1"]);
    run(
        &virtfs,
        &["list-a-2", "change-a", "list-a-3", "write-b", "list-b-1"],
    );
    run(&qemu, &["list-a-4", "list-b-2", "change-b", "list-b-3"]);
    run(&virtfs, &["list-b-4"]);

    let listing = |name: &str| fs::read(share.join(name).join("listing")).expect("a listing");
    let mut complaint = String::new();
    for (one, other, what) in [
        (
            "list-a-1",
            "list-a-2",
            "what QEMU wrote, read by QEMU and by virtfs",
        ),
        (
            "list-a-3",
            "list-a-4",
            "what virtfs changed, read by virtfs and by QEMU",
        ),
        (
            "list-b-1",
            "list-b-2",
            "what virtfs wrote, read by virtfs and by QEMU",
        ),
        (
            "list-b-3",
            "list-b-4",
            "what QEMU changed, read by QEMU and by virtfs",
        ),
        (
            "list-a-1",
            "list-b-1",
            "the same work by QEMU and by virtfs",
        ),
        (
            "list-a-3",
            "list-b-3",
            "the same changes by virtfs and by QEMU",
        ),
    ] {
        if let Some(differences) = differences(&listing(one), &listing(other)) {
            complaint.push_str(&format!("{what}:\n{differences}"));
        }
    }
    assert!(complaint.is_empty(), "{model}\n{complaint}");
}

/// The script whose name the item's begins with.
fn item(name: &str) -> Item {
    let script = name.split('-').next().unwrap_or_default();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scripts/exchange/{script}.sh"));
    let text = fs::read_to_string(path).expect("the script is there");
    Item::inline(name, &text).expect("a name for an item")
}

/// The lines that only one of them has, with `-` for the first and `+` for the other.
fn differences(one: &[u8], other: &[u8]) -> Option<String> {
    if one == other {
        return None;
    }
    let lines = |text: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(text).into_owned();
        text.lines().map(str::to_owned).collect()
    };
    let (one, other) = (lines(one), lines(other));
    let only = |sign: char, these: &[String], those: &[String]| -> String {
        let lines = these.iter().filter(|line| !those.contains(line));
        lines.map(|line| format!("{sign} {line}\n")).collect()
    };
    let text = only('-', &one, &other) + &only('+', &other, &one);
    Some(if text.is_empty() {
        "the order of lines\n".to_owned()
    } else {
        text
    })
}

#[test]
fn a_line_that_differs_is_told() {
    assert_eq!(differences(b"a\nb\n", b"a\nb\n"), None);
    assert_eq!(
        differences(b"a\nb\n", b"a\nc\n").as_deref(),
        Some("- b\n+ c\n")
    );
    assert_eq!(
        differences(b"a\nb\n", b"b\na\n").as_deref(),
        Some("the order of lines\n")
    );
}
