//! One piece of work for a guest: a shell script with a few headers.

use std::fs;
use std::io;
use std::path::Path;

use crate::{Cache, Model};

/// A shell script that runs in the guest under `sh -eux`, as root, in an empty directory of the
/// mount, and succeeds or fails by its status. `init/item-lib.sh` is what it can use.
///
/// Comment lines of the form `# name: value` are headers: `seconds` bounds its run (120 if
/// absent), `options` adds mount options, `caches` names the cache modes that it is for, `models` the
/// ownership models (and why not the others), `short` the cache modes in which the short form of a run has it.
#[derive(Debug, Clone)]
pub struct Item {
    name: String,
    text: String,
}

impl Item {
    /// A script given as text. The name becomes a directory of the export: letters, digits, `-`
    /// and `_` only, else `InvalidInput`.
    pub fn inline(name: &str, text: &str) -> io::Result<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("not a name for an item: {name:?}"),
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            text: text.to_owned(),
        })
    }

    /// The script in a file, named as the file without `.sh`.
    pub fn file(path: &Path) -> io::Result<Self> {
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        Self::inline(stem, &fs::read_to_string(path)?)
    }

    /// Every `*.sh` of a folder, in the order of their names.
    pub fn folder(path: &Path) -> io::Result<Vec<Self>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "sh") {
                paths.push(path);
            }
        }
        paths.sort();
        paths.iter().map(|path| Self::file(path)).collect()
    }

    /// The name of the item and of its directory.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The script.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is for this cache mode: without the header `caches`, for every one.
    pub fn is_for(&self, cache: Cache) -> bool {
        self.names("caches", cache.name())
    }

    /// Whether it can hold under this ownership model in this cache mode: without the header
    /// `models`, under every one. The header has `model` or `model/cache`.
    pub fn is_under(&self, model: Model, cache: Cache) -> bool {
        self.names("models", model.name()) || self.names("models", &format!("{model}/{cache}"))
    }

    /// Whether the short form of a run has it in this cache mode: the header `short`, if present,
    /// names the modes.
    pub fn is_short_for(&self, cache: Cache) -> bool {
        self.names("short", cache.name())
    }

    /// What stands behind a semicolon is for people.
    fn names(&self, header: &str, name: &str) -> bool {
        self.header(header)
            .and_then(|value| value.split(';').next())
            .is_none_or(|names| names.split_whitespace().any(|word| word == name))
    }

    /// The value of a header, if the script has it.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| {
            let value = line
                .strip_prefix("# ")?
                .strip_prefix(name)?
                .strip_prefix(':')?;
            Some(value.trim())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_from_comments() {
        let item = Item::inline("a-1", "# Says so.\n# caches: loose mmap\n# seconds: 5\n").unwrap();
        assert_eq!(item.header("seconds"), Some("5"));
        assert_eq!(item.header("options"), None);
        assert!(item.is_for(Cache::Loose) && item.is_for(Cache::Mmap));
        assert!(!item.is_for(Cache::None));
    }

    #[test]
    fn the_reason_behind_the_models_names_none() {
        let item = Item::inline(
            "a",
            "# models: mapped-xattr; for it is none of passthrough\n",
        )
        .unwrap();
        assert!(item.is_under(Model::MappedXattr, Cache::None));
        assert!(!item.is_under(Model::Passthrough, Cache::None));
        assert!(!item.is_under(Model::None, Cache::None));
    }

    #[test]
    fn a_model_may_be_named_for_one_cache_mode() {
        let item = Item::inline("a", "# models: mapped-file none/mmap; why\n").unwrap();
        assert!(item.is_under(Model::MappedFile, Cache::Loose));
        assert!(item.is_under(Model::None, Cache::Mmap));
        assert!(!item.is_under(Model::None, Cache::Loose));
    }

    #[test]
    fn an_item_without_the_header_is_for_every_cache_mode() {
        let item = Item::inline("a", "true").unwrap();
        assert!(
            [Cache::None, Cache::Loose, Cache::Mmap]
                .into_iter()
                .all(|c| item.is_for(c))
        );
    }

    #[test]
    fn a_name_that_is_no_plain_directory_name_is_refused() {
        for name in ["", "-a", "a b", "../a", "a'b"] {
            assert!(Item::inline(name, "").is_err(), "{name:?}");
        }
    }

    #[test]
    fn every_script_of_the_project_is_an_item_with_a_bound() {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        let folders = [
            "", "busybox", "device", "exchange", "peer", "posix", "root", "security",
        ];
        for folder in folders.map(|name| scripts.join(name)) {
            let items = Item::folder(&folder).unwrap();
            assert!(!items.is_empty());
            for item in items {
                let seconds = item.header("seconds").map(str::parse::<u32>);
                assert!(matches!(seconds, Some(Ok(1..))), "{}", item.name());
            }
        }
    }
}
