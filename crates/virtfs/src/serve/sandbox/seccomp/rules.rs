//! What a filter says: calls, some only with certain arguments.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// A condition on one argument. What the kernel does not look at in an argument is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// The low 32 bits are this.
    Is(u8, u32),
    /// The low 32 bits are not this.
    Not(u8, u32),
    /// The 64 bits are not this.
    NotWhole(u8, u64),
    /// All 64 bits are this.
    Whole(u8, u64),
    /// Of these 64 bits the argument has those.
    Bits(u8, u64, u64),
    /// The low 32 bits, as a number without a sign, are this at most.
    AtMost(u8, u32),
}

/// Calls by their numbers, each with its cases: the call matches if all conditions of one of them
/// hold. With no case it always does, and then costs next to nothing, since the kernel remembers it.
#[derive(Debug, Default)]
pub(super) struct Calls(BTreeMap<i64, Vec<Vec<Condition>>>);

impl Calls {
    /// Adds calls whatever their arguments are.
    pub(super) fn add(&mut self, calls: &[libc::c_long]) -> &mut Self {
        for call in calls {
            self.0.insert(number(*call), Vec::new());
        }
        self
    }

    /// Adds a call where these conditions hold, unless it is there without any.
    pub(super) fn add_if(&mut self, call: libc::c_long, all: &[Condition]) -> &mut Self {
        match self.0.entry(number(call)) {
            Entry::Vacant(new) => {
                new.insert(vec![all.to_vec()]);
            }
            Entry::Occupied(mut old) if !old.get().is_empty() => old.get_mut().push(all.to_vec()),
            Entry::Occupied(_) => {}
        }
        self
    }

    /// Adds a call where one argument is one of these.
    pub(super) fn add_one_of(
        &mut self,
        call: libc::c_long,
        argument: u8,
        values: &[libc::c_int],
    ) -> &mut Self {
        for value in values {
            self.add_if(call, &[Condition::Is(argument, value.cast_unsigned())]);
        }
        self
    }

    /// Whether a call is there, if only in some case.
    pub(super) fn has(&self, call: libc::c_long) -> bool {
        self.0.contains_key(&number(call))
    }

    /// Makes a call match always, whose cases were each about one value of an argument. What it
    /// matches now and did not before.
    pub(super) fn widen(&mut self, call: libc::c_long) -> Vec<Condition> {
        let cases = self.0.insert(number(call), Vec::new()).unwrap_or_default();
        let others = cases
            .iter()
            .flatten()
            .filter_map(|condition| match *condition {
                Condition::Is(at, value) => Some(Condition::Not(at, value)),
                _ => None,
            });
        others.collect()
    }

    /// All of them, by number.
    pub(super) fn into_cases(self) -> impl Iterator<Item = (i64, Vec<Vec<Condition>>)> {
        self.0.into_iter()
    }

    /// The cases of a call; none if it is not there.
    #[cfg(test)]
    pub(super) fn cases(&self, call: libc::c_long) -> Option<&[Vec<Condition>]> {
        self.0.get(&number(call)).map(Vec::as_slice)
    }
}

/// `c_long` is narrower where there are no filters.
fn number(call: libc::c_long) -> i64 {
    #[allow(clippy::useless_conversion, reason = "of 64 bits already here")]
    i64::from(call)
}
