//! The names that `mapped-file` keeps for itself, in every directory.

/// The folder with the metadata of a directory's entries.
pub(crate) const FOLDER: &[u8] = b".virtfs_metadata";
/// The metadata of the root.
pub(crate) const ROOT: &[u8] = b".virtfs_metadata_root";

/// Whether a name is one of these, or might lead there where the host's directory takes several
/// spellings for one name: other case, characters that are ignored, trailing dots and spaces.
pub(crate) fn is_reserved(name: &[u8]) -> bool {
    if name.is_ascii() {
        let end = name.iter().rposition(|b| !matches!(b, b'.' | b' '));
        let name = name.get(..=end.unwrap_or(0)).unwrap_or_default();
        return name.eq_ignore_ascii_case(FOLDER) || name.eq_ignore_ascii_case(ROOT);
    }
    // Only valid UTF-8 is folded by those who fold.
    let Ok(name) = str::from_utf8(name) else {
        return false;
    };
    let folded: String = name
        .chars()
        .filter(|c| !is_ignored(*c))
        // The only letter beyond ASCII that folds to one of these names'.
        .map(|c| if c == 'ſ' { 's' } else { c })
        .collect();
    folded.is_ascii() && is_reserved(folded.as_bytes())
}

/// Whether a comparison without case passes over it (`Default_Ignorable_Code_Point`).
fn is_ignored(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_reserved_and_nothing_else() {
        for name in [
            ".virtfs_metadata",
            ".virtfs_metadata_root",
            ".VIRTFS_Metadata",
            ".virtfs_metadata. .",
            ".virtf\u{17f}_metadata",
            "\u{feff}.virtfs_meta\u{200d}data",
        ] {
            assert!(is_reserved(name.as_bytes()), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "...",
            ".virtfs_metadat",
            ".virtfs_metadata_",
            "virtfs_metadata",
            ".virtfs_metadata_röot",
        ] {
            assert!(!is_reserved(name.as_bytes()), "{name}");
        }
        assert!(!is_reserved(b".virtfs_metadata\xff"));
    }
}
