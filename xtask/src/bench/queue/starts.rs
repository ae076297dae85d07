//! Times of several starts of the program as one: [`merge`].

use super::program::Times;

/// Returns the shortest and longest times of all starts, and of what is the median of a start the median; for each case that the first
/// start has.
pub(super) fn merge(starts: &[Vec<Times>]) -> Vec<Times> {
    let Some(first) = starts.first() else {
        return Vec::new();
    };
    let merged = |times: &Times| {
        let all = || {
            let all = starts.iter().flatten();
            all.filter(|other| other.case == times.case)
        };
        let most = |value: fn(&Times) -> f64| all().map(value).fold(0.0, f64::max);
        Times {
            case: times.case.clone(),
            min_ns: all().map(|one| one.min_ns).fold(f64::INFINITY, f64::min),
            median_ns: median(all().map(|one| one.median_ns)),
            max_ns: most(|one| one.max_ns),
            floors: median(all().map(|one| one.floors)),
            allocations: most(|one| one.allocations),
        }
    };
    first.iter().map(merged).collect()
}

/// Returns the median, of an even number the larger one in the middle.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::super::tests::measured;
    use super::*;

    #[test]
    fn a_case_has_the_middle_of_its_medians_and_the_ends_of_its_range() {
        let start = |ns, other_ns| {
            let of = |driver, ns| measured(driver, "split-direct", 1, 1.0, ns).times;
            vec![of("floor", other_ns), of("levitate", ns)]
        };
        let merged = merge(&[start(20.0, 1.0), start(35.0, 3.0), start(21.0, 2.0)]);
        let [floor, levitate] = merged.as_slice() else {
            panic!("{merged:?}");
        };
        let figures = |times: &Times| [times.min_ns, times.median_ns, times.max_ns, times.floors];
        assert_eq!(figures(floor), [1.0, 2.0, 3.0, 0.1]);
        assert_eq!(figures(levitate), [20.0, 21.0, 35.0, 1.05]);
        assert!(merge(&[]).is_empty());
    }
}
