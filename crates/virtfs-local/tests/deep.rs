//! Trees deeper than any path can name.

mod common;

use common::{Export, WRITE};
use virtfs_vfs::{FileSystem, Node, OpenFlags};

/// Makes a chain of directories through the file system, and a file at its end.
fn chain(export: &Export, name: &str, levels: usize) -> Vec<Node> {
    let mut nodes = vec![export.root.clone()];
    for _ in 0..levels {
        let dir = nodes.last().unwrap();
        export.mkdir(dir, name).unwrap();
        let next = export.try_walk_from(dir, name).unwrap().0;
        nodes.push(next);
    }
    nodes
}

fn works_at_the_end(export: &Export, name: &str, nodes: &[Node]) {
    let end = nodes.last().unwrap();
    let flags = WRITE | OpenFlags::EXCLUSIVE;
    let (file, opened) = export.try_create(end, "leaf", flags, 0o600).unwrap();
    export.write(&opened.open, 0, b"content").unwrap();
    export.rename_node(&file, (end, "LEAF")).unwrap();
    // From the top once more, as another client would come.
    let path = format!("{name}/").repeat(nodes.len() - 1) + "LEAF";
    assert_eq!(export.content(&export.walk(&path)), "content");
    export.xattr_put(&file, None, "user.a", b"1").unwrap();
    let up = "../".repeat(nodes.len() - 1);
    let (top, _) = export.try_walk_from(end, &up).unwrap();
    assert_eq!(export.stat(&top).qid, export.stat(&export.root).qid);
    export.remove_node(&file).unwrap();
}

/// From the bottom, for no tool of the host may manage.
fn clear(export: &Export, nodes: Vec<Node>) {
    for node in nodes[1..].iter().rev() {
        export.remove_node(node).unwrap();
    }
}

#[test]
fn a_path_of_5000_bytes_works() {
    let export = Export::new();
    let name = "n".repeat(250);
    let nodes = chain(&export, &name, 20);
    works_at_the_end(&export, &name, &nodes);
    clear(&export, nodes);
}

#[test]
fn a_path_of_70000_bytes_works_on_few_descriptors() {
    let export = Export::with(virtfs_local::Options {
        max_nodes_open: 64,
        ..Default::default()
    });
    let name = "n".repeat(250);
    let nodes = chain(&export, &name, 280);
    works_at_the_end(&export, &name, &nodes);
    assert!(export.fs.nodes_open() < 128);
    clear(&export, nodes);
}

/// Letting go of the last node lets go of thousands of parents, on a small stack.
#[test]
fn a_chain_of_thousands_of_nodes_is_dropped_without_recursion() {
    let export = Export::with(virtfs_local::Options {
        max_nodes_open: 64,
        // Checking the way up at each level would be quadratic.
        containment: virtfs_local::Containment::Landlock,
        ..Default::default()
    });
    let mut nodes = chain(&export, "d", 3_000);
    let last = nodes.pop().unwrap();
    drop(nodes);
    let (fs, root) = (&export.fs, &export.root);
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(128 << 10)
            .spawn_scoped(scope, move || {
                assert!(
                    fs.stat(&common::cx(), &last, None, Default::default())
                        .is_ok()
                );
                drop(last);
            })
            .unwrap();
    });
    assert!(export.fs.nodes_open() < 10);
    let _ = root;
}
