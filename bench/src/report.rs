//! The table that is printed.

/// What one round gave.
pub(crate) struct Sample {
    /// Operations a second, through the server.
    pub(crate) served: f64,
    /// The same by plain system calls.
    pub(crate) direct: f64,
    /// Microseconds of the server's processor time for an operation.
    pub(crate) cpu: f64,
}

/// A line of the table.
pub(crate) struct Row {
    name: &'static str,
    depth: usize,
    messages: usize,
    served: f64,
    direct: f64,
    ratio: [f64; 3],
    cpu: f64,
}

impl Row {
    /// The medians of a workload's rounds.
    pub(crate) fn of(
        name: &'static str,
        depth: usize,
        messages: usize,
        samples: &[Sample],
    ) -> Self {
        let ratios = sorted(samples.iter().map(|s| s.served / s.direct));
        let ends = [ratios.first(), ratios.last()].map(|end| end.copied().unwrap_or(f64::NAN));
        Self {
            name,
            depth,
            messages,
            served: median(samples.iter().map(|s| s.served)),
            direct: median(samples.iter().map(|s| s.direct)),
            ratio: [median(ratios.iter().copied()), ends[0], ends[1]],
            cpu: median(samples.iter().map(|s| s.cpu)),
        }
    }
}

pub(crate) fn head() {
    println!(
        "{:<12} {:>5} {:>12} {:>12} {:>12}  {:<22} {:>14}",
        "workload", "depth", "ops/s", "requests/s", "direct/s", "ratio (min-max)", "server us/op"
    );
}

pub(crate) fn row(row: &Row) {
    let [ratio, least, most] = row.ratio;
    println!(
        "{:<12} {:>5} {:>12.0} {:>12.0} {:>12.0}  {:<22} {:>14.1}",
        row.name,
        row.depth,
        row.served,
        row.served * row.messages as f64,
        row.direct,
        format!("{ratio:.3} ({least:.3}-{most:.3})"),
        row.cpu
    );
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let figures = sorted(figures);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
