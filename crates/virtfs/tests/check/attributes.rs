//! What may be wrong under `mapped-xattr`.

use std::fs;
use std::os::unix::fs::symlink;

use crate::site::{GID, MODE, RDEV, Site, UID};

const REGULAR: u32 = 0o100_644;
const ACL: &str = "user.virtfs.system.posix_acl_access";

#[test]
fn values_have_exact_lengths() {
    for name in [UID, GID, MODE, RDEV] {
        for length in [0, 1, 3, 5, 9, 300] {
            let site = Site::new();
            site.mapped("f", REGULAR, b"");
            site.xattr("f", name, &vec![1; length]);
            let said = site.check(&[]);
            let expected = format!("f: error: {name} has a length of {length} ");
            let findings = said.findings(&site);
            assert!(
                findings.iter().any(|f| f.starts_with(&expected)),
                "{findings:#?}"
            );
            assert_eq!(said.status, Some(1));
        }
    }
}

#[test]
fn the_lengths_of_macos_are_only_noted() {
    let site = Site::new();
    site.mapped("f", REGULAR, b"");
    site.xattr("f", MODE, &0o100_644_u16.to_le_bytes());
    site.finds("f: note: user.virtfs.mode has 2 bytes", "macOS");
    let site = Site::new();
    site.mapped("f", 0o020_600, b"");
    site.xattr("f", RDEV, &[3, 0, 0, 1]);
    site.finds("f: note: user.virtfs.rdev has 4 bytes", "macOS");
}

#[test]
fn big_endian_values_are_told_with_what_was_meant() {
    let site = Site::new();
    site.mapped("f", REGULAR, b"");
    site.xattr("f", UID, &1000_u32.to_be_bytes());
    site.xattr("f", GID, &55_u32.to_be_bytes());
    site.xattr("f", MODE, &0o100_640_u32.to_be_bytes());
    site.finds(
        "f: error: surely big-endian",
        "mode 0100640, uid 1000, gid 55",
    );
    // A device and a directory.
    let site = Site::new();
    site.mapped("dev", REGULAR, b"");
    site.xattr("dev", MODE, &0o020_600_u32.to_be_bytes());
    site.xattr("dev", RDEV, &0x0ae5_u64.to_be_bytes());
    site.finds("dev: error: surely big-endian", "mode 020600, rdev 0xae5");
    let site = Site::new();
    site.mapped("d/f", REGULAR, b"");
    site.xattr("d", UID, &1_u32.to_be_bytes());
    site.xattr("d", GID, &1_u32.to_be_bytes());
    site.xattr("d", MODE, &0o040_755_u32.to_be_bytes());
    site.finds("d: error: surely big-endian", "mode 040755, uid 1, gid 1");
}

#[test]
fn what_setfattr_is_told_to_store_mends_it() {
    let site = Site::new();
    site.mapped("f", REGULAR, b"");
    site.xattr("f", MODE, &0o100_640_u32.to_be_bytes());
    site.finds("f: error: surely big-endian", "user.virtfs.mode 0xa0810000");
    site.xattr("f", MODE, &[0xa0, 0x81, 0, 0]);
    assert_eq!(site.check(&[]).findings(&site), [""; 0]);
}

#[test]
fn a_big_endian_user_alone_is_no_certainty() {
    let site = Site::new();
    site.mapped("f", REGULAR, b"");
    site.xattr("f", UID, &1000_u32.to_be_bytes());
    site.finds("f: warning: probably big-endian", "uid 1000");
    // As a container's root may be.
    site.xattr("f", UID, &524_288_u32.to_le_bytes());
    site.finds("f: note: perhaps big-endian", "uid 2048");
}

#[test]
fn kinds_that_cannot_be_are_errors() {
    let site = Site::new();
    site.mapped("f", 0o040_755, b"");
    site.finds(
        "f: error: the stored mode 040755 is that of a directory",
        "regular file",
    );
    let site = Site::new();
    site.mapped("d/f", REGULAR, b"");
    site.xattr("d", UID, &[0; 4]);
    site.xattr("d", GID, &[0; 4]);
    site.xattr("d", MODE, &0o120_777_u32.to_le_bytes());
    site.finds(
        "d: error: the stored mode 0120777 is that of a symbolic link",
        "directory",
    );
    let site = Site::new();
    site.mapped("f", 0o644, b"");
    site.finds("f: warning: the stored mode 0644 has lost", "QEMU");
    site.xattr("f", MODE, &0o170_644_u32.to_le_bytes());
    site.finds("f: error: the stored mode 0xf1a4 is none", "");
}

#[test]
fn devices_and_their_numbers_belong_together() {
    let site = Site::new();
    site.mapped("dev", 0o020_600, b"");
    site.finds("dev: error: a character device without", "");
    site.xattr("dev", RDEV, &0x0103_u64.to_le_bytes());
    assert_eq!(site.check(&[]).status, Some(0));
    site.xattr("dev", MODE, &REGULAR.to_le_bytes());
    site.finds(
        "dev: warning: the device number 1:3 is stored for",
        "regular file",
    );
    // mknod stores a zero for each kind.
    site.xattr("dev", RDEV, &[0; 8]);
    assert_eq!(site.check(&[]).findings(&site), [""; 0]);
    site.mapped("fifo", 0o010_600, b"what?");
    site.finds("fifo: note: a FIFO with 5 bytes", "");
}

#[test]
fn values_that_lack_their_partners_are_noted() {
    for (name, part) in [(UID, "no mode"), (GID, "no mode"), (MODE, "no owner")] {
        let site = Site::new();
        site.file("f", "");
        site.xattr("f", name, &REGULAR.to_le_bytes());
        let said = site.check(&[]);
        assert_eq!(said.status, Some(0), "{}", said.out);
        assert!(said.out.contains("f: note: "), "{}", said.out);
        assert!(said.out.contains(part), "{}", said.out);
    }
}

#[test]
fn the_root_is_checked_too() {
    let site = Site::new();
    site.xattr("", MODE, &[1, 2, 3]);
    site.finds(": error: user.virtfs.mode has a length of 3", "");
}

#[test]
fn acls_that_clients_cannot_read_are_errors() {
    let site = Site::new();
    site.mapped("f", REGULAR, b"");
    for (acl, part) in [
        (&[2_u8, 0, 0, 0, 1][..], "no whole number of entries"),
        (&[0, 0, 0, 2], "big-endian"),
        (&[1, 0, 0, 0], "its version is 1"),
        (&[], "too few"),
    ] {
        site.xattr("f", ACL, acl);
        site.finds(
            "f: error: user.virtfs.system.posix_acl_access is no ACL",
            part,
        );
    }
    site.xattr("f", ACL, &[2, 0, 0, 0]);
    assert_eq!(site.check(&[]).status, Some(0));
    site.xattr("f", "user.virtfs.system.posix_acl_default", &[2, 0, 0, 0]);
    site.finds(
        "f: warning: user.virtfs.system.posix_acl_default is with",
        "no directory",
    );
}

#[test]
fn links_have_texts_that_can_be_followed() {
    for (text, start) in [
        (&b""[..], "error: a symbolic link without a text"),
        (b"a\0b", "error: a symbolic link with a NUL"),
        (&[b'x'; 5000], "error: a symbolic link of 5000 bytes"),
        (b"old\0", "note: a symbolic link whose text ends with a NUL"),
        (
            b"hand\n",
            "warning: a symbolic link whose text ends with a line feed",
        ),
    ] {
        let site = Site::new();
        site.mapped("link", 0o120_777, text);
        site.finds(&format!("link: {start}"), "");
    }
}

#[test]
fn what_else_the_host_has_is_not_wrong() {
    let site = Site::new();
    site.file("f", "");
    site.xattr("f", "user.other", b"x");
    site.xattr("f", "user.virtfs.security.capability", b"x");
    site.xattr("f", "user.virtfs.server.x", b"x");
    symlink("nowhere", site.path("link")).unwrap();
    fs::create_dir(site.path("d")).unwrap();
    assert_eq!(site.check(&[]).findings(&site), [""; 0]);
    site.xattr("f", "user.virtfs.atime", b"x");
    site.finds(
        "f: note: no server reads the attribute 'user.virtfs.atime'",
        "",
    );
}
