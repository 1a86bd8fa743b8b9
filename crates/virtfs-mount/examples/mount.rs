//! Mounts a server: `mount ADDRESS MOUNTPOINT [OPTIONS]`, until somebody unmounts it.

use std::path::Path;

use virtfs_client::{Address, Client, Options};
use virtfs_mount::{Mount, MountOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(mountpoint)) = (arguments.next(), arguments.next()) else {
        return Err("usage: mount ADDRESS MOUNTPOINT [OPTIONS]".into());
    };
    let mut options = MountOptions::parse(&arguments.next().unwrap_or_default())?;
    options.fsname.clone_from(&address);
    let address: Address = address.parse()?;
    let client = Client::connect(&address, &Options::default())?;
    Mount::start(client, Path::new(&mountpoint), &options)?.wait()?;
    Ok(())
}
