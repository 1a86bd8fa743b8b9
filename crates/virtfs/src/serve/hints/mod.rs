//! The commands that mount what is served, and the lines that attach it to virtual machines.

mod vmm;

use std::fmt::Write;
use std::net::SocketAddr;

pub(super) use self::vmm::vmm_lines;

use super::export::OpenExport;
use super::listen::{Reach, Source};

/// The largest message that Linux takes over a socket or pipe.
const LINUX_MSIZE: u32 = 1 << 20;

/// What to know about the cache.
const CACHE: &str = "\
# cache=mmap   always fresh, and programs can share memory maps (sqlite's WAL, for one)
# cache=none   always fresh, nothing is kept in the client
# cache=loose  fastest, but only right while nobody else changes the files
";

/// The mount commands for all sources and exports.
pub(super) fn mount_commands(sources: &[Source], exports: &[OpenExport], msize: u32) -> String {
    let mut text = String::new();
    for source in sources {
        let Some(way) = Way::of(source) else { continue };
        let _ = writeln!(text, "# {}: {}", source.name, way.comment);
        for export in exports {
            let msize = msize.min(LINUX_MSIZE);
            let aname = export.aname.as_deref();
            text += &mount_command(&way.options, &way.device, export.readonly, aname, msize);
        }
    }
    text
}

/// What to know about what the commands say.
pub(super) fn notes() -> &'static str {
    CACHE
}

/// The command that mounts an export.
fn mount_command(
    transport: &str,
    device: &str,
    readonly: bool,
    aname: Option<&str>,
    msize: u32,
) -> String {
    let mut options =
        format!("{transport},version=9p2000.L,msize={msize},cache=mmap,access=client");
    if readonly {
        options.push_str(",ro");
    }
    if let Some(aname) = aname {
        let _ = write!(options, ",aname={aname}");
    }
    let (options, device) = (quoted(&options), quoted(device));
    format!("mount -t 9p -o {options} {device} /mnt\n")
}

/// How Linux gets to a source.
struct Way {
    comment: &'static str,
    options: String,
    device: String,
}

impl Way {
    fn of(source: &Source) -> Option<Self> {
        Some(match &source.reach {
            Reach::Unix(path) => Self {
                comment: "on this host, as root",
                options: "trans=unix".into(),
                device: path.display().to_string(),
            },
            Reach::Tcp(address) => Self::tcp(*address),
            Reach::Descriptor => Self {
                comment: "by the program that holds the other end; N is its descriptor",
                options: "trans=fd,rfdno=N,wfdno=N".into(),
                device: "virtfs".into(),
            },
            Reach::Unknown => return None,
        })
    }

    fn tcp(address: SocketAddr) -> Self {
        let host = address.ip().to_canonical();
        let (comment, device) = if host.is_unspecified() {
            (
                "as root, with an address of this host for ADDRESS",
                "ADDRESS".into(),
            )
        } else if host.is_loopback() {
            (
                "as root; in a QEMU guest with '-netdev user' the address is 10.0.2.2",
                host.to_string(),
            )
        } else {
            ("as root", host.to_string())
        };
        Self {
            comment,
            options: format!("trans=tcp,port={}", address.port()),
            device,
        }
    }
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,=:@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::listen::Kind;
    use crate::serve::ownership::Ownership;

    fn commands(reach: Reach, anames: &[Option<&str>]) -> Vec<String> {
        let fd = || std::fs::File::open("/dev/null").unwrap().into();
        let exports: Vec<_> = anames
            .iter()
            .map(|aname| OpenExport {
                name: Vec::new(),
                aname: aname.map(Into::into),
                dir: fd(),
                readonly: false,
                ownership: Ownership::default(),
            })
            .collect();
        let source = Source {
            name: "x".into(),
            kind: Kind::Socket(fd()),
            reach,
        };
        let text = mount_commands(&[source], &exports, 16 << 20);
        let commands = text.lines().filter(|line| line.starts_with("mount"));
        commands.map(Into::into).collect()
    }

    #[test]
    fn each_export_gets_a_command_with_an_msize_that_linux_takes() {
        let address = "127.0.0.1:43219".parse().unwrap();
        assert_eq!(
            commands(Reach::Tcp(address), &[None, Some("src")]),
            [
                "mount -t 9p -o trans=tcp,port=43219,version=9p2000.L,msize=1048576,cache=mmap,\
                 access=client 127.0.0.1 /mnt",
                "mount -t 9p -o trans=tcp,port=43219,version=9p2000.L,msize=1048576,cache=mmap,\
                 access=client,aname=src 127.0.0.1 /mnt",
            ]
        );
    }

    #[test]
    fn odd_paths_are_quoted_for_the_shell() {
        let [command] = &commands(Reach::Unix("/a b'c".into()), &[None])[..] else {
            panic!("one command is expected");
        };
        assert!(
            command.ends_with(r"access=client '/a b'\''c' /mnt"),
            "{command}"
        );
    }

    #[test]
    fn no_command_is_made_up_where_linux_cannot_go() {
        assert!(commands(Reach::Unknown, &[None]).is_empty());
    }
}
