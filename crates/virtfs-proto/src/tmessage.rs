//! Requests: what a client sends.

use crate::{
    GetattrMask, LockFlags, LockType, LopenFlags, NONUNAME, Names, OpenMode, Perm, SetattrMask,
    Stat, Timespec, UnlinkFlags, XattrFlags,
};

messages! {
    /// A request of any dialect, as it is on the wire.
    enum Tmessage;

    /// Starts a session anew: all fids are gone. Its tag is [`NOTAG`](crate::NOTAG).
    TVERSION Version => Tversion<'a> {
        /// The largest message that the client will send or take, in bytes.
        msize: u32,
        /// The dialect, see [`Dialect::from_version`](crate::Dialect::from_version).
        version: &'a [u8],
    }

    /// Makes a fid through which the client authenticates.
    TAUTH Auth => Tauth<'a> {
        /// The new fid.
        afid: u32,
        /// The user's name.
        uname: &'a [u8],
        /// The tree that is wanted.
        aname: &'a [u8],
        /// The user's number; [`NONUNAME`] if `uname` counts. Not in 9P2000.
        n_uname: u32 [plain: NONUNAME],
    }

    /// Makes a fid for the root of a tree.
    TATTACH Attach => Tattach<'a> {
        /// The new fid.
        fid: u32,
        /// The authenticated fid, or [`NOFID`](crate::NOFID).
        afid: u32,
        /// The user's name.
        uname: &'a [u8],
        /// The tree that is wanted.
        aname: &'a [u8],
        /// The user's number; [`NONUNAME`] if `uname` counts. Not in 9P2000.
        n_uname: u32 [plain: NONUNAME],
    }

    /// Asks that a request be given up. The reply comes when it has ended.
    TFLUSH Flush => Tflush {
        /// The request's tag.
        oldtag: u16,
    }

    /// Makes a fid for the file that names lead to from another fid.
    TWALK Walk => Twalk<'a> {
        /// Where to start.
        fid: u32,
        /// The fid to make; may be `fid` itself.
        newfid: u32,
        /// The way. More than [`MAX_WALK`](crate::MAX_WALK) names can arrive.
        names: Names<'a> as "wname",
    }

    /// Opens a file (9P2000, 9P2000.u).
    TOPEN Open => Topen {
        /// The file.
        fid: u32,
        /// How to open it.
        mode: OpenMode,
    }

    /// Makes a file in a directory and opens it; the fid becomes the new file's (9P2000, 9P2000.u).
    TCREATE Create => Tcreate<'a> {
        /// The directory.
        fid: u32,
        /// The new file's name.
        name: &'a [u8],
        /// The new file's type and permissions.
        perm: Perm,
        /// How to open it.
        mode: OpenMode,
        /// A link's target, or a device's kind and numbers. Not in 9P2000.
        extension: &'a [u8] [plain: &[]],
    }

    /// Reads from an open file.
    TREAD Read => Tread {
        /// The file.
        fid: u32,
        /// Where to start, in bytes.
        offset: u64,
        /// How many bytes at most.
        count: u32,
    }

    /// Writes to an open file. The data is the message's payload.
    TWRITE Write => Twrite {
        /// The file.
        fid: u32,
        /// Where to start, in bytes.
        offset: u64,
        /// How many bytes the payload has.
        count: u32,
    }

    /// Gives up a fid.
    TCLUNK Clunk => Tclunk {
        /// The fid.
        fid: u32,
    }

    /// Removes a file and gives up its fid.
    TREMOVE Remove => Tremove {
        /// The file.
        fid: u32,
    }

    /// Asks for a file's attributes (9P2000, 9P2000.u).
    TSTAT Stat => Tstat {
        /// The file.
        fid: u32,
    }

    /// Sets a file's attributes (9P2000, 9P2000.u).
    TWSTAT Wstat => Twstat<'a> {
        /// The file.
        fid: u32,
        /// What to set.
        stat: Stat<'a>,
    }

    /// Asks about the file system that a file lies on (9P2000.L).
    TSTATFS Statfs => Tstatfs {
        /// The file.
        fid: u32,
    }

    /// Opens a file (9P2000.L).
    TLOPEN Lopen => Tlopen {
        /// The file.
        fid: u32,
        /// How to open it.
        flags: LopenFlags,
    }

    /// Makes a regular file in a directory and opens it; the fid becomes the new file's (9P2000.L).
    TLCREATE Lcreate => Tlcreate<'a> {
        /// The directory.
        fid: u32,
        /// The new file's name.
        name: &'a [u8],
        /// How to open it.
        flags: LopenFlags,
        /// The new file's permissions, as in Linux.
        mode: u32,
        /// The new file's group.
        gid: u32,
    }

    /// Makes a symbolic link (9P2000.L).
    TSYMLINK Symlink => Tsymlink<'a> {
        /// The directory.
        dfid: u32,
        /// The link's name.
        name: &'a [u8],
        /// What the link says.
        target: &'a [u8],
        /// The link's group.
        gid: u32,
    }

    /// Makes a device node, a named pipe, a socket or a regular file (9P2000.L).
    TMKNOD Mknod => Tmknod<'a> {
        /// The directory.
        dfid: u32,
        /// The new file's name.
        name: &'a [u8],
        /// The new file's type and permissions, as in Linux.
        mode: u32,
        /// A device's major number.
        major: u32,
        /// A device's minor number.
        minor: u32,
        /// The new file's group.
        gid: u32,
    }

    /// Moves a file (9P2000.L).
    TRENAME Rename => Trename<'a> {
        /// The file.
        fid: u32,
        /// The directory to move it to.
        dfid: u32,
        /// Its new name.
        name: &'a [u8],
    }

    /// Asks what a symbolic link says (9P2000.L).
    TREADLINK Readlink => Treadlink {
        /// The link.
        fid: u32,
    }

    /// Asks for a file's attributes (9P2000.L).
    TGETATTR Getattr => Tgetattr {
        /// The file.
        fid: u32,
        /// The attributes that are wanted.
        request_mask: GetattrMask,
    }

    /// Sets a file's attributes (9P2000.L).
    TSETATTR Setattr => Tsetattr {
        /// The file.
        fid: u32,
        /// Which of the following to set.
        valid: SetattrMask,
        /// Permissions, as in Linux.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
        /// Size in bytes.
        size: u64,
        /// Time of last access.
        atime: Timespec,
        /// Time of last modification.
        mtime: Timespec,
    }

    /// Makes a fid from which an extended attribute, or the list of them, can be read (9P2000.L).
    TXATTRWALK Xattrwalk => Txattrwalk<'a> {
        /// The file.
        fid: u32,
        /// The fid to make.
        newfid: u32,
        /// The attribute's name; empty for the list.
        name: &'a [u8],
    }

    /// Turns a fid into one that takes an extended attribute's value and sets it when it is
    /// clunked (9P2000.L).
    TXATTRCREATE Xattrcreate => Txattrcreate<'a> {
        /// The file.
        fid: u32,
        /// The attribute's name.
        name: &'a [u8],
        /// The value's length in bytes.
        size: u64,
        /// What is expected of the attribute.
        flags: XattrFlags,
    }

    /// Reads entries of an open directory (9P2000.L).
    TREADDIR Readdir => Treaddir {
        /// The directory.
        fid: u32,
        /// 0, or the `offset` of the entry to go on behind.
        offset: u64,
        /// How many bytes of entries at most.
        count: u32,
    }

    /// Makes an open file stable (9P2000.L).
    TFSYNC Fsync => Tfsync {
        /// The file.
        fid: u32,
        /// Other than 0: only the data, as fdatasync(2).
        datasync: u32,
    }

    /// Takes or releases a lock on a range of bytes (9P2000.L).
    TLOCK Lock => Tlock<'a> {
        /// The file.
        fid: u32,
        /// The kind of lock.
        kind: LockType as "type",
        /// How to lock.
        flags: LockFlags,
        /// The first byte.
        start: u64,
        /// The number of bytes; 0 for all to the end.
        length: u64,
        /// The process that locks, as the client numbers it.
        proc_id: u32,
        /// The client's name for itself.
        client_id: &'a [u8],
    }

    /// Asks which lock is in the way (9P2000.L).
    TGETLOCK Getlock => Tgetlock<'a> {
        /// The file.
        fid: u32,
        /// The kind of lock that is wanted.
        kind: LockType as "type",
        /// The first byte.
        start: u64,
        /// The number of bytes; 0 for all to the end.
        length: u64,
        /// The process that asks, as the client numbers it.
        proc_id: u32,
        /// The client's name for itself.
        client_id: &'a [u8],
    }

    /// Makes a hard link (9P2000.L).
    TLINK Link => Tlink<'a> {
        /// The directory for the new entry.
        dfid: u32,
        /// The file.
        fid: u32,
        /// The new entry's name.
        name: &'a [u8],
    }

    /// Makes a directory (9P2000.L).
    TMKDIR Mkdir => Tmkdir<'a> {
        /// The directory to make it in.
        dfid: u32,
        /// Its name.
        name: &'a [u8],
        /// Its permissions, as in Linux.
        mode: u32,
        /// Its group.
        gid: u32,
    }

    /// Moves an entry (9P2000.L).
    TRENAMEAT Renameat => Trenameat<'a> {
        /// The directory to move it from.
        olddirfid: u32,
        /// Its name there.
        oldname: &'a [u8],
        /// The directory to move it to.
        newdirfid: u32,
        /// Its name there.
        newname: &'a [u8],
    }

    /// Removes an entry (9P2000.L).
    TUNLINKAT Unlinkat => Tunlinkat<'a> {
        /// The directory.
        dirfid: u32,
        /// The entry's name.
        name: &'a [u8],
        /// Whether a directory is to be removed.
        flags: UnlinkFlags,
    }
}

impl Tmessage<'_> {
    /// How many bytes of payload are behind the head: not 0 only for `Twrite`.
    pub const fn payload_len(&self) -> u32 {
        match self {
            Tmessage::Write(write) => write.count,
            _ => 0,
        }
    }
}
