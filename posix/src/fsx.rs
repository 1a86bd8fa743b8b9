//! fsx: random operations on one file, every read compared with what must be there. Each file of
//! `fsx/` is a variant.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::failure::{At, Result, fail};
use crate::model::Model;
use crate::place::{Place, new_share};
use crate::running::Running;
use crate::{Run, Where};

const LIMIT: Duration = Duration::from_secs(3600);

/// Runs the variants that this form of a run has, one after the other.
pub(crate) fn run(run: &Run) -> Result {
    let share = new_share(&run.dir, "fsx")?;
    let place = match run.place {
        Where::Host => Place::host(&share),
        Where::Mount => Place::mounted(&run.virtfs, Model::Passthrough, &share, &run.options)?,
    };
    for variant in variants(&run.folder.join("fsx"))? {
        let Some(operations) = variant.operations(run.long) else {
            continue;
        };
        variant.run(run, &place, operations)?;
    }
    place.end()
}

/// A configuration file of fsx with headers: comment lines `# name: value`.
struct Variant {
    path: PathBuf,
    text: String,
}

impl Variant {
    /// How many operations the long or the short form has; `None` if it leaves the variant out.
    fn operations(&self, long: bool) -> Option<u64> {
        self.header(if long { "long" } else { "short" })?
            .parse()
            .ok()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| {
            let line = line.strip_prefix("# ")?.strip_prefix(name)?;
            Some(line.strip_prefix(':')?.trim())
        })
    }

    fn name(&self) -> String {
        self.path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    fn run(&self, run: &Run, place: &Place, operations: u64) -> Result {
        let (name, began) = (self.name(), Instant::now());
        let file = place.path().join(&name);
        let made = fs::File::create(&file).at(file.display())?;
        // In block mode the file has its size before fsx comes.
        if let Some(size) = self.header("size") {
            made.set_len(size.parse().at("size")?)?;
        }
        drop(made);
        let mut command = Command::new(run.tools.join("fsx"));
        command
            .arg("-f")
            .arg(&self.path)
            .args(["-N", &operations.to_string()])
            .args(["-S", &run.seed.to_string()])
            .arg("-P")
            .arg(&run.dir)
            .args(self.header("flags").unwrap_or_default().split_whitespace())
            .arg(&file);
        Running::run(&mut command, LIMIT)
            .at(format!("fsx {name}"))
            .at_log(place)?;
        // What fsx read is what the host has, or fsx itself was served from a cache.
        let host = fs::read(place.share().join(&name)).at(&name)?;
        if host != fs::read(&file).at(file.display())? {
            return fail(format!("fsx {name}: the host has other bytes"));
        }
        println!(
            "fsx {name}: {operations} operations, {:.1} s",
            began.elapsed().as_secs_f64()
        );
        Ok(())
    }
}

trait AtLog {
    fn at_log(self, place: &Place) -> Result;
}

impl<T> AtLog for Result<T> {
    fn at_log(self, place: &Place) -> Result {
        self.map(drop)
            .or_else(|failure| fail(format!("{failure}\n{}", place.log())))
    }
}

fn variants(folder: &Path) -> Result<Vec<Variant>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).at(folder.display())? {
        let path = entry?.path();
        let text = fs::read_to_string(&path).at(path.display())?;
        found.push(Variant { path, text });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_is_in_the_long_form_and_two_are_in_the_short() {
        let variants = variants(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fsx")).unwrap();
        assert!(variants.iter().all(|v| v.operations(true).is_some()));
        let short = variants.iter().filter(|v| v.operations(false).is_some());
        assert_eq!(short.count(), 2);
    }
}
