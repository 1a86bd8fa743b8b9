//! What may be wrong under `mapped-file`.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::site::{MODE, Site};

const USER_7: &str = "virtfs.uid=7\nvirtfs.gid=7\nvirtfs.mode=33184\n";

fn with(text: impl AsRef<[u8]>) -> Site {
    let site = Site::new();
    site.file("f", "");
    site.file(".virtfs_metadata/f", text);
    site
}

#[test]
fn what_servers_write_is_right() {
    let said = with(USER_7).check(&[]);
    assert_eq!(said.status, Some(0), "{}", said.out);
    assert!(
        said.out
            .ends_with("0 errors, 0 warnings, 0 notes; mapped-file\n"),
        "{}",
        said.out
    );
}

#[test]
fn texts_that_no_server_writes_are_told() {
    for (text, start) in [
        ("virtfs.uid=x\n", "f: error: the line 'virtfs.uid=x'"),
        (
            "virtfs.uid=7 seven\n",
            "f: error: the line 'virtfs.uid=7 seven' of its metadata file is",
        ),
        ("hello\n", "f: warning: the line 'hello'"),
        ("virtfs.atime=1\n", "f: warning: the line 'virtfs.atime=1'"),
        (
            "virtfs.mode=0100644\n",
            "f: warning: the line 'virtfs.mode=0100644'",
        ),
        (
            "virtfs.uid=7",
            "f: warning: its metadata file ends in the middle",
        ),
        (
            "virtfs.uid=7\n\0\0",
            "f: error: its metadata file has 2 bytes that are no text",
        ),
        ("\x1b[2J\n", "f: error: its metadata file has 1 bytes"),
        ("", "f: warning: its metadata file is empty"),
    ] {
        let said = with(text).check(&["--quiet"]);
        assert_eq!(said.status, Some(1), "{text:?}");
        assert!(said.out.contains(start), "{text:?}: {}", said.out);
    }
}

#[test]
fn metadata_that_is_too_big_is_told_and_not_read() {
    let site = with("");
    let file = fs::File::create(site.path(".virtfs_metadata/f")).unwrap();
    file.set_len(1 << 40).unwrap();
    site.finds(
        "f: error: its metadata file has 4097 bytes that are no text",
        "NULs",
    );
    fs::write(
        site.path(".virtfs_metadata/f"),
        format!("{USER_7}{}", "\n".repeat(5000)),
    )
    .unwrap();
    site.finds("f: error: its metadata file has over 4096 bytes", "");
}

#[test]
fn metadata_that_is_no_file_is_never_opened() {
    let site = with("");
    let at = site.path(".virtfs_metadata/f");
    fs::remove_file(&at).unwrap();
    mkfifoat(CWD, &at, Mode::RUSR).unwrap();
    site.finds("f: error: its metadata is a FIFO", "");
    fs::remove_file(&at).unwrap();
    symlink("/proc/self/environ", &at).unwrap();
    site.finds("f: error: its metadata is a symbolic link", "");
    fs::remove_file(&at).unwrap();
    fs::create_dir(&at).unwrap();
    site.finds("f: error: its metadata is a directory", "");
}

#[test]
fn a_folder_that_is_none_is_told() {
    for make in [
        |site: &Site| site.file(".virtfs_metadata", ""),
        |site: &Site| symlink("/etc", site.path(".virtfs_metadata")).unwrap(),
        |site: &Site| mkfifoat(CWD, site.path(".virtfs_metadata"), Mode::RUSR).unwrap(),
    ] {
        let site = Site::new();
        make(&site);
        site.finds(".virtfs_metadata: error: a ", "in the place of the folder");
    }
}

#[test]
fn metadata_without_a_file_is_told() {
    let site = Site::new();
    site.file("d/.virtfs_metadata/gone", USER_7);
    site.finds(
        "d/.virtfs_metadata/gone: warning: metadata of a file that is not there",
        "",
    );
}

#[test]
fn metadata_of_an_earlier_file_is_told() {
    let site = with("virtfs.uid=7\nvirtfs.gid=7\nvirtfs.mode=16877\n");
    site.finds(
        "f: error: the stored mode 040755 is that of a directory",
        "earlier file",
    );
    let site = Site::new();
    fs::create_dir(site.path("d")).unwrap();
    site.file(".virtfs_metadata/d", USER_7);
    site.finds(
        "d: error: the stored mode 0100640 is that of a regular file",
        "directory",
    );
}

#[test]
fn an_empty_folder_is_noted() {
    let site = Site::new();
    fs::create_dir(site.path(".virtfs_metadata")).unwrap();
    site.finds(".virtfs_metadata: note: an empty folder", "");
}

#[test]
fn the_roots_metadata_is_checked_and_is_the_roots_alone() {
    let site = Site::new();
    site.file(
        ".virtfs_metadata_root",
        "virtfs.uid=7\nvirtfs.gid=7\nvirtfs.mode=16877\n",
    );
    assert_eq!(site.check(&[]).findings(&site), [""; 0]);
    site.file(".virtfs_metadata_root", USER_7);
    site.finds(
        ": error: the stored mode 0100640 is that of a regular file",
        "",
    );
    let site = Site::new();
    site.file("d/.virtfs_metadata_root", USER_7);
    site.finds("d/.virtfs_metadata_root: warning: the root's metadata", "");
}

#[test]
fn names_that_clients_never_see_are_told() {
    let site = with(USER_7);
    site.file(".VIRTFS_METADATA", "");
    site.finds(".VIRTFS_METADATA: warning: clients never see", "");
    // Where nothing says that the model is mapped-file.
    let site = Site::new();
    site.file(".VIRTFS_METADATA", "");
    site.finds(
        ".VIRTFS_METADATA: note: under mapped-file, clients never see",
        "",
    );
}

#[test]
fn hard_links_share_one_metadata_file() {
    let site = with(USER_7);
    fs::hard_link(site.path("f"), site.path("g")).unwrap();
    let metadata = site.path(".virtfs_metadata/g");
    fs::hard_link(site.path(".virtfs_metadata/f"), &metadata).unwrap();
    assert_eq!(site.check(&[]).findings(&site), [""; 0]);
    fs::remove_file(&metadata).unwrap();
    fs::write(&metadata, USER_7).unwrap();
    let said = site.check(&[]);
    assert!(
        said.out
            .contains("warning: a hard link with a metadata file of its own"),
        "{}",
        said.out
    );
    fs::write(&metadata, USER_7.replace('7', "8")).unwrap();
    let said = site.check(&[]);
    assert!(
        said.out
            .contains("error: a hard link with other metadata than its name")
    );
    fs::remove_file(&metadata).unwrap();
    let said = site.check(&[]);
    assert!(
        said.out
            .contains("error: a hard link with other metadata than its name")
    );
    assert_eq!(said.status, Some(1));
}

#[test]
fn metadata_that_strangers_share_is_told() {
    let site = with(USER_7);
    site.file("g", "");
    fs::hard_link(
        site.path(".virtfs_metadata/f"),
        site.path(".virtfs_metadata/g"),
    )
    .unwrap();
    let findings = site.check(&[]).findings(&site);
    assert_eq!(findings.len(), 2, "{findings:#?}");
    assert!(
        findings
            .iter()
            .all(|f| f.contains("warning: its metadata file has 2 names"))
    );
}

#[test]
fn a_rename_that_was_not_brought_to_its_end_is_noted() {
    use std::os::unix::fs::MetadataExt;
    let site = Site::new();
    site.file("f", "");
    let ino = fs::metadata(site.path("f")).unwrap().ino();
    // The replaced file's kind is not this one's.
    let text = format!(
        "virtfs.uid=7\nvirtfs.gid=7\nvirtfs.mode=41471\n\nsuccessor={ino} uid=1 gid=1 mode=33184\n"
    );
    site.file(".virtfs_metadata/f", text);
    site.finds("f: note: its metadata file tells of a rename", "QEMU");
}

#[test]
fn metadata_of_both_models_is_noted_and_one_can_be_chosen() {
    let site = with(USER_7);
    site.mapped("x", 0o100_644, b"");
    site.finds(
        ": note: there is metadata of both models",
        "--security-model",
    );
    site.xattr("x", MODE, b"bad");
    site.file(".virtfs_metadata/gone", USER_7);
    let said = |model| site.check(&["-q", "--security-model", model]).out;
    assert!(!said("mapped-file").contains("user.virtfs"));
    assert!(said("mapped-file").contains(".virtfs_metadata/gone: warning"));
    assert!(said("mapped").contains("user.virtfs.mode has a length of 3"));
    assert!(!said("mapped-xattr").contains("gone"));
}
