//! Setuid and setgid bits go when a client changes the content, though the server is root
//! (CVE-2023-1386), and come when a client asks for them.

mod site;

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use rustix::fs::{XattrFlags, lgetxattr, setxattr};
use site::{APPEND, RDONLY, RDWR, Site, TRUNC, WRONLY, need_root, walk};
use virtfs_proto::{LopenFlags, NOFID, Rmessage, SetattrMask, Tattach, Tlcreate, Tmkdir};
use virtfs_tests::{Raw, SetAttr};

const DSYNC: u32 = 0o10000;
/// A group that the server is not in.
const OTHERS: u32 = 1235;

/// Puts a file of this owner with this mode into the export.
fn put(site: &Site, name: &str, owner: u32, mode: u32) {
    site.put(name, "content");
    chown(site.export(name), Some(owner), Some(owner)).unwrap();
    chmod(site, name, mode);
}

fn chmod(site: &Site, name: &str, mode: u32) {
    fs::set_permissions(site.export(name), Permissions::from_mode(mode)).unwrap();
    assert_eq!(mode_of(site, name), mode, "the host sets all bits");
}

fn mode_of(site: &Site, name: &str) -> u32 {
    let meta = site.export(name).symlink_metadata().unwrap();
    meta.mode() & 0o7777
}

fn set_mode(client: &mut Raw, fid: u32, mode: u32) {
    let set = SetAttr {
        valid: SetattrMask::MODE,
        mode,
        ..SetAttr::default()
    };
    client.setattr(fid, set).unwrap();
}

fn set_owner(client: &mut Raw, fid: u32, uid: Option<u32>, gid: Option<u32>) {
    let mut set = SetAttr {
        uid: uid.unwrap_or_default(),
        gid: gid.unwrap_or_default(),
        ..SetAttr::default()
    };
    set.valid.set(SetattrMask::UID, uid.is_some());
    set.valid.set(SetattrMask::GID, gid.is_some());
    client.setattr(fid, set).unwrap();
}

fn set_size(client: &mut Raw, fid: u32, size: u64) {
    let set = SetAttr {
        valid: SetattrMask::SIZE,
        size,
        ..SetAttr::default()
    };
    client.setattr(fid, set).unwrap();
}

/// A session that is attached as this user.
fn session_of(served: &virtfs_tests::Served, user: u32) -> Raw {
    let mut client = served.connect();
    client.start();
    let reply = client.call(Tattach {
        fid: 0,
        afid: NOFID,
        uname: b"",
        aname: b"",
        n_uname: user,
    });
    assert!(matches!(reply.message(), Rmessage::Attach(_)));
    client
}

/// A way for a client to change a file's content.
type Change = fn(&mut Raw, &str);

fn with_fid(client: &mut Raw, name: &str, flags: Option<u32>, f: impl FnOnce(&mut Raw)) {
    walk(client, 1, name).unwrap();
    if let Some(flags) = flags {
        client.lopen(1, flags).unwrap();
    }
    f(client);
    client.clunk(1).unwrap();
}

const CHANGES: [(&str, Change); 11] = [
    ("write", |client, name| {
        with_fid(client, name, Some(RDWR), |c| {
            assert_eq!(c.write(1, 0, b"x"), Ok(1))
        });
    }),
    ("write at the end", |client, name| {
        with_fid(client, name, Some(WRONLY), |c| {
            assert_eq!(c.write(1, 99, b"x"), Ok(1))
        });
    }),
    ("append", |client, name| {
        with_fid(client, name, Some(WRONLY | APPEND), |c| {
            assert_eq!(c.write(1, 0, b"x"), Ok(1))
        });
    }),
    ("synchronous write", |client, name| {
        with_fid(client, name, Some(WRONLY | DSYNC), |c| {
            assert_eq!(c.write(1, 0, b"x"), Ok(1))
        });
    }),
    ("truncate", |client, name| {
        with_fid(client, name, None, |c| set_size(c, 1, 3))
    }),
    ("extend", |client, name| {
        with_fid(client, name, None, |c| set_size(c, 1, 99))
    }),
    ("truncate an open file", |client, name| {
        with_fid(client, name, Some(RDWR), |c| set_size(c, 1, 3));
    }),
    ("truncate a file open for reading", |client, name| {
        with_fid(client, name, Some(RDONLY), |c| set_size(c, 1, 3));
    }),
    ("open with O_TRUNC", |client, name| {
        with_fid(client, name, Some(WRONLY | TRUNC), |_| {});
    }),
    ("create with O_TRUNC over it", |client, name| {
        client.walk(0, 1, &[]).unwrap();
        client.lcreate(1, name, RDWR | TRUNC, 0o6755).unwrap();
        client.clunk(1).unwrap();
    }),
    (
        "write to it after a create that found it",
        |client, name| {
            client.walk(0, 1, &[]).unwrap();
            client.lcreate(1, name, RDWR, 0o6755).unwrap();
            assert_eq!(client.write(1, 0, b"x"), Ok(1));
            client.clunk(1).unwrap();
        },
    ),
];

#[test]
fn the_bits_go_with_every_change_of_the_content() {
    need_root();
    for site in Site::each() {
        let served = site.serve();
        for user in [0, 1000] {
            let mut client = session_of(&served, user);
            for owner in [0, OTHERS] {
                for (what, change) in CHANGES {
                    for (before, after) in [(0o6777, 0o0777), (0o4755, 0o0755), (0o2775, 0o0775)] {
                        put(&site, "f", owner, before);
                        change(&mut client, "f");
                        let seen = mode_of(&site, "f");
                        assert_eq!(seen, after, "{what} by {user}: {before:o} became {seen:o}");
                    }
                    // What is no privilege stays.
                    put(&site, "f", owner, 0o1664);
                    change(&mut client, "f");
                    assert_eq!(mode_of(&site, "f"), 0o1664, "{what}");
                }
            }
        }
    }
}

/// That these tests run where a server would have to take care: root's own writes keep the bits.
#[test]
fn the_bits_stay_when_root_itself_writes() {
    need_root();
    for site in Site::each() {
        put(&site, "f", OTHERS, 0o6755);
        let file = OpenOptions::new()
            .write(true)
            .open(site.export("f"))
            .unwrap();
        std::io::Write::write_all(&mut &file, b"x").unwrap();
        file.set_len(3).unwrap();
        assert_eq!(mode_of(&site, "f"), 0o6755);
    }
}

#[test]
fn setgid_without_execute_for_the_group_stays_in_the_servers_group() {
    need_root();
    for site in Site::each() {
        let served = site.serve();
        let mut client = served.session();
        for (what, change) in CHANGES {
            put(&site, "f", 0, 0o2664);
            change(&mut client, "f");
            assert_eq!(mode_of(&site, "f"), 0o2664, "{what}");
        }
    }
}

#[test]
fn a_file_that_is_open_loses_bits_that_were_set_since() {
    need_root();
    for site in Site::each() {
        put(&site, "f", OTHERS, 0o755);
        let served = site.serve();
        let (mut client, mut other) = (served.session(), served.session());
        walk(&mut client, 1, "f").unwrap();
        client.walk(1, 2, &[]).unwrap();
        client.lopen(1, RDWR).unwrap();
        walk(&mut other, 2, "f").unwrap();
        for round in 0..20 {
            // Set through another fid, the open one, another session, and by the host.
            match round % 4 {
                0 => set_mode(&mut client, 2, 0o6755),
                1 => set_mode(&mut client, 1, 0o6755),
                2 => set_mode(&mut other, 2, 0o6755),
                _ => chmod(&site, "f", 0o6755),
            }
            assert_eq!(mode_of(&site, "f"), 0o6755);
            if round % 8 < 4 {
                assert_eq!(client.write(1, 0, b"x"), Ok(1));
            } else {
                set_size(&mut client, 1, 7);
            }
            assert_eq!(mode_of(&site, "f"), 0o755, "round {round}");
        }
    }
}

#[test]
fn file_capabilities_go_with_a_write() {
    need_root();
    // VFS_CAP_REVISION_2, effective: CAP_NET_RAW.
    let capability: [u8; 20] = [
        1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    const NAME: &str = "security.capability";
    let site = Site::new();
    let served = site.serve();
    let mut client = served.session();
    for (what, change) in CHANGES {
        put(&site, "f", OTHERS, 0o755);
        setxattr(site.export("f"), NAME, &capability, XattrFlags::empty()).unwrap();
        change(&mut client, "f");
        let left = lgetxattr(site.export("f"), NAME, &mut [0; 64]);
        assert_eq!(left, Err(rustix::io::Errno::NODATA), "{what}");
    }
}

#[test]
fn a_mode_that_a_client_sets_arrives_whole() {
    need_root();
    for site in Site::each() {
        let served = site.serve();
        let mut client = served.session();
        for owner in [0, OTHERS] {
            put(&site, "f", owner, 0o644);
            site.mkdir("d");
            chown(site.export("d"), Some(owner), Some(owner)).unwrap();
            walk(&mut client, 1, "f").unwrap();
            walk(&mut client, 2, "d").unwrap();
            client.walk(1, 3, &[]).unwrap();
            client.lopen(3, RDWR).unwrap();
            for mode in [
                0o4755, 0o2755, 0o6755, 0o7777, 0o2644, 0o1600, 0o0000, 0o0644,
            ] {
                for (fid, name) in [(1, "f"), (2, "d"), (3, "f")] {
                    set_mode(&mut client, fid, mode);
                    assert_eq!(mode_of(&site, name), mode, "{name} {mode:o}");
                    assert_eq!(client.getattr(fid).unwrap().mode & 0o7777, mode);
                    set_mode(&mut client, fid, 0);
                }
            }
            for fid in 1..=3 {
                client.clunk(fid).unwrap();
            }
        }
    }
}

#[test]
fn a_mode_that_a_client_creates_with_arrives_whole() {
    need_root();
    for site in Site::each() {
        let served = site.serve();
        // The group is 0 always: to give a file to it, and keep the bits, is what is asked for.
        for user in [0, 1000] {
            let mut client = session_of(&served, user);
            for mode in [
                0o4755, 0o2755, 0o6755, 0o7777, 0o2644, 0o1755, 0o0600, 0o0666,
            ] {
                client.walk(0, 1, &[]).unwrap();
                client.lcreate(1, "f", RDWR, mode).unwrap();
                assert_eq!(mode_of(&site, "f"), mode, "create {mode:o}");
                // The first write takes them again.
                assert_eq!(client.write(1, 0, b"x"), Ok(1));
                assert_eq!(mode_of(&site, "f") & 0o4010, mode & 0o0010, "{mode:o}");
                client.clunk(1).unwrap();

                client.mkdir(0, "d", mode).unwrap();
                assert_eq!(mode_of(&site, "d"), mode, "mkdir {mode:o}");
                client.mknod(0, "n", 0o100000 | mode).unwrap();
                assert_eq!(mode_of(&site, "n"), mode, "mknod {mode:o}");
                client.mknod(0, "p", 0o010000 | mode).unwrap();
                assert_eq!(mode_of(&site, "p"), mode, "mknod of a FIFO {mode:o}");
                for name in ["f", "d", "n", "p"] {
                    let meta = site.export(name).symlink_metadata().unwrap();
                    assert_eq!((meta.uid(), meta.gid()), (user, 0), "{name}");
                    client.walk(0, 1, &[name]).unwrap();
                    client.remove(1).unwrap();
                }
            }
        }
    }
}

#[test]
fn setgid_arrives_for_a_group_that_the_server_is_not_in() {
    need_root();
    for site in Site::each() {
        let served = site.serve();
        let mut client = served.session();
        client.walk(0, 1, &[]).unwrap();
        let reply = client.call(Tlcreate {
            fid: 1,
            name: b"f",
            flags: LopenFlags::RDWR,
            mode: 0o2755,
            gid: OTHERS,
        });
        assert_eq!(reply.ecode(), None);
        let reply = client.call(Tmkdir {
            dfid: 0,
            name: b"d",
            mode: 0o2755,
            gid: OTHERS,
        });
        assert_eq!(reply.ecode(), None);
        for name in ["f", "d"] {
            let meta = site.export(name).metadata().unwrap();
            assert_eq!((mode_of(&site, name), meta.gid()), (0o2755, OTHERS));
        }
    }
}

#[test]
fn what_is_made_in_a_setgid_directory_inherits_as_on_the_host() {
    need_root();
    let site = Site::new();
    let served = site.serve();
    let mut client = served.session();
    site.mkdir("d");
    chmod(&site, "d", 0o2775);
    walk(&mut client, 1, "d").unwrap();
    client.mkdir(1, "sub", 0o755).unwrap();
    assert_eq!(mode_of(&site, "d/sub"), 0o2755);
    client.lcreate(1, "f", RDWR, 0o755).unwrap();
    assert_eq!(mode_of(&site, "d/f"), 0o755);
}

#[test]
fn a_change_of_owner_takes_the_bits_as_on_the_host() {
    need_root();
    for site in Site::each() {
        let served = site.serve();
        let mut client = served.session();
        for mode in [0o6755, 0o4755, 0o2755, 0o4644, 0o2644, 0o1755, 0o0644] {
            for (uid, gid) in [(Some(1000), None), (None, Some(1000)), (Some(7), Some(8))] {
                for directory in [false, true] {
                    for name in ["f", "twin"] {
                        if directory {
                            site.mkdir(name);
                            chmod(&site, name, mode);
                        } else {
                            put(&site, name, 0, mode);
                        }
                    }
                    chown(site.export("twin"), uid, gid).unwrap();
                    let by_root = mode_of(&site, "twin");
                    walk(&mut client, 1, "f").unwrap();
                    set_owner(&mut client, 1, uid, gid);
                    assert_eq!(mode_of(&site, "f"), by_root, "{mode:o} {uid:?} {gid:?}");
                    if !directory {
                        assert_eq!(by_root & 0o4000, 0);
                    }
                    client.clunk(1).unwrap();
                    for name in ["f", "twin"] {
                        client.walk(0, 1, &[name]).unwrap();
                        client.remove(1).unwrap();
                    }
                }
            }
        }
    }
}

#[test]
fn names_and_attributes_change_without_the_bits() {
    need_root();
    let site = Site::new();
    let served = site.serve();
    let mut client = served.session();
    put(&site, "f", OTHERS, 0o6755);
    walk(&mut client, 1, "f").unwrap();
    client.link(0, 1, "l").unwrap();
    client.rename(1, 0, "g").unwrap();
    let times = SetAttr {
        valid: SetattrMask::ATIME | SetattrMask::MTIME,
        ..SetAttr::default()
    };
    client.setattr(1, times).unwrap();
    site::xattr_put(&mut client, 1, "user.mark", "x").unwrap();
    client.lopen(1, RDWR).unwrap();
    assert_eq!(client.read(1, 0, 100).unwrap(), b"content");
    client.fsync(1).unwrap();
    client.unlinkat(0, "l", 0).unwrap();
    client.clunk(1).unwrap();
    assert_eq!(mode_of(&site, "g"), 0o6755);
}

/// The capability that keeps the bits is there while they are set, and not a moment longer: many
/// threads set and write side by side.
#[test]
fn setting_the_bits_on_one_file_does_not_save_them_on_another() {
    need_root();
    let site = Site::new();
    let served = site.serve();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (site, served) = (&site, &served);
            scope.spawn(move || {
                let mut client = served.session();
                let (set, written) = (format!("set{worker}"), format!("written{worker}"));
                put(site, &set, OTHERS, 0o755);
                put(site, &written, OTHERS, 0o755);
                walk(&mut client, 1, &set).unwrap();
                walk(&mut client, 2, &written).unwrap();
                client.lopen(2, RDWR).unwrap();
                for _ in 0..100 {
                    chmod(site, &written, 0o6755);
                    set_mode(&mut client, 1, 0o2755);
                    assert_eq!(client.write(2, 0, b"x"), Ok(1));
                    assert_eq!(mode_of(site, &written), 0o755);
                    assert_eq!(mode_of(site, &set), 0o2755);
                }
                client.mkdir(0, &format!("d{worker}"), 0o2755).unwrap();
                chmod(site, &written, 0o6755);
                set_size(&mut client, 2, 1);
                assert_eq!(mode_of(site, &written), 0o755);
            });
        }
    });
}
