//! Attributes of files and of file systems.

use virtfs_proto::GetattrMask;
use virtfs_vfs::{Errno, SetAttr, StatFs, StatWant};

use super::{Outcome, Request};
use crate::raise::Answer;

impl Request<'_> {
    pub(super) fn get_attr(&self, mask: GetattrMask) -> Result<Outcome, Errno> {
        let fid = self.fid()?;
        let mut want = StatWant::empty();
        want.set(StatWant::BTIME, mask.contains(GetattrMask::BTIME));
        want.set(StatWant::GENERATION, mask.contains(GetattrMask::GEN));
        let attr = fid
            .fs()
            .stat(&self.cx(fid), fid.node()?, fid.open(), want)?;
        let blksize = self.iounit(attr.blksize);
        Ok(Answer::Attr { attr, blksize }.into())
    }

    pub(super) fn set_attr(&self, changes: &SetAttr) -> Result<Outcome, Errno> {
        let fid = self.fid()?;
        fid.fs()
            .set(&self.cx(fid), fid.node()?, fid.open(), changes)?;
        Ok(Answer::Done.into())
    }

    pub(super) fn statfs(&self) -> Result<Outcome, Errno> {
        let fid = self.fid()?;
        let host = fid.fs().statfs(&self.cx(fid), fid.node()?)?;
        Ok(Answer::StatFs(in_units_of_messages(host, self.msize)).into())
    }

    pub(super) fn readlink(&self) -> Result<Outcome, Errno> {
        let fid = self.fid()?;
        Ok(Answer::Text(fid.fs().readlink(&self.cx(fid), fid.node()?)?).into())
    }
}

/// Blocks as large as one message carries, so that programs which go by the block size make full
/// use of it.
fn in_units_of_messages(host: StatFs, msize: u32) -> StatFs {
    let payload = msize.saturating_sub(virtfs_proto::IO_HEADER_LEN as u32);
    let factor = payload.checked_div(host.bsize).unwrap_or(1).max(1);
    let blocks = |count: u64| count / u64::from(factor);
    StatFs {
        bsize: host.bsize.saturating_mul(factor),
        blocks: blocks(host.blocks),
        bfree: blocks(host.bfree),
        bavail: blocks(host.bavail),
        ..host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_a_block_size_is_no_division_by_zero() {
        let host = StatFs {
            bsize: 0,
            blocks: 10,
            ..StatFs::default()
        };
        assert_eq!(in_units_of_messages(host, 8192).blocks, 10);
        let host = StatFs {
            bsize: 4096,
            blocks: 160,
            ..StatFs::default()
        };
        let seen = in_units_of_messages(host, 65536);
        assert_eq!((seen.bsize, seen.blocks), (15 * 4096, 10));
    }
}
