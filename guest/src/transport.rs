//! How a guest reaches the server.

use std::fmt;

/// The transport between the guest's kernel and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A TCP connection over a network card of the guest (`trans=tcp`).
    Tcp,
    /// A virtio device of the guest that the server answers for over vhost-user (`trans=virtio`).
    Virtio,
}

impl Transport {
    /// The value of the mount option `trans`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Virtio => "virtio",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
