//! Which extended attributes are copied.

use std::io;

use rustix::io::Errno;

use super::super::report::Report;
use super::super::shown::escaped;
use super::tree::Xattrs;

/// Whether an attribute is for a copy. `security.*` and `trusted.*` belong to the system that
/// set them, and only root may set them.
pub(super) fn is_wanted(name: &[u8], root: bool) -> bool {
    let acl = matches!(
        name,
        b"system.posix_acl_access" | b"system.posix_acl_default"
    );
    acl || name.starts_with(b"user.") || root && is_privileged(name)
}

/// Whether an attribute can give rights, as `security.capability` does.
pub(super) fn is_privileged(name: &[u8]) -> bool {
    name.starts_with(b"security.") || name.starts_with(b"trusted.")
}

/// Sets attributes of a copy. Where a file system has none, or not this kind, that is told once
/// and is no failure.
pub(super) fn set_all(
    xattrs: &Xattrs,
    report: &Report,
    mut set: impl FnMut(&[u8], &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    for (name, value) in xattrs {
        let Err(error) = set(name, value) else {
            continue;
        };
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        let kind = name.split(|byte| *byte == b'.').next().unwrap_or(name);
        match errno {
            Some(Errno::OPNOTSUPP) => report.warn_once(format!(
                "the destination has no {}.* attributes: they are left out",
                escaped(kind)
            )),
            Some(Errno::PERM) if !name.starts_with(b"user.") => report.warn_once(format!(
                "the destination lets nobody set {}.* attributes: they are left out",
                escaped(kind)
            )),
            _ => {
                let why = format!("attribute {}: {error}", escaped(name));
                return Err(io::Error::new(error.kind(), why));
            }
        }
    }
    Ok(())
}
