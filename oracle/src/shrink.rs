//! Leaves out of a schedule what a difference does not need.

use crate::compare::Difference;
use crate::differences::Differences;
use crate::failure::Result;
use crate::pair::{End, Pair, Start};
use crate::request::Request;

/// How often a shorter schedule is tried.
const TRIALS: usize = 250;

/// A schedule as short as a few trials make it that still ends with a difference of this kind, and the
/// differences that it then ends with.
pub(crate) fn shrink(
    pair: &mut Pair,
    start: Start,
    mut found: Vec<Difference>,
    differences: &Differences,
    mut requests: Vec<Request>,
) -> Result<(Vec<Request>, Vec<Difference>)> {
    let wanted = found[0].clone();
    let mut trials = 0;
    let mut size = requests.len().div_ceil(2);
    while size > 0 && trials < TRIALS {
        let mut at = requests.len().saturating_sub(size);
        loop {
            let end = (at + size).min(requests.len());
            let mut fewer = requests.clone();
            fewer.drain(at..end);
            trials += 1;
            let mut rest = fewer.into_iter();
            let played = pair.play(start, differences, |_| rest.next())?;
            match played.end {
                End::Differs(now) if now.iter().any(|now| wanted.is_like(now)) => {
                    (requests, found) = (played.requests, now);
                }
                _ => {}
            }
            if at == 0 || trials >= TRIALS {
                break;
            }
            at = at.min(requests.len()).saturating_sub(size);
        }
        size /= 2;
    }
    Ok((requests, found))
}
