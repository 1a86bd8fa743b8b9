//! Leaves out of a schedule what a difference does not need.

use crate::compare::Difference;
use crate::differences::Differences;
use crate::failure::Result;
use crate::pair::{End, Pair, Start};
use crate::request::Request;

/// How often a shorter schedule is tried.
const TRIALS: usize = 250;

/// A schedule as short as a few trials make it that still ends with a difference of this kind.
pub(crate) fn shrink(
    pair: &mut Pair,
    start: Start,
    wanted: &Difference,
    differences: &Differences,
    mut requests: Vec<Request>,
) -> Result<Vec<Request>> {
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
                End::Differs(found) if found.iter().any(|found| wanted.is_like(found)) => {
                    requests = played.requests;
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
    Ok(requests)
}
