//! The syntax of the other values.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use rustix::thread::CapabilitySet;
use tracing::level_filters::LevelFilter;

/// Whether the server shuts itself in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SandboxMode {
    /// By the strongest of these that can be had; the start says which
    Auto,
    /// By namespaces of its own, with nothing in them but the directories, and Landlock
    Namespace,
    /// By Landlock: no file outside can be opened or changed in its contents, but what can be found out
    /// about files, and their modes, owners, times and attributes, are not covered
    Landlock,
    /// No: only privileges are dropped
    None,
}

/// Capabilities that the server keeps or gives up against the rule: `+chown:-mknod`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModCaps {
    add: CapabilitySet,
    remove: CapabilitySet,
}

impl Default for ModCaps {
    fn default() -> Self {
        Self {
            add: CapabilitySet::empty(),
            remove: CapabilitySet::empty(),
        }
    }
}

impl ModCaps {
    /// Reads what was typed. The last word about a capability counts.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut read = Self::default();
        for word in text.split(':') {
            let name = word.strip_prefix(['+', '-']);
            let name = name.ok_or("each begins with + or -, as in +chown:-mknod")?;
            let upper = name.to_ascii_uppercase();
            let capability = CapabilitySet::from_name(upper.strip_prefix("CAP_").unwrap_or(&upper));
            let capability =
                capability.ok_or_else(|| format!("there is no capability '{name}'"))?;
            read.add.set(capability, word.starts_with('+'));
            read.remove.set(capability, word.starts_with('-'));
        }
        Ok(read)
    }

    /// What becomes of these by it.
    pub(crate) fn change(&self, capabilities: CapabilitySet) -> CapabilitySet {
        (capabilities | self.add) - self.remove
    }
}

/// What becomes of a process that makes a system call that it never makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SeccompMode {
    /// It is killed
    Kill,
    /// The kernel logs it
    Log,
    /// Nothing
    Off,
}

/// Which process makes the calls of tests.
#[cfg(feature = "escape-hook")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EscapeHook {
    /// That of the server
    Server,
    /// That of a VMM
    Vmm,
}

/// How files are found again whose descriptors were closed to save them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InodeFileHandles {
    /// By their names: what the host moves meanwhile is lost to clients
    Never,
    /// By the kernel's file handles too, where it lets the server open them
    Prefer,
    /// By those alone: without them the server does not start
    Mandatory,
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// Only the addresses
    Off,
    /// What the host failed at
    Error,
    /// What is likely not as intended
    Warn,
    /// How the server is set up, VMMs that come and go, and what clients should do better
    Info,
    /// Each connection and each refused request
    Debug,
    /// Everything
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::OFF,
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// `NAME=DIR[,ro]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExportSpec {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) readonly: bool,
}

impl ExportSpec {
    /// Reads what was typed. A directory whose name ends in ",ro" is written with a "/" behind it.
    pub(crate) fn parse(text: OsString) -> Result<Self, String> {
        let bytes = text.as_bytes();
        let equals = bytes.iter().position(|byte| *byte == b'=');
        let (name, dir) = equals
            .and_then(|at| Some((bytes.get(..at)?, bytes.get(at + 1..)?)))
            .ok_or("an export is NAME=DIR, as in src=/usr/src,ro")?;
        let (dir, readonly) = match dir.strip_suffix(b",ro") {
            Some(dir) => (dir, true),
            None => (dir, false),
        };
        let name = std::str::from_utf8(name).map_err(|_| "the name is not UTF-8")?;
        if name.is_empty() || name.contains([',', '/']) || name.contains(char::is_whitespace) {
            return Err("the name must not be empty nor have commas, slashes or spaces".into());
        }
        if dir.is_empty() {
            return Err("the directory is missing".into());
        }
        Ok(Self {
            name: name.into(),
            dir: OsStr::from_bytes(dir).into(),
            readonly,
        })
    }
}

/// A vhost-user device: `SOCK,tag=TAG[,export=NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceSpec {
    pub(crate) path: PathBuf,
    pub(crate) tag: String,
    /// The only export that the device serves; `None`: all.
    pub(crate) export: Option<String>,
}

impl DeviceSpec {
    /// Reads what was typed. The path ends at the first ",tag=" or ",export=".
    pub(crate) fn parse(text: OsString) -> Result<Self, String> {
        const FORM: &str = "a device is SOCK,tag=TAG or SOCK,tag=TAG,export=NAME";
        let bytes = text.as_bytes();
        let is_key = |rest: &[u8]| rest.starts_with(b",tag=") || rest.starts_with(b",export=");
        let end = (0..bytes.len()).find(|at| bytes.get(*at..).is_some_and(is_key));
        let (path, rest) = bytes.split_at_checked(end.ok_or(FORM)?).ok_or(FORM)?;
        if path.is_empty() {
            return Err("the path of the socket is missing, as in /run/vm.sock,tag=home".into());
        }
        let (mut tag, mut export) = (None, None);
        let rest = std::str::from_utf8(rest).map_err(|_| "the tag is not UTF-8")?;
        for pair in rest.split(',').skip(1) {
            let (key, value) = pair.split_once('=').ok_or(FORM)?;
            let known = match key {
                "tag" => &mut tag,
                "export" => &mut export,
                _ => return Err(format!("there is no '{key}=': {FORM}")),
            };
            if known.replace(value.to_owned()).is_some() {
                return Err(format!("'{key}=' is given twice"));
            }
        }
        Ok(Self {
            path: OsStr::from_bytes(path).into(),
            tag: tag.ok_or("the device's tag is missing, as in /run/vm.sock,tag=home")?,
            export,
        })
    }
}

/// The smallest msize that clients may be held to, and the largest: one request and its reply
/// must fit several times into what a session may have in flight.
const MSIZE: std::ops::RangeInclusive<u32> = 4096..=16 << 20;

/// Reads a number of bytes: `8192`, `512K`, `1M`.
pub(super) fn msize(text: &str) -> Result<u32, String> {
    let (digits, unit) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1 << 10),
        None => match text.strip_suffix(['M', 'm']) {
            Some(digits) => (digits, 1 << 20),
            None => (text, 1),
        },
    };
    let bytes = digits.parse::<u32>().ok().and_then(|n| n.checked_mul(unit));
    bytes
        .filter(|bytes| MSIZE.contains(bytes))
        .ok_or_else(|| "bytes from 4096 to 16M are allowed, as in 512K".into())
}

/// Reads a time in seconds, such as `30` or `0.5`.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "a number of seconds is expected, as in 30 or 0.5".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_added_and_taken_away_by_name() {
        let change = |text| ModCaps::parse(text).unwrap().change(CapabilitySet::MKNOD);
        assert_eq!(change("-mknod"), CapabilitySet::empty());
        let both = CapabilitySet::CHOWN | CapabilitySet::DAC_OVERRIDE;
        assert_eq!(change("+chown:-MKNOD:+cap_dac_override"), both);
        assert_eq!(change("-mknod:+mknod"), CapabilitySet::MKNOD);
        for wrong in ["", "chown", "+", "+nothing", "+chown,-mknod", "+chown:"] {
            assert!(ModCaps::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seconds_are_not_negative() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        for wrong in ["-1", "", "x", "inf", "nan", "1s"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_device_has_a_path_and_a_tag_and_perhaps_one_export() {
        let parse = |text: &str| DeviceSpec::parse(text.into());
        let spec = parse("/run/a,b=c.sock,tag=home").unwrap();
        assert_eq!(spec.path, PathBuf::from("/run/a,b=c.sock"));
        assert_eq!((spec.tag.as_str(), spec.export), ("home", None));
        let spec = parse("rel.sock,export=src,tag=a=b").unwrap();
        assert_eq!(
            (spec.tag.as_str(), spec.export.as_deref()),
            ("a=b", Some("src"))
        );
        for wrong in [
            "",
            "/run/a.sock",
            "/run/a.sock,export=src",
            ",tag=home",
            "/run/a.sock,tag=a,tag=b",
            "/run/a.sock,tag=a,ro",
            "/run/a.sock,tag=a,mode=b",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_units_and_limits() {
        assert_eq!(msize("4096"), Ok(4096));
        assert_eq!(msize("512K"), Ok(512 << 10));
        assert_eq!(msize("16m"), Ok(16 << 20));
        for wrong in ["4095", "17M", "4294967295M", "1G", "", "K", "-1"] {
            assert!(msize(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_export_has_a_name_and_a_directory_that_may_have_commas() {
        let parse = |text: &str| ExportSpec::parse(text.into());
        let spec = parse("src=/a=b,c,ro").unwrap();
        assert_eq!((spec.name.as_str(), spec.readonly), ("src", true));
        assert_eq!(spec.dir, PathBuf::from("/a=b,c"));
        assert!(!parse("src=/a,ro/").unwrap().readonly);
        for wrong in ["/srv", "=/srv", "a,b=/srv", "a b=/srv", "a=", "a=,ro"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
