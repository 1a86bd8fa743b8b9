//! Guest memory: files of the VMM, mapped.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;

use rustix::fs::{FileType, fstat};
use vm_memory::mmap::MmapRegion;
use vm_memory::{FileOffset, GuestAddress, GuestMemoryMmap, GuestRegionMmap};

/// The memory of a guest, by guest-physical address.
pub type GuestMemory = GuestMemoryMmap<()>;

/// A region of guest memory, as a VMM hands it over.
#[derive(Debug)]
pub struct RegionSource {
    /// What holds its bytes: a memfd, or a file on tmpfs or hugetlbfs.
    pub file: File,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// How many bytes it has.
    pub size: u64,
    /// Where the guest sees it.
    pub guest_address: u64,
}

/// Why a region was refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum RegionError {
    /// It reaches beyond the end of its file: touching it would end the process.
    BeyondFile {
        /// Where the region ends in the file.
        end: u64,
        /// How long the file is.
        length: u64,
    },
    /// Its size or address makes no sense.
    Invalid,
    /// It is no regular file.
    NoFile,
    /// The host refused to map it.
    Host(io::Error),
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeyondFile { end, length } => write!(
                f,
                "a memory region ends at byte {end} of a file of {length} bytes"
            ),
            Self::Invalid => f.write_str("a memory region has an impossible size or address"),
            Self::NoFile => f.write_str("a memory region is no regular file"),
            Self::Host(error) => write!(f, "a memory region cannot be mapped: {error}"),
        }
    }
}

impl std::error::Error for RegionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Host(error) => Some(error),
            _ => None,
        }
    }
}

/// Maps a region, once it is clear that its file has all of its bytes. The file may still shrink
/// later: see the crate's documentation.
pub fn map_region(source: RegionSource) -> Result<Arc<GuestRegionMmap<()>>, RegionError> {
    let RegionSource {
        file,
        offset,
        size,
        guest_address,
    } = source;
    let end = offset.checked_add(size).ok_or(RegionError::Invalid)?;
    let length = usize::try_from(size).map_err(|_| RegionError::Invalid)?;
    if size == 0 || guest_address.checked_add(size).is_none() {
        return Err(RegionError::Invalid);
    }
    let stat = fstat(&file).map_err(|errno| RegionError::Host(errno.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(RegionError::NoFile);
    }
    let has = u64::try_from(stat.st_size).unwrap_or(0);
    if end > has {
        return Err(RegionError::BeyondFile { end, length: has });
    }
    let mapping = MmapRegion::from_file(FileOffset::new(file, offset), length)
        .map_err(|error| RegionError::Host(io::Error::other(error)))?;
    crate::sys::leave_out_of_dumps(&mapping);
    let region = GuestRegionMmap::new(mapping, GuestAddress(guest_address));
    Ok(Arc::new(region.ok_or(RegionError::Invalid)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(file: &File, offset: u64, size: u64, guest_address: u64) -> RegionSource {
        RegionSource {
            file: file.try_clone().unwrap(),
            offset,
            size,
            guest_address,
        }
    }

    #[test]
    fn a_region_beyond_its_files_end_is_refused() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(0x3000).unwrap();
        assert!(map_region(source(&file, 0, 0x3000, 0)).is_ok());
        assert!(map_region(source(&file, 0x1000, 0x2000, 0)).is_ok());
        for (offset, size) in [(0, 0x3001), (0x1000, 0x2001), (0x4000, 0x1000)] {
            let refused = map_region(source(&file, offset, size, 0));
            let Err(RegionError::BeyondFile { length, .. }) = refused else {
                panic!("{refused:?}");
            };
            assert_eq!(length, 0x3000);
        }
    }

    #[test]
    fn a_region_that_cannot_be_is_refused() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(0x3000).unwrap();
        for (offset, size, at) in [
            (0, 0, 0),
            (u64::MAX, 2, 0),
            (0, u64::MAX, 0),
            (0, 0x1000, u64::MAX - 10),
        ] {
            assert!(
                map_region(source(&file, offset, size, at)).is_err(),
                "{offset:x} {size:x} {at:x}"
            );
        }
        let device = File::open("/dev/zero").unwrap();
        let refused = map_region(source(&device, 0, 0x1000, 0));
        assert!(matches!(refused, Err(RegionError::NoFile)), "{refused:?}");
    }
}
