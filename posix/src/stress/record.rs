//! A file to which all workers append: no record is lost, doubled, torn or out of order.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::failure::{At, Result, fail};

const NAME: &str = "records";

pub(crate) fn create(root: &Path) -> Result {
    File::create_new(root.join(NAME)).at(NAME).map(drop)
}

/// One worker's end of the file.
pub(crate) struct Writer {
    file: File,
    index: u64,
    written: u64,
}

impl Writer {
    pub(crate) fn open(root: &Path, index: u64) -> Result<Self> {
        let file = File::options()
            .append(true)
            .open(root.join(NAME))
            .at(NAME)?;
        let written = 0;
        Ok(Self {
            file,
            index,
            written,
        })
    }

    /// Appends one record by one write.
    pub(crate) fn add(&mut self) -> Result {
        let record = format!("{:4} {:10}\n", self.index, self.written);
        let length = self.file.write(record.as_bytes()).at("append")?;
        if length != record.len() {
            return fail(format!("append: {length} bytes written"));
        }
        self.written += 1;
        Ok(())
    }

    pub(crate) fn written(&self) -> u64 {
        self.written
    }
}

/// Compares the file with what each worker says it wrote, its line `records N`.
pub(crate) fn check(root: &Path, said: &[String]) -> Result {
    let text = fs::read_to_string(root.join(NAME)).at(NAME)?;
    let mut seen = vec![0_u64; said.len()];
    for line in text.lines() {
        let numbers: Vec<u64> = line.split_whitespace().flat_map(str::parse).collect();
        match (numbers.as_slice(), line.len()) {
            (&[index, number], 15) if seen.get(index as usize) == Some(&number) => {
                seen[index as usize] += 1;
            }
            _ => return fail(format!("{NAME}: {line:?} is not the next record")),
        }
    }
    for (index, (said, seen)) in said.iter().zip(seen).enumerate() {
        let line = format!("records {seen}");
        if !said.lines().any(|other| other == line) {
            return fail(format!(
                "{NAME}: {seen} of worker {index}, which said\n{said}"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(counts: [u64; 2]) -> Vec<String> {
        counts.map(|count| format!("records {count}\n")).to_vec()
    }

    #[test]
    fn every_record_once_and_in_order_is_right() {
        let root = tempfile::tempdir_in("/var/tmp").unwrap();
        create(root.path()).unwrap();
        let mut writers = [0, 1].map(|index| Writer::open(root.path(), index).unwrap());
        for index in [0, 1, 1, 0, 1] {
            writers[index].add().unwrap();
        }
        check(root.path(), &said([2, 3])).unwrap();
        assert!(check(root.path(), &said([2, 4])).is_err());
        let text = fs::read_to_string(root.path().join(NAME)).unwrap();
        let swapped: Vec<_> = text.lines().rev().map(|line| format!("{line}\n")).collect();
        fs::write(root.path().join(NAME), swapped.concat()).unwrap();
        assert!(check(root.path(), &said([2, 3])).is_err());
    }
}
