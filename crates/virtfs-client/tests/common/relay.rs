//! Stands between a client and a server, and looks at what goes through.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;

use virtfs_proto::{Dialect, Header, Rlerror, Rmessage, Tmessage};

/// What went through: the types of messages, in the order in which they came here.
#[derive(Clone, Default)]
pub(crate) struct Relayed(Arc<Mutex<Vec<u8>>>);

impl Relayed {
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn add(&self, kind: u8) {
        self.0.lock().unwrap().push(kind);
    }
}

/// Relays until one of both is gone.
/// With `promises` false, the
/// server's promises are not passed on.
pub(crate) fn relay(client: UnixStream, server: UnixStream, seen: Relayed, promises: bool) {
    let mut to_client = client.try_clone().unwrap();
    let mut from_server = server.try_clone().unwrap();
    let (mut from_client, mut to_server) = (client, server);
    let replies = seen.clone();
    thread::spawn(move || {
        while let Some((kind, frame)) = frame(&mut from_server) {
            replies.add(kind);
            if to_client.write_all(&frame).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(std::net::Shutdown::Both);
    });
    thread::spawn(move || {
        while let Some((kind, frame)) = frame(&mut from_client) {
            seen.add(kind);
            if !promises && asks_for_promises(&frame) {
                let tag = Header::decode(&frame).unwrap().tag;
                let mut reply = [0; 11];
                let message = Rmessage::from(Rlerror { ecode: 95 });
                message.encode(Dialect::L, tag, &mut reply).unwrap();
                let _ = from_client.write_all(&reply);
            } else if to_server.write_all(&frame).is_err() {
                break;
            }
        }
        let _ = to_server.shutdown(std::net::Shutdown::Both);
    });
}

fn asks_for_promises(frame: &[u8]) -> bool {
    match Tmessage::decode(Dialect::L, frame) {
        Ok((_, Tmessage::Xattrwalk(walk))) => walk.name == b"user.virtfs.server",
        _ => false,
    }
}

fn frame(from: &mut UnixStream) -> Option<(u8, Vec<u8>)> {
    let mut header = [0; 7];
    from.read_exact(&mut header).ok()?;
    let Header { size, kind, .. } = Header::decode(&header).ok()?;
    let mut frame = header.to_vec();
    frame.resize(size as usize, 0);
    from.read_exact(frame.get_mut(7..)?).ok()?;
    Some((kind, frame))
}
