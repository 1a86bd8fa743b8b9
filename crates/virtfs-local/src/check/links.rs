//! Hard links under `mapped-file`: all names of a file are to share one metadata file.

use rustc_hash::FxHashMap;

use super::problem::Problem;
use crate::inode::InodeId;
use crate::ownership::mapped::Values;

/// How much may be remembered for names that have not all been met, in bytes.
const BUDGET: usize = 64 << 20;
/// What a file costs beside its path.
const COST: usize = 128;
/// The longest path that is remembered.
const PATH: usize = 512;

/// A metadata file, and what it says.
pub(super) type Stored = Option<(InodeId, Values)>;

/// The files of which one name was met.
#[derive(Default)]
pub(super) struct Links {
    first: FxHashMap<InodeId, First>,
    used: usize,
    /// Whether a file was passed over for want of room.
    pub(super) full: bool,
}

struct First {
    stored: Stored,
    path: Box<[u8]>,
    /// How many names are still to come.
    left: u32,
}

impl First {
    fn cost(&self) -> usize {
        COST + self.path.len()
    }
}

impl Links {
    /// Meets one of a file's `names` names.
    pub(super) fn meet(
        &mut self,
        file: InodeId,
        names: u32,
        path: &[u8],
        stored: Stored,
    ) -> Option<Problem> {
        let Some(first) = self.first.get_mut(&file) else {
            let path = if path.len() <= PATH { path } else { b"" };
            let first = First {
                stored,
                path: path.into(),
                left: names.saturating_sub(1),
            };
            if self.used + first.cost() > BUDGET {
                self.full = true;
            } else {
                self.used += first.cost();
                self.first.insert(file, first);
            }
            return None;
        };
        let problem = differ(first, &stored);
        first.left = first.left.saturating_sub(1);
        if first.left == 0
            && let Some(first) = self.first.remove(&file)
        {
            self.used = self.used.saturating_sub(first.cost());
        }
        problem
    }
}

fn differ(first: &First, stored: &Stored) -> Option<Problem> {
    let values = |stored: &Stored| stored.map(|(_, values)| values).unwrap_or_default();
    let other = match first.path.len() {
        0 => "another name of it".into(),
        _ => format!("its name '{}'", first.path.escape_ascii()),
    };
    let mend = "remove the metadata file of the wrong one, and link the right one there";
    if values(&first.stored) != values(stored) {
        let what = format!("a hard link with other metadata than {other}");
        return Some(Problem::error(what, mend));
    }
    let same = first.stored.map(|(id, _)| id) == stored.map(|(id, _)| id);
    (!same).then(|| {
        let what = format!(
            "a hard link with a metadata file of its own, beside that of {other}: the next change \
             is to one of them"
        );
        Problem::warning(what, mend)
    })
}
