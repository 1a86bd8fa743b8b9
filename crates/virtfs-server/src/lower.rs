//! From what was on the wire to what is meant: each dialect's message becomes one dialect-free
//! operation. Every rule of access (names, read-only exports) looks at the operation alone.

use virtfs_proto::{
    GetattrMask, LockFlags, LockType, LopenFlags, MAX_WALK, NOFID, NONUNAME, SetattrMask, Timespec,
    Tmessage, UnlinkFlags, XattrFlags, kind,
};
use virtfs_vfs::{
    Device, Errno, FileKind, LockKind, LockRange, Make, Name, OpenFlags, Removal, SetAttr, SetTime,
    Time, XattrPut,
};

use crate::fid::Access;
use crate::users::Claim;

/// The names of a walk.
pub(crate) struct WalkNames<'a> {
    names: [Option<Name<'a>>; MAX_WALK],
}

/// What a request means, whatever the dialect. Its fids are the session's business.
pub(crate) enum Op<'a> {
    Attach {
        aname: &'a [u8],
        claim: Claim<'a>,
        authenticated: bool,
    },
    Walk {
        names: WalkNames<'a>,
    },
    Open {
        flags: OpenFlags,
        access: Access,
    },
    Create {
        name: Name<'a>,
        flags: OpenFlags,
        access: Access,
        mode: u32,
        gid: u32,
    },
    Make {
        name: Name<'a>,
        what: Make<'a>,
        gid: u32,
    },
    Link {
        name: Name<'a>,
    },
    Rename {
        name: Name<'a>,
    },
    RenameAt {
        from: Name<'a>,
        to: Name<'a>,
        same_dir: bool,
    },
    Unlink {
        name: Name<'a>,
        kind: Removal,
    },
    Remove,
    Clunk,
    GetAttr {
        mask: GetattrMask,
    },
    SetAttr {
        changes: SetAttr,
    },
    Sync {
        data_only: bool,
    },
    StatFs,
    ReadLink,
    XattrWalk {
        name: &'a [u8],
    },
    XattrCreate {
        name: &'a [u8],
        size: u64,
        how: XattrPut,
    },
    Read {
        offset: u64,
        count: u32,
    },
    Write {
        offset: u64,
        count: u32,
    },
    List {
        offset: u64,
        count: u32,
    },
    Lock {
        kind: LockKind,
        range: LockRange,
        owner: LockOwner<'a>,
        /// Whether the client's process waits for it.
        blocking: bool,
    },
    TestLock {
        kind: LockKind,
        range: LockRange,
        owner: LockOwner<'a>,
    },
}

/// Who locks, as the client tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LockOwner<'a> {
    pub(crate) client_id: &'a [u8],
    pub(crate) proc_id: u32,
}

impl Op<'_> {
    /// Whether a read-only export must refuse it.
    pub(crate) fn changes_something(&self) -> bool {
        match self {
            Self::Open { flags, .. } => {
                flags.intersects(OpenFlags::WRITE | OpenFlags::APPEND | OpenFlags::TRUNCATE)
            }
            Self::Create { .. }
            | Self::Make { .. }
            | Self::Link { .. }
            | Self::Rename { .. }
            | Self::RenameAt { .. }
            | Self::Unlink { .. }
            | Self::Remove
            | Self::SetAttr { .. }
            | Self::XattrCreate { .. }
            | Self::Write { .. } => true,
            Self::Attach { .. }
            | Self::Walk { .. }
            | Self::Clunk
            | Self::GetAttr { .. }
            | Self::Sync { .. }
            | Self::StatFs
            | Self::ReadLink
            | Self::XattrWalk { .. }
            | Self::Read { .. }
            | Self::List { .. }
            | Self::Lock { .. }
            | Self::TestLock { .. } => false,
        }
    }
}

impl<'a> WalkNames<'a> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = Name<'a>> {
        self.names.iter().map_while(|name| *name)
    }
}

/// What a request means; an errno if it cannot mean anything, or asks for what no server of ours
/// has.
pub(crate) fn lower<'a>(message: &Tmessage<'a>) -> Result<Op<'a>, Errno> {
    Ok(match message {
        Tmessage::Attach(m) => Op::Attach {
            aname: m.aname,
            claim: Claim {
                uname: m.uname,
                uid: Some(m.n_uname).filter(|uid| *uid != NONUNAME),
            },
            authenticated: m.afid != NOFID,
        },
        Tmessage::Walk(m) => {
            if m.names.len() > MAX_WALK {
                return Err(Errno::EINVAL);
            }
            let mut names = [None; MAX_WALK];
            for (slot, name) in names.iter_mut().zip(m.names.iter()) {
                *slot = Some(Name::new(name)?);
            }
            Op::Walk {
                names: WalkNames { names },
            }
        }
        Tmessage::Lopen(m) => Op::Open {
            flags: open_flags(m.flags) & !OpenFlags::EXCLUSIVE,
            access: access(m.flags),
        },
        Tmessage::Lcreate(m) => Op::Create {
            name: new_name(m.name)?,
            flags: open_flags(m.flags),
            access: access(m.flags),
            mode: m.mode & 0o7777,
            gid: m.gid,
        },
        Tmessage::Symlink(m) => {
            if m.target.is_empty() || m.target.contains(&0) {
                return Err(Errno::ENOENT);
            }
            Op::Make {
                name: new_name(m.name)?,
                what: Make::Symlink { target: m.target },
                gid: m.gid,
            }
        }
        Tmessage::Mkdir(m) => Op::Make {
            name: new_name(m.name)?,
            what: Make::Directory {
                mode: m.mode & 0o7777,
            },
            gid: m.gid,
        },
        Tmessage::Mknod(m) => {
            let kind = match FileKind::from_mode(m.mode) {
                // mknod(2) takes no type bits for a regular file.
                None if m.mode & 0o170000 == 0 => FileKind::Regular,
                None | Some(FileKind::Symlink) => return Err(Errno::EINVAL),
                Some(FileKind::Directory) => return Err(Errno::EPERM),
                Some(kind) => kind,
            };
            let device = Device {
                major: m.major,
                minor: m.minor,
            };
            Op::Make {
                name: new_name(m.name)?,
                what: Make::Node {
                    kind,
                    mode: m.mode & 0o7777,
                    device,
                },
                gid: m.gid,
            }
        }
        Tmessage::Link(m) => Op::Link {
            name: new_name(m.name)?,
        },
        Tmessage::Rename(m) => Op::Rename {
            name: moved_name(m.name)?,
        },
        Tmessage::Renameat(m) => Op::RenameAt {
            from: moved_name(m.oldname)?,
            to: moved_name(m.newname)?,
            same_dir: m.newdirfid == NOFID,
        },
        Tmessage::Unlinkat(m) => {
            let name = Name::new(m.name)?;
            if m.flags.bits() & !UnlinkFlags::REMOVEDIR.bits() != 0 || name.is_dot() {
                return Err(Errno::EINVAL);
            }
            if name.is_dotdot() {
                return Err(Errno::ENOTEMPTY);
            }
            let directory = m.flags.contains(UnlinkFlags::REMOVEDIR);
            let kind = if directory {
                Removal::Directory
            } else {
                Removal::File
            };
            Op::Unlink { name, kind }
        }
        Tmessage::Remove(_) => Op::Remove,
        Tmessage::Clunk(_) => Op::Clunk,
        Tmessage::Getattr(m) => Op::GetAttr {
            mask: m.request_mask,
        },
        Tmessage::Setattr(m) => {
            let set = |bit| m.valid.contains(bit);
            let time = |now, given, time: Timespec| {
                set(now)
                    .then(|| {
                        if set(given) {
                            at(time).map(SetTime::At)
                        } else {
                            Ok(SetTime::Now)
                        }
                    })
                    .transpose()
            };
            Op::SetAttr {
                changes: SetAttr {
                    mode: set(SetattrMask::MODE).then_some(m.mode & 0o7777),
                    uid: set(SetattrMask::UID).then_some(m.uid),
                    gid: set(SetattrMask::GID).then_some(m.gid),
                    size: set(SetattrMask::SIZE).then_some(m.size),
                    atime: time(SetattrMask::ATIME, SetattrMask::ATIME_SET, m.atime)?,
                    mtime: time(SetattrMask::MTIME, SetattrMask::MTIME_SET, m.mtime)?,
                    ctime: set(SetattrMask::CTIME),
                },
            }
        }
        Tmessage::Fsync(m) => Op::Sync {
            data_only: m.datasync != 0,
        },
        Tmessage::Statfs(_) => Op::StatFs,
        Tmessage::Readlink(_) => Op::ReadLink,
        Tmessage::Xattrwalk(m) => Op::XattrWalk {
            name: xattr_name(m.name)?,
        },
        Tmessage::Xattrcreate(m) => {
            if m.name.is_empty() {
                return Err(Errno::EINVAL);
            }
            let how = if m.flags.is_empty() {
                XattrPut::Any
            } else if m.flags == XattrFlags::CREATE {
                XattrPut::Create
            } else if m.flags == XattrFlags::REPLACE {
                XattrPut::Replace
            } else {
                return Err(Errno::EINVAL);
            };
            Op::XattrCreate {
                name: xattr_name(m.name)?,
                size: m.size,
                how,
            }
        }
        Tmessage::Read(m) => Op::Read {
            offset: m.offset,
            count: m.count,
        },
        Tmessage::Write(m) => Op::Write {
            offset: m.offset,
            count: m.count,
        },
        Tmessage::Readdir(m) => Op::List {
            offset: m.offset,
            count: m.count,
        },
        Tmessage::Lock(m) => {
            // What was held before a restart cannot be reclaimed: nothing was kept.
            if m.flags.bits() & !LockFlags::BLOCK.bits() != 0 {
                return Err(Errno::EINVAL);
            }
            Op::Lock {
                kind: lock_kind(m.kind)?,
                range: LockRange::new(m.start, m.length)?,
                owner: lock_owner(m.client_id, m.proc_id)?,
                blocking: m.flags.bits() & LockFlags::BLOCK.bits() != 0,
            }
        }
        Tmessage::Getlock(m) => Op::TestLock {
            kind: match lock_kind(m.kind)? {
                // Linux always asks so: its look at its own locks overwrites what the program
                // wanted. Who would be in a writer's way is everybody there.
                LockKind::Unlock => LockKind::Write,
                kind => kind,
            },
            range: LockRange::new(m.start, m.length)?,
            owner: lock_owner(m.client_id, m.proc_id)?,
        },
        // No authentication. Clients of the npfs family (diod's) go on without it after this
        // errno alone.
        Tmessage::Auth(_) => return Err(Errno::ENOENT),
        // The older dialects' own messages are not served yet.
        _ => return Err(Errno::EOPNOTSUPP),
    })
}

/// The errno for a fid that is not known. QEMU is not uniform here, and clients know it.
pub(crate) fn unknown_fid(message: u8) -> Errno {
    match message {
        kind::TSETATTR
        | kind::TREAD
        | kind::TREADDIR
        | kind::TWRITE
        | kind::TCREATE
        | kind::TSYMLINK
        | kind::TREMOVE
        | kind::TUNLINKAT
        | kind::TWSTAT
        | kind::TXATTRCREATE => Errno::EINVAL,
        _ => Errno::ENOENT,
    }
}

/// A name that an entry is to be made under.
fn new_name(name: &[u8]) -> Result<Name<'_>, Errno> {
    let name = Name::new(name)?;
    if name.is_entry() {
        Ok(name)
    } else {
        Err(Errno::EEXIST)
    }
}

/// A name that an entry is moved from or to.
fn moved_name(name: &[u8]) -> Result<Name<'_>, Errno> {
    let name = Name::new(name)?;
    if name.is_entry() {
        Ok(name)
    } else {
        Err(Errno::EISDIR)
    }
}

/// The name of an extended attribute; empty for the list of them.
fn xattr_name(name: &[u8]) -> Result<&[u8], Errno> {
    if name.contains(&0) {
        return Err(Errno::EINVAL);
    }
    if name.len() > 255 {
        Err(Errno::ERANGE)
    } else {
        Ok(name)
    }
}

fn open_flags(flags: LopenFlags) -> OpenFlags {
    let mut to = match flags.access() {
        LopenFlags::RDONLY => OpenFlags::READ,
        LopenFlags::WRONLY => OpenFlags::WRITE,
        _ => OpenFlags::READ | OpenFlags::WRITE,
    };
    for (from, flag) in [
        (LopenFlags::APPEND, OpenFlags::APPEND),
        (LopenFlags::TRUNC, OpenFlags::TRUNCATE),
        (LopenFlags::EXCL, OpenFlags::EXCLUSIVE),
        (LopenFlags::DIRECTORY, OpenFlags::DIRECTORY),
        (LopenFlags::NOATIME, OpenFlags::NOATIME),
        (LopenFlags::SYNC, OpenFlags::SYNC),
        (LopenFlags::DSYNC, OpenFlags::DSYNC),
        (LopenFlags::DIRECT, OpenFlags::DIRECT),
    ] {
        to.set(flag, flags.contains(from));
    }
    to
}

/// Access mode 3 asks for the permission to read and to write and gives neither, as in Linux's
/// open(2).
fn access(flags: LopenFlags) -> Access {
    let access = flags.access();
    Access {
        read: access == LopenFlags::RDONLY || access == LopenFlags::RDWR,
        write: access == LopenFlags::WRONLY || access == LopenFlags::RDWR,
    }
}

fn at(time: Timespec) -> Result<Time, Errno> {
    let nsec = u32::try_from(time.nsec)
        .ok()
        .filter(|nsec| *nsec < 1_000_000_000);
    // Seconds are a signed number in 64 bits: before 1970 they are negative.
    Ok(Time {
        sec: time.sec.cast_signed(),
        nsec: nsec.ok_or(Errno::EINVAL)?,
    })
}

/// The longest name of a client: it is kept with each of its locks. Linux sends its host's name, of
/// 64 bytes at most.
const CLIENT_ID_MAX: usize = 1024;

fn lock_owner(client_id: &[u8], proc_id: u32) -> Result<LockOwner<'_>, Errno> {
    if client_id.len() > CLIENT_ID_MAX {
        return Err(Errno::EINVAL);
    }
    Ok(LockOwner { client_id, proc_id })
}

fn lock_kind(kind: LockType) -> Result<LockKind, Errno> {
    match kind {
        LockType::RDLCK => Ok(LockKind::Read),
        LockType::WRLCK => Ok(LockKind::Write),
        LockType::UNLCK => Ok(LockKind::Unlock),
        _ => Err(Errno::EINVAL),
    }
}
