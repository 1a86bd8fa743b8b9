//! Servers that say of files what cannot be.

mod common;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{Mounting, Served};
use rustix::io::Errno;

const TWALK: u8 = 110;
const RWALK: u8 = 111;
const RGETATTR: u8 = 25;
const TCLUNK: u8 = 120;

/// A wire to a server on which every mode but the root's is replaced, and fids are counted.
#[derive(Clone, Default)]
struct Liar {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Instead of the mode of every file but a directory, and of what is said to be one.
    mode: Option<u32>,
    size: Option<u64>,
    /// New fid and number of names, by tag.
    walks: HashMap<u16, (u32, u16)>,
    fids: HashSet<u32>,
}

impl Liar {
    fn mount(served: &Served) -> (Self, Mounting) {
        let liar = Self::default();
        let server = served.connect();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (from, to) = (theirs.try_clone().unwrap(), server.try_clone().unwrap());
        for (from, to) in [(from, to), (server, theirs)] {
            let liar = liar.clone();
            thread::spawn(move || liar.relay(from, to));
        }
        (liar, Mounting::over(ours, ""))
    }

    fn relay(&self, mut from: UnixStream, mut to: UnixStream) {
        let mut frame = vec![0; 4];
        while from.read_exact(&mut frame[..4]).is_ok() {
            frame.resize(u32_at(&frame, 0) as usize, 0);
            if from.read_exact(&mut frame[4..]).is_err() {
                break;
            }
            self.pass(&mut frame);
            if to.write_all(&frame).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }

    fn pass(&self, frame: &mut [u8]) {
        let mut state = self.state.lock().unwrap();
        let tag = u16_at(frame, 5);
        match frame[4] {
            TWALK => {
                let walk = (u32_at(frame, 11), u16_at(frame, 15));
                state.walks.insert(tag, walk);
            }
            RWALK => {
                let (fid, names) = state.walks[&tag];
                if u16_at(frame, 7) == names {
                    state.fids.insert(fid);
                }
            }
            TCLUNK => {
                state.fids.remove(&u32_at(frame, 7));
            }
            // valid[8] qid[13] mode[4] uid[4] gid[4] nlink[8] rdev[8] size[8]
            RGETATTR if frame[15] & 0x80 == 0 => {
                if let Some(mode) = state.mode {
                    frame[28..32].copy_from_slice(&mode.to_le_bytes());
                }
                if let Some(size) = state.size {
                    frame[56..64].copy_from_slice(&size.to_le_bytes());
                }
            }
            _ => {}
        }
    }

    /// Whether no more fids are left than these, now or as soon as the last clunk has come by.
    fn falls_to(&self, fids: usize) -> bool {
        (0..1000).any(|_| {
            let fell = self.fids() <= fids;
            if !fell {
                thread::sleep(Duration::from_millis(10));
            }
            fell
        })
    }

    fn fids(&self) -> usize {
        self.state.lock().unwrap().fids.len()
    }
}

fn u32_at(frame: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(frame[at..at + 4].try_into().unwrap())
}

fn u16_at(frame: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(frame[at..at + 2].try_into().unwrap())
}

fn refused<T>(result: std::io::Result<T>) {
    let errno = result.err().and_then(|error| error.raw_os_error());
    assert_eq!(errno, Some(Errno::IO.raw_os_error()));
}

#[test]
fn what_the_kernel_does_not_take_leaves_nothing_behind() {
    let served = Served::new();
    for number in 0..20 {
        fs::write(served.host(&format!("file{number}")), "x").unwrap();
    }
    let (liar, mount) = Liar::mount(&served);
    fs::metadata(mount.at.path()).unwrap();
    let before = liar.fids();
    for (mode, size) in [
        (Some(0), None),
        (Some(0o170_644), None),
        (None, Some(1 << 63)),
    ] {
        let mut state = liar.state.lock().unwrap();
        (state.mode, state.size) = (mode, size);
        drop(state);
        for number in 0..20 {
            refused(fs::metadata(mount.path(&format!("file{number}"))));
        }
        // Else they are kept, and the kernel never forgets them.
        assert!(liar.falls_to(before + 1));
    }
}

#[test]
fn a_file_that_is_made_and_is_none_is_not_left_open() {
    let served = Served::new();
    let (liar, mount) = Liar::mount(&served);
    fs::metadata(mount.at.path()).unwrap();
    let before = liar.fids();
    liar.state.lock().unwrap().mode = Some(0o040_755);
    for number in 0..20 {
        refused(fs::File::create(mount.path(&format!("new{number}"))));
    }
    assert!(liar.falls_to(before + 1));
}
