//! Names as a person may see them: a server must not drive the terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// A name for a terminal: what is not plain text is shown as `\x1b`, and `\` as `\\`.
pub(crate) fn escaped(name: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(name)
        && text.chars().all(is_plain)
    {
        return text.into();
    }
    let mut shown = String::new();
    for chunk in name.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\n' => shown += "\\n",
                '\\' => shown += "\\\\",
                _ if is_plain(char) => shown.push(char),
                _ => {
                    for byte in char.encode_utf8(&mut [0; 4]).bytes() {
                        hex(&mut shown, byte);
                    }
                }
            }
        }
        for byte in chunk.invalid() {
            hex(&mut shown, *byte);
        }
    }
    shown.into()
}

fn hex(shown: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(shown, "\\x{byte:02x}");
}

/// Neither a control character, nor one that changes the direction of the text around it.
fn is_plain(char: char) -> bool {
    let directs =
        matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !char.is_control() && !directs && char != '\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_stay_as_they_are() {
        for name in ["a b", "żółw", "日本", "'\"$"] {
            assert_eq!(escaped(name.as_bytes()), name);
        }
    }

    #[test]
    fn what_drives_a_terminal_is_escaped() {
        for (name, shown) in [
            (&b"\x1b[2J"[..], "\\x1b[2J"),
            (b"a\nb\\", "a\\nb\\\\"),
            (b"\xff\xfe", "\\xff\\xfe"),
            ("\u{9b}31m".as_bytes(), "\\xc2\\x9b31m"),
            ("\u{202e}x".as_bytes(), "\\xe2\\x80\\xaex"),
            (b"\x7f", "\\x7f"),
        ] {
            assert_eq!(escaped(name), shown);
        }
    }
}
