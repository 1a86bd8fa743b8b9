//! The list of deliberate differences, `differences.txt`.
//!
//! A line is `MESSAGE FIELD QEMU VIRTFS CONDITIONS  REASON`. MESSAGE is the request's name. FIELD is
//! `answer`, a part of the reply, or what is on the disk after the request (`tree.mode`). QEMU and
//! VIRTFS are what each says there: for an answer `OK`, an errno, or `error` for any errno. In these
//! four, several can stand with commas between, and `*` for any. CONDITIONS are joined by `+`, `-` for
//! none; see [`Case::holds`].

use std::cell::Cell;

use crate::case::{Case, WITNESS};
use crate::compare::Difference;
use crate::failure::{Result, fail};
use crate::model::Model;

/// The list, and how often each entry was met.
#[derive(Debug, Default)]
pub(crate) struct Differences(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    line: String,
    messages: Vec<String>,
    fields: Vec<String>,
    qemu: Vec<String>,
    virtfs: Vec<String>,
    conditions: Vec<String>,
    met: Cell<u64>,
}

/// What a listed difference means for the schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Listed {
    /// Both sides go on alike.
    Goes,
    /// One side has done what the other has not: nothing more can be compared.
    Apart,
}

impl Differences {
    /// Reads the list.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut entries = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.split_whitespace();
            let mut word = || words.next().unwrap_or_default();
            let list = |word: &str| word.split(',').map(str::to_owned).collect::<Vec<_>>();
            let (messages, fields) = (list(word()), list(word()));
            let (qemu, virtfs) = (list(word()), list(word()));
            let conditions = match word() {
                "-" => Vec::new(),
                some => some.split('+').map(str::to_owned).collect(),
            };
            if words.next().is_none() {
                return fail(format!("{line}: no reason"));
            }
            if let Some(odd) = conditions.iter().find(|name| !Case::knows(name)) {
                return fail(format!("{line}: there is no condition '{odd}'"));
            }
            entries.push(Entry {
                line: line.to_owned(),
                messages,
                fields,
                qemu,
                virtfs,
                conditions,
                met: Cell::new(0),
            });
        }
        Ok(Self(entries))
    }

    /// Whether a difference is listed, and what follows.
    pub(crate) fn find(&self, case: &Case<'_>, found: &Difference) -> Option<Listed> {
        let entry = self.0.iter().find(|entry| entry.matches(case, found))?;
        entry.met.set(entry.met.get() + 1);
        let one_sided = found.field == "answer" && (found.qemu == "OK") != (found.virtfs == "OK");
        let broken = found.qemu == "BROKEN" || found.virtfs == "BROKEN";
        let on_disk = found.field.starts_with("tree.");
        let marked = entry.conditions.iter().any(|name| name == "apart");
        if marked || broken || on_disk || one_sided && !case.only_looks() {
            Some(Listed::Apart)
        } else {
            Some(Listed::Goes)
        }
    }

    /// The entries for a model, each with how often it was met and whether a witness
    /// meets it.
    pub(crate) fn met(&self, model: Model) -> impl Iterator<Item = (&str, u64, bool)> {
        self.0
            .iter()
            .filter(move |entry| {
                let conditions = entry.conditions.iter();
                conditions
                    .filter_map(|name| Case::of_model(name, model))
                    .all(|holds| holds)
            })
            .map(|entry| {
                let witness = entry.conditions.iter().any(|name| name == WITNESS);
                (entry.line.as_str(), entry.met.get(), witness)
            })
    }
}

impl Entry {
    fn matches(&self, case: &Case<'_>, found: &Difference) -> bool {
        let has = |list: &[String], value: &str| {
            list.iter().any(|one| match one.as_str() {
                "*" => true,
                "error" => !["OK", "BROKEN", "GARBAGE"].contains(&value),
                one => one == value,
            })
        };
        has(&self.messages, found.message)
            && has(&self.fields, found.field)
            && has(&self.qemu, &found.qemu)
            && has(&self.virtfs, &found.virtfs)
            && self.conditions.iter().all(|name| case.holds(name, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_needs_a_reason_and_conditions_that_exist() {
        assert!(Differences::parse("Tlock status SUCCESS BLOCKED -  because\n").is_ok());
        assert!(Differences::parse("Tlock status SUCCESS BLOCKED -\n").is_err());
        assert!(Differences::parse("Tlock status SUCCESS BLOCKED odd  because\n").is_err());
    }

    #[test]
    fn the_list_of_the_project_can_be_read() {
        Differences::parse(include_str!("../differences.txt")).unwrap();
    }
}
