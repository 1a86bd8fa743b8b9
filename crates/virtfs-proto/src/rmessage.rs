//! Replies: what a server sends.

use crate::{GetattrMask, LockStatus, LockType, Qid, Qids, Stat, Timespec};

messages! {
    /// A reply of any dialect, as it is on the wire.
    enum Rmessage;

    /// Answers [`Tversion`](crate::Tversion).
    RVERSION Version => Rversion<'a> {
        /// The largest message that either side may send, in bytes; not above the client's.
        msize: u32,
        /// The dialect agreed on, or `unknown`.
        version: &'a [u8],
    }

    /// Answers [`Tauth`](crate::Tauth).
    RAUTH Auth => Rauth {
        /// The authentication file.
        aqid: Qid,
    }

    /// Answers any request that failed (9P2000, 9P2000.u).
    RERROR Error => Rerror<'a> {
        /// What went wrong, in words.
        ename: &'a [u8],
        /// The error number of the server's system; 0 if there is none. Not in 9P2000.
        ecode: u32 [plain: 0],
    }

    /// Answers any request that failed (9P2000.L).
    RLERROR Lerror => Rlerror {
        /// The error number of Linux.
        ecode: u32,
    }

    /// Answers [`Tattach`](crate::Tattach).
    RATTACH Attach => Rattach {
        /// The tree's root.
        qid: Qid,
    }

    /// Answers [`Tflush`](crate::Tflush): the request has ended, and its tag is free.
    RFLUSH Flush => Rflush {}

    /// Answers [`Twalk`](crate::Twalk): `newfid` is made if there is a qid for each name.
    RWALK Walk => Rwalk<'a> {
        /// The files on the way, as far as it led.
        qids: Qids<'a> as "wqid",
    }

    /// Answers [`Topen`](crate::Topen).
    ROPEN Open => Ropen {
        /// The file.
        qid: Qid,
        /// The most bytes that one read or write moves whole; 0 if msize alone decides.
        iounit: u32,
    }

    /// Answers [`Tcreate`](crate::Tcreate).
    RCREATE Create => Rcreate {
        /// The new file.
        qid: Qid,
        /// The most bytes that one read or write moves whole; 0 if msize alone decides.
        iounit: u32,
    }

    /// Answers [`Tread`](crate::Tread). The data is the message's payload.
    RREAD Read => Rread {
        /// How many bytes the payload has; 0 at the end of the file.
        count: u32,
    }

    /// Answers [`Twrite`](crate::Twrite).
    RWRITE Write => Rwrite {
        /// How many bytes were written.
        count: u32,
    }

    /// Answers [`Tclunk`](crate::Tclunk).
    RCLUNK Clunk => Rclunk {}

    /// Answers [`Tremove`](crate::Tremove).
    RREMOVE Remove => Rremove {}

    /// Answers [`Tstat`](crate::Tstat).
    RSTAT Stat => Rstat<'a> {
        /// The attributes.
        stat: Stat<'a>,
    }

    /// Answers [`Twstat`](crate::Twstat).
    RWSTAT Wstat => Rwstat {}

    /// Answers [`Tstatfs`](crate::Tstatfs), as statfs(2).
    RSTATFS Statfs => Rstatfs {
        /// The file system's magic number.
        kind: u32 as "type",
        /// The size of a block in bytes; the following three count such blocks.
        bsize: u32,
        /// All blocks.
        blocks: u64,
        /// Free blocks.
        bfree: u64,
        /// Blocks free for unprivileged users.
        bavail: u64,
        /// All inodes.
        files: u64,
        /// Free inodes.
        ffree: u64,
        /// The file system's identity.
        fsid: u64,
        /// The longest name in bytes.
        namelen: u32,
    }

    /// Answers [`Tlopen`](crate::Tlopen).
    RLOPEN Lopen => Rlopen {
        /// The file.
        qid: Qid,
        /// The most bytes that one read or write moves whole; 0 if msize alone decides.
        iounit: u32,
    }

    /// Answers [`Tlcreate`](crate::Tlcreate).
    RLCREATE Lcreate => Rlcreate {
        /// The new file.
        qid: Qid,
        /// The most bytes that one read or write moves whole; 0 if msize alone decides.
        iounit: u32,
    }

    /// Answers [`Tsymlink`](crate::Tsymlink).
    RSYMLINK Symlink => Rsymlink {
        /// The new link.
        qid: Qid,
    }

    /// Answers [`Tmknod`](crate::Tmknod).
    RMKNOD Mknod => Rmknod {
        /// The new file.
        qid: Qid,
    }

    /// Answers [`Trename`](crate::Trename).
    RRENAME Rename => Rrename {}

    /// Answers [`Treadlink`](crate::Treadlink).
    RREADLINK Readlink => Rreadlink<'a> {
        /// What the link says.
        target: &'a [u8],
    }

    /// Answers [`Tgetattr`](crate::Tgetattr).
    RGETATTR Getattr => Rgetattr {
        /// Which of the following mean something.
        valid: GetattrMask,
        /// The file.
        qid: Qid,
        /// Type and permissions, as in Linux.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
        /// Number of hard links.
        nlink: u64,
        /// A device node's device number.
        rdev: u64,
        /// Size in bytes.
        size: u64,
        /// The size for efficient I/O, in bytes.
        blksize: u64,
        /// Size on disk in units of 512 bytes.
        blocks: u64,
        /// Time of last access.
        atime: Timespec,
        /// Time of last modification.
        mtime: Timespec,
        /// Time of last change of the inode.
        ctime: Timespec,
        /// Time of creation.
        btime: Timespec,
        /// Generation of the inode.
        generation: u64 as "gen",
        /// Version of the data.
        data_version: u64,
    }

    /// Answers [`Tsetattr`](crate::Tsetattr).
    RSETATTR Setattr => Rsetattr {}

    /// Answers [`Txattrwalk`](crate::Txattrwalk).
    RXATTRWALK Xattrwalk => Rxattrwalk {
        /// The length of the value, or of the list, in bytes.
        size: u64,
    }

    /// Answers [`Txattrcreate`](crate::Txattrcreate).
    RXATTRCREATE Xattrcreate => Rxattrcreate {}

    /// Answers [`Treaddir`](crate::Treaddir). The message's payload is a row of
    /// [`DirEntry`](crate::DirEntry).
    RREADDIR Readdir => Rreaddir {
        /// How many bytes the payload has; 0 at the end of the directory.
        count: u32,
    }

    /// Answers [`Tfsync`](crate::Tfsync).
    RFSYNC Fsync => Rfsync {}

    /// Answers [`Tlock`](crate::Tlock).
    RLOCK Lock => Rlock {
        /// What became of it.
        status: LockStatus,
    }

    /// Answers [`Tgetlock`](crate::Tgetlock).
    RGETLOCK Getlock => Rgetlock<'a> {
        /// The kind of the lock in the way; `UNLCK` if there is none.
        kind: LockType as "type",
        /// Its first byte.
        start: u64,
        /// The number of bytes; 0 for all to the end.
        length: u64,
        /// The process that holds it, as its client numbers it.
        proc_id: u32,
        /// Its client's name for itself.
        client_id: &'a [u8],
    }

    /// Answers [`Tlink`](crate::Tlink).
    RLINK Link => Rlink {}

    /// Answers [`Tmkdir`](crate::Tmkdir).
    RMKDIR Mkdir => Rmkdir {
        /// The new directory.
        qid: Qid,
    }

    /// Answers [`Trenameat`](crate::Trenameat).
    RRENAMEAT Renameat => Rrenameat {}

    /// Answers [`Tunlinkat`](crate::Tunlinkat).
    RUNLINKAT Unlinkat => Runlinkat {}
}

impl Rmessage<'_> {
    /// How many bytes of payload are behind the head: not 0 only for `Rread` and `Rreaddir`.
    pub const fn payload_len(&self) -> u32 {
        match self {
            Rmessage::Read(read) => read.count,
            Rmessage::Readdir(readdir) => readdir.count,
            _ => 0,
        }
    }
}
