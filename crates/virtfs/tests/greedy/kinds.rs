//! What a client may try to have all of. Each takes as much as it gets, holds it, and is answered
//! errnos, or is not read from any more; the connection lives on.

use std::time::Duration;

use virtfs_proto::{
    LockFlags, LockType, NOFID, Names, Tattach, Tauth, Tflush, Tgetattr, Tlock, Tread, Twalk,
    Twrite,
};
use virtfs_tests::errno::{EMFILE, ENOENT, ENOLCK, ENOSPC};
use virtfs_tests::{Frames, Lock, Raw};

use crate::library::Ground;
use crate::limits::limits;

/// A greedy client.
pub(crate) type Greed = fn(&Ground) -> Raw;

pub(crate) const KINDS: [(&str, Greed); 14] = [
    ("fids", fids),
    ("attaches", attaches),
    ("open files", open_files),
    ("open directories", open_directories),
    ("attributes", attributes),
    ("locks", locks),
    ("waiting locks", waiting_locks),
    ("requests", requests),
    ("replies that nobody takes", replies),
    ("frames that are announced", announced),
    ("half a header", half_a_header),
    ("silence", silence),
    ("flushes", flushes),
    ("authentication", authentication),
];

/// Fids of greedy clients are numbered from here.
const MANY: u32 = 1000;

/// How long the server may refuse to take more before that is taken for an answer.
const STOPPED: Duration = Duration::from_millis(300);

pub(crate) fn lock(start: u64, proc_id: u32) -> Lock<'static> {
    Lock {
        kind: LockType::WRLCK,
        start,
        length: 1,
        proc_id,
        client_id: "greedy",
    }
}

fn fids(ground: &Ground) -> Raw {
    let mut client = ground.session();
    let mut refused = 0;
    for batch in 0..25_u32 {
        let mut frames = Frames::new();
        for number in 0..1000_u16 {
            let newfid = MANY + batch * 1000 + u32::from(number);
            let names = Names::from_slice(&[]);
            frames.add(
                number,
                Twalk {
                    fid: 2,
                    newfid,
                    names,
                },
            );
        }
        for reply in exchange(&mut client, &frames, 1000) {
            match reply {
                None => {}
                Some(errno) => {
                    assert_eq!(errno, EMFILE);
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 0, "there is no end to fids");
    client
}

/// Sends, and receives meanwhile: the errno of each answer that is one.
fn exchange(client: &mut Raw, frames: &Frames, count: usize) -> Vec<Option<u32>> {
    client.send_frames(frames);
    let replies = client.receive_many(count);
    replies.iter().map(|reply| reply.ecode()).collect()
}

fn attaches(ground: &Ground) -> Raw {
    let mut client = ground.session();
    let mut refused = None;
    for batch in 0..25_u32 {
        let mut frames = Frames::new();
        for number in 0..1000_u16 {
            let attach = Tattach {
                fid: MANY + batch * 1000 + u32::from(number),
                afid: NOFID,
                uname: b"root",
                aname: b"",
                n_uname: u32::from(number),
            };
            frames.add(number, attach);
        }
        let answers = exchange(&mut client, &frames, 1000);
        refused = refused.or(answers.into_iter().flatten().next());
    }
    assert_eq!(refused, Some(EMFILE));
    client
}

/// Opens fid after fid until it is refused.
fn open_all(client: &mut Raw, from: u32, then: impl Fn(&mut Raw, u32)) {
    let refused = (MANY..MANY + 4000).find_map(|fid| {
        let opened = client.walk(from, fid, &[]).map(drop);
        let opened = opened.and_then(|()| client.lopen(fid, 0).map(drop));
        if opened.is_ok() {
            then(client, fid);
        }
        opened.err()
    });
    assert_eq!(refused, Some(EMFILE));
}

fn open_files(ground: &Ground) -> Raw {
    let mut client = ground.session();
    open_all(&mut client, 2, |_, _| ());
    client
}

fn open_directories(ground: &Ground) -> Raw {
    let mut client = ground.session();
    // Begun, and not read to the end.
    let list = |client: &mut Raw, fid| drop(client.readdir(fid, 0, 200).unwrap());
    open_all(&mut client, 3, list);
    // There are too many for each to be kept in memory; they go on nevertheless.
    for fid in (MANY..MANY + 3).chain([MANY + 300]) {
        let Ok(begun) = client.readdir(fid, 0, 200) else {
            continue; // Others have most of what there is.
        };
        let (mut count, mut at) = (begun.len(), begun.last().unwrap().offset);
        loop {
            let more = client.readdir(fid, at, 2000).unwrap();
            let Some(last) = more.last() else { break };
            (count, at) = (count + more.len(), last.offset);
        }
        assert_eq!(count, 102);
    }
    client
}

fn attributes(ground: &Ground) -> Raw {
    let mut client = ground.session();
    for size in [60_000_u32, 0] {
        let refused = (MANY..MANY + 20_000).find_map(|fid| {
            let fid = fid + size;
            if let Err(errno) = client.walk(2, fid, &[]) {
                return Some(errno);
            }
            let begun = client.xattrcreate(fid, "user.greed", size.into(), 0);
            if begun.is_ok() && size > 0 {
                client.write(fid, 0, &vec![1; size as usize]).unwrap();
            }
            begun.err()
        });
        assert!(matches!(refused, Some(ENOSPC | EMFILE)), "{refused:?}");
    }
    client
}

fn locks(ground: &Ground) -> Raw {
    let mut client = ground.session();
    // A file of its own, so that nobody is in the way.
    let name = format!("locked by {:?}", std::thread::current().id());
    client.walk(1, 4, &[]).unwrap();
    client.lcreate(4, &name, 2, 0o644).unwrap();
    let refused = (0..5000).find_map(|number| {
        let lock = lock(2 * u64::from(number), number % 50);
        client.lock(4, lock).err()
    });
    assert!(matches!(refused, Some(ENOLCK)), "{refused:?}");
    client
}

fn waiting_locks(ground: &Ground) -> Raw {
    let mut client = ground.session();
    client.walk(1, 4, &[]).unwrap();
    let name = format!("waited for by {:?}", std::thread::current().id());
    client.lcreate(4, &name, 2, 0o644).unwrap();
    let holder = client.lock(4, lock(0, 1));
    // Where others have taken all locks there is none to wait for.
    assert!(matches!(holder, Ok(_) | Err(ENOLCK)));
    let mut frames = Frames::new();
    for tag in 0..2000_u16 {
        let lock = Tlock {
            fid: 4,
            kind: LockType::WRLCK,
            flags: LockFlags::BLOCK,
            start: 0,
            length: 1,
            proc_id: 2 + u32::from(tag),
            client_id: b"greedy",
        };
        frames.add(tag, lock);
    }
    client.try_send(frames.bytes(), STOPPED).unwrap();
    client
}

fn requests(ground: &Ground) -> Raw {
    let mut client = ground.session();
    let mut frames = Frames::new();
    for tag in 0..65_000_u16 {
        let request_mask = virtfs_proto::GetattrMask::ALL;
        let fid = 2;
        frames.add(tag, Tgetattr { fid, request_mask });
    }
    client.try_send(frames.bytes(), STOPPED).unwrap();
    client
}

pub(crate) fn replies(ground: &Ground) -> Raw {
    let mut client = ground.session();
    client.lopen(2, 0).unwrap();
    let mut frames = Frames::new();
    for tag in 0..200_u16 {
        let (fid, offset, count) = (2, 0, limits().msize);
        frames.add(tag, Tread { fid, offset, count });
    }
    client.try_send(frames.bytes(), STOPPED).unwrap();
    client
}

fn announced(ground: &Ground) -> Raw {
    let mut client = ground.session();
    let count = limits().msize - 23;
    let write = Twrite {
        fid: 2,
        offset: 0,
        count,
    };
    let mut frames = Frames::new();
    frames.add_with(0, write, &vec![1; count as usize]);
    let most = frames.bytes().len() - 1;
    client.send_bytes(&frames.bytes()[..most]);
    client
}

fn half_a_header(ground: &Ground) -> Raw {
    let mut client = ground.connect();
    client.send_bytes(&[0x00, 0x20, 0]);
    client
}

fn silence(ground: &Ground) -> Raw {
    ground.connect()
}

fn flushes(ground: &Ground) -> Raw {
    let mut client = waiting_locks(ground);
    let mut frames = Frames::new();
    for tag in 0..20_000_u16 {
        let oldtag = tag % 2000;
        frames.add(30_000 + tag, Tflush { oldtag });
    }
    client.try_send(frames.bytes(), STOPPED).unwrap();
    client
}

fn authentication(ground: &Ground) -> Raw {
    let mut client = ground.session();
    for number in 0..2000 {
        let auth = Tauth {
            afid: MANY + number,
            uname: b"root",
            aname: b"",
            n_uname: number,
        };
        assert_eq!(client.call(auth).ecode(), Some(ENOENT));
    }
    // None of them is a fid.
    assert!(client.getattr(MANY).is_err());
    client
}
