//! The table of QEMU's defects (`docs/qemu-defects.md`) names tests that there are.

use std::fs;
use std::path::Path;

/// How many defects the table had when it was written.
const DEFECTS: usize = 19;

/// The quoted words of a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn each_defect_of_qemus_has_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let table = fs::read_to_string(root.join("docs/qemu-defects.md")).unwrap();
    let rows: Vec<_> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.rsplit_once(" | "))
        .filter(|(_, shown_by)| !shown_by.starts_with("Shown by"))
        .collect();
    assert!(rows.len() >= DEFECTS, "{} rows", rows.len());
    for (defect, shown_by) in rows {
        let words: Vec<_> = quoted(shown_by).collect();
        let (tests, rest) = words.as_chunks();
        assert!(rest.is_empty() && !tests.is_empty(), "{defect}");
        for [file, test] in tests {
            let source = fs::read_to_string(root.join(file));
            let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
            let head = source.split_once(&format!("fn {test}()"));
            let (before, _) = head.unwrap_or_else(|| panic!("{file} has no test {test}"));
            let attribute = before.trim_end().ends_with("#[test]");
            assert!(attribute, "{test} in {file} is no test");
        }
    }
}
