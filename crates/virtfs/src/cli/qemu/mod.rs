//! The flags of `virtfs serve` that QEMU has too, in QEMU's own syntax.

mod device;
mod fsdev;
mod pairs;
mod throttle;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

pub(crate) use self::device::DeviceLine;
pub(crate) use self::fsdev::{FsdevSpec, SECURITY_MODELS, VirtfsSpec};

/// QEMU's own spelling.
#[derive(Debug, Args)]
#[command(next_help_heading = "QEMU's own spelling")]
pub(crate) struct QemuArgs {
    /// A directory to serve, as QEMU's -fsdev says it. May be given several times.
    ///
    /// Keys: id, path, security_model, readonly, fmode, dmode, multidevs, writeout; a comma in a
    /// value is written twice. The export is called by its id. fmode and dmode are octal, with or
    /// without a 0 in front. throttling.* is understood and refused; max_xattr is passed over,
    /// since the server bounds attributes in use by their bytes.
    #[arg(long, value_name = "local,id=ID,path=DIR,...")]
    #[arg(value_parser = OsStringValueParser::new().try_map(FsdevSpec::parse))]
    pub(crate) fsdev: Vec<FsdevSpec>,

    /// The mount tag of an --fsdev, as QEMU's -device says it.
    ///
    /// Without it the tag is the id. What says where the device is in the machine (bus=, addr= and
    /// the like) belongs to the lines that the server prints, and is passed over here.
    #[arg(long, value_name = "virtio-9p-pci,fsdev=ID,mount_tag=TAG")]
    #[arg(value_parser = OsStringValueParser::new().try_map(DeviceLine::parse))]
    pub(crate) device: Vec<DeviceLine>,

    /// Both in one, as QEMU's -virtfs says it. May be given several times.
    ///
    /// The socket of one share is that of --socket-path or --fd; of several shares each has its own:
    /// --vhost-user SOCK,tag=TAG.
    #[arg(long, value_name = "local,path=DIR,mount_tag=TAG,...")]
    #[arg(value_parser = OsStringValueParser::new().try_map(VirtfsSpec::parse))]
    pub(crate) virtfs: Vec<VirtfsSpec>,
}
