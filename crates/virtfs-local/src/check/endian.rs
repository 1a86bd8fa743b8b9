//! Values in the byte order of another host: until 2.1 QEMU stored them in its host's own. What is
//! on disk is little-endian; a big-endian host's value reads as one that makes no sense.

use virtfs_vfs::FileKind;

/// Numbers of devices have 32 bits in Linux.
const DEVICE_END: u64 = 1 << 32;
/// No tool allots numbers of users and groups from here on.
const IDS_END: u32 = 1 << 31;

/// How sure it is that a value is big-endian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Sure {
    /// Both orders make sense; the other is the likelier by little.
    Perhaps,
    /// The little-endian value is one that hardly anybody has.
    Probably,
    /// The little-endian value is none.
    Surely,
}

/// Whether a stored mode of 4 bytes is big-endian. Modes have 16 bits, so that the order shows.
pub(super) fn mode(stored: u32, host: FileKind) -> Option<Sure> {
    if stored == 0 || stored & 0xffff != 0 {
        return None;
    }
    let swapped = stored.swap_bytes();
    let fits = match FileKind::from_mode(swapped) {
        Some(kind) => (kind == FileKind::Directory) == (host == FileKind::Directory),
        // Without a kind: QEMU's chmod lost it.
        None if swapped & 0o170_000 == 0 => false,
        None => return None,
    };
    Some(if fits { Sure::Surely } else { Sure::Probably })
}

/// Whether a stored user or group is big-endian, beside a mode that is so for sure, or is not.
pub(super) fn id(stored: u32, mode: Option<Sure>) -> Option<Sure> {
    let alone = match stored {
        0 => None,
        _ if stored & 0xffff != 0 => None,
        // Containers' users begin at multiples of 65536.
        IDS_END.. => Some(Sure::Probably),
        _ => Some(Sure::Perhaps),
    };
    match mode {
        None => alone,
        // One server wrote both, unless the owner was changed later.
        Some(_) if alone.is_some() => alone.max(mode),
        Some(_) => (stored.swap_bytes() < stored).then_some(Sure::Probably),
    }
}

/// Whether a stored device number is big-endian.
pub(super) fn rdev(stored: u64) -> Option<Sure> {
    (stored >= DEVICE_END && stored.swap_bytes() < DEVICE_END).then_some(Sure::Surely)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_little_endian_mode_is_taken_for_a_big_endian_one() {
        for stored in 0..=0xffff {
            for host in [FileKind::Regular, FileKind::Directory] {
                assert_eq!(mode(stored, host), None);
            }
        }
    }

    #[test]
    fn every_big_endian_mode_is_told_and_surely_if_it_fits_the_file() {
        let regular = FileKind::Regular;
        let stored = |mode: u32| mode.swap_bytes();
        for mode_ in [0o100_644, 0o120_777, 0o020_600, 0o107_777] {
            assert_eq!(mode(stored(mode_), regular), Some(Sure::Surely));
        }
        assert_eq!(mode(stored(0o040_755), regular), Some(Sure::Probably));
        assert_eq!(
            mode(stored(0o040_755), FileKind::Directory),
            Some(Sure::Surely)
        );
        assert_eq!(mode(stored(0o644), regular), Some(Sure::Probably));
        // Neither order makes sense.
        assert_eq!(mode(stored(0o170_644), regular), None);
        assert_eq!(mode(0xa081_0001, regular), None);
    }

    #[test]
    fn users_are_doubtful_and_devices_are_not() {
        assert_eq!(id(1000, None), None);
        assert_eq!(id(0, None), None);
        assert_eq!(id(1000_u32.swap_bytes(), None), Some(Sure::Probably));
        assert_eq!(id(524_288, None), Some(Sure::Perhaps));
        assert_eq!(id(100_000, None), None);
        let beside = |stored| id(stored, Some(Sure::Surely));
        assert_eq!(beside(524_288), Some(Sure::Surely));
        assert_eq!(beside(100_000_u32.swap_bytes()), Some(Sure::Probably));
        assert_eq!(beside(1000), None);
        assert_eq!(rdev(0x0ae5), None);
        assert_eq!(rdev(0x0ae5_u64.swap_bytes()), Some(Sure::Surely));
        assert_eq!(rdev(u64::MAX), None);
    }
}
