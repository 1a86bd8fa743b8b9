//! What was found in other servers: virtiofsd, and those that speak 9P.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::sync::Arc;

use rustix::fs::{XattrFlags, getxattr, setxattr};
use virtfs_local::{Containment, LocalFs, Options, SecurityModel, Xattrs};
use virtfs_proto::{NOFID, Tattach};
use virtfs_server::{Caller, Claim, Export, Limits, Users};
use virtfs_tests::errno::EMFILE;
use virtfs_tests::{Served, descriptors, frame};
use virtfs_vfs::{Call, Credentials, Errno, User};

use crate::alone::alone;
use crate::site::{
    RDONLY, RDWR, SECRET, Site, content, need_root, options, put_secrets, unnoticed,
};

/// The defect (virtiofsd): a guest opens files until the server, or the host, has no descriptors.
#[test]
fn cve_2020_10717_open_files_do_not_use_up_the_descriptors() {
    alone(
        "peers::cve_2020_10717_open_files_do_not_use_up_the_descriptors",
        || {
            let site = Site::new();
            for number in 0..600 {
                site.put(&number.to_string(), "content");
            }
            let few = Options {
                max_nodes_open: 50,
                max_files_open: 50,
                ..options(Containment::Verify)
            };
            let export = Export::new(
                "root",
                Arc::new(LocalFs::open(site.export(""), few).unwrap()),
            );
            let mut limits = Limits::default();
            limits.open_files = 500;
            let served = Served::new(vec![export], limits);
            let mut greedy = served.session();
            let before = descriptors();
            let mut refused = None;
            for number in 0..600 {
                let (fid, name) = (10 + number, number.to_string());
                greedy.walk(0, fid, &[&name]).unwrap();
                refused = refused.or(greedy.lopen(fid, RDWR).err());
            }
            assert_eq!(refused, Some(EMFILE));
            let more = descriptors() - before;
            assert!(more <= 120, "{more} descriptors");
            let mut other = served.session();
            other.walk(0, 1, &["0"]).unwrap();
            assert_eq!(content(&mut other, 1).unwrap(), "content");
        },
    );
}

/// The defect (virtiofsd): the guest makes a device node, and has the server open it on the host.
#[test]
fn cve_2020_35517_a_device_that_a_client_made_is_not_opened() {
    need_root();
    let site = Site::new();
    let mut client = site.serve().session();
    // /dev/null and the host's first loop device: an open would succeed.
    for (name, mode, major, minor) in [("null", 0o020_666, 1, 3), ("loop", 0o060_666, 7, 0)] {
        let mknod = virtfs_proto::Tmknod {
            dfid: 0,
            name: name.as_bytes(),
            mode,
            major,
            minor,
            gid: 0,
        };
        assert_eq!(client.call(mknod).ecode(), None);
        let made = site.export(name).metadata().unwrap();
        assert_ne!(made.rdev(), 0, "a device of the host");
        client.walk(0, 1, &[name]).unwrap();
        for flags in [RDONLY, RDWR] {
            assert!(client.lopen(1, flags).is_err(), "{name}");
        }
        client.clunk(1).unwrap();
    }
}

/// The defect (virtiofsd, with attributes mapped to other names): the capabilities that a file has
/// outlive a write, because only the unmapped name is taken away.
#[test]
fn cve_2021_20263_capabilities_go_with_a_write_in_every_model() {
    need_root();
    // VFS_CAP_REVISION_2, cap_chown+ep.
    let capability: [u8; 20] = [1, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (model, name) in [
        (SecurityModel::Passthrough, "security.capability"),
        (SecurityModel::None, "security.capability"),
        (
            SecurityModel::MappedXattr,
            "user.virtfs.security.capability",
        ),
    ] {
        let site = Site::new();
        site.put("file", "content");
        let path = site.export("file");
        let options = Options {
            model,
            xattr: Xattrs::Security,
            ..Options::default()
        };
        let served = Served::fs(LocalFs::open(site.export(""), options).unwrap());
        let mut client = served.session();
        client.walk(0, 1, &["file"]).unwrap();
        if model == SecurityModel::MappedXattr {
            client.walk(1, 2, &[]).unwrap();
            client.xattrcreate(2, "security.capability", 20, 0).unwrap();
            client.write(2, 0, &capability).unwrap();
            client.clunk(2).unwrap();
        } else {
            setxattr(&path, name, &capability, XattrFlags::empty()).unwrap();
        }
        let there = getxattr(&path, name, &mut [0; 64][..]);
        assert_eq!(there, Ok(20), "{model:?} {name}");
        client.lopen(1, RDWR).unwrap();
        client.write(1, 0, b"mine").unwrap();
        client.clunk(1).unwrap();
        let left = getxattr(&path, name, &mut [0; 64][..]);
        assert_eq!(left, Err(rustix::io::Errno::NODATA), "{model:?} {name}");
    }
}

/// Everybody acts as themselves, with no groups but their own.
struct Themselves;

impl Users for Themselves {
    fn find(&self, claim: &Claim<'_>, _: &dyn Call) -> Result<Caller, Errno> {
        let uid = claim.uid.ok_or(Errno::EACCES)?;
        let credentials = Credentials {
            uid,
            gid: uid,
            groups: Box::default(),
        };
        Ok(Caller {
            user: User { uid },
            credentials: Some(Arc::new(credentials)),
        })
    }
}

/// The defect (virtiofsd): who creates an executable with setgid in a setgid directory gets its
/// group's rights, though not in the group.
#[test]
fn cve_2022_0358_setgid_is_not_had_from_a_group_one_is_not_in() {
    need_root();
    const USER: u32 = 61_001;
    const GROUP: u32 = 62_001;
    let site = Site::new();
    site.mkdir("shared");
    let shared = site.export("shared");
    chown(&shared, Some(0), Some(GROUP)).unwrap();
    fs::set_permissions(&shared, PermissionsExt::from_mode(0o2777)).unwrap();
    for path in [site.path(""), site.export("")] {
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let export = Export::new("root", site.fs("export", options(Containment::Verify)));
    let served = Served::exports(vec![export.users(Arc::new(Themselves))]);
    let mut client = served.connect();
    client.start();
    let attach = Tattach {
        fid: 0,
        afid: NOFID,
        uname: b"",
        aname: b"",
        n_uname: USER,
    };
    assert_eq!(client.call(attach).ecode(), None);
    client.walk(0, 1, &["shared"]).unwrap();
    client.walk(1, 2, &[]).unwrap();
    client.lcreate(2, "file", RDWR, 0o2775).unwrap();
    let _ = client.mknod(1, "node", 0o102_775);
    for name in ["file", "node"] {
        if let Ok(made) = shared.join(name).symlink_metadata() {
            assert_eq!((made.uid(), made.gid()), (USER, GROUP), "{name}");
            assert_eq!(made.mode() & 0o2000, 0, "{name}: {:o}", made.mode());
        }
    }
    assert!(shared.join("file").exists());
}

/// The defect (rust-p9 before 0.3.3, DeedleFake's p9): a name is joined to a path as it is.
#[test]
fn rust_p9_names_with_dots_and_slashes_lead_nowhere() {
    let site = Site::new();
    put_secrets(&site);
    site.mkdir("sub");
    let mut client = site.serve().session();
    unnoticed(&site, || {
        for start in [0, 1] {
            if start == 1 {
                client.walk(0, 1, &["sub"]).unwrap();
            }
            let names = ["..", "..", "outside", "secret"];
            let walked = client.walk(start, 2, &names);
            assert!(walked.is_ok_and(|qids| qids.len() == 2), "not to `outside`");
            client.mkdir(start, "../outside/made", 0o755).unwrap_err();
            client.symlink(start, "../outside/made", "x").unwrap_err();
            client.unlinkat(start, "../outside/secret", 0).unwrap_err();
        }
    });
    assert_eq!(
        fs::read_to_string(site.path("outside/secret")).unwrap(),
        SECRET
    );
}

/// The defect (unpfs 0.13): an absolute name takes the place of the root.
#[test]
fn unpfs_an_absolute_name_does_not_replace_the_root() {
    let site = Site::new();
    put_secrets(&site);
    let outside = site.path("outside");
    let outside = outside.to_str().unwrap();
    let mut client = site.serve().session();
    unnoticed(&site, || {
        for name in ["/", "/etc", outside, &format!("{outside}/secret")] {
            assert!(client.walk(0, 1, &[name]).is_err(), "{name}");
            client.walk(0, 1, &[]).unwrap();
            client.lcreate(1, name, RDWR, 0o644).unwrap_err();
            client.clunk(1).unwrap();
        }
        // And as aname, which chooses an export and is no path.
        for aname in [outside, "/etc", "..", "../outside"] {
            client.attach(5, aname).unwrap_err();
        }
    });
}

/// The defect (kvmtool): only the text `/../` is looked for, and what is to be opened is looked at
/// through links.
#[test]
fn kvmtool_dots_at_the_end_and_links_to_devices_lead_nowhere() {
    let site = Site::new();
    put_secrets(&site);
    site.mkdir("sub");
    std::os::unix::fs::symlink("/dev/null", site.export("null")).unwrap();
    let mut client = site.serve().session();
    let root = client.getattr(0).unwrap().qid;
    for names in [&["sub", "..", ".."][..], &[".."], &["sub", ".."]] {
        assert_eq!(client.walk(0, 1, names).unwrap().last(), Some(&root));
        client.clunk(1).unwrap();
    }
    client.walk(0, 1, &["sub/.."]).unwrap_err();
    client.walk(0, 1, &["null"]).unwrap();
    client.lopen(1, RDONLY).unwrap_err();
}

/// The defect (nfs-ganesha): the type of a message is an index into a table of names.
#[test]
fn nfs_ganesha_every_type_of_message_is_answered() {
    let served = Served::memory();
    let mut client = served.session();
    for kind in 0..=255_u8 {
        if kind == virtfs_proto::kind::TVERSION {
            continue;
        }
        let mut bytes = frame(7, virtfs_proto::Tclunk { fid: 4242 });
        bytes[4] = kind;
        client.send_bytes(&bytes);
        assert_eq!(client.receive().tag, 7, "type {kind}");
    }
    client.getattr(0).unwrap();
}
