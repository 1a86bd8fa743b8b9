//! The first exchange: which version is spoken, with which features.

use std::io;

use rustix::io::Errno;
use rustix::param::page_size;
use zerocopy::{FromBytes, IntoBytes};

use super::abi;
use super::device::Device;
use super::options::KernelOptions;
use super::parse;

/// What both sides agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) minor: u32,
    /// Most bytes of one `Write`.
    pub(super) max_write: u32,
    /// `SETXATTR` has its longer form.
    pub(super) setxattr_ext: bool,
}

/// Answers `INIT`, which the kernel sends before anything else.
pub(super) fn handshake(device: &Device, options: &KernelOptions) -> io::Result<Agreed> {
    let mut buffer = [0; abi::MIN_READ_BUFFER];
    loop {
        let size = device.receive(&mut buffer)?;
        let bytes = buffer.get(..size).unwrap_or_default();
        let Some(header) = parse::header(bytes) else {
            continue;
        };
        if header.opcode != abi::INIT {
            device.refuse(header.unique, Errno::IO.raw_os_error());
            continue;
        }
        match answer(bytes, options, page_size()) {
            Ok((out, agreed)) => {
                device.answer(header.unique, &[out.as_bytes()]);
                if let Some(agreed) = agreed {
                    tracing::debug!(?agreed, "FUSE is set up");
                    return Ok(agreed);
                }
            }
            Err(why) => {
                device.refuse(header.unique, Errno::PROTO.raw_os_error());
                return Err(io::Error::new(io::ErrorKind::Unsupported, why));
            }
        }
    }
}

/// The answer; nothing is agreed yet when the kernel is to try again with our major version.
fn answer(
    bytes: &[u8],
    options: &KernelOptions,
    page_size: usize,
) -> Result<(abi::InitOut, Option<Agreed>), String> {
    let body = bytes.get(size_of::<abi::InHeader>()..).unwrap_or_default();
    let (init, rest) =
        abi::InitIn::read_from_prefix(body).map_err(|_| "the kernel's INIT is too short")?;
    if init.major > abi::MAJOR {
        let out = abi::InitOut {
            major: abi::MAJOR,
            ..Default::default()
        };
        return Ok((out, None));
    }
    if init.major < abi::MAJOR || init.minor < abi::MINOR_LEAST {
        return Err(format!(
            "the kernel speaks FUSE {}.{}; {}.{} is the least that will do",
            init.major,
            init.minor,
            abi::MAJOR,
            abi::MINOR_LEAST
        ));
    }
    let offered = u64::from(init.flags)
        | match abi::InitInExt::read_from_prefix(rest) {
            Ok((ext, _)) if u64::from(init.flags) & abi::INIT_EXT != 0 => {
                u64::from(ext.flags2) << 32
            }
            _ => 0,
        };
    let flags = offered & wanted(options);
    let minor = init.minor.min(abi::MINOR_MOST);
    let max_write = options.max_write.clamp(4096, 1 << 20);
    let out = abi::InitOut {
        major: abi::MAJOR,
        minor,
        max_readahead: init.max_readahead,
        flags: flags as u32,
        max_background: options.max_background.max(1),
        congestion_threshold: (options.max_background / 4 * 3).max(1),
        max_write,
        // Times are kept to the nanosecond.
        time_gran: 1,
        max_pages: u16::try_from((max_write as usize).div_ceil(page_size)).unwrap_or(u16::MAX),
        map_alignment: 0,
        flags2: (flags >> 32) as u32,
        unused: [0; 7],
    };
    let agreed = Agreed {
        minor,
        max_write,
        setxattr_ext: flags & abi::SETXATTR_EXT != 0,
    };
    Ok((out, Some(agreed)))
}

/// What we ask for when the kernel has it.
///
/// Not asked for: `CACHE_SYMLINKS` (a target changed by another client would never be seen),
/// `NO_OPEN_SUPPORT` (an open is a fid), `EXPORT_SUPPORT` (a node the kernel forgot is gone),
/// `ABORT_ERROR` (an abort and an unmount end a session alike), `WRITEBACK_CACHE` (others write
/// the same files).
fn wanted(options: &KernelOptions) -> u64 {
    let always = [
        // Reads of one file side by side: read-ahead hides the way to the server.
        abi::ASYNC_READ,
        // Locks must exclude other clients.
        abi::POSIX_LOCKS,
        abi::FLOCK_LOCKS,
        // One request instead of two, and no moment between them.
        abi::ATOMIC_O_TRUNC,
        // Writes beyond a page.
        abi::BIG_WRITES,
        // A file that another client changed loses its cached pages.
        abi::AUTO_INVAL_DATA,
        // Look-ups in one directory side by side.
        abi::PARALLEL_DIROPS,
        // Requests beyond 32 pages.
        abi::MAX_PAGES,
        // Tells when an ACL drops the set-group-ID bit.
        abi::SETXATTR_EXT,
        // Without it the upper half of the flags is not looked at.
        abi::INIT_EXT,
    ];
    let asked = [
        (options.readdirplus, abi::DO_READDIRPLUS),
        (
            options.readdirplus && options.readdirplus_auto,
            abi::READDIRPLUS_AUTO,
        ),
        // Otherwise every write asks first for the file's capabilities.
        (options.killpriv_v2, abi::HANDLE_KILLPRIV_V2),
        // The umask does not apply where a default ACL does, which only the server knows.
        (options.acl, abi::POSIX_ACL | abi::DONT_MASK),
        // Shared mappings of files that are not cached.
        (options.direct_io_mmap, abi::DIRECT_IO_ALLOW_MMAP),
    ];
    always.into_iter().fold(0, |flags, flag| flags | flag)
        | asked
            .into_iter()
            .filter(|(asked, _)| *asked)
            .fold(0, |flags, (_, flag)| flags | flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init(major: u32, minor: u32, flags: u32, flags2: u32) -> Vec<u8> {
        let mut bytes = abi::InHeader::default().as_bytes().to_vec();
        let init = abi::InitIn {
            major,
            minor,
            max_readahead: 1 << 17,
            flags,
        };
        bytes.extend_from_slice(init.as_bytes());
        bytes.extend_from_slice(
            abi::InitInExt {
                flags2,
                unused: [0; 11],
            }
            .as_bytes(),
        );
        bytes
    }

    #[test]
    fn the_smaller_minor_version_is_spoken() {
        for (kernel, spoken) in [(31, 31), (38, 38), (45, 45), (46, 45), (u32::MAX, 45)] {
            let bytes = init(7, kernel, u32::MAX, u32::MAX);
            let (out, agreed) = answer(&bytes, &KernelOptions::default(), 4096).unwrap();
            assert_eq!((out.major, out.minor), (7, spoken));
            assert_eq!(agreed.unwrap().minor, spoken);
        }
    }

    #[test]
    fn a_newer_major_version_is_answered_with_ours_and_asked_again() {
        let (out, agreed) = answer(&init(8, 0, 0, 0), &KernelOptions::default(), 4096).unwrap();
        assert_eq!((out.major, agreed), (7, None));
    }

    #[test]
    fn a_kernel_too_old_is_named() {
        for (major, minor) in [(7, 30), (6, 99), (0, 0)] {
            let why = answer(&init(major, minor, 0, 0), &KernelOptions::default(), 4096);
            assert!(why.unwrap_err().contains(&format!("FUSE {major}.{minor};")));
        }
    }

    #[test]
    fn nothing_is_taken_that_was_not_offered() {
        let options = KernelOptions {
            acl: true,
            killpriv_v2: true,
            direct_io_mmap: true,
            ..Default::default()
        };
        let (out, agreed) = answer(&init(7, 31, 0, u32::MAX), &options, 4096).unwrap();
        assert_eq!((out.flags, out.flags2), (0, 0));
        assert!(!agreed.unwrap().setxattr_ext);
    }

    #[test]
    fn options_choose_flags_and_sizes() {
        let offer = init(7, 45, u32::MAX, u32::MAX);
        let options = KernelOptions {
            max_write: 65_537,
            ..Default::default()
        };
        let (out, agreed) = answer(&offer, &options, 4096).unwrap();
        assert_eq!((out.max_write, out.max_pages), (65_537, 17));
        assert_eq!(
            u64::from(out.flags) & (abi::POSIX_ACL | abi::HANDLE_KILLPRIV_V2),
            0
        );
        assert_eq!(out.flags2, 0);
        assert!(agreed.unwrap().setxattr_ext);

        let options = KernelOptions {
            acl: true,
            killpriv_v2: true,
            direct_io_mmap: true,
            readdirplus: false,
            max_write: u32::MAX,
            ..Default::default()
        };
        let (out, _) = answer(&offer, &options, 65536).unwrap();
        assert_eq!((out.max_write, out.max_pages), (1 << 20, 16));
        let chosen = abi::POSIX_ACL | abi::DONT_MASK | abi::HANDLE_KILLPRIV_V2;
        assert_eq!(
            u64::from(out.flags) & (chosen | abi::DO_READDIRPLUS),
            chosen
        );
        assert_eq!(u64::from(out.flags2) << 32, abi::DIRECT_IO_ALLOW_MMAP);
    }

    #[test]
    fn no_truncated_init_is_agreed_to() {
        let whole = init(7, 45, u32::MAX, u32::MAX);
        for len in 0..size_of::<abi::InHeader>() + size_of::<abi::InitIn>() {
            assert!(answer(&whole[..len], &KernelOptions::default(), 4096).is_err());
        }
    }
}
