//! Names that a file may have and that programs get wrong.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::rng::Rng;

/// A name no two calls share the number of; most are plain.
pub(crate) fn name(rng: &mut Rng, number: u64) -> OsString {
    let plain = format!("f{number}");
    let bytes = match rng.below(40) {
        0 => format!(" {plain} ").into_bytes(),
        1 => format!("-{plain}").into_bytes(),
        2 => format!("...{plain}").into_bytes(),
        3 => format!("a\nb\t{plain}").into_bytes(),
        4 => format!("\\'\"$`*?[{plain}").into_bytes(),
        5 => format!("äöü–日本語–{plain}").into_bytes(),
        6 => [b"\xff\xfe\x80", plain.as_bytes()].concat(),
        7 => format!("{plain:x<255}").into_bytes(),
        8 => format!("unix:{plain}:!").into_bytes(),
        9 => format!("{plain}.virtfs_metadata").into_bytes(),
        _ => plain.into_bytes(),
    };
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_allowed_and_differ() {
        let mut rng = Rng::new(1);
        let names: Vec<_> = (0..2000).map(|n| name(&mut rng, n).into_vec()).collect();
        for name in &names {
            assert!((1..=255).contains(&name.len()));
            assert!(!name.contains(&b'/') && !name.contains(&0));
        }
        let mut unique = names.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
    }
}
