//! A directory that is moved out of the export while a fid stands in it takes nobody along; a root
//! that is moved is served on.

mod site;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus,
};
use rustix::fs::CWD;
use rustix::fs::inotify::WatchFlags;
use rustix::mount::{OpenTreeFlags, open_tree};
use site::{EXCL, RDONLY, RDWR, REMOVEDIR, Site, Snapshot, Watch, content, options, session, walk};
use virtfs_local::{Containment, LocalFs, Options};
use virtfs_server::Export;
use virtfs_tests::errno::{ENOENT, ESTALE};
use virtfs_tests::{Raw, Served};

/// Who moves the directory.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Mover {
    Host,
    /// Another export of the server, of the directory above.
    Export,
}

/// What a test runs over: each way to contain, whoever moves, descriptors ample or short.
#[derive(Clone, Copy, Debug)]
struct Case {
    containment: Containment,
    mover: Mover,
    few_descriptors: bool,
}

fn cases() -> impl Iterator<Item = Case> {
    let all = [
        Containment::Verify,
        Containment::Landlock,
        Containment::Mount,
    ];
    // Only root has mounts.
    let possible = if rustix::process::geteuid().is_root() {
        12
    } else {
        8
    };
    (0..possible).map(move |bits| Case {
        containment: all[bits / 4],
        mover: if bits & 1 == 0 {
            Mover::Host
        } else {
            Mover::Export
        },
        few_descriptors: bits & 2 != 0,
    })
}

/// The export `inner` of `export/`, the export `above` of everything, and a session of each.
struct Stage {
    site: Site,
    _served: Served,
    client: Raw,
    above: Raw,
    case: Case,
}

impl Stage {
    fn new(case: Case) -> Self {
        let site = Site::new();
        site.mkdir("a/b/sub");
        site.put("a/b/inner", "inner");
        site.put("a/inner", "inner");
        site.mkdir("a/sub");
        site.put("file", "file");
        // Fids that push the nodes above out of what may be held.
        site.mkdir("many");
        for file in 0..100 {
            site.put(&format!("many/{file}"), "");
        }
        // The kernel refuses only what leaves everything that the process serves.
        let all = match case.mover {
            Mover::Host => site.path("export"),
            Mover::Export => site.path(""),
        };
        let start = || {
            let options = Options {
                max_nodes_open: if case.few_descriptors { 16 } else { 1000 },
                ..options(case.containment)
            };
            let fs = |path| match case.containment {
                Containment::Mount => mounted(&site.path(path), options.clone()),
                _ => site.fs(path, options.clone()),
            };
            let inner = Export::new("inner", fs("export"));
            let above = Export::new("above", fs(""));
            let served = Served::exports(vec![inner, above]);
            let (inner, above) = (session(&served, "inner"), session(&served, "above"));
            (served, inner, above)
        };
        let (served, client, above) = match case.containment {
            Containment::Verify | Containment::Mount => start(),
            Containment::Landlock => restricted(&all, start),
        };
        Self {
            site,
            _served: served,
            client,
            above,
            case,
        }
    }

    /// Pushes everything that is not in use out of the budget.
    fn press(&mut self) {
        if self.case.few_descriptors {
            for file in 0..100 {
                let names = ["many", &file.to_string()];
                self.client.walk(0, 1000 + file, &names).unwrap();
                self.client.clunk(1000 + file).unwrap();
            }
        }
    }

    /// Moves what is in the export to `outside/`, or back.
    fn rename(&mut self, from: &str, to: &str) {
        match self.case.mover {
            Mover::Host => fs::rename(self.site.path(from), self.site.path(to)).unwrap(),
            Mover::Export => {
                let (from_dir, from) = from.rsplit_once('/').unwrap_or(("", from));
                let (to_dir, to) = to.rsplit_once('/').unwrap_or(("", to));
                walk(&mut self.above, 1, from_dir).unwrap();
                walk(&mut self.above, 2, to_dir).unwrap();
                self.above.renameat((1, from), (2, to)).unwrap();
                self.above.clunk(1).unwrap();
                self.above.clunk(2).unwrap();
            }
        }
    }
}

/// A file system whose root is that of a mount.
fn mounted(path: &Path, options: Options) -> Arc<LocalFs> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(CWD, path, flags).unwrap();
    Arc::new(LocalFs::new(mount, options).unwrap())
}

/// Runs `f` on a thread that has restricted itself, and with it all threads that it starts.
fn restricted<T: Send>(dir: &Path, f: impl FnOnce() -> T + Send) -> T {
    let beneath = PathFd::new(dir).unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let abi = ABI::V2;
            let status = Ruleset::default()
                .set_compatibility(CompatLevel::HardRequirement)
                .handle_access(AccessFs::from_all(abi))
                .expect("this test needs a kernel with Landlock")
                .create()
                .unwrap()
                .add_rule(PathBeneath::new(beneath, AccessFs::from_all(abi)))
                .unwrap()
                .restrict_self()
                .unwrap();
            assert_eq!(status.ruleset, RulesetStatus::FullyEnforced);
            f()
        });
        thread.join().unwrap()
    })
}

/// Every message that would change something in directory `dir`, or go up from it. `file` is a
/// file of the root, `inner` one in the directory.
fn try_everything(client: &mut Raw, dir: u32, file: u32, inner: u32) -> Vec<(&'static str, u32)> {
    let mut results = Vec::new();
    let mut tried = |what, result: Result<(), u32>| match result {
        Ok(()) => panic!("{what} went"),
        Err(errno) => results.push((what, errno)),
    };
    for (what, flags, name) in [
        ("create", RDWR, "new"),
        ("create new", RDWR | EXCL, "new"),
        ("create what is there", RDWR, "inner"),
    ] {
        client.walk(dir, 900, &[]).unwrap();
        tried(what, client.lcreate(900, name, flags, 0o644).map(drop));
        client.clunk(900).unwrap();
    }
    tried("mkdir", client.mkdir(dir, "new", 0o755).map(drop));
    tried("mknod", client.mknod(dir, "new", 0o010644).map(drop));
    tried(
        "mknod of a file",
        client.mknod(dir, "new", 0o100644).map(drop),
    );
    tried("symlink", client.symlink(dir, "new", "target").map(drop));
    tried("link", client.link(dir, file, "new"));
    tried("rename to", client.rename(file, dir, "new"));
    tried("rename from", client.rename(inner, 0, "new"));
    tried("renameat to", client.renameat((0, "file"), (dir, "new")));
    tried(
        "renameat over",
        client.renameat((0, "file"), (dir, "inner")),
    );
    tried("renameat from", client.renameat((dir, "inner"), (0, "new")));
    tried(
        "renameat within",
        client.renameat((dir, "inner"), (dir, "new")),
    );
    tried("unlink", client.unlinkat(dir, "inner", 0));
    tried("rmdir", client.unlinkat(dir, "sub", REMOVEDIR));
    client.walk(inner, 900, &[]).unwrap();
    tried("remove", client.remove(900));
    results
}

/// Holds `a` as fid 1, `a/b` as 2, a file in each as 11 and 12, and `file` as 10.
fn hold(client: &mut Raw) {
    for (fid, path) in [
        (1, "a"),
        (2, "a/b"),
        (11, "a/inner"),
        (12, "a/b/inner"),
        (10, "file"),
    ] {
        walk(client, fid, path).unwrap();
    }
}

/// Nothing goes out through the fids of [`hold`], while `a` is `outside/a`.
fn nothing_goes_out(stage: &mut Stage) {
    let outside = stage.site.path("outside");
    let before = Snapshot::of(&outside);
    let changes = WatchFlags::ALL_EVENTS.difference(WatchFlags::OPEN | WatchFlags::CLOSE);
    let paths = ["", "a", "a/inner", "a/b", "a/b/inner"].map(|path| outside.join(path));
    let watch = Watch::of(paths, changes);
    let case = stage.case;
    let client = &mut stage.client;
    for (dir, inner) in [(1, 11), (2, 12)] {
        for (what, errno) in try_everything(client, dir, 10, inner) {
            assert!(
                matches!(errno, ESTALE | ENOENT),
                "{case:?} {dir} {what}: {errno}"
            );
        }
        for ups in [1, 2, 3, 16] {
            match client.walk(dir, 901, &vec![".."; ups]) {
                Err(errno) => assert_eq!(errno, ESTALE, "{case:?} {dir}"),
                // Up inside what was moved, at most.
                Ok(qids) => {
                    let a = client.getattr(1).unwrap().qid.path;
                    let seen: Vec<_> = qids.iter().map(|qid| qid.path).collect();
                    assert!(dir == 2 && seen == [a], "{case:?} {dir} {seen:?}");
                    if ups == 1 {
                        client.clunk(901).unwrap();
                    }
                }
            }
        }
    }
    watch.assert_silent();
    assert_eq!(Snapshot::of(&outside), before);
    assert!(!stage.site.has("new") && stage.site.get("file") == "file");
}

#[test]
fn a_directory_moved_out_takes_no_change_along() {
    for case in cases() {
        let mut stage = Stage::new(case);
        hold(&mut stage.client);
        // It was looked at, and used, while it was inside.
        for dir in [1, 2] {
            stage.client.mkdir(dir, "used", 0o755).unwrap();
            stage.client.unlinkat(dir, "used", REMOVEDIR).unwrap();
        }
        stage.press();
        stage.rename("export/a", "outside/a");
        nothing_goes_out(&mut stage);
        stage.press();
        nothing_goes_out(&mut stage);
        // What was held is still read.
        assert_eq!(stage.client.getattr(12).unwrap().size, 5);

        // Back inside, all works again.
        stage.rename("outside/a", "export/a");
        for dir in [1, 2] {
            stage.client.mkdir(dir, "back", 0o755).unwrap();
        }
        assert!(stage.site.has("a/b/back"));
        let up = stage.client.walk(2, 901, &["..", ".."]).unwrap();
        assert_eq!(up[1].path, stage.site.ino(""));
    }
}

#[test]
fn a_directory_moved_out_and_replaced_takes_no_change_along() {
    for case in cases() {
        let mut stage = Stage::new(case);
        hold(&mut stage.client);
        stage.press();
        stage.rename("export/a", "outside/a");
        stage.site.mkdir("a/b/sub");
        stage.site.put("a/b/inner", "other");
        stage.site.put("a/inner", "other");
        nothing_goes_out(&mut stage);
        // Nor does the other one suffer; it is reached by its name.
        assert_eq!(stage.site.get("a/b/inner"), "other");
        walk(&mut stage.client, 3, "a/b").unwrap();
        stage.client.mkdir(3, "new", 0o755).unwrap();
        assert!(stage.site.has("a/b/new"));
        stage.client.unlinkat(3, "new", REMOVEDIR).unwrap();
        nothing_goes_out(&mut stage);
    }
}

#[test]
fn a_part_moved_out_does_not_hold_up_the_rest() {
    for case in cases() {
        let mut stage = Stage::new(case);
        hold(&mut stage.client);
        stage.rename("export/a/b", "outside/b");
        stage.press();
        for (what, errno) in try_everything(&mut stage.client, 2, 10, 12) {
            assert!(matches!(errno, ESTALE | ENOENT), "{case:?} {what}: {errno}");
        }
        assert_eq!(
            fs::read_dir(stage.site.path("outside/b")).unwrap().count(),
            2
        );
        stage.client.mkdir(1, "new", 0o755).unwrap();
        stage.client.rename(11, 0, "new").unwrap();
        assert!(stage.site.has("a/new") && stage.site.has("new"));
        assert_eq!(stage.client.walk(1, 901, &["b"]), Err(ENOENT));
    }
}

#[test]
fn a_root_that_was_moved_is_served_on() {
    for case in cases() {
        let mut stage = Stage::new(case);
        hold(&mut stage.client);
        stage.rename("export", "outside/moved");
        fs::create_dir(stage.site.path("export")).unwrap();
        fs::write(stage.site.path("export/file"), "another").unwrap();
        stage.press();
        let client = &mut stage.client;
        let up = client.walk(2, 20, &["..", "..", "..", ".."]).unwrap();
        let moved = stage.site.path("outside/moved");
        let ino = |path: &Path| std::os::unix::fs::MetadataExt::ino(&path.metadata().unwrap());
        assert_eq!(up.last().unwrap().path, ino(&moved));
        client.mkdir(0, "made", 0o755).unwrap();
        client.mkdir(2, "made", 0o755).unwrap();
        client.rename(12, 20, "taken").unwrap();
        client.attach(21, "inner").unwrap();
        client.walk(21, 22, &["file"]).unwrap();
        client.lopen(22, RDONLY).unwrap();
        assert_eq!(client.read(22, 0, 100).unwrap(), b"file");
        assert!(moved.join("made").exists() && moved.join("a/b/made").exists());
        assert!(moved.join("taken").exists());
        assert_eq!(fs::read_dir(stage.site.path("export")).unwrap().count(), 1);
        assert_eq!(fs::read_dir(stage.site.path("outside")).unwrap().count(), 1);
    }
}

#[test]
fn a_root_that_was_removed_is_empty_for_ever() {
    for site in Site::each() {
        site.put("file", "file");
        let served = site.serve();
        let mut client = served.session();
        walk(&mut client, 1, "file").unwrap();
        fs::remove_file(site.export("file")).unwrap();
        fs::remove_dir(site.export("")).unwrap();
        fs::create_dir(site.export("")).unwrap();
        site.put("file", "another");
        assert_eq!(client.getattr(0).unwrap().nlink, 0);
        assert_eq!(client.walk(0, 2, &["file"]), Err(ENOENT));
        assert_eq!(client.walk(0, 2, &[".."]).unwrap().len(), 1);
        assert_eq!(client.mkdir(0, "new", 0o755), Err(ENOENT));
        assert_eq!(client.lcreate(2, "new", RDWR, 0o644), Err(ENOENT));
        assert_eq!(content(&mut client, 1).unwrap(), "file");
        let mut again = session(&served, "root");
        assert_eq!(again.unlinkat(0, "file", 0), Err(ENOENT));
        assert_eq!(site.get("file"), "another");
        assert_eq!(fs::read_dir(site.export("")).unwrap().count(), 1);
    }
}
