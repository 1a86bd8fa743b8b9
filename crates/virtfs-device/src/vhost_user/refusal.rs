//! Why the front refuses a message that is well-formed.

use std::fmt;
use std::io;

use vhost::vhost_user::Error;

use crate::{Device, RegionError, StartError};

#[derive(Debug)]
pub(super) enum Refusal {
    /// Virtio or protocol features that were not offered.
    Features(u64),
    /// A ring other than the first.
    NoSuchRing(u32),
    /// A ring of this many descriptors.
    RingSize(u32),
    /// An index beyond 16 bits.
    RingIndex(u32),
    /// Something that does not change while the ring runs.
    RingRuns,
    /// A part of the ring in no memory region.
    OutsideMemory { part: &'static str, address: u64 },
    /// A ring without a kick descriptor.
    Polling,
    /// A descriptor that is no eventfd, nor what will do instead.
    NoEvent,
    /// A region of memory.
    Region(RegionError),
    /// A region that shares addresses with another.
    Overlap,
    /// More regions than there is room for.
    TooManyRegions,
    /// A region to be removed that is not there.
    NoSuchRegion,
    /// The device did not start.
    Start(StartError),
    /// What is not offered.
    Unsupported,
    /// The configuration space is read-only. A driver can cause it, so it harms nobody.
    ReadOnly,
    /// The host failed.
    Host(io::Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Features(bits) => write!(f, "features {bits:#x} were not offered"),
            Self::NoSuchRing(index) => write!(f, "there is no ring {index}"),
            Self::RingSize(size) => write!(
                f,
                "a ring of {size} descriptors (a power of two up to {} is allowed)",
                Device::MAX_QUEUE_SIZE
            ),
            Self::RingIndex(index) => write!(f, "a ring has no index {index}"),
            Self::RingRuns => f.write_str("the ring runs"),
            Self::OutsideMemory { part, address } => {
                write!(
                    f,
                    "the {part} at {address:#x} is outside the guest's memory"
                )
            }
            Self::Polling => f.write_str("a ring that is polled is not supported"),
            Self::NoEvent => f.write_str("the descriptor is no eventfd"),
            Self::Region(error) => error.fmt(f),
            Self::Overlap => f.write_str("a memory region overlaps another"),
            Self::TooManyRegions => f.write_str("there are too many memory regions"),
            Self::NoSuchRegion => f.write_str("there is no such memory region"),
            Self::Start(error) => error.fmt(f),
            Self::Unsupported => f.write_str("it is not supported"),
            Self::ReadOnly => f.write_str("the configuration space is read-only"),
            Self::Host(error) => write!(f, "the host failed: {error}"),
        }
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Region(error) => error.source(),
            Self::Start(error) => error.source(),
            Self::Host(error) => Some(error),
            _ => None,
        }
    }
}

/// How a refusal travels through the `vhost` crate.
impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::ReqHandlerError(io::Error::other(refusal))
    }
}

impl Refusal {
    /// The refusal in what a handler's error has become, or else that error.
    pub(super) fn from_handler(error: Error) -> Result<Self, Error> {
        match error {
            Error::ReqHandlerError(error) => error.downcast().map_err(Error::ReqHandlerError),
            other => Err(other),
        }
    }
}
