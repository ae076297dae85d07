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
///
/// `floors` is how many times the median of the floor over the same kind of ring the median is.
pub(super) fn render(all: &[Measured]) -> String {
    grid::render(HEADINGS, TEXT_COLUMNS, all.iter().map(|one| row(one, all)))
}

fn row(one: &Measured, all: &[Measured]) -> [String; HEADINGS.len()] {
    let (case, times, counts) = (one.case(), &one.times, &one.counts);
    let is_floor = |other: &&Measured| {
        let other = other.case();
        other.driver == "floor" && other.way == case.ring && other.is_as_deep_as(case)
    };
    let floor = all.iter().find(is_floor);
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
        shown(
            floor.map(|floor| times.median_ns / floor.times.median_ns),
            2,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::measured;
    use super::*;

    #[test]
    fn times_are_compared_with_the_floor_of_the_same_ring_and_depth() {
        let text = render(&[
            measured("device", "split-direct", 1, 3.0, 10.0),
            measured("floor", "split-direct", 1, 90.0, 20.0),
            measured("levitate", "fast", 1, 120.0, 25.0),
            measured("levitate", "fast", 16, 120.0, 14.0),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[2].ends_with("|   10.0 |        |"), "{text}");
        assert!(lines[4].ends_with("|   25.0 |   1.25 |"), "{text}");
        assert!(lines[4].contains("|        120.0 |"), "{text}");
        assert!(lines[5].ends_with("|   14.0 |        |"), "{text}");
    }
}
