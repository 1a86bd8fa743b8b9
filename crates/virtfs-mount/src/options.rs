//! What can be chosen about a mount, in the words of `mount -o`.

use std::fmt;
use std::time::Duration;

/// What can be chosen about a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one option of mount(8)"
)]
pub struct MountOptions {
    /// What `findmnt` shows as the source (`fsname=`).
    pub fsname: String,
    /// The type is `fuse.` and this (`subtype=`).
    pub subtype: String,
    /// The tree of the server that is mounted; empty: its first (`aname=`).
    pub aname: String,
    /// As whom to attach; `None`: the calling process's user, by number (`uname=`).
    pub uname: Option<String>,
    /// Nothing can be changed (`ro`, `rw`).
    pub ro: bool,
    /// Set-user-ID bits and file capabilities have no effect: the default (`nosuid`, `suid`).
    pub nosuid: bool,
    /// Device nodes cannot be opened: the default (`nodev`, `dev`).
    pub nodev: bool,
    /// Nothing can be executed (`noexec`, `exec`).
    pub noexec: bool,
    /// Reading does not change the time of access (`noatime`, `atime`).
    pub noatime: bool,
    /// Writes are synchronous (`sync`, `async`).
    pub sync: bool,
    /// Changes of directories are synchronous (`dirsync`).
    pub dirsync: bool,
    /// Other users may enter; `None`: yes if root mounts (`allow_other`, `noallow_other`).
    pub allow_other: Option<bool>,
    /// The kernel checks permissions by mode, owner and ACL: the default
    /// (`default_permissions`, `nodefault_permissions`).
    pub default_permissions: bool,
    /// POSIX ACLs, where the server has them: the default (`acl`, `noacl`).
    pub acl: bool,
    /// How long attributes may be used without asking the server again; 0: not at all
    /// (`attr_timeout=`).
    pub attr_timeout: Duration,
    /// The same for names (`entry_timeout=`).
    pub entry_timeout: Duration,
    /// The same for names that do not exist (`negative_timeout=`).
    pub negative_timeout: Duration,
    /// Reads and writes go past the page cache (`direct_io`).
    pub direct_io: bool,
    /// The page cache outlives a file's closing, whatever the server says (`kernel_cache`).
    pub kernel_cache: bool,
    /// Requests served side by side; `None`: two for each core, from 4 to 8 (`threads=`).
    pub threads: Option<usize>,
    /// The largest message to propose to the server, in bytes. Not for the mount: for whoever
    /// connects (`msize=`).
    pub msize: Option<u32>,
    /// How long to wait for each reply. Not for the mount: for whoever connects (`timeout=`).
    pub timeout: Option<Duration>,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self {
            fsname: "virtfs".to_owned(),
            subtype: "virtfs".to_owned(),
            aname: String::new(),
            uname: None,
            ro: false,
            nosuid: true,
            nodev: true,
            noexec: false,
            noatime: false,
            sync: false,
            dirsync: false,
            allow_other: None,
            default_permissions: true,
            acl: true,
            attr_timeout: Duration::ZERO,
            entry_timeout: Duration::ZERO,
            negative_timeout: Duration::ZERO,
            direct_io: false,
            kernel_cache: false,
            threads: None,
            msize: None,
            timeout: None,
        }
    }
}

/// Every name that [`MountOptions::parse`] knows.
const KNOWN: &str = "ro, rw, suid, nosuid, dev, nodev, exec, noexec, atime, noatime, sync, async, \
    dirsync, allow_other, noallow_other, default_permissions, nodefault_permissions, acl, noacl, \
    attr_timeout=, entry_timeout=, negative_timeout=, direct_io, kernel_cache, threads=, fsname=, \
    subtype=, aname=, uname=, msize=, timeout=";

/// What is meant for mount(8), the init system or the reader, not for a file system.
const IGNORED: [&str; 10] = [
    "defaults",
    "auto",
    "noauto",
    "user",
    "nouser",
    "users",
    "_netdev",
    "nofail",
    "relatime",
    "norelatime",
];

impl MountOptions {
    /// Reads what follows `-o`: options with commas between them (`\,` is a comma in a value).
    /// Times are in seconds, fractions allowed.
    pub fn parse(list: &str) -> Result<Self, OptionError> {
        let mut options = Self::default();
        options.add(list)?;
        Ok(options)
    }

    /// Reads one more list, which wins over what was said before.
    pub fn add(&mut self, list: &str) -> Result<(), OptionError> {
        split(list)
            .iter()
            .filter(|option| !option.is_empty())
            .try_for_each(|option| self.set(option))
    }

    fn set(&mut self, option: &str) -> Result<(), OptionError> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        if name.starts_with("x-") || name == "comment" {
            return Ok(());
        }
        match value {
            Some(value) => self.set_value(name, value),
            None => self.set_flag(name),
        }
    }

    fn set_flag(&mut self, name: &str) -> Result<(), OptionError> {
        match name {
            "ro" => self.ro = true,
            "rw" => self.ro = false,
            "nosuid" => self.nosuid = true,
            "suid" => self.nosuid = false,
            "nodev" => self.nodev = true,
            "dev" => self.nodev = false,
            "noexec" => self.noexec = true,
            "exec" => self.noexec = false,
            "noatime" => self.noatime = true,
            "atime" => self.noatime = false,
            "sync" => self.sync = true,
            "async" => self.sync = false,
            "dirsync" => self.dirsync = true,
            "allow_other" => self.allow_other = Some(true),
            "noallow_other" => self.allow_other = Some(false),
            "default_permissions" => self.default_permissions = true,
            "nodefault_permissions" => self.default_permissions = false,
            "acl" => self.acl = true,
            "noacl" => self.acl = false,
            "direct_io" => self.direct_io = true,
            "kernel_cache" => self.kernel_cache = true,
            name if IGNORED.contains(&name) => {}
            name if is_valued(name) => return Err(OptionError::Missing(name.to_owned())),
            name => return Err(OptionError::Unknown(name.to_owned())),
        }
        Ok(())
    }

    fn set_value(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        let bad = |what| OptionError::Bad {
            option: format!("{name}={value}"),
            what,
        };
        let seconds = || seconds(value).ok_or(bad("a number of seconds, such as 0.5"));
        match name {
            "attr_timeout" => self.attr_timeout = seconds()?,
            "entry_timeout" => self.entry_timeout = seconds()?,
            "negative_timeout" => self.negative_timeout = seconds()?,
            "timeout" => self.timeout = Some(seconds()?),
            "threads" => {
                let threads = value.parse().ok().filter(|n| (1..=1024).contains(n));
                self.threads = Some(threads.ok_or(bad("a number from 1 to 1024"))?);
            }
            "msize" => self.msize = Some(value.parse().or(Err(bad("a number of bytes")))?),
            "fsname" => value.clone_into(&mut self.fsname),
            "subtype" => value.clone_into(&mut self.subtype),
            "aname" => value.clone_into(&mut self.aname),
            "uname" => self.uname = Some(value.to_owned()),
            name if is_flag(name) => return Err(bad("this option without a value")),
            name => return Err(OptionError::Unknown(name.to_owned())),
        }
        Ok(())
    }
}

fn is_valued(name: &str) -> bool {
    KNOWN
        .split(", ")
        .any(|known| known.strip_suffix('=') == Some(name))
}

fn is_flag(name: &str) -> bool {
    KNOWN.split(", ").any(|known| known == name)
}

fn seconds(value: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(value.parse().ok()?).ok()
}

fn split(list: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        let taken = match c {
            ',' => {
                all.push(String::new());
                continue;
            }
            '\\' => chars
                .next_if(|next| matches!(next, ',' | '\\'))
                .unwrap_or(c),
            c => c,
        };
        if let Some(last) = all.last_mut() {
            last.push(taken);
        }
    }
    all
}

/// Why a list of options cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionError {
    /// There is no such option.
    Unknown(String),
    /// The option needs a value.
    Missing(String),
    /// The option's value is none.
    Bad {
        /// The option as it was given.
        option: String,
        /// What was expected.
        what: &'static str,
    },
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "unknown mount option '{name}' (known: {KNOWN})"),
            Self::Missing(name) => write!(f, "mount option '{name}' needs a value: {name}=…"),
            Self::Bad { option, what } => write!(f, "mount option '{option}': expected {what}"),
        }
    }
}

impl std::error::Error for OptionError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_options_win_and_fractions_of_seconds_are_kept() {
        let options = MountOptions::parse("ro,attr_timeout=0.25,rw,,allow_other,x-y=z").unwrap();
        assert!(!options.ro);
        assert_eq!(options.attr_timeout, Duration::from_millis(250));
        assert_eq!(options.allow_other, Some(true));
        assert_eq!(MountOptions::parse(""), Ok(MountOptions::default()));
    }

    #[test]
    fn a_comma_can_be_part_of_a_value() {
        let options = MountOptions::parse(r"fsname=a\,b\\c\d,noacl").unwrap();
        assert_eq!(options.fsname, r"a,b\c\d");
        assert!(!options.acl);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let error = |list| MountOptions::parse(list).unwrap_err().to_string();
        assert!(error("rw,atr_timeout=1").starts_with("unknown mount option 'atr_timeout'"));
        assert!(error("bogus").contains("attr_timeout="));
        assert!(error("threads").contains("needs a value"));
        for bad in [
            "threads=0",
            "threads=x",
            "attr_timeout=-1",
            "attr_timeout=nan",
            "ro=1",
        ] {
            assert!(error(bad).contains(bad), "{bad}");
        }
    }

    #[test]
    fn every_known_option_is_understood() {
        for known in KNOWN.split(", ") {
            let option = known.strip_suffix('=').map(|_| format!("{known}7"));
            MountOptions::parse(option.as_deref().unwrap_or(known)).unwrap();
        }
    }
}
