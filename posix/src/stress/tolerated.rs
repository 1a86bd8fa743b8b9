//! Which errors other workers explain.

use rustix::io::Errno;

use super::operations::Trouble;

/// What any operation on a path may meet when others make, move and remove what is on it.
const PATH: [Errno; 3] = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP];

/// Whether the error of this operation may come from what the others do. Errors of an open file
/// never do, and neither does wrong content.
pub(crate) fn tolerated(operation: &str, trouble: &Trouble) -> bool {
    let Trouble::Path(errno) = trouble else {
        return false;
    };
    let more: &[Errno] = match operation {
        "create" | "write" | "truncate" | "read" | "fsync" => &[Errno::ISDIR, Errno::NXIO],
        "mkdir" | "symlink" | "mkfifo" | "mknod" => &[Errno::EXIST],
        // A directory has no second name.
        "link" => &[Errno::EXIST, Errno::PERM],
        "rename" => &[Errno::EXIST, Errno::ISDIR, Errno::NOTEMPTY, Errno::INVAL],
        "unlink" => &[Errno::ISDIR],
        "rmdir" => &[Errno::NOTEMPTY],
        // It is no symbolic link.
        "readlink" => &[Errno::INVAL],
        // user.* is for files and directories.
        "setxattr" => &[Errno::PERM],
        "removexattr" => &[Errno::PERM, Errno::NODATA],
        "getxattr" => &[Errno::NODATA, Errno::OPNOTSUPP, Errno::PERM],
        _ => &[],
    };
    PATH.contains(errno) || more.contains(errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_errors_of_a_broken_server_are_never_tolerated() {
        let broken = [
            Errno::IO,
            Errno::STALE,
            Errno::BADF,
            Errno::PROTO,
            Errno::INTR,
        ];
        for kind in &super::super::operations::KINDS {
            for errno in broken {
                assert!(
                    !tolerated(kind.name, &Trouble::Path(errno)),
                    "{}",
                    kind.name
                );
            }
            assert!(!tolerated(kind.name, &Trouble::Open(Errno::NOENT)));
            assert!(!tolerated(kind.name, &Trouble::Content(String::new())));
        }
    }
}
