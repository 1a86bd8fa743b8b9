//! What a file system hands out: nodes and open files, opaque to the server.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::Errno;

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Arc<dyn Any + Send + Sync>);

        impl $name {
            /// Hands out a value of the file system's own.
            pub fn new<T: Any + Send + Sync>(value: Arc<T>) -> Self {
                Self(value)
            }

            /// The value, for the file system that made it; `EBADF` for any other.
            pub fn get<T: Any + Send + Sync>(&self) -> Result<&T, Errno> {
                self.0.downcast_ref().ok_or(Errno::EBADF)
            }

            /// Another owner of the value; `EBADF` if it is of another file system.
            pub fn share<T: Any + Send + Sync>(&self) -> Result<Arc<T>, Errno> {
                self.0.clone().downcast().map_err(|_| Errno::EBADF)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(stringify!($name))
            }
        }
    };
}

handle! {
    /// A file that a walk reached: an inode, and the entry by which it was reached. Dropping the
    /// last clone lets go of it.
    Node
}

handle! {
    /// An open file or directory. Dropping the last clone closes it.
    Open
}
