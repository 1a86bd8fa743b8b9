//! Many clients of many users at once: no request runs with another's rights. The debug build reads
//! the thread's credentials back before each call, and ends the process where they are others.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use virtfs_local::Options;

use crate::people::{ANN, BOB, BOSS, CID, NOBODY, attach, open_dir, serve};

const CLIENTS: u32 = 16;

/// Each file's name says whose it must be. `VIRTFS_ACCESS_FILES` sets how many there are in all.
#[test]
fn what_sixteen_clients_make_at_once_belongs_to_whom_they_made_it_for() {
    let files = std::env::var("VIRTFS_ACCESS_FILES").map_or(4000, |n| n.parse().unwrap());
    let each = files / CLIENTS;
    let dir = open_dir();
    for client in 0..CLIENTS {
        let own = dir.path().join(format!("c{client}"));
        fs::create_dir(&own).unwrap();
        fs::set_permissions(&own, fs::Permissions::from_mode(0o1777)).unwrap();
    }
    let server = serve(dir.path(), Options::default());
    let people = [(ANN, ANN), (BOB, BOB), (CID, CID), (0, NOBODY), (BOSS, 0)];
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.connect();
                client.start();
                for (root, (claim, _)) in people.iter().enumerate() {
                    attach(&mut client, root as u32, Some(*claim)).unwrap();
                    let dir = format!("c{number}");
                    client.walk(root as u32, 10 + root as u32, &[&dir]).unwrap();
                }
                for at in 0..each {
                    // Some users several times in a row, some in turns.
                    let who = ((at * at / 7 + number) as usize) % people.len();
                    let name = format!("{}-{at}", people[who].1);
                    client.walk(10 + who as u32, 100, &[]).unwrap();
                    client.lcreate(100, &name, 0o1, 0o600).unwrap();
                    client.write(100, 0, b"x").unwrap();
                    client.clunk(100).unwrap();
                }
            });
        }
    });
    let mut seen = 0;
    for client in 0..CLIENTS {
        for entry in fs::read_dir(dir.path().join(format!("c{client}"))).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let uid: u32 = name.split('-').next().unwrap().parse().unwrap();
            let meta = entry.metadata().unwrap();
            assert_eq!((meta.uid(), meta.gid()), (uid, uid), "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, each * CLIENTS);
}
