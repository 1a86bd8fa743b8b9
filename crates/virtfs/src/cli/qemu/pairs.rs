//! QEMU's `value,key=value,...`: a comma in a value is written twice, and of a key that is given
//! twice the last one holds.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Keys and their values, as they were typed.
#[derive(Debug)]
pub(super) struct Pairs(Vec<(String, Value)>);

/// What stands behind a key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Given(Vec<u8>),
    /// There is no `=`.
    Missing,
}

impl Pairs {
    /// Reads what was typed. If it begins with a value, that is the value of `first`.
    pub(super) fn parse(text: &OsString, first: &str) -> Result<Self, String> {
        let mut rest = text.as_bytes();
        let mut pairs = Vec::new();
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| matches!(byte, b'=' | b','));
            let (key, behind) = rest
                .split_at_checked(end.unwrap_or(rest.len()))
                .unwrap_or_default();
            if let Some(behind) = behind.strip_prefix(b"=") {
                let (value, behind) = value(behind);
                pairs.push((word(key)?, Value::Given(value)));
                rest = behind;
            } else if pairs.is_empty() {
                let (value, behind) = value(rest);
                pairs.push((first.to_owned(), Value::Given(value)));
                rest = behind;
            } else {
                pairs.push((word(key)?, Value::Missing));
                rest = behind.strip_prefix(b",").unwrap_or_default();
            }
        }
        Ok(Self(pairs))
    }

    /// The keys, in the order in which they were typed.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// A value of any bytes.
    pub(super) fn bytes(&self, key: &str) -> Result<Option<OsString>, String> {
        match self.last(key) {
            None => Ok(None),
            Some(Value::Given(value)) => Ok(Some(OsString::from_vec(value.clone()))),
            Some(Value::Missing) => Err(format!("Expected '=' after parameter '{key}'")),
        }
    }

    /// A value that is text.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, String> {
        let text = self.bytes(key)?.map(OsString::into_string).transpose();
        text.map_err(|_| format!("Parameter '{key}' is not UTF-8"))
    }

    /// A value that is `on` or `off`; the key alone is `on`, as in QEMU, and with `no` before it
    /// `off`.
    pub(super) fn switch(&self, key: &str) -> Result<Option<bool>, String> {
        let mut seen = self.0.iter().rev();
        let found = seen.find(|(name, _)| name == key || is_denial(name, key));
        let Some((name, value)) = found else {
            return Ok(None);
        };
        match value {
            Value::Missing => Ok(Some(name == key)),
            Value::Given(value) => match value.as_slice() {
                b"on" | b"yes" | b"true" | b"y" => Ok(Some(true)),
                b"off" | b"no" | b"false" | b"n" => Ok(Some(false)),
                _ => Err(format!("Parameter '{key}' expects 'on' or 'off'")),
            },
        }
    }

    /// A number: decimal, `0x` for hexadecimal, `0` for octal, as QEMU reads it.
    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, String> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        let (digits, radix) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
            Some(digits) => (digits, 16),
            None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
            None => (text.as_str(), 10),
        };
        let number = match digits.starts_with('+') {
            true => None,
            false => u64::from_str_radix(digits, radix).ok(),
        };
        let number = number.ok_or_else(|| format!("Parameter '{key}' expects a number"))?;
        Ok(Some(number))
    }

    /// Whether a key that was typed is one that switches `key` off.
    pub(super) fn denies(&self, typed: &str, key: &str) -> bool {
        let missing = |pair: &&(String, Value)| pair.0 == typed && pair.1 == Value::Missing;
        is_denial(typed, key) && self.0.iter().any(|pair| missing(&pair))
    }

    fn last(&self, key: &str) -> Option<&Value> {
        let found = self.0.iter().rev().find(|(name, _)| name == key);
        found.map(|(_, value)| value)
    }
}

fn is_denial(typed: &str, key: &str) -> bool {
    typed.strip_prefix("no") == Some(key)
}

fn word(key: &[u8]) -> Result<String, String> {
    std::str::from_utf8(key)
        .map(str::to_owned)
        .map_err(|_| "a parameter's name is not UTF-8".into())
}

/// A value, and what stands behind the comma that ends it.
fn value(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut value = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return (value, rest),
            [b',', b',', behind @ ..] => {
                value.push(b',');
                behind
            }
            [b',', behind @ ..] => return (value, behind),
            [byte, behind @ ..] => {
                value.push(*byte);
                behind
            }
        }
    }
}

/// Whether QEMU takes it for an id: a letter, then letters, digits, `-`, `.` and `_`.
pub(super) fn is_identifier(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Pairs {
        Pairs::parse(&text.into(), "driver").unwrap()
    }

    #[test]
    fn a_comma_in_a_value_is_written_twice() {
        let seen = pairs("a,,b,path=/x,,y=z,,,id=q");
        assert_eq!(seen.text("driver").unwrap().unwrap(), "a,b");
        assert_eq!(seen.text("path").unwrap().unwrap(), "/x,y=z,");
        assert_eq!(seen.text("id").unwrap().unwrap(), "q");
        assert_eq!(pairs("").keys().count(), 0);
    }

    #[test]
    fn the_first_key_can_be_left_out_and_the_last_value_holds() {
        let seen = pairs("driver=x,path=/a,path=/b");
        assert_eq!(seen.text("driver").unwrap().unwrap(), "x");
        assert_eq!(seen.text("path").unwrap().unwrap(), "/b");
        assert_eq!(seen.text("id"), Ok(None));
    }

    #[test]
    fn a_switch_has_many_words() {
        for (text, on) in [
            ("x,readonly=on", true),
            ("x,readonly=yes", true),
            ("x,readonly=true", true),
            ("x,readonly", true),
            ("x,noreadonly", false),
            ("x,readonly=off", false),
            ("x,readonly=n", false),
            ("x,readonly=on,readonly=off", false),
        ] {
            assert_eq!(pairs(text).switch("readonly"), Ok(Some(on)), "{text}");
        }
        assert_eq!(pairs("x").switch("readonly"), Ok(None));
        let error = pairs("x,readonly=1").switch("readonly").unwrap_err();
        assert_eq!(error, "Parameter 'readonly' expects 'on' or 'off'");
    }

    #[test]
    fn numbers_have_a_radix() {
        for (text, number) in [("010", 8), ("0x10", 16), ("10", 10), ("0", 0)] {
            let seen = pairs(&format!("x,n={text}"));
            assert_eq!(seen.number("n"), Ok(Some(number)));
        }
        for text in ["", "x", "-1", "+1", "0x", "1K", "09"] {
            let error = pairs(&format!("x,n={text}")).number("n").unwrap_err();
            assert_eq!(error, "Parameter 'n' expects a number", "{text}");
        }
    }

    #[test]
    fn a_value_that_is_missing_is_asked_for() {
        let error = pairs("x,path").text("path").unwrap_err();
        assert_eq!(error, "Expected '=' after parameter 'path'");
    }

    #[test]
    fn identifiers_begin_with_a_letter() {
        for id in ["a", "fs-0.x_Y"] {
            assert!(is_identifier(id), "{id}");
        }
        for id in ["", "9bad", "a b", "-a", "ä"] {
            assert!(!is_identifier(id), "{id}");
        }
    }
}
