//! The list of cases that cannot pass on the mount.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::results::Results;
use crate::failure::{At, Result, fail};

/// Cases with their reasons. Names that begin with `classic:` are of the classic suite.
#[derive(Debug, Default)]
pub(crate) struct Exceptions(BTreeMap<String, String>);

impl Exceptions {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Self::parse(&fs::read_to_string(path).at(path.display())?).at(path.display())
    }

    /// Lines of a case and its reason; empty ones and those that begin with `#` mean nothing.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut cases = BTreeMap::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((case, reason)) = line.split_once(char::is_whitespace) else {
                return fail(format!("{line}: no reason"));
            };
            let reason = reason.trim().to_owned();
            if cases.insert(case.to_owned(), reason).is_some() {
                return fail(format!("{case}: listed twice"));
            }
        }
        Ok(Self(cases))
    }

    pub(crate) fn has(&self, case: &str) -> bool {
        self.0.contains_key(case)
    }

    /// Those that are no case of a suite that ran.
    pub(crate) fn unknown<'a>(&'a self, results: &'a Results) -> impl Iterator<Item = &'a str> {
        let classic = results.0.keys().any(|case| case.starts_with("classic:"));
        self.0
            .keys()
            .filter(move |case| classic || !case.starts_with("classic:"))
            .filter(|case| !results.0.contains_key(*case))
            .map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    #[test]
    fn a_case_needs_a_reason_and_one_line() {
        let good = "# comment\n\na::b  why so\nclassic:chmod/12.t:5 why\n";
        let exceptions = Exceptions::parse(good).unwrap();
        assert!(exceptions.has("a::b") && exceptions.has("classic:chmod/12.t:5"));
        assert!(Exceptions::parse("a::b\n").is_err());
        assert!(Exceptions::parse("a::b why\na::b why\n").is_err());
    }

    #[test]
    fn the_lists_of_the_project_can_be_read() {
        for model in Model::ALL {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(model.exceptions());
            Exceptions::read(&path).unwrap();
        }
    }
}
