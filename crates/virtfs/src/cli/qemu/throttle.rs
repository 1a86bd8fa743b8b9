//! The keys that limit rates: they are understood, so that what is wrong with them is said, and
//! refused while the server limits no rates.

use super::pairs::Pairs;

const PREFIX: &str = "throttling.";

/// Whether a key is one of them.
pub(super) fn is_known(key: &str) -> bool {
    let Some(rest) = key.strip_prefix(PREFIX) else {
        return false;
    };
    rest == "iops-size" || limits().any(|limit| rest.strip_prefix(&limit).is_some_and(is_suffix))
}

fn is_suffix(rest: &str) -> bool {
    matches!(rest, "" | "-max" | "-max-length")
}

fn limits() -> impl Iterator<Item = String> {
    let kinds = ["bps", "iops"].into_iter();
    kinds.flat_map(|kind| ["total", "read", "write"].map(|way| format!("{kind}-{way}")))
}

/// Checks the keys; nothing is wrong if none limits anything.
pub(super) fn check(pairs: &Pairs) -> Result<(), String> {
    let mut first = None;
    for key in pairs.keys().filter(|key| is_known(key)) {
        let number = pairs.number(key)?.unwrap_or(0);
        // QEMU's own default of a burst's length.
        let harmless = number == 0 || key.ends_with("-max-length") && number == 1;
        if !harmless {
            first = first.or(Some(key));
        }
    }
    let Some(key) = first else { return Ok(()) };
    let number = |key: &str| -> Result<u64, String> {
        Ok(pairs.number(&format!("{PREFIX}{key}"))?.unwrap_or(0))
    };
    let invalid = |why: &str, key: &str| {
        Err(format!(
            "invalid throttle configuration: {why} ({PREFIX}{key})"
        ))
    };
    for kind in ["bps", "iops"] {
        for form in ["", "-max"] {
            let total = number(&format!("{kind}-total{form}"))?;
            let read = number(&format!("{kind}-read{form}"))?;
            let write = number(&format!("{kind}-write{form}"))?;
            if total != 0 && (read != 0 || write != 0) {
                return invalid(
                    "bps/iops/max total values and read/write values cannot be used at the same \
                     time",
                    &format!("{kind}-total{form}"),
                );
            }
        }
    }
    let mut has_iops = false;
    for limit in limits() {
        let average = number(&limit)?;
        let burst = number(&format!("{limit}-max"))?;
        let length = number(&format!("{limit}-max-length"))?;
        has_iops |= limit.starts_with("iops") && average != 0;
        if burst != 0 && average == 0 {
            return invalid(
                "bps_max/iops_max require corresponding bps/iops values",
                &limit,
            );
        }
        if burst != 0 && burst < average {
            return invalid("bps_max/iops_max cannot be lower than bps/iops", &limit);
        }
        if length > 1 && burst == 0 {
            return invalid("burst length set without burst rate", &limit);
        }
    }
    if number("iops-size")? != 0 && !has_iops {
        return invalid("iops size requires an iops value to be set", "iops-size");
    }
    Err(format!(
        "{key}: virtfs does not limit rates; leave throttling.* out, or limit the whole server by \
         its cgroup, as in 'systemd-run -p IOReadBandwidthMax=\"/ 10M\" virtfs serve ...'"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        let typed = format!("local,{text}");
        check(&Pairs::parse(&typed.into(), "fsdriver").unwrap())
    }

    #[test]
    fn all_of_qemus_keys_are_known_and_no_others() {
        for key in [
            "throttling.bps-total",
            "throttling.iops-write-max",
            "throttling.bps-read-max-length",
            "throttling.iops-size",
        ] {
            assert!(is_known(key), "{key}");
        }
        for key in [
            "throttling",
            "throttling.",
            "throttling.bps",
            "throttling.bps-size",
            "throttling.bps-total-min",
            "bps-total",
        ] {
            assert!(!is_known(key), "{key}");
        }
    }

    #[test]
    fn what_limits_nothing_passes() {
        assert_eq!(checked("path=/x"), Ok(()));
        let text = "throttling.bps-total=0,throttling.bps-total-max-length=1";
        assert_eq!(checked(text), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_said_before_it_is_refused() {
        for (text, hint) in [
            ("throttling.bps-total=fast", "expects a number"),
            ("throttling.bps-total=1,throttling.bps-read=1", "same time"),
            ("throttling.iops-read-max=1", "require corresponding"),
            (
                "throttling.bps-read=9,throttling.bps-read-max=8",
                "lower than",
            ),
            (
                "throttling.bps-read=9,throttling.bps-read-max-length=3",
                "without burst rate",
            ),
            ("throttling.iops-size=4096", "iops value"),
            ("throttling.bps-total=1048576", "does not limit rates"),
            (
                "throttling.iops-total=5,throttling.iops-total-max=9,throttling.iops-size=512",
                "throttling.iops-total: virtfs does not",
            ),
        ] {
            let error = checked(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
