//! Thousands of fids, on a file system that may hold 32 descriptors for them.

mod site;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use site::{NEW, REMOVEDIR, Site, content, gone, options, walk};
use virtfs_local::{Containment, Options};
use virtfs_server::Export;
use virtfs_tests::Served;
use virtfs_tests::errno::ESTALE;

const DIRS: u32 = 20;
const FILES: u32 = 100;

fn path(dir: u32, file: u32) -> String {
    format!(
        "{}/{file}",
        if dir.is_multiple_of(4) {
            format!("moved{dir}")
        } else {
            format!("d{dir}")
        }
    )
}

#[test]
fn every_fid_stands_for_its_own_file() {
    for site in Site::each() {
        every_fid_is_its_own(&site, capabilities(None).unwrap());
    }
}

/// Then only entries lead back to a file.
#[test]
fn every_fid_stands_for_its_own_file_where_handles_cannot_be_opened() {
    let mut fewer = capabilities(None).unwrap();
    fewer.effective.remove(CapabilitySet::DAC_READ_SEARCH);
    fewer.permitted.remove(CapabilitySet::DAC_READ_SEARCH);
    for site in Site::each() {
        every_fid_is_its_own(&site, fewer);
    }
}

/// Runs `f` on a thread with these capabilities, and so whatever threads it starts.
fn with_capabilities<T: Send>(sets: CapabilitySets, f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            set_capabilities(None, sets).unwrap();
            f()
        });
        thread.join().unwrap()
    })
}

fn every_fid_is_its_own(site: &Site, sets: CapabilitySets) {
    let few = Options {
        max_nodes_open: 32,
        ..options(Containment::Verify)
    };
    let (local, _served, mut client, mut other) = with_capabilities(sets, || {
        let local = site.fs("export", few);
        let served = Served::exports(vec![Export::new("root", local.clone())]);
        let (client, other) = (served.session(), served.session());
        (local, served, client, other)
    });
    let fid = |dir: u32, file: u32| 1000 + dir * FILES + file;
    let (mut inodes, mut directories) = (Vec::new(), Vec::new());
    for dir in 0..DIRS {
        site.mkdir(&format!("d{dir}"));
        walk(&mut client, 100 + dir, &format!("d{dir}")).unwrap();
        directories.push(site.ino(&format!("d{dir}")));
        for file in 0..FILES {
            site.put(&format!("d{dir}/{file}"), &format!("{dir}/{file}"));
            client
                .walk(100 + dir, fid(dir, file), &[&file.to_string()])
                .unwrap();
            inodes.push(site.ino(&format!("d{dir}/{file}")));
        }
    }
    let held = local.nodes_open();
    assert!(
        held <= 64,
        "{held} descriptors are held for {} nodes",
        DIRS * FILES
    );

    let renamed = |file: u32| file % 10 == 1;
    let unlinked = |file: u32| file % 10 == 3;
    let taken_by_host = |file: u32| file % 10 == 5;
    let moved_by_host = |file: u32| file % 10 == 7;
    for dir in 0..DIRS {
        other.walk(0, 1, &[&format!("d{dir}")]).unwrap();
        for file in 0..FILES {
            let name = file.to_string();
            let host = |name: &str| -> PathBuf { site.export(&format!("d{dir}/{name}")) };
            if renamed(file) {
                other
                    .renameat((1, &name), (1, &format!("r{file}")))
                    .unwrap();
            } else if unlinked(file) {
                other.unlinkat(1, &name, 0).unwrap();
                other.put_file(1, 2, &name, NEW.as_bytes());
            } else if taken_by_host(file) {
                fs::remove_file(host(&name)).unwrap();
                fs::write(host(&name), NEW).unwrap();
            } else if moved_by_host(file) {
                fs::rename(host(&name), host(&format!("h{file}"))).unwrap();
            }
        }
        other.clunk(1).unwrap();
        if dir.is_multiple_of(4) {
            other
                .renameat((0, &format!("d{dir}")), (0, &format!("moved{dir}")))
                .unwrap();
        }
    }
    let handles = sets.effective.contains(CapabilitySet::DAC_READ_SEARCH);
    let mut stale = 0;
    for (at, ino) in (0..).zip(inodes) {
        let (dir, file) = (at / FILES, at % FILES);
        let removed = unlinked(file) || taken_by_host(file);
        match client.getattr(fid(dir, file)) {
            Ok(attr) => {
                assert_eq!(attr.qid.path, ino, "{dir}/{file}");
                assert_eq!(attr.nlink, u64::from(!removed), "{dir}/{file}");
                let seen = content(&mut client, fid(dir, file));
                assert_eq!(seen.unwrap(), format!("{dir}/{file}"));
            }
            Err(error) => {
                // Where handles cannot be opened, a file that the host moved is lost as well.
                let lost = removed || !handles && moved_by_host(file);
                assert!(error == ESTALE && lost, "{dir}/{file}: {error}");
                stale += 1;
            }
        }
    }
    assert!(handles || stale > 0, "descriptors were short");
    for (dir, ino) in (0..DIRS).zip(directories) {
        assert_eq!(client.getattr(100 + dir).unwrap().qid.path, ino);
        let up = client.walk(100 + dir, 1, &[".."]).unwrap();
        assert_eq!(up[0].path, site.ino(""));
        client.mkdir(100 + dir, "made", 0o755).unwrap();
        client.unlinkat(100 + dir, "made", REMOVEDIR).unwrap();
        client.clunk(1).unwrap();
    }
    // Removals reach their own files as well, and nothing else.
    for dir in 0..DIRS {
        for file in 0..FILES {
            let result = client.remove(fid(dir, file));
            let own = !unlinked(file) && !taken_by_host(file) && !moved_by_host(file);
            match result {
                Ok(()) => assert!(own, "{dir}/{file}"),
                Err(error) => assert!(!own && gone(error), "{dir}/{file}: {error}"),
            }
            let place = site.export(&path(dir, file));
            let another = unlinked(file) || taken_by_host(file);
            assert_eq!(place.exists(), another, "{dir}/{file}");
            if another {
                assert_eq!(place.metadata().unwrap().size(), NEW.len() as u64);
            }
        }
        let left = fs::read_dir(site.export(&path(dir, 0)).parent().unwrap()).unwrap();
        assert_eq!(left.count() as u32, FILES * 3 / 10);
    }
}
