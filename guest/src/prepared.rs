//! Where `guest/run prepare` leaves kernels, data and helper programs.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

/// The cache folder: `VIRTFS_GUEST_CACHE`, else `virtfs` in the user's cache folder.
fn cache() -> PathBuf {
    if let Some(folder) = env::var_os("VIRTFS_GUEST_CACHE") {
        return folder.into();
    }
    env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(&env::var_os("HOME").unwrap_or_default()).join(".cache"))
        .join("virtfs")
}

/// A prepared file or folder: at the path in the environment variable, else in the cache.
/// `NotFound`, with what to do, if it is not there.
pub(crate) fn find(variable: &str, in_cache: &str) -> io::Result<PathBuf> {
    let path = env::var_os(variable).map_or_else(|| cache().join(in_cache), PathBuf::from);
    path.canonicalize().map_err(|error| {
        let text = format!(
            "{}: {error}; run `guest/run prepare` as root",
            path.display()
        );
        io::Error::new(error.kind(), text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_prepared_is_not_found_and_says_what_to_do() {
        let error = find("VIRTFS_GUEST_NO_SUCH_VARIABLE", "no/such/file").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("guest/run prepare"));
    }
}
