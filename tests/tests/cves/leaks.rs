//! What a client repeats without end leaves nothing behind in the server: neither memory nor
//! descriptors.

use std::sync::Arc;

use virtfs_local::{LocalFs, Options, SecurityModel};
use virtfs_server::Export;
use virtfs_tests::virtio::{Direct, Driver, DriverOptions, GuestRam, Layout, bridge};
use virtfs_tests::{Raw, Served, descriptors, wait_for_descriptors};
use virtfs_vfs::memory::MemoryFs;
use virtfs_vfs::synth::{File, Synth};

use crate::alone::{alone, resident_kib};
use crate::site::{RDONLY, RDWR, Site, xattr_put};

/// How often a request is repeated; a leak of 512 bytes each is more than twice what may be added.
const TIMES: u32 = 10_000;

/// What may be added, for what the allocator and the tables keep.
const KIB: u64 = 2048;

/// Repeats a round on a session of a local export, whose fid 1 is a file and fid 2 a directory,
/// and measures what is left of it.
fn leaves_nothing(test: &str, prepare: impl Fn(&mut Raw), round: impl Fn(&mut Raw, u32)) {
    alone(test, || {
        let site = Site::new();
        site.put("file", "content");
        site.mkdir("dir");
        let served = site.serve();
        let mut client = served.session();
        client.walk(0, 1, &["file"]).unwrap();
        client.walk(0, 2, &["dir"]).unwrap();
        prepare(&mut client);
        for number in 0..TIMES / 5 {
            round(&mut client, number);
        }
        let (memory, files) = (resident_kib(), descriptors());
        for number in 0..TIMES {
            round(&mut client, number);
        }
        let more = resident_kib().saturating_sub(memory);
        assert!(more <= KIB, "{more} KiB more after {TIMES} times");
        assert!(wait_for_descriptors(files), "{} of {files}", descriptors());
    });
}

#[test]
fn cve_2016_8577_reads_leave_nothing() {
    let prepare = |client: &mut Raw| {
        client.walk(1, 3, &[]).unwrap();
        client.lopen(3, RDONLY).unwrap();
    };
    leaves_nothing(
        "leaks::cve_2016_8577_reads_leave_nothing",
        prepare,
        |client, number| {
            let (offset, count) =
                [(0, 4096), (1 << 40, 4096), (0, 0), (u64::MAX, 1)][number as usize % 4];
            let _ = client.read(3, offset, count);
            client.read(9, 0, 10).unwrap_err();
        },
    );
}

/// The defect: the second buffer takes the place of the first, which nobody frees.
#[test]
fn cve_2016_9102_a_second_xattrcreate_on_a_fid_is_refused() {
    leaves_nothing(
        "leaks::cve_2016_9102_a_second_xattrcreate_on_a_fid_is_refused",
        |_| {},
        |client, _| {
            client.walk(1, 3, &[]).unwrap();
            client.xattrcreate(3, "user.a", 1000, 0).unwrap();
            client.write(3, 0, &[1; 500]).unwrap();
            client.xattrcreate(3, "user.a", 1000, 0).unwrap_err();
            client.clunk(3).unwrap_err();
        },
    );
}

#[test]
fn cve_2016_9105_links_leave_nothing() {
    leaves_nothing(
        "leaks::cve_2016_9105_links_leave_nothing",
        |_| {},
        |client, _| {
            client.link(2, 1, "another").unwrap();
            client.link(2, 1, "another").unwrap_err();
            client.link(2, 9, "another").unwrap_err();
            client.unlinkat(2, "another", 0).unwrap();
        },
    );
}

#[test]
fn cve_2016_9106_writes_that_fail_leave_nothing() {
    let prepare = |client: &mut Raw| {
        client.walk(1, 3, &[]).unwrap();
        client.lopen(3, RDONLY).unwrap();
        client.walk(1, 4, &[]).unwrap();
        client.lopen(4, RDWR).unwrap();
    };
    leaves_nothing(
        "leaks::cve_2016_9106_writes_that_fail_leave_nothing",
        prepare,
        |client, _| {
            for (fid, offset) in [(1, 0), (2, 0), (3, 0), (9, 0), (4, u64::MAX)] {
                client.write(fid, offset, &[1; 1000]).unwrap_err();
            }
            client.write(4, 0, &[1; 1000]).unwrap();
        },
    );
}

/// The defect: the descriptor that the fid had is never closed.
#[test]
fn cve_2017_7377_a_create_on_an_open_fid_is_refused() {
    leaves_nothing(
        "leaks::cve_2017_7377_a_create_on_an_open_fid_is_refused",
        |_| {},
        |client, _| {
            client.walk(2, 3, &[]).unwrap();
            client.lcreate(3, "new", RDWR, 0o644).unwrap();
            client.lcreate(3, "new", RDWR, 0o644).unwrap_err();
            client.lopen(3, RDWR).unwrap_err();
            client.clunk(3).unwrap();
        },
    );
}

#[test]
fn cve_2017_8086_lists_of_attributes_leave_nothing() {
    let prepare = |client: &mut Raw| {
        for number in 0..8 {
            let name = format!("user.{number:0>200}");
            xattr_put(client, 1, &name, "value").unwrap();
        }
    };
    leaves_nothing(
        "leaks::cve_2017_8086_lists_of_attributes_leave_nothing",
        prepare,
        |client, _| {
            assert!(client.xattrwalk(1, 3, "").unwrap() > 1600);
            client.xattrwalk(1, 3, "").unwrap_err();
            client.clunk(3).unwrap();
            client.xattrwalk(1, 3, "user.none").unwrap_err();
        },
    );
}

/// A device that is taken away with a guest's files open.
#[test]
fn cve_2016_9913_a_device_that_is_unplugged_leaves_nothing() {
    alone(
        "leaks::cve_2016_9913_a_device_that_is_unplugged_leaves_nothing",
        || {
            let site = Site::new();
            site.put("file", "content");
            let served = site.serve();
            let mut before = None;
            for round in 0..30 {
                let driver = Driver::new(&GuestRam::new(4 << 20), DriverOptions::default());
                let device = Direct::attach(&served.server, &driver);
                let stream = bridge(driver, device, Layout::Whole).unwrap();
                let mut client = Raw::socket(stream);
                client.start();
                client.attach(0, "").unwrap();
                for fid in 1..20 {
                    client.walk(0, fid, &["file"]).unwrap();
                    client.lopen(fid, RDWR).unwrap();
                }
                drop(client);
                let files = *before.get_or_insert_with(|| {
                    // What is left when the first is gone may stay.
                    std::thread::sleep(std::time::Duration::from_millis(300));
                    descriptors()
                });
                assert!(
                    wait_for_descriptors(files),
                    "{} of {files} in round {round}",
                    descriptors()
                );
            }
        },
    );
}

/// Serves, has a client hold files of it, and ends, again and again.
fn ends_cleanly(test: &str, serve: impl Fn(&Site) -> Served) {
    alone(test, || {
        let mut measured = None;
        for round in 0..200 {
            let site = Site::new();
            site.put("file", "content");
            let served = serve(&site);
            let (mut client, handle) = served.session_with_handle();
            for fid in 1..20 {
                client.walk(0, fid, &["file"]).unwrap();
                client.lopen(fid, RDONLY).unwrap();
            }
            drop(client);
            handle.wait();
            drop(served);
            // The first rounds make what is made once.
            if round == 50 {
                measured = Some((resident_kib(), descriptors()));
            }
        }
        let (memory, files) = measured.unwrap();
        assert!(wait_for_descriptors(files), "{} of {files}", descriptors());
        let more = resident_kib().saturating_sub(memory);
        assert!(more <= KIB, "{more} KiB more");
    });
}

fn local(site: &Site, model: SecurityModel) -> Served {
    let options = Options {
        model,
        ..Options::default()
    };
    Served::fs(LocalFs::open(site.export(""), options).unwrap())
}

/// The defect: a backend without a clean-up leaves everything behind.
#[test]
fn cve_2016_9914_the_local_backend_lets_go_of_all() {
    ends_cleanly(
        "leaks::cve_2016_9914_the_local_backend_lets_go_of_all",
        |site| {
            let models = [
                SecurityModel::Passthrough,
                SecurityModel::None,
                SecurityModel::MappedXattr,
                SecurityModel::MappedFile,
            ];
            let ino = usize::try_from(site.ino("file")).unwrap();
            local(site, models[ino % models.len()])
        },
    );
}

/// There is no `handle` backend: handles are a part of the local one.
#[test]
fn cve_2016_9915_file_handles_are_let_go_of() {
    ends_cleanly("leaks::cve_2016_9915_file_handles_are_let_go_of", |site| {
        let options = Options {
            model: SecurityModel::None,
            file_handles: virtfs_local::FileHandles::Prefer,
            max_nodes_open: 2,
            ..Options::default()
        };
        Served::fs(LocalFs::open(site.export(""), options).unwrap())
    });
}

/// There is no `proxy` backend: the others that are not local take its place.
#[test]
fn cve_2016_9916_backends_that_are_not_local_let_go_of_all() {
    ends_cleanly(
        "leaks::cve_2016_9916_backends_that_are_not_local_let_go_of_all",
        |_| {
            let synth = Synth::new().file("file", File::bytes("content"));
            let memory = Arc::new(MemoryFs::new());
            let served = Served::exports(vec![
                Export::new("synth", Arc::new(synth)),
                Export::new("memory", memory),
            ]);
            let mut client = served.connect();
            client.start();
            client.attach(0, "memory").unwrap();
            client.put_file(0, 1, "file", &[1; 4096]);
            served
        },
    );
}
