//! What was measured, as a table: [`render`].

use super::Measured;
use crate::bench::grid;

const HEADINGS: [&str; 12] = [
    "driver",
    "way",
    "depth",
    "submit",
    "notify",
    "complete",
    "instructions",
    "allocations",
    "min ns",
    "median ns",
    "max ns",
    "floors",
];

const TEXT_COLUMNS: usize = 2;

/// Returns the table; all figures are those of one request.
pub(super) fn render(all: &[Measured]) -> String {
    grid::render(HEADINGS, TEXT_COLUMNS, all.iter().map(row))
}

fn row(one: &Measured) -> [String; HEADINGS.len()] {
    let (case, times, counts) = (one.case(), &one.times, &one.counts);
    let is_driver = case.driver != "device";
    let shown = |value: Option<f64>, digits: usize| match value.filter(|_| is_driver) {
        Some(value) => format!("{value:.digits$}"),
        None => String::new(),
    };
    // Hardly ever is not never.
    let allocations_digits = if times.allocations.fract() == 0.0 {
        0
    } else {
        3
    };
    [
        case.driver.clone(),
        case.way.clone(),
        case.depth.to_string(),
        shown(Some(counts.submit), 1),
        shown(Some(counts.notify), 1),
        shown(Some(counts.complete), 1),
        shown(Some(counts.driver()), 1),
        shown(Some(times.allocations), allocations_digits),
        format!("{:.1}", times.min_ns),
        format!("{:.1}", times.median_ns),
        format!("{:.1}", times.max_ns),
        shown(Some(times.floors), 2),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::measured;
    use super::*;

    #[test]
    fn a_device_by_itself_has_no_instructions_and_is_compared_with_nothing() {
        let text = render(&[
            measured("device", "split-direct", 1, 3.0, 10.0),
            measured("levitate", "fast", 1, 120.0, 25.0),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[2].ends_with("|   10.0 |        |"), "{text}");
        assert!(lines[3].ends_with("|   25.0 |   1.25 |"), "{text}");
        assert!(lines[3].contains("|        120.0 |"), "{text}");
    }
}
