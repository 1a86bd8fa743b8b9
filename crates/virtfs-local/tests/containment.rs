//! What a client does stays inside the export, though the directory in which it stands is moved
//! out of it.

mod common;

use std::fs;

use common::{Export, WRITE, cx, name};
use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus,
};
use virtfs_local::{Containment, Options};
use virtfs_vfs::{Errno, FileSystem, Place, Removal};

fn outside(error: Errno) -> bool {
    matches!(error, Errno::ESTALE | Errno::ENOENT)
}

/// Whatever changes something from `dir`, which was moved out of the export.
fn refuse_everything(export: &Export, dir: &virtfs_vfs::Node) {
    let into = |result: Result<(), Errno>, what: &str| match result {
        Ok(()) => panic!("{what} went outside"),
        Err(error) => assert!(outside(error), "{what}: {error:?}"),
    };
    let up = export.try_walk_from(dir, "..").map(|_| ());
    into(up, "..");
    let up = export.try_walk_from(dir, "../../..").map(|_| ());
    into(up, "../../..");
    let created = export.try_create(dir, "new", WRITE, 0o600).map(|_| ());
    into(created, "create");
    into(export.mkdir(dir, "new").map(|_| ()), "mkdir");
    let file = export.walk("file");
    into(export.fs.link(&cx(), &file, dir, name("new")), "link");
    into(
        export.rename((&export.root, "file"), (dir, "new")),
        "rename to",
    );
    into(
        export.rename((dir, "inner"), (&export.root, "new")),
        "rename from",
    );
    into(export.unlink(dir, "inner"), "unlink");
    let inner = export.try_walk_from(dir, "inner").unwrap().0;
    into(export.remove_node(&inner), "remove");
}

fn nothing_happened(export: &Export) {
    let names: Vec<_> = fs::read_dir(export.host("out/b")).unwrap().collect();
    assert_eq!(names.len(), 1);
    assert!(export.host("export/file").exists());
}

fn prepare(options: Options) -> Export {
    let export = Export::below(options);
    fs::create_dir_all(export.host("export/a/b")).unwrap();
    export.host_write("export/a/b/inner", "inner");
    export.host_write("export/file", "file");
    export
}

#[test]
fn a_directory_moved_out_by_the_host_is_stale() {
    let export = prepare(Options::default());
    let b = export.walk("a/b");
    export.mkdir(&b, "works").unwrap();
    fs::remove_dir(export.host("export/a/b/works")).unwrap();
    fs::rename(export.host("export/a"), export.host("out")).unwrap();
    refuse_everything(&export, &b);
    nothing_happened(&export);
    // Moved back, it works again.
    fs::rename(export.host("out"), export.host("export/a")).unwrap();
    export.mkdir(&b, "works").unwrap();
}

#[test]
fn a_directory_replaced_by_another_of_its_name_is_stale() {
    let export = prepare(Options::default());
    let b = export.walk("a/b");
    fs::rename(export.host("export/a"), export.host("out")).unwrap();
    fs::create_dir_all(export.host("export/a/b")).unwrap();
    refuse_everything(&export, &b);
    nothing_happened(&export);
}

/// On a thread of its own: the restriction ends with it.
fn under_landlock(export: &Export, f: impl FnOnce() + Send) {
    let path = PathFd::new(export.host("export")).unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let abi = ABI::V2;
            let status = Ruleset::default()
                .set_compatibility(CompatLevel::HardRequirement)
                .handle_access(AccessFs::from_all(abi))
                .expect("this test needs a kernel with Landlock")
                .create()
                .unwrap()
                .add_rule(PathBeneath::new(path, AccessFs::from_all(abi)))
                .unwrap()
                .restrict_self()
                .unwrap();
            assert_eq!(status.ruleset, RulesetStatus::FullyEnforced);
            f();
        });
        thread.join().unwrap();
    });
}

fn landlocked() -> Options {
    Options {
        containment: Containment::Landlock,
        ..Options::default()
    }
}

#[test]
fn under_landlock_a_directory_moved_out_by_the_host_is_stale() {
    let export = prepare(landlocked());
    let b = export.walk("a/b");
    under_landlock(&export, || {
        export.mkdir(&b, "works").unwrap();
        let place = Place::Entry(&b, name("works"));
        export.fs.remove(&cx(), place, Removal::Directory).unwrap();
    });
    fs::rename(export.host("export/a"), export.host("out")).unwrap();
    under_landlock(&export, || refuse_everything(&export, &b));
    nothing_happened(&export);
}

#[test]
fn under_landlock_everything_else_works_as_before() {
    let export = prepare(landlocked());
    under_landlock(&export, || {
        let b = export.walk("a/b");
        let (node, opened) = export.try_create(&b, "f", WRITE, 0o600).unwrap();
        export.write(&opened.open, 0, b"content").unwrap();
        assert_eq!(export.content(&node), "content");
        export
            .fs
            .link(&cx(), &node, &export.root, name("l"))
            .unwrap();
        export.rename((&b, "f"), (&export.root, "g")).unwrap();
        export.xattr_put(&node, None, "user.a", b"b").unwrap();
        export.remove_node(&node).unwrap();
    });
    assert_eq!(export.host_read("export/l"), "content");
}

/// Two exports of one process, side by side: the kernel allows a move from one to the other, so
/// the count of moves must tell.
#[test]
fn a_directory_moved_out_by_another_export_is_stale_without_the_kernels_help() {
    let export = prepare(landlocked());
    let b = export.walk("a/b");
    export.mkdir(&b, "works").unwrap();
    fs::remove_dir(export.host("export/a/b/works")).unwrap();
    let all = virtfs_local::LocalFs::open(export.dir.path(), landlocked()).unwrap();
    let (top, _) = all.attach(&cx()).unwrap();
    let mut qids = virtfs_vfs::Qids::new();
    let inner = all.walk(&cx(), &top, &[name("export")], &mut qids).unwrap();
    let place = Place::Entry(&inner, name("a"));
    all.rename(&cx(), place, &top, name("out")).unwrap();
    refuse_everything(&export, &b);
    nothing_happened(&export);
}

/// Nodes that lost their descriptor come back in a process that may open only what is below the
/// export: as an open file too, wherever the host moved them inside.
#[test]
fn under_landlock_nodes_are_brought_back() {
    let export = Export::below(Options {
        max_nodes_open: 4,
        ..landlocked()
    });
    let mut nodes = Vec::new();
    for i in 0..50 {
        fs::create_dir_all(export.host(&format!("export/d{i}/e"))).unwrap();
        export.host_write(&format!("export/d{i}/e/f"), &i.to_string());
        nodes.push(export.walk(&format!("d{i}/e/f")));
    }
    // Only root finds by handle what is elsewhere.
    let moved = if rustix::process::geteuid().is_root() {
        50
    } else {
        0
    };
    for i in (0..moved).step_by(2) {
        let (from, to) = (format!("export/d{i}/e"), format!("export/m{i}"));
        fs::rename(export.host(&from), export.host(&to)).unwrap();
    }
    under_landlock(&export, || {
        for (i, node) in nodes.iter().enumerate() {
            assert_eq!(export.content(node), i.to_string());
        }
    });
}
