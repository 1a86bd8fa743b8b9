//! Users and groups are those of the host's databases.

use std::fs;
use std::os::unix::fs::chown;

use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use virtfs_tests::errno::EACCES;

use crate::running::Running;
use crate::site::{Site, attach, open};

const ANN: u32 = 61_001;
const BOB: u32 = 61_002;
const TEAM: u32 = 62_001;

/// Starts the program where other users are known.
fn start_among(site: &Site, passwd: &str, group: &str) -> Running {
    let files = [("passwd", passwd), ("group", group), ("nsswitch.conf", "")];
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // Of mounts only, and of what they need: no descriptor is taken from anybody.
            #[expect(deprecated, reason = "its successor needs unsafe")]
            rustix::thread::unshare(
                rustix::thread::UnshareFlags::NEWNS | rustix::thread::UnshareFlags::FS,
            )
            .unwrap();
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            mount_change("/", private).unwrap();
            for (name, text) in files {
                let text = match name {
                    "nsswitch.conf" => "passwd: files\ngroup: files\n",
                    _ => text,
                };
                let path = site.path(name);
                fs::write(&path, text).unwrap();
                open(&path, 0o644);
                mount_bind(&path, format!("/etc/{name}")).unwrap();
            }
            Running::start(&mut site.serve())
        });
        thread.join().unwrap()
    })
}

#[test]
fn a_user_has_the_groups_of_the_databases() {
    let site = Site::new();
    let team = site.export().join("team");
    fs::create_dir(&team).unwrap();
    chown(&team, Some(0), Some(TEAM)).unwrap();
    open(&team, 0o2770);
    let passwd = "root:x:0:0::/:/bin/sh\nann:x:61001:61001::/:/bin/sh\n\
                  bob:x:61002:100::/:/bin/sh\n";
    let server = start_among(&site, passwd, "root:x:0:\nteam:x:62001:root,ann\n");
    server.line("listening on ");
    let mut client = site.client();
    attach(&mut client, 0, "", Some(ANN)).unwrap();
    attach(&mut client, 1, "bob", None).unwrap();
    client.mkdir(0, "ann", 0o755).unwrap();
    client.mkdir(1, "bob", 0o755).unwrap();
    assert_eq!(site.owner("ann"), (ANN, ANN));
    assert_eq!(site.owner("bob"), (BOB, 100));
    for root in [0, 1] {
        client.walk(root, 10 + root, &["team"]).unwrap();
    }
    client.mkdir(10, "ann", 0o755).unwrap();
    assert_eq!(site.owner("team/ann"), (ANN, TEAM));
    assert_eq!(client.mkdir(11, "bob", 0o755), Err(EACCES));
    // Who attaches anew after a while has the new groups, and who is known no more is not let in.
    let known = fs::read_to_string(site.path("group")).unwrap();
    assert!(known.contains("root,ann"));
    assert_eq!(attach(&mut client, 20, "daemon", None), Err(EACCES));
}
