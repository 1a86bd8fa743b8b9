//! How often a program copies a payload: counted where the file system hands it over, in a server
//! and a device of this process.

use std::error::Error;
use std::os::unix::net::UnixStream;
use std::thread;

use virtfs_device::vhost_user::Connection;
use virtfs_device::{Device, Tag};
use virtfs_local::{LocalFs, Options, SecurityModel};
use virtfs_tests::{Counted, Served};

use crate::client::Client;
use crate::queue::Queue;
use crate::workload::{Kind, Tree, Workload};

const TIMES: usize = 100;

/// Bytes that a program copies for each byte of this workload's payload.
pub(crate) fn of(workload: &Workload, tree: &Tree) -> Result<f64, Box<dyn Error>> {
    let (Kind::Read(size) | Kind::Write(size)) = workload.kind else {
        return Ok(0.0);
    };
    let options = Options {
        model: SecurityModel::None,
        ..Options::default()
    };
    let fs = Counted::new(LocalFs::open(tree.path(), options)?);
    let payloads = fs.payloads();
    let device = Device::new(Served::fs(fs).server, Tag::new("bench")?);
    let (ours, theirs) = UnixStream::pair()?;
    let connection = Connection::new(theirs, device)?;
    let running = thread::spawn(move || connection.run());
    let mut client = Client::over(Queue::over(ours)?, 1)?;
    client.prepare(workload)?;
    client.run(workload, TIMES)?;
    drop(client);
    running.join().map_err(|_| "the device panicked")??;
    let total = (TIMES * size) as f64;
    if payloads.moved() as f64 != total {
        return Err("payloads go another way".into());
    }
    Ok(payloads.copied() as f64 / total)
}
