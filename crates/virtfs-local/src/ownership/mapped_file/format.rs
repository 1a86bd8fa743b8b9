//! The text of a metadata file: a line `key=value` for each value that is stored.

use std::fmt::Write;

use crate::ownership::mapped::Values;

/// How much of a metadata file is looked at, in bytes. No server writes more than a hundred.
pub(crate) const MAX: usize = 4096;
/// The longest line that QEMU reads at once, in bytes; the rest is the next line.
pub(crate) const LINE: usize = 99;

/// Begins the line that tells of a rename: to the file with this inode number belong not the values
/// of the text but those of the line, for it takes the place of the file that they belong to.
/// QEMU passes over it.
pub(crate) const SUCCESSOR: &str = "successor=";
/// Begins each of the other lines.
const PREFIX: &str = "virtfs.";

/// The values in a text, whatever it is. A value that is no number counts as missing.
pub(crate) fn parse(text: &[u8]) -> Values {
    lines(text).fold(Values::default(), |mut values, line| {
        take(&mut values, line);
        values
    })
}

/// The values in a text for the file with this inode number, if they are in the line of a rename
/// that was not brought to its end.
pub(crate) fn parse_successor(text: &[u8], inode: u64) -> Option<Values> {
    let line = lines(text).rfind(|line| line.starts_with(SUCCESSOR.as_bytes()))?;
    let mut words = line.get(SUCCESSOR.len()..)?.split(|b| *b == b' ');
    let number = str::from_utf8(words.next()?).ok()?;
    (number.parse() == Ok(inode)).then(|| {
        words.fold(Values::default(), |mut values, word| {
            take(&mut values, &[PREFIX.as_bytes(), word].concat());
            values
        })
    })
}

/// The line of a rename, to be added to a text. At most 98 bytes: no part of it begins what QEMU
/// takes for a line.
pub(super) fn successor(inode: u64, values: &Values) -> String {
    let values = text(values).replace(PREFIX, "").replace('\n', " ");
    format!("\n{SUCCESSOR}{inode} {}\n", values.trim_end())
}

/// The lines as QEMU reads them.
fn lines(text: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    text.split(|b| *b == b'\n')
        .flat_map(|line| line.chunks(LINE))
}

fn take(values: &mut Values, line: &[u8]) {
    let value = |key: &str| {
        let rest = line.strip_prefix(key.as_bytes())?.get(1..)?;
        number(rest)
    };
    if let Some(uid) = value("virtfs.uid") {
        values.uid = Some(uid).filter(|id| *id != u32::MAX);
    } else if let Some(gid) = value("virtfs.gid") {
        values.gid = Some(gid).filter(|id| *id != u32::MAX);
    } else if let Some(mode) = value("virtfs.mode") {
        values.mode = Some(mode);
    } else if let Some(rdev) = value("virtfs.rdev") {
        values.rdev = Some(rdev.into());
    }
}

/// A decimal number of 32 bits, signed or not, as far as it goes.
fn number(text: &[u8]) -> Option<u32> {
    let text = text.trim_ascii_start();
    let (negative, text) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let digits = str::from_utf8(text.get(..digits)?).ok()?;
    let number: i64 = digits.parse().ok()?;
    match negative {
        true => i32::try_from(-number).ok().map(i32::cast_unsigned),
        false => u32::try_from(number).ok(),
    }
}

/// Writes the values as QEMU does.
pub(super) fn text(values: &Values) -> String {
    let rdev = values.rdev.map(|rdev| rdev as u32);
    let mut text = String::new();
    for (key, value) in [
        ("uid", values.uid),
        ("gid", values.gid),
        ("mode", values.mode),
        ("rdev", rdev),
    ] {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{PREFIX}{key}={}", value.cast_signed());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Values = Values {
        uid: Some(1000),
        gid: Some(u32::MAX - 1),
        mode: Some(0o020_640),
        rdev: Some(0xfff0_0000),
    };

    #[test]
    fn values_are_written_as_qemu_writes_them() {
        let expected = "virtfs.uid=1000\nvirtfs.gid=-2\nvirtfs.mode=8608\nvirtfs.rdev=-1048576\n";
        assert_eq!(text(&ALL), expected);
        assert_eq!(parse(expected.as_bytes()), ALL);
        assert_eq!(text(&Values::default()), "");
        let mode = Values {
            mode: Some(0o100_644),
            ..Values::default()
        };
        assert_eq!(text(&mode), "virtfs.mode=33188\n");
    }

    #[test]
    fn whatever_else_is_there_is_passed_over() {
        let text = b"\n\nother=1\nvirtfs.uid= +7junk\r\nvirtfs.gid=x\nvirtfs.mode=\nvirtfs.rdev";
        let uid = Values {
            uid: Some(7),
            ..Values::default()
        };
        assert_eq!(parse(text), uid);
        for text in [
            &b"virtfs.uid=4294967296"[..],
            b"virtfs.uid=-2147483649",
            b"virtfs.uid=-1",
            b"virtfs.uid=99999999999999999999999",
            b"virtfs.uid=-",
            b"\xff\x00\x01virtfs.uid=1",
            b"virtfs.uid",
        ] {
            assert_eq!(parse(text), Values::default(), "{text:?}");
        }
        // The last of several counts; no octal.
        assert_eq!(parse(b"virtfs.uid=1\nvirtfs.uid=010\n").uid, Some(10));
    }

    #[test]
    fn the_line_of_a_rename_counts_for_its_file_alone_and_is_one_line_to_qemu() {
        let all = Values {
            uid: Some(1 << 31),
            gid: Some(1 << 31),
            mode: Some(1 << 31),
            rdev: Some(1 << 31),
        };
        let line = successor(u64::MAX, &all);
        assert!(line.trim().len() < LINE, "{line}");
        let mut text = b"virtfs.uid=1".to_vec();
        text.extend(line.as_bytes());
        let uid = Values {
            uid: Some(1),
            ..Values::default()
        };
        assert_eq!(parse(&text), uid);
        assert_eq!(parse_successor(&text, u64::MAX), Some(all));
        assert_eq!(parse_successor(&text, 5), None);
        // The last one counts.
        text.extend(successor(5, &Values::default()).as_bytes());
        assert_eq!(parse_successor(&text, u64::MAX), None);
        assert_eq!(parse_successor(&text, 5), Some(Values::default()));
        assert_eq!(parse(&text), uid);
        for text in ["", "successor=", "successor=x uid=1", "successor=5uid=1"] {
            assert_eq!(parse_successor(text.as_bytes(), 5), None, "{text}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_goes_on_as_another() {
        let mut text = vec![b'x'; 99];
        text.extend(b"virtfs.uid=5\n");
        assert_eq!(parse(&text).uid, Some(5));
        text.insert(0, b'x');
        assert_eq!(parse(&text).uid, None);
    }
}
