//! More nodes than descriptors: those not in use are closed and brought back, as the same file or
//! not at all.

mod common;

use std::fs;

use common::{Export, READ, as_user, cx, ino};
use virtfs_local::Options;
use virtfs_vfs::{Errno, FileSystem, Node};

const BUDGET: usize = 64;

fn small() -> Options {
    Options {
        max_nodes_open: BUDGET,
        ..Options::default()
    }
}

/// A tree of the host with this many files in directories of 50, and a node for each file.
fn many(count: usize) -> (Export, Vec<(String, Node)>) {
    let export = Export::with(small());
    let mut nodes = Vec::new();
    for i in 0..count {
        let dir = format!("d{}", i / 50);
        if i % 50 == 0 {
            fs::create_dir(export.host(&dir)).unwrap();
        }
        let path = format!("{dir}/f{i}");
        export.host_write(&path, &i.to_string());
        let node = export.walk(&path);
        nodes.push((path, node));
    }
    (export, nodes)
}

fn bounded(export: &Export) {
    let held = export.fs.nodes_open();
    assert!(held <= 2 * BUDGET, "{held} descriptors");
}

#[test]
fn thousands_of_nodes_live_on_a_few_descriptors() {
    let (export, nodes) = many(5000);
    bounded(&export);
    for (i, (path, node)) in nodes.iter().enumerate() {
        assert_eq!(export.stat(node).qid.path, ino(&export.host(path)));
        if i % 10 == 0 {
            assert_eq!(export.content(node), i.to_string());
        }
    }
    bounded(&export);
    // A file that was found again is not a second one.
    let again = export.walk(&nodes[0].0);
    assert_eq!(export.stat(&again).qid, export.stat(&nodes[0].1).qid);
}

/// Without the privilege to open handles, nodes are found by their entries alone.
#[test]
fn without_privilege_nodes_are_found_by_their_entries() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(dir.path(), Some(1000), Some(1000)).unwrap();
    as_user(1000, || {
        let export = Export::over(dir, "", small());
        let mut nodes = Vec::new();
        let mut path = String::new();
        // Parents are demoted too: a chain of them has to be brought back.
        for i in 0..300 {
            path = format!("{path}d{i}/");
            fs::create_dir(export.host(&path)).unwrap();
            nodes.push((path.clone(), export.walk(&path)));
        }
        bounded(&export);
        for (path, node) in nodes.iter().rev() {
            assert_eq!(export.stat(node).qid.path, ino(&export.host(path)));
        }
        let (_, top) = &nodes[0];
        let (_, deep) = &nodes[299];
        export.rename_node(top, (&export.root, "renamed")).unwrap();
        for (_, node) in nodes.iter().skip(1).take(200) {
            export.stat(node);
        }
        export.mkdir(deep, "made").unwrap();
        bounded(&export);
    });
}

#[test]
fn renames_are_followed_while_nodes_are_closed() {
    let (export, nodes) = many(400);
    let moved = export.walk("d1");
    export
        .rename_node(&moved, (&export.walk("d2"), "D1"))
        .unwrap();
    for (i, (_, node)) in nodes.iter().take(50).enumerate() {
        export
            .rename_node(node, (&moved, &format!("g{i}")))
            .unwrap();
    }
    for (i, (_, node)) in nodes.iter().enumerate() {
        assert_eq!(export.content(node), i.to_string());
    }
    export.remove_node(&nodes[60].1).unwrap();
    assert!(!export.host("d2/D1/f60").exists());
    bounded(&export);
}

/// Pushes all others out of the budget.
fn push_out(export: &Export) {
    for i in 0..10 * BUDGET {
        let file = format!("filler{i}");
        export.host_write(&file, "");
        std::mem::forget(export.walk(&file));
    }
}

#[test]
fn a_file_replaced_by_another_of_its_name_is_never_taken_for_it() {
    let export = Export::with(small());
    let mut nodes = Vec::new();
    for i in 0..40 {
        let path = format!("f{i}");
        export.host_write(&path, "first");
        nodes.push((export.walk(&path), path));
    }
    push_out(&export);
    for (_, path) in &nodes {
        fs::remove_file(export.host(path)).unwrap();
    }
    // ext4 gives the same inode numbers again.
    for (_, path) in &nodes {
        export.host_write(path, "second");
    }
    for (node, path) in &nodes {
        if let Err(error) = export.try_stat(node) {
            assert_eq!(error, Errno::ESTALE);
        } else {
            panic!("{path} is another file");
        }
        assert_eq!(
            export.fs.open(&cx(), node, READ).unwrap_err(),
            Errno::ESTALE
        );
        assert_eq!(export.remove_node(node), Err(Errno::ESTALE));
        assert_eq!(export.content(&export.walk(path)), "second");
        assert_eq!(export.try_stat(node), Err(Errno::ESTALE));
    }
}

#[test]
fn a_file_moved_by_the_host_is_found_by_its_handle() {
    common::need_root();
    let export = Export::with(small());
    export.host_write("file", "content");
    let node = export.walk("file");
    push_out(&export);
    fs::rename(export.host("file"), export.host("moved")).unwrap();
    export.host_write("file", "another");
    assert_eq!(export.content(&node), "content");
}

/// Threads walk, look, rename and remove while descriptors come and go.
#[test]
fn many_threads_share_a_few_descriptors() {
    let export = Export::with(Options {
        max_nodes_open: 8,
        ..Options::default()
    });
    for dir in ["a", "b"] {
        export.mkdir(&export.root, dir).unwrap();
    }
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let export = &export;
            scope.spawn(move || {
                for round in 0..100 {
                    let (a, b) = (export.walk("a"), export.walk("b"));
                    let text = format!("{thread} {round}");
                    let file = format!("f{thread}");
                    let (node, opened) = export.try_create(&a, &file, common::RDWR, 0o600).unwrap();
                    export.write(&opened.open, 0, text.as_bytes()).unwrap();
                    drop(opened);
                    export.rename_node(&node, (&b, &file)).unwrap();
                    assert_eq!(export.content(&node), text);
                    let again = export.walk(&format!("b/{file}"));
                    assert_eq!(export.stat(&again).qid, export.stat(&node).qid);
                    export.remove_node(&again).unwrap();
                    assert_eq!(export.stat(&node).nlink, 0);
                }
            });
        }
    });
    assert!(export.fs.nodes_open() <= 8);
}

#[test]
fn what_a_client_removed_keeps_its_descriptor() {
    let export = Export::with(small());
    let (node, open) = export.create("file");
    export.write(&open, 0, b"content").unwrap();
    drop(open);
    export.unlink(&export.root, "file").unwrap();
    push_out(&export);
    assert_eq!(export.content(&node), "content");
}

#[test]
fn nodes_make_room_when_the_process_runs_out_of_descriptors() {
    // The limit belongs to the process, so this runs in one of its own.
    let told = in_child(|| {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let export = Export::new();
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = Some(100);
        setrlimit(Resource::Nofile, limit).unwrap();
        let mut nodes = Vec::new();
        for i in 0..300 {
            let path = format!("f{i}");
            let (node, open) = export.create(&path);
            export.write(&open, 0, i.to_string().as_bytes()).unwrap();
            nodes.push(node);
        }
        assert!(export.fs.nodes_open() <= 100);
        for (i, node) in nodes.iter().enumerate() {
            assert_eq!(export.content(node), i.to_string());
        }
    });
    assert!(told, "the child failed");
}

/// Whether `f` runs to its end in a process of its own, which is this test run again.
fn in_child(f: impl FnOnce()) -> bool {
    const MARK: &str = "VIRTFS_TEST_CHILD";
    if std::env::var_os(MARK).is_some() {
        f();
        return true;
    }
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", std::thread::current().name().unwrap()])
        .env(MARK, "1")
        .status()
        .unwrap()
        .success()
}
