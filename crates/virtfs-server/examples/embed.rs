//! A 9P server in a few lines: a file system in memory behind a Unix socket.
//!
//! `cargo run -p virtfs-server --example embed -- /tmp/9p.sock`, then, as root,
//! `mount -t 9p -o trans=unix,version=9p2000.L,msize=1048576 /tmp/9p.sock /mnt`.

use std::error::Error;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use virtfs_server::{Export, FdStream, Server};
use virtfs_vfs::memory::MemoryFs;

fn main() -> Result<(), Box<dyn Error>> {
    let socket = std::env::args().nth(1).ok_or("usage: embed SOCKET")?;
    let server = Server::builder()
        .export(Export::new("memory", Arc::new(MemoryFs::new())))
        .build()?;
    for stream in UnixListener::bind(socket)?.incoming() {
        server.serve(FdStream::socket(stream?))?;
    }
    Ok(())
}
