//! Error numbers, as Linux numbers them: what `Rlerror` carries.

use std::fmt;

/// An error number of Linux, whatever the host is; the only error a [`crate::FileSystem`] gives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(u16);

macro_rules! errnos {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Self = Self($number);)*

            /// The symbolic name, where this table has it.
            pub fn name(self) -> Option<&'static str> {
                match self.0 { $($number => Some(stringify!($name)),)* _ => None }
            }
        }
    };
}

errnos! {
    EPERM = 1, "Operation not permitted.";
    ENOENT = 2, "No such file or directory; also an unknown fid in most messages.";
    EINTR = 4, "Interrupted: the request was flushed.";
    EIO = 5, "Input or output error.";
    ENXIO = 6, "Not a regular file or directory: such files are never opened.";
    E2BIG = 7, "An extended attribute is larger than the limit.";
    EBADF = 9, "The fid is not open, or not open for this.";
    EAGAIN = 11, "Try again; a lock is held by another.";
    ENOMEM = 12, "Out of memory.";
    EACCES = 13, "Permission denied.";
    EBUSY = 16, "Device or resource busy.";
    EEXIST = 17, "The name exists.";
    EXDEV = 18, "Two places that no single call can span.";
    ENODEV = 19, "No such device.";
    ENOTDIR = 20, "Not a directory.";
    EISDIR = 21, "Is a directory.";
    EINVAL = 22, "Invalid argument.";
    ENFILE = 23, "Out of descriptors, whole system.";
    EMFILE = 24, "Out of descriptors, this process or this client.";
    ENOTTY = 25, "The file has no such control call.";
    EFBIG = 27, "File too large.";
    ENOSPC = 28, "No space left.";
    EROFS = 30, "The export is read-only.";
    EMLINK = 31, "Too many links.";
    ERANGE = 34, "Result too large for the buffer.";
    ENAMETOOLONG = 36, "A name is longer than 255 bytes.";
    ENOLCK = 37, "No more lock records.";
    ENOSYS = 38, "Not implemented.";
    ENOTEMPTY = 39, "The directory is not empty.";
    ELOOP = 40, "A symbolic link where none is followed.";
    ENODATA = 61, "No such extended attribute.";
    EPROTO = 71, "Protocol error: the message cannot be decoded.";
    EOVERFLOW = 75, "Value too large.";
    EMSGSIZE = 90, "Message size out of bounds.";
    EOPNOTSUPP = 95, "Not supported.";
    ENOBUFS = 105, "Out of buffers.";
    ESTALE = 116, "The file that this fid stood for cannot be reached any more.";
}

impl Errno {
    /// The error with this number of Linux; 0 and anything beyond 4095 become [`Errno::EIO`].
    pub const fn from_raw(number: i32) -> Self {
        if number > 0 && number < 4096 {
            Self(number as u16)
        } else {
            Self::EIO
        }
    }

    /// The number.
    pub const fn raw(self) -> u32 {
        self.0 as u32
    }
}

impl From<std::io::Error> for Errno {
    fn from(error: std::io::Error) -> Self {
        Self::from_raw(error.raw_os_error().unwrap_or(0))
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::io::Error::from_raw_os_error(i32::from(self.0)).fmt(f)
    }
}

impl std::error::Error for Errno {}
