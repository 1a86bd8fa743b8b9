//! What a compromised process tries, by name. Each attack is made for real, and looks from outside
//! whether it had an effect.

mod connect;
mod powers;
mod read;
mod signal;
mod trace;
mod write;

use crate::outside::Outside;
use crate::victim::{Dead, Victim};

/// Tries it. Whether it had an effect; [`Dead`] if it cost the process its life.
pub(crate) type Attack = fn(&Victim, &Outside) -> Result<bool, Dead>;

/// All attacks.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, Attack)> {
    let groups = [
        read::ATTACKS,
        write::ATTACKS,
        signal::ATTACKS,
        trace::ATTACKS,
        connect::ATTACKS,
        powers::ATTACKS,
    ];
    groups.into_iter().flatten().copied()
}

/// Makes a table of attacks.
macro_rules! attacks {
    ($($name:literal => $attack:expr,)*) => {
        pub(super) const ATTACKS: &[(&str, super::Attack)] = &[$(($name, $attack)),*];
    };
}
use attacks;

/// No directory: the path is absolute.
const NOWHERE: i64 = libc::AT_FDCWD as i64;
