//! The text of one metadata file of `mapped-file`.

use super::problem::{Problem, shown};
use crate::ownership::mapped_file::format::{LINE, MAX, SUCCESSOR, parse};

const KEYS: [&[u8]; 4] = [b"virtfs.uid", b"virtfs.gid", b"virtfs.mode", b"virtfs.rdev"];
/// How many lines of one file are told of.
const TOLD: usize = 4;

const WRITE_ANEW: &str = "set owner and mode from a client, which writes the file anew";

/// Judges a text, of which at least the first [`MAX`] bytes are there and one more if it has it;
/// `links` is how many names the file has.
pub(super) fn judge(text: &[u8], links: u32, problems: &mut Vec<Problem>) {
    if text.is_empty() {
        problems.push(match links {
            // QEMU cuts the file before it writes.
            0 | 1 => Problem::warning(
                "its metadata file is empty, as a server leaves it that is killed in the middle of \
                 a change: clients see the host's values",
                "set owner and mode from a client, or remove the file",
            ),
            // So that they will share what is stored one day.
            _ => Problem::note("the metadata file of its hard links is empty", ""),
        });
        return;
    }
    let no_text = |byte: &&u8| !matches!(byte, b'\n' | b'\r' | b'\t' | b' '..=b'~');
    if let bytes @ 1.. = text.iter().filter(no_text).count() {
        let nuls = text.iter().filter(|byte| **byte == 0).count();
        let what = format!(
            "its metadata file has {bytes} bytes that are no text ({nuls} NULs), as a crash of the \
             host leaves them"
        );
        problems.push(Problem::error(what, WRITE_ANEW));
        return;
    }
    if text.len() > MAX {
        let what = format!("its metadata file has over {MAX} bytes: the rest is not read");
        problems.push(Problem::error(what, WRITE_ANEW));
    }
    let mut found = Vec::new();
    lines(text.get(..MAX).unwrap_or(text), &mut found);
    let more = found.len().saturating_sub(TOLD);
    problems.extend(found.into_iter().take(TOLD));
    if more > 0 {
        let what = format!("its metadata file has {more} more such lines");
        problems.push(Problem::warning(what, WRITE_ANEW));
    }
}

fn lines(text: &[u8], problems: &mut Vec<Problem>) {
    let mut seen = [false; KEYS.len()];
    for line in text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        if line.len() > LINE {
            let what = format!(
                "a line of its metadata file is longer than {LINE} bytes: servers read it as \
                 several ({})",
                shown(line)
            );
            problems.push(Problem::error(what, WRITE_ANEW));
            continue;
        }
        if line.starts_with(SUCCESSOR.as_bytes()) {
            let what = "its metadata file tells of a rename that was not brought to its end: under \
                        virtfs nothing is wrong, QEMU may take the values of the file that was \
                        replaced";
            problems.push(Problem::note(what, WRITE_ANEW));
            continue;
        }
        let key = KEYS.iter().position(|key| line.starts_with(key));
        let Some((at, key)) = key.and_then(|at| Some((at, *KEYS.get(at)?))) else {
            let what = format!(
                "the line {} of its metadata file means nothing; the next change drops it",
                shown(line)
            );
            problems.push(Problem::warning(what, "remove the line"));
            continue;
        };
        if let Some(seen) = seen.get_mut(at)
            && std::mem::replace(seen, true)
        {
            let what = format!(
                "{} is stored twice in its metadata file: the last counts",
                key.escape_ascii()
            );
            problems.push(Problem::warning(what, WRITE_ANEW));
        }
        problems.extend(of_value(line, line.get(key.len()..).unwrap_or_default()));
    }
    if !text.ends_with(b"\n") {
        let what = "its metadata file ends in the middle of a line: was it cut?";
        problems.push(Problem::warning(what, WRITE_ANEW));
    }
}

/// Judges what is behind a key.
fn of_value(line: &[u8], rest: &[u8]) -> Option<Problem> {
    let line_shown = shown(line);
    let plain = rest.strip_prefix(b"=").filter(|value| {
        let digits = value.strip_prefix(b"-").unwrap_or(value);
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
    });
    let read = parse(line);
    let number = read.uid.or(read.gid).or(read.mode);
    let number = number.map(u64::from).or(read.rdev);
    let Some(number) = number else {
        let what = format!("the line {line_shown} of its metadata file has no number that can be");
        return Some(Problem::error(what, WRITE_ANEW));
    };
    let Some(value) = plain else {
        let what = format!("the line {line_shown} of its metadata file is read as {number}");
        return Some(Problem::error(what, WRITE_ANEW));
    };
    (value.len() > 1 && value.starts_with(b"0")).then(|| {
        let what = format!(
            "the line {line_shown} of its metadata file is read as decimal, not octal: {number}"
        );
        Problem::warning(what, WRITE_ANEW)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Severity::{self, Error, Note, Warning};
    use super::*;

    fn judged(text: impl AsRef<[u8]>) -> Vec<Severity> {
        let mut problems = Vec::new();
        judge(text.as_ref(), 1, &mut problems);
        problems.iter().map(|problem| problem.severity).collect()
    }

    #[test]
    fn what_servers_write_is_right() {
        for text in [
            "virtfs.uid=1000\nvirtfs.gid=-2\nvirtfs.mode=8608\nvirtfs.rdev=-1048576\n",
            "virtfs.uid=0\n",
            // In the middle of a change.
            "virtfs.uid=0\n\n\n\n",
        ] {
            assert_eq!(judged(text), []);
        }
    }

    #[test]
    fn what_is_no_text_is_told_once() {
        assert_eq!(judged([0; 4097]), [Error]);
        assert_eq!(judged("virtfs.uid=1\n\0\0"), [Error]);
        assert_eq!(judged(b"\xff\n"), [Error]);
    }

    #[test]
    fn each_line_that_is_not_as_written_is_told() {
        for text in [
            "virtfs.uid=x\n",
            "virtfs.uid=\n",
            "virtfs.uid\n",
            "virtfs.uid=-1\n",
            "virtfs.mode=4294967296\n",
            "virtfs.uid=7up\n",
            "virtfs.uid= 7\n",
            "virtfs.uid=7\r\n",
            "virtfs.uid 7\n",
            "virtfs.uidx=7\n",
        ] {
            assert_eq!(judged(text), [Error], "{text}");
        }
        for text in [
            "virtfs.mode=0100644\n",
            "virtfs.uid=1\nvirtfs.uid=2\n",
            "virtfs.atime=1\n",
            "hello\n",
            "virtfs.mode=331",
            "",
        ] {
            assert_eq!(judged(text), [Warning], "{text}");
        }
        let long = format!("virtfs.uid={}\n", "1".repeat(99));
        assert_eq!(judged(long), [Error]);
    }

    #[test]
    fn a_large_file_is_told_and_not_all_of_its_lines() {
        let text = "x\n".repeat(MAX);
        assert_eq!(
            judged(text),
            [Error, Warning, Warning, Warning, Warning, Warning]
        );
    }

    #[test]
    fn an_empty_file_of_hard_links_waits_to_be_shared() {
        let mut problems = Vec::new();
        judge(b"", 2, &mut problems);
        assert_eq!(problems.first().map(|p| p.severity), Some(Note));
    }
}
