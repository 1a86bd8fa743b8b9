//! Modes: as `ls` shows them and as `chmod` takes them.

/// `drwxr-xr-x`.
pub(super) fn shown(mode: u32) -> String {
    let kind = match mode & 0o170000 {
        0o010000 => 'p',
        0o020000 => 'c',
        0o040000 => 'd',
        0o060000 => 'b',
        0o100000 => '-',
        0o120000 => 'l',
        0o140000 => 's',
        _ => '?',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (false, false) => '-',
            (false, true) => 'x',
            (true, false) => letter.to_ascii_uppercase(),
            (true, true) => letter,
        });
    }
    text
}

/// What `chmod` is asked to do to modes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// These permission bits. A directory keeps setuid and setgid beside them unless there were
    /// digits for all bits and more.
    To { bits: u32, all: bool },
    /// One after the other.
    Symbolic(Vec<Clause>),
}

/// `[who][op][permissions]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clause {
    /// The bits that belong to those who are named: of 0o7777.
    who: u32,
    /// What is to be left alone, because nobody was named: the umask.
    spared: u32,
    op: u8,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Bits for everybody; `X` apart.
    Bits { bits: u32, execute_if_any: bool },
    /// As the user, the group or the others have it: how far to shift it to the right.
    As(u32),
}

impl Change {
    /// Reads `644` or `u+x,go-w`.
    pub(super) fn parse(text: &str, umask: u32) -> Result<Self, String> {
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            return match u32::from_str_radix(text, 8) {
                Ok(bits @ 0..=0o7777) => Ok(Self::To {
                    bits,
                    all: text.len() > 4,
                }),
                _ => Err(format!("'{text}' is no octal mode, 0 to 7777")),
            };
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            parse_part(part, umask, &mut clauses)
                .ok_or_else(|| format!("'{text}' is no mode, such as 644 or u+x,go-w"))?;
        }
        Ok(Self::Symbolic(clauses))
    }

    /// What becomes of a mode; the bits of the file's type count for `X` only.
    pub(super) fn apply(&self, mode: u32) -> u32 {
        let directory = mode & 0o170000 == 0o040000;
        match self {
            Self::To { bits, all } => match directory && !all {
                true => bits | mode & 0o6000,
                false => *bits,
            },
            Self::Symbolic(clauses) => clauses
                .iter()
                .fold(mode & 0o7777, |mode, clause| clause.apply(mode, directory)),
        }
    }
}

impl Clause {
    fn apply(self, mode: u32, directory: bool) -> u32 {
        let bits = match self.what {
            What::Bits {
                bits,
                execute_if_any,
            } => match execute_if_any && (directory || mode & 0o111 != 0) {
                true => bits | 0o111,
                false => bits,
            },
            What::As(shift) => (mode >> shift & 7) * 0o111,
        };
        let bits = bits & self.who & !self.spared;
        match self.op {
            b'+' => mode | bits,
            b'-' => mode & !bits,
            // A directory keeps its setuid and setgid bits unless they are named.
            _ => {
                let kept = if directory { 0o6000 } else { 0 };
                mode & !(self.who & !kept) | bits
            }
        }
    }
}

fn parse_part(part: &str, umask: u32, clauses: &mut Vec<Clause>) -> Option<()> {
    let op = part.find(['+', '-', '='])?;
    let (named, mut rest) = part.split_at(op);
    let mut who = 0;
    for name in named.bytes() {
        who |= match name {
            b'u' => 0o4700,
            b'g' => 0o2070,
            b'o' => 0o1007,
            b'a' => 0o7777,
            _ => return None,
        };
    }
    let (who, spared) = match who {
        0 => (0o7777, umask & 0o777),
        who => (who, 0),
    };
    while let Some(op) = rest.bytes().next() {
        let end = rest.get(1..)?.find(['+', '-', '=']).map(|at| at + 1);
        let (clause, next) = rest.split_at(end.unwrap_or(rest.len()));
        let what = parse_what(clause.get(1..)?)?;
        clauses.push(Clause {
            who,
            spared,
            op,
            what,
        });
        rest = next;
    }
    Some(())
}

fn parse_what(letters: &str) -> Option<What> {
    match letters {
        "u" => return Some(What::As(6)),
        "g" => return Some(What::As(3)),
        "o" => return Some(What::As(0)),
        _ => {}
    }
    let (mut bits, mut execute_if_any) = (0, false);
    for letter in letters.bytes() {
        match letter {
            b'r' => bits |= 0o444,
            b'w' => bits |= 0o222,
            b'x' => bits |= 0o111,
            b's' => bits |= 0o6000,
            b't' => bits |= 0o1000,
            b'X' => execute_if_any = true,
            _ => return None,
        }
    }
    Some(What::Bits {
        bits,
        execute_if_any,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, mode: u32) -> u32 {
        Change::parse(text, 0o022).unwrap().apply(mode)
    }

    #[test]
    fn modes_are_shown_as_ls_does() {
        assert_eq!(shown(0o100644), "-rw-r--r--");
        assert_eq!(shown(0o041777), "drwxrwxrwt");
        assert_eq!(shown(0o104755), "-rwsr-xr-x");
        assert_eq!(shown(0o102644), "-rw-r-Sr--");
        assert_eq!(shown(0o120777), "lrwxrwxrwx");
        assert_eq!(shown(0o001000), "?--------T");
    }

    #[test]
    fn symbolic_changes_do_as_chmod_does() {
        for (text, from, to) in [
            ("755", 0o100644, 0o755),
            ("u+x", 0o100644, 0o744),
            ("go-w", 0o100666, 0o644),
            ("a=r", 0o100777, 0o444),
            ("u=rw,g=u,o=", 0o100007, 0o660),
            ("+x", 0o100644, 0o755),
            ("+w", 0o100444, 0o644),
            ("a+w", 0o100444, 0o666),
            ("+X", 0o100644, 0o644),
            ("+X", 0o100744, 0o755),
            ("a+X", 0o040600, 0o711),
            ("u+s,g+s", 0o100755, 0o6755),
            ("+t", 0o040777, 0o1777),
            ("o+t", 0o040777, 0o1777),
            ("u+t", 0o040777, 0o777),
            ("u+s-x", 0o100755, 0o4655),
            ("a=rx", 0o042755, 0o2555),
            ("a=rx", 0o106755, 0o555),
            ("g=o", 0o100705, 0o755),
        ] {
            let got = changed(text, from);
            assert_eq!(got, to, "{text} of {from:o}: {got:o}");
        }
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        for wrong in ["", "8", "77777", "u", "z+x", "u+q", "u+x,", "ux"] {
            assert!(Change::parse(wrong, 0).is_err(), "{wrong}");
        }
    }
}
