//! The text of a metadata file: a line `key=value` for each value that is stored.

use std::fmt::Write;

use crate::ownership::mapped::Values;

/// How much of a metadata file is looked at, in bytes. No server writes more than a hundred.
pub(super) const MAX: usize = 4096;
/// The longest line that QEMU reads at once, in bytes; the rest is the next line.
const LINE: usize = 99;

/// Reads a text, whatever it is. A value that is no number counts as missing.
pub(super) fn parse(text: &[u8]) -> Values {
    let mut values = Values::default();
    for line in text
        .split(|b| *b == b'\n')
        .flat_map(|line| line.chunks(LINE))
    {
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
    values
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
            let _ = writeln!(text, "virtfs.{key}={}", value.cast_signed());
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
    fn a_line_that_is_too_long_goes_on_as_another() {
        let mut text = vec![b'x'; 99];
        text.extend(b"virtfs.uid=5\n");
        assert_eq!(parse(&text).uid, Some(5));
        text.insert(0, b'x');
        assert_eq!(parse(&text).uid, None);
    }
}
