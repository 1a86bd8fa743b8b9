//! Hard links among the files that are copied: which copy has the first name.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How much is remembered, in bytes: a server may claim that every file has other names. Beyond
/// it, such files become files of their own.
const MEMORY: usize = 64 << 20;

/// The files with several names.
#[derive(Debug, Default)]
pub(crate) struct Links {
    state: Mutex<State>,
    made: Condvar,
}

#[derive(Debug, Default)]
struct State {
    files: HashMap<(u64, u64), File>,
    memory: usize,
}

#[derive(Debug)]
struct File {
    /// Where the copy is, from the base on; none while it is being made.
    path: Option<Vec<Vec<u8>>>,
    /// How many names are still to come.
    left: u64,
}

/// What to do about a file with several names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Copy it, and say where it is, or that it failed.
    First,
    /// Link to the copy at this path.
    Later(Vec<Vec<u8>>),
    /// Copy it as if it had one name.
    Alone,
}

impl Links {
    /// Asks about a file that has so many names. Waits while another thread makes the copy.
    pub(super) fn claim(&self, id: (u64, u64), nlink: u64) -> Claim {
        let mut state = self.lock();
        loop {
            let Some(file) = state.files.get_mut(&id) else {
                if state.memory >= MEMORY {
                    return Claim::Alone;
                }
                state.memory += ENTRY;
                let left = nlink.saturating_sub(1);
                state.files.insert(id, File { path: None, left });
                return Claim::First;
            };
            if let Some(path) = &file.path {
                let path = path.clone();
                file.left = file.left.saturating_sub(1);
                if file.left == 0 {
                    state.files.remove(&id);
                    state.memory = state.memory.saturating_sub(memory(&path));
                }
                return Claim::Later(path);
            }
            state = self
                .made
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The copy has a name now.
    pub(super) fn made(&self, id: (u64, u64), path: Vec<Vec<u8>>) {
        let mut state = self.lock();
        state.memory += memory(&path) - ENTRY;
        if let Some(file) = state.files.get_mut(&id) {
            file.path = Some(path);
        }
        self.made.notify_all();
    }

    /// There is no copy: the next name is the first.
    pub(super) fn failed(&self, id: (u64, u64)) {
        let mut state = self.lock();
        if state.files.remove(&id).is_some() {
            state.memory = state.memory.saturating_sub(ENTRY);
        }
        self.made.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// About what an entry takes without its path.
const ENTRY: usize = 96;

fn memory(path: &[Vec<u8>]) -> usize {
    // About what the allocations add to the names.
    ENTRY + path.iter().map(|name| name.len() + 40).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_names_are_links_to_the_first_until_all_are_made() {
        let links = Links::default();
        let path = vec![b"a".to_vec(), b"b".to_vec()];
        assert_eq!(links.claim((1, 2), 3), Claim::First);
        links.made((1, 2), path.clone());
        assert_eq!(links.claim((1, 2), 3), Claim::Later(path.clone()));
        assert_eq!(links.claim((1, 2), 3), Claim::Later(path));
        assert_eq!(links.lock().memory, 0);
        assert_eq!(links.claim((1, 2), 3), Claim::First);
    }

    #[test]
    fn after_a_failure_the_next_name_is_the_first() {
        let links = Links::default();
        assert_eq!(links.claim((0, 1), 2), Claim::First);
        links.failed((0, 1));
        assert_eq!(links.claim((0, 1), 2), Claim::First);
    }

    #[test]
    fn memory_is_bounded() {
        let links = Links::default();
        links.lock().memory = MEMORY;
        assert_eq!(links.claim((0, 1), 2), Claim::Alone);
    }
}
