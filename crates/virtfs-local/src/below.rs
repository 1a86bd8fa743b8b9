//! The directories below one that are still to be read, in bounded memory however many there are.
//!
//! Depth first: of each directory on the way down to the present one, the names below it that are
//! still to be visited. A directory with more of them than there is room for is read on later.

/// How many bytes of names a directory may have here: the first of the way down, and those far
/// down. No path has more than 2,048 names: 16 MiB in all.
const NAMES: usize = 64 << 10;
const NAMES_FAR_DOWN: usize = 4 << 10;
const FAR_DOWN: usize = 128;
/// What the kernel takes for a path (`PATH_MAX`), less the NUL. What lies deeper is left out.
const PATH: usize = 4095;

/// What is still to be read.
#[derive(Debug)]
pub(crate) struct Below {
    /// The way to the directory that is read, or was read last.
    path: Vec<u8>,
    levels: Vec<Level>,
    begun: bool,
}

/// A directory on the way.
#[derive(Debug, Default)]
struct Level {
    /// How long the way to it is, in bytes.
    path: usize,
    /// Names below it, each with its length behind it.
    names: Vec<u8>,
    /// Where it is to be read on.
    from: Option<i64>,
}

impl Default for Below {
    fn default() -> Self {
        let path = b".".to_vec();
        let levels = vec![Level {
            path: path.len(),
            ..Level::default()
        }];
        Self {
            path,
            levels,
            begun: false,
        }
    }
}

impl Below {
    /// The way to the next directory to read, and where to begin in it.
    pub(crate) fn next(&mut self) -> Option<(&[u8], i64)> {
        if !self.begun {
            self.begun = true;
            return Some((&self.path, 0));
        }
        loop {
            let level = self.levels.last_mut()?;
            self.path.truncate(level.path);
            if let Some(name) = level.pop() {
                if self.path.len() + 1 + name.len() > PATH {
                    continue;
                }
                self.path.push(b'/');
                self.path.extend(name);
                self.levels.push(Level {
                    path: self.path.len(),
                    ..Level::default()
                });
                return Some((&self.path, 0));
            }
            if let Some(from) = level.from.take() {
                return Some((&self.path, from));
            }
            self.levels.pop();
        }
    }

    /// A directory was found in the present one, behind whose entry it goes on at `next`. Whether
    /// there is room for more: if not, the present one is to be left, and comes again.
    pub(crate) fn add(&mut self, name: &[u8], next: i64) -> bool {
        let depth = self.levels.len();
        let room = if depth <= FAR_DOWN {
            NAMES
        } else {
            NAMES_FAR_DOWN
        };
        let (Some(level), Ok(length)) = (self.levels.last_mut(), u8::try_from(name.len())) else {
            return true; // No file system of Linux has longer ones.
        };
        level.names.extend(name);
        level.names.push(length);
        let full = level.names.len() + 1 + usize::from(u8::MAX) > room;
        if full {
            level.from = Some(next);
        }
        !full
    }
}

impl Level {
    fn pop(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(self.names.pop()?);
        let at = self.names.len().checked_sub(length)?;
        let name = self.names.split_off(at);
        if self.names.is_empty() {
            self.names = Vec::new();
        }
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Walks a tree in which each directory has so many below it; what was visited.
    fn visit(below_each: usize, depth: usize, name: &str) -> (BTreeSet<Vec<u8>>, usize) {
        let (mut below, mut seen, mut most) = (Below::default(), BTreeSet::new(), 0);
        while let Some((path, from)) = below.next() {
            let level = path.iter().filter(|b| **b == b'/').count();
            if from == 0 {
                assert!(seen.insert(path.to_vec()), "seen twice");
            }
            if level < depth {
                for n in from as usize..below_each {
                    if !below.add(format!("{n:03}{name}").as_bytes(), n as i64 + 1) {
                        break;
                    }
                }
            }
            let bytes = below.levels.iter().map(|level| level.names.len()).sum();
            most = most.max(bytes);
        }
        (seen, most)
    }

    #[test]
    fn each_directory_comes_once_in_bounded_memory() {
        let long = "x".repeat(200);
        let (seen, most) = visit(900, 1, &long);
        assert_eq!(seen.len(), 901);
        assert!(most <= NAMES, "{most}");
        assert_eq!(visit(12, 3, "").0.len(), 1 + 12 + 144 + 1728);
        assert_eq!(visit(0, 1, "").0.len(), 1);
    }

    #[test]
    fn what_no_path_leads_to_is_left_out() {
        let (seen, most) = visit(1, 10_000, "");
        assert_eq!(seen.len(), 1 + (PATH - 1) / 4);
        assert!(most < 16 << 20);
    }
}
