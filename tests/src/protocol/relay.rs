//! A relay between a client and a server that loses one message's meaning: the client's question
//! what the server promises.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;

use virtfs_proto::{HEADER_LEN, kind};

/// The attribute of the root by which a server promises, and a name of the same length that no
/// server knows.
const PROMISE: &[u8] = b"user.virtfs.server";
const NOTHING: &[u8] = b"user.nobody.serves";

/// Replies are handed on in pieces of this many bytes, so that no frame arrives whole by chance.
const PIECE: usize = 4999;

/// Two sockets with a relay between them: the client's, and the server's. It ends with either.
pub(super) fn between() -> io::Result<(UnixStream, UnixStream)> {
    let (ours, client) = UnixStream::pair()?;
    let (theirs, server) = UnixStream::pair()?;
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        // It ends as its sockets do.
        let _ = requests(&from_client, &to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let _ = replies(&server, &client);
        let _ = client.shutdown(Shutdown::Both);
    });
    Ok((ours, theirs))
}

fn requests(mut from: &UnixStream, mut to: &UnixStream) -> io::Result<()> {
    loop {
        let mut frame = vec![0; HEADER_LEN];
        from.read_exact(&mut frame)?;
        let size = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]);
        frame.resize(size as usize, 0);
        from.read_exact(&mut frame[HEADER_LEN..])?;
        if frame[4] == kind::TXATTRWALK && frame.ends_with(PROMISE) {
            let name = frame.len() - PROMISE.len();
            frame[name..].copy_from_slice(NOTHING);
        }
        to.write_all(&frame)?;
    }
}

fn replies(mut from: &UnixStream, mut to: &UnixStream) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        for piece in buffer[..count].chunks(PIECE) {
            to.write_all(piece)?;
        }
    }
}
