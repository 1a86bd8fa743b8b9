//! `SET_MEM_TABLE` with room for more regions than it has, as User-Mode Linux sends it up to 6.12.
//!
//! The `vhost` crate takes none that is longer than its regions, so this one is taken here.

use std::fs::File;
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recv, recvmsg};
use vhost::vhost_user::message::{FrontendReq, VhostUserMemoryRegion};

/// Request, flags, size of the body.
const HEADER: usize = 12;
/// How many regions, padding.
const TABLE: usize = 8;
/// Address in the guest, size, address in the VMM, offset in the file.
const REGION: usize = 32;
/// The most descriptors that come with a message.
const FILES: usize = 32;
/// The longest message that the crate takes.
const LONGEST: usize = 4096;

/// A message's flags: its version, and what it is.
const VERSION_MASK: u32 = 0x3;
const VERSION: u32 = 0x1;
const REPLY: u32 = 0x4;

/// The table, and the file of each region.
pub(super) struct LongTable {
    pub(super) regions: Vec<VhostUserMemoryRegion>,
    pub(super) files: Vec<File>,
}

impl LongTable {
    /// How long the next message is if it is such a table. It stays in the socket.
    pub(super) fn peek(socket: &UnixStream) -> Option<usize> {
        let mut bytes = [0; HEADER + TABLE];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let (_, received) = recv(socket, &mut bytes[..], flags).ok()?;
        let word = |at| word(&bytes, at);
        let size = usize::try_from(word(8)?).ok()?;
        let regions = usize::try_from(word(HEADER)?).ok()?;
        let is_long = received == bytes.len()
            && word(0)? == FrontendReq::SET_MEM_TABLE as u32
            && word(4)? & (VERSION_MASK | REPLY) == VERSION
            && (1..=FILES).contains(&regions)
            && size > TABLE + regions * REGION
            && size <= LONGEST;
        is_long.then_some(HEADER + size)
    }

    /// Takes it from the socket, where it is so long. `None` if it is not whole, or its files are
    /// not as many as its regions.
    pub(super) fn receive(socket: &UnixStream, length: usize) -> io::Result<Option<Self>> {
        let mut bytes = vec![0; length];
        let mut files = Vec::new();
        let mut filled = 0;
        while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
            let mut with = Vec::new();
            match receive_some(socket, room, &mut with) {
                Ok(0) => return Ok(None),
                Ok(received) => {
                    // They come with the message's first byte, or else without bound.
                    if filled == 0 {
                        files.append(&mut with);
                    }
                    filled += received;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let count = word(&bytes, HEADER).unwrap_or(0) as usize;
        let table = bytes.get(HEADER + TABLE..).unwrap_or_default();
        let regions: Vec<_> = table
            .chunks_exact(REGION)
            .take(count)
            .filter_map(region)
            .collect();
        Ok((regions.len() == count && files.len() == count).then_some(Self { regions, files }))
    }
}

/// Acknowledges a `SET_MEM_TABLE`.
pub(super) fn acknowledge(mut socket: &UnixStream, done: bool) -> io::Result<()> {
    let words = [FrontendReq::SET_MEM_TABLE as u32, VERSION | REPLY, 8];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    bytes.extend(u64::from(!done).to_ne_bytes());
    socket.write_all(&bytes)
}

fn receive_some(
    socket: &UnixStream,
    into: &mut [u8],
    files: &mut Vec<File>,
) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut room = [IoSliceMut::new(into)];
    let message = recvmsg(socket, &mut room, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = part {
            files.extend(received.map(|file: OwnedFd| File::from(file)));
        }
    }
    Ok(message.bytes)
}

fn region(bytes: &[u8]) -> Option<VhostUserMemoryRegion> {
    let word = |at| Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    Some(VhostUserMemoryRegion::new(
        word(0)?,
        word(8)?,
        word(16)?,
        word(24)?,
    ))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}
