//! The list of CVEs, and that `docs/cves.md` and the tests know each of them; that the promises of
//! `SECURITY.md` have tests that are there.

use std::fs;
use std::path::{Path, PathBuf};

/// Those of QEMU's 9p server that are known.
const OF_QEMU: [&str; 31] = [
    "2015-8556",
    "2016-7116",
    "2016-8577",
    "2016-8578",
    "2016-9102",
    "2016-9103",
    "2016-9104",
    "2016-9105",
    "2016-9106",
    "2016-9602",
    "2016-9913",
    "2016-9914",
    "2016-9915",
    "2016-9916",
    "2017-15038",
    "2017-7377",
    "2017-7471",
    "2017-7493",
    "2017-8086",
    "2018-19364",
    "2018-19489",
    "2021-20181",
    "2023-1386",
    "2023-2861",
    "2026-48004",
    "2026-63318",
    "2026-8348",
    "2026-9238",
    "2026-93834",
    // Found without a number: by QEMU's own issue, and by the name of what went wrong.
    "(issue 3937)",
    "(issue 3358)",
];

/// Those of virtiofsd that a server of this kind may have, too.
const OF_PEERS: [&str; 4] = ["2020-10717", "2020-35517", "2021-20263", "2022-0358"];

/// How many promises there were when the page was written.
const PROMISES: usize = 31;

/// The quoted words of a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The rows of a page's tables: what stands before the last column, and the last column.
fn rows(page: &str) -> Vec<(&str, &str)> {
    page.lines()
        .filter_map(|line| line.strip_prefix("| ")?.rsplit_once(" | "))
        .filter(|(_, shown_by)| !shown_by.starts_with("Shown by"))
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Whether the last column names tests, by file and name, and all are there.
fn assert_shown((row, shown_by): (&str, &str)) {
    let words: Vec<_> = quoted(shown_by).collect();
    let (tests, rest) = words.as_chunks();
    assert!(rest.is_empty() && !tests.is_empty(), "{row}");
    for [file, test] in tests {
        let source = fs::read_to_string(root().join(file));
        let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
        // The escape suite makes its tests of a table.
        let row = format!("    {test}: ");
        if source.contains("macro_rules! columns") && source.lines().any(|l| l.starts_with(&row)) {
            continue;
        }
        let head = source.split_once(&format!("fn {test}()"));
        let (before, _) = head.unwrap_or_else(|| panic!("{file} has no test {test}"));
        let attribute = before.trim_end().ends_with("#[test]");
        assert!(attribute, "{test} in {file} is no test");
    }
}

#[test]
fn each_cve_has_a_row_and_a_test_that_is_named_after_it() {
    let page = fs::read_to_string(root().join("docs/cves.md")).unwrap();
    let rows = rows(&page);
    for number in OF_QEMU.iter().chain(&OF_PEERS) {
        let mut of_number = rows.iter().filter(|(row, _)| row.contains(number));
        let (_, shown_by) = of_number
            .next()
            .unwrap_or_else(|| panic!("no row {number}"));
        if !number.starts_with('(') {
            let name = format!("`cve_{}_", number.replace('-', "_"));
            assert!(shown_by.contains(&name), "no test is named {name}");
        }
    }
    rows.into_iter().for_each(assert_shown);
}

#[test]
fn each_promise_of_security_md_has_a_test_that_is_there() {
    let page = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let (_, promises) = page.split_once("## What is promised").unwrap();
    let (promises, _) = promises.split_once("## What is not promised").unwrap();
    let rows = rows(promises);
    assert!(rows.len() >= PROMISES, "{} promises", rows.len());
    rows.into_iter().for_each(assert_shown);
}
