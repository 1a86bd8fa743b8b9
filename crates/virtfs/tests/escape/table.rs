//! What is expected: `table.txt`.

use std::collections::BTreeMap;
use std::fmt;

/// What came of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The process was killed for it.
    Killed,
    /// It had no effect.
    Refused,
    /// It had an effect.
    Open,
}

impl Outcome {
    fn parse(word: &str) -> Option<Self> {
        [Self::Killed, Self::Refused, Self::Open]
            .into_iter()
            .find(|outcome| outcome.to_string() == word)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Killed => "killed",
            Self::Refused => "-",
            Self::Open => "OPEN",
        })
    }
}

/// The outcome of each attack, by its name.
pub(crate) type Outcomes = BTreeMap<String, Outcome>;

/// One column.
pub(crate) fn column(name: &str) -> Outcomes {
    let mut lines = include_str!("table.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut names = lines.next().unwrap().split_whitespace();
    let at = names.position(|column| column == name);
    let at = at.unwrap_or_else(|| panic!("no column {name}"));
    let cell = |line: &str| {
        let mut words = line.split_whitespace();
        let attack = words.next().unwrap().to_owned();
        let word = words.nth(at - 1).unwrap_or_default();
        let outcome = Outcome::parse(word);
        let outcome = outcome.unwrap_or_else(|| panic!("{attack}, {name}: {word:?}"));
        (attack, outcome)
    };
    lines.map(cell).collect()
}
