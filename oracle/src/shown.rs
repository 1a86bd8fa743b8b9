//! Values as they are compared and shown.

use crate::clock::Clock;

/// Bytes; of many, the beginning, the number and a sum over all.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    let (shown, rest) = bytes.split_at(bytes.len().min(96));
    let shown = shown.escape_ascii();
    if rest.is_empty() {
        return format!("\"{shown}\"");
    }
    let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("\"{shown}…\" ({} bytes, sum {sum:x})", bytes.len())
}

/// A time that a request has set, as it is; one of now, which the two sides have at different
/// moments, as `now`.
pub(crate) fn time(clock: &Clock, sec: i64, nsec: i64) -> String {
    if clock.is_now(sec) {
        "now".to_owned()
    } else {
        format!("{sec}.{nsec:09}")
    }
}
