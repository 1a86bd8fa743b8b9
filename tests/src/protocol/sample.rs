//! The files that cases which change nothing read: in a tree made by code from the start, on other
//! backends made when they are first asked for.

use virtfs_client::{Fid, LopenFlags};
use virtfs_vfs::synth::{File, Synth};

use super::Site;
use super::cases::{pattern, put};

/// What [`Site::hello`] holds.
pub(super) const HELLO: &[u8] = b"hello, world\n";
/// The length of [`Site::numbers`], which holds [`pattern`].
pub(super) const NUMBERS: usize = 200_003;
/// How many files [`Site::many`] holds.
pub(super) const MANY: usize = 100;
/// The length of their names, and of their content: long enough that one small message does not
/// list them all.
pub(super) const NAME: usize = 18;
/// How many directories [`Site::deep`] is deep.
pub(super) const DEEP: usize = 40;

/// Adds the files to a tree made by code.
pub(super) fn tree(synth: Synth) -> Synth {
    let many = (0..MANY).fold(synth, |synth, number| {
        let path = format!("many/{}", many_name(number));
        synth.file(path, File::bytes(many_name(number)))
    });
    many.file("hello", File::bytes(HELLO))
        .file("numbers", File::bytes(pattern(NUMBERS)))
        .dir(deep_names().join("/"))
}

/// The name, and the content, of one of many files.
pub(super) fn many_name(number: usize) -> String {
    format!("entry_of_many_{number:04}")
}

/// The names on the way into the deep.
pub(super) fn deep_names() -> Vec<String> {
    (0..DEEP).map(|level| format!("deep{level}")).collect()
}

impl Site {
    /// A small file.
    pub(super) fn hello(&self) -> Fid {
        self.sample("hello", |root| drop(put(root, b"hello", HELLO)))
    }

    /// A file larger than one message.
    pub(super) fn numbers(&self) -> Fid {
        self.sample("numbers", |root| {
            put(root, b"numbers", &pattern(NUMBERS));
        })
    }

    /// A directory with many files.
    pub(super) fn many(&self) -> Fid {
        self.sample("many", |root| {
            root.mkdir(b"many", 0o755, 0).unwrap();
            let dir = root.walk(&["many"]).unwrap();
            for number in 0..MANY {
                let name = many_name(number);
                let file = dir.create(name.as_bytes(), LopenFlags::RDWR, 0o644, 0);
                file.unwrap().write_all_at(name.as_bytes(), 0).unwrap();
            }
        })
    }

    /// The names of a path of many directories, from the root on.
    pub(super) fn deep(&self) -> Vec<String> {
        let names = deep_names();
        self.sample(&names[0], |root| {
            let mut at = root.walk::<&str>(&[]).unwrap();
            for name in &names {
                at.mkdir(name.as_bytes(), 0o755, 0).unwrap();
                at = at.walk(&[name]).unwrap();
            }
        });
        names
    }

    fn sample(&self, name: &str, make: impl FnOnce(&Fid)) -> Fid {
        self.root().walk(&[name]).unwrap_or_else(|_| {
            make(self.root());
            self.root().walk(&[name]).unwrap()
        })
    }
}
