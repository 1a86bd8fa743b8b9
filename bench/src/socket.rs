//! Requests over a Unix socket.

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use virtfs_proto::{HEADER_LEN, Header, kind};

use crate::client::{Carrier, MSIZE};

/// A connection.
pub(crate) struct Socket {
    stream: UnixStream,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    filled: usize,
}

impl Socket {
    pub(crate) fn connect(path: &Path) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            stream: UnixStream::connect(path)?,
            outgoing: Vec::new(),
            incoming: vec![0; 2 * MSIZE as usize],
            filled: 0,
        })
    }

    /// The header of the frame that begins here, and where the next one begins.
    fn frame(&self, from: usize) -> Result<Option<(Header, usize)>, Box<dyn Error>> {
        let waiting = &self.incoming[from..self.filled];
        if waiting.len() < HEADER_LEN {
            return Ok(None);
        }
        let header = Header::decode(waiting)?;
        if waiting.len() < header.size as usize {
            return Ok(None);
        }
        if header.kind == kind::RLERROR {
            let errno = waiting[HEADER_LEN..][..4]
                .try_into()
                .map(u32::from_le_bytes)?;
            return Err(format!("the server answered errno {errno}").into());
        }
        Ok(Some((header, from + header.size as usize)))
    }
}

impl Carrier for Socket {
    fn queue(
        &mut self,
        _tag: u16,
        head: &[u8],
        payload: &[u8],
        _room: usize,
    ) -> Result<(), Box<dyn Error>> {
        self.outgoing.extend_from_slice(head);
        self.outgoing.extend_from_slice(payload);
        Ok(())
    }

    fn exchange(&mut self, replies: &mut Vec<u16>) -> Result<(), Box<dyn Error>> {
        self.stream.write_all(&self.outgoing)?;
        self.outgoing.clear();
        match self.stream.read(&mut self.incoming[self.filled..])? {
            0 => return Err("the server hung up".into()),
            read => self.filled += read,
        }
        let mut from = 0;
        while let Some((header, next)) = self.frame(from)? {
            from = next;
            replies.push(header.tag);
        }
        self.incoming.copy_within(from..self.filled, 0);
        self.filled -= from;
        Ok(())
    }
}
