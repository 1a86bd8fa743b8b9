//! A byte stream that is carried by a virtqueue: each frame as a chain, each reply back.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use virtfs_proto::{HEADER_LEN, kind};

use super::{Attached, Driver, Layout, Placed, reply_room};

/// A byte stream to the device. It ends when the device says that the ring is broken; when it is
/// closed, `attached` is dropped.
///
/// # Panics
///
/// The thread behind it panics, and the stream ends, if the device writes beside a buffer.
pub fn bridge(driver: Driver, attached: impl Attached, layout: Layout) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    theirs.set_nonblocking(true)?;
    let mut bridge = Bridge {
        in_flight: (0..driver.ring().size).map(|_| None).collect(),
        driver,
        layout,
        stream: theirs,
        incoming: Vec::new(),
        outgoing: Vec::new(),
        msize: 8192,
    };
    thread::Builder::new()
        .name("bridge".into())
        .spawn(move || {
            // It ends as the stream does.
            let _ = bridge.run(&attached);
        })?;
    Ok(ours)
}

struct Bridge {
    driver: Driver,
    layout: Layout,
    stream: UnixStream,
    /// Received, and not yet in the ring.
    incoming: Vec<u8>,
    /// Replies that are not yet sent.
    outgoing: Vec<u8>,
    /// By head.
    in_flight: Vec<Option<Placed>>,
    msize: usize,
}

impl Bridge {
    fn run(&mut self, attached: &impl Attached) -> io::Result<()> {
        loop {
            let stuck = self.submit();
            let used = self.collect();
            self.send()?;
            if used || self.driver.arm() {
                continue;
            }
            let mut wanted = PollFlags::empty();
            wanted.set(PollFlags::IN, !stuck);
            wanted.set(PollFlags::OUT, !self.outgoing.is_empty());
            let mut fds = [
                PollFd::new(&self.stream, wanted),
                PollFd::new(self.driver.call(), PollFlags::IN),
                PollFd::new(attached.broken(), PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let [stream, call, broken] = fds.map(|fd| fd.revents());
            if broken.contains(PollFlags::IN) {
                return Ok(());
            }
            if call.contains(PollFlags::IN) {
                self.driver.call().take();
            }
            let readable = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
            if stream.intersects(readable) && !self.receive()? {
                return Ok(());
            }
        }
    }

    /// `false` at the end.
    fn receive(&mut self) -> io::Result<bool> {
        let mut bytes = vec![0; 64 << 10];
        match self.stream.read(&mut bytes) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.incoming.extend_from_slice(&bytes[..count]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Puts whole frames into the ring; `true` if one had no room.
    fn submit(&mut self) -> bool {
        let mut taken = 0;
        let mut stuck = false;
        while let Some(header) = self.incoming[taken..].first_chunk::<HEADER_LEN>() {
            let [a, b, c, d, ..] = *header;
            let size = (u32::from_le_bytes([a, b, c, d]) as usize).max(HEADER_LEN);
            let Some(frame) = self.incoming[taken..].get(..size) else {
                break;
            };
            let room = reply_room(frame, self.msize);
            let (ram, most) = (
                self.driver.ram().clone(),
                usize::from(self.driver.ring().size),
            );
            let placed = Placed::new(&ram, frame, room, self.layout, most);
            let head = placed
                .as_ref()
                .and_then(|placed| self.driver.add(&placed.readable, &placed.writable));
            let Some(head) = head else {
                assert!(self.driver.in_flight() > 0, "a request has no room at all");
                stuck = true;
                break;
            };
            self.in_flight[usize::from(head)] = placed;
            taken += size;
        }
        self.incoming.drain(..taken);
        self.driver.publish();
        stuck
    }

    /// Takes the replies that are there; whether there were any.
    fn collect(&mut self) -> bool {
        let mut any = false;
        while let Some(used) = self.driver.next_used() {
            any = true;
            let placed = self.in_flight[usize::from(used.head)].take();
            let placed = placed.expect("a request is in flight");
            assert!(placed.is_intact(), "the device wrote beside a buffer");
            // None: the request was flushed.
            let reply = placed.reply(used.length as usize);
            if let (Some(&kind::RVERSION), Some(msize)) = (reply.get(4), reply.get(7..11)) {
                let msize = msize.try_into().map(u32::from_le_bytes);
                self.msize = msize.expect("four bytes") as usize;
            }
            self.outgoing.extend(reply);
        }
        any
    }

    fn send(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            match self.stream.write(&self.outgoing) {
                Ok(count) => drop(self.outgoing.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
