//! The table that is printed.

/// What one round gave.
pub(crate) struct Sample {
    /// Operations a second, through the server.
    pub(crate) served: f64,
    /// The same by plain system calls.
    pub(crate) direct: f64,
    /// Microseconds of the server's processor time for an operation.
    pub(crate) cpu: f64,
    /// The same of its client: the load generator, the mount, or the library's thread.
    pub(crate) client_cpu: f64,
}

/// A line of the table.
pub(crate) struct Row {
    name: &'static str,
    how: String,
    messages: usize,
    served: f64,
    direct: f64,
    ratio: [f64; 3],
    cpu: [f64; 2],
}

impl Row {
    /// The medians of a workload's rounds. `how` it was done; `messages` of an operation, 0 if they
    /// are not the workload's business.
    pub(crate) fn of(
        name: &'static str,
        how: impl Into<String>,
        messages: usize,
        samples: &[Sample],
    ) -> Self {
        let ratios = sorted(samples.iter().map(|s| s.served / s.direct));
        let ends = [ratios.first(), ratios.last()].map(|end| end.copied().unwrap_or(f64::NAN));
        Self {
            name,
            how: how.into(),
            messages,
            served: median(samples.iter().map(|s| s.served)),
            direct: median(samples.iter().map(|s| s.direct)),
            ratio: [median(ratios.iter().copied()), ends[0], ends[1]],
            cpu: [
                median(samples.iter().map(|s| s.cpu)),
                median(samples.iter().map(|s| s.client_cpu)),
            ],
        }
    }
}

pub(crate) fn head(group: &str) {
    println!(
        "{group:<14} {:<9} {:>10} {:>10} {:>10}  {:<21} {:>9} {:>9}",
        "how", "ops/s", "requests/s", "direct/s", "ratio (min-max)", "server us", "client us"
    );
}

pub(crate) fn row(row: &Row) {
    let [ratio, least, most] = row.ratio;
    let requests = match row.messages {
        0 => "-".to_owned(),
        messages => format!("{:.0}", row.served * messages as f64),
    };
    println!(
        "{:<14} {:<9} {:>10.0} {requests:>10} {:>10.0}  {:<21} {:>9.1} {:>9.1}",
        row.name,
        row.how,
        row.served,
        row.direct,
        format!("{ratio:.3} ({least:.3}-{most:.3})"),
        row.cpu[0],
        row.cpu[1],
    );
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures
}

pub(crate) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let figures = sorted(figures);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
