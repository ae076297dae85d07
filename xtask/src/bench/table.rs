//! What one machine measured, as a table: [`render`].

use super::grid;
use super::result::{Measurement, Outcome, find};

const HEADINGS: [&str; 11] = [
    "device",
    "what",
    "driver",
    "depth",
    "notifications",
    "interrupts",
    "allocations",
    "min µs",
    "median µs",
    "max µs",
    "relative",
];

/// Columns of text; the others are numbers.
const TEXT_COLUMNS: usize = 3;

/// Returns the table; counts and times are those of one request.
///
/// The last column has how many times as long as our own driver by its best call each takes for the same, in the same round.
pub(super) fn render(outcome: &Outcome) -> String {
    let all = &outcome.measurements;
    let rows = all.iter().map(|one| row(one, all));
    format!(
        "### {}\n\n{}",
        outcome.machine,
        grid::render(HEADINGS, TEXT_COLUMNS, rows)
    )
}

fn row(measured: &Measurement, all: &[Measurement]) -> [String; HEADINGS.len()] {
    let ours = find(all, &measured.device, "levitate", &measured.workload);
    let relative = ours.and_then(|ours| measured.relative_to(ours));
    [
        measured.device.clone(),
        measured.workload.clone(),
        measured.driver.clone(),
        measured.depth.to_string(),
        count(measured, measured.notifications),
        count(measured, measured.interrupts),
        count(measured, measured.allocations),
        microseconds(measured.min_ns),
        microseconds(measured.median_ns),
        microseconds(measured.max_ns),
        relative.map_or_else(String::new, |relative| format!("{relative:.2}")),
    ]
}

/// Returns how many of something there were for each request; what is no whole number has three digits.
fn count(measured: &Measurement, count: u64) -> String {
    match count % measured.requests.max(1) {
        0 => (count / measured.requests.max(1)).to_string(),
        _ => format!("{:.3}", measured.per_request(count)),
    }
}

fn microseconds(nanoseconds: u64) -> String {
    format!("{:.2}", nanoseconds as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::super::result::tests::measurement;
    use super::*;

    #[test]
    fn a_table_has_what_is_compared_at_its_end() {
        let measurements = vec![
            measurement("levitate", "read-4k-batch", 1000),
            measurement("floor", "read-4k-batch", 800),
            measurement("floor", "read-4k-one", 2000),
        ];
        let outcome = Outcome::new("virt", "aarch64 virt", measurements);
        let text = render(&outcome);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "### aarch64 virt");
        assert!(
            lines[2].starts_with("| device  | what          | driver   | depth |"),
            "{text}"
        );
        assert!(
            lines[3].starts_with("|---------|---------------|----------|------:|"),
            "{text}"
        );
        assert!(lines[4].contains("|         0.031 |"), "{text}");
        assert!(
            lines[5].ends_with("|      0.80 | 9999.999 |     0.80 |")
                || lines[5].ends_with("|      0.80 | 10000.00 |     0.80 |"),
            "{text}"
        );
        assert!(lines[6].ends_with("|          |"), "{text}");
        let widths: Vec<usize> = lines[2..].iter().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
    }
}
