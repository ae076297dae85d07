//! What is demanded of our driver beside others, as figures and as a table: [`figures`], [`render`].

use serde::Serialize;

use super::grid;
use super::result::{Measurement, Outcome, find};

/// Our driver by its best call, of which it is demanded.
const OURS: &str = "levitate";

/// How the names of those begin that others are compared with.
const OTHERS: &str = "virtio-drivers";

/// A comparison of one thing with another, that were measured one soon after the other.
#[derive(Debug)]
struct Demand {
    /// The heading of its column: what is compared, and with what.
    name: &'static str,
    device: &'static str,
    workload: &'static str,
    /// Who it is compared with, doing what.
    other: (&'static str, &'static str),
    wanted: Wanted,
}

/// What a figure is, and has to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wanted {
    /// How many times as fast as the other; at least so many.
    TimesAsFast(f64),
    /// How many times as long as the other it takes; at most so many.
    TimesAsLong(f64),
}

use Wanted::{TimesAsFast, TimesAsLong};

macro_rules! demands {
    ($($name:literal: $device:literal $workload:literal, $other:literal $does:literal, $wanted:expr;)*) => {
        [$(Demand {
            name: $name,
            device: $device,
            workload: $workload,
            other: ($other, $does),
            wanted: $wanted,
        },)*]
    };
}

/// All of them.
const DEMANDS: [Demand; 8] = demands! {
    "one/blocking": "null-co" "read-4k-one", "virtio-drivers-blocking" "read-4k-one", TimesAsFast(1.0);
    "one/in-flight": "null-co" "read-4k-one", "virtio-drivers" "read-4k-one", TimesAsFast(1.0);
    "one/floor": "null-co" "read-4k-one", "floor" "read-4k-one", TimesAsLong(1.3);
    "batch/blocking": "null-co" "read-4k-batch", "virtio-drivers-blocking" "read-4k-one", TimesAsFast(5.0);
    "batch/deepest": "null-co" "read-4k-batch", "virtio-drivers" "read-4k-deepest", TimesAsFast(2.0);
    "batch/floor": "null-co" "read-4k-batch", "floor" "read-4k-batch", TimesAsLong(1.3);
    "all/flush": "display" "present-all", "virtio-drivers" "present-all", TimesAsFast(1.1);
    "64x64/flush": "display" "present-64x64", "virtio-drivers" "present-64x64", TimesAsFast(6.0);
};

/// A demand's figure, of one driver.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figure {
    demand: &'static str,
    driver: String,
    wanted: Wanted,
    value: f64,
}

/// Compares all that have batches, the floor among them.
pub(super) fn figures(all: &[Measurement]) -> Vec<Figure> {
    let has_batches = |one: &&Measurement| {
        one.device == "null-co"
            && one.workload == "read-4k-batch"
            && !one.driver.starts_with(OTHERS)
    };
    let mut figures = Vec::new();
    for Measurement { driver, .. } in all.iter().filter(has_batches) {
        figures.extend(DEMANDS.iter().filter_map(|demand| {
            Some(Figure {
                demand: demand.name,
                driver: driver.clone(),
                wanted: demand.wanted,
                value: demand.value(driver, all)?,
            })
        }));
    }
    figures
}

/// Returns all that has to be measured: device, driver and workload.
pub(crate) fn compared() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    DEMANDS.iter().flat_map(|demand| {
        let (other, does) = demand.other;
        [
            (demand.device, OURS, demand.workload),
            (demand.device, other, does),
        ]
    })
}

impl Demand {
    /// Returns what it is for a driver, if both were measured and it is not compared with itself.
    fn value(&self, driver: &str, all: &[Measurement]) -> Option<f64> {
        let own = find(all, self.device, driver, self.workload)?;
        let other = find(all, self.device, self.other.0, self.other.1)?;
        if own == other {
            return None;
        }
        match self.wanted {
            TimesAsFast(_) => other.relative_to(own),
            TimesAsLong(_) => own.relative_to(other),
        }
    }
}

impl Wanted {
    fn is_reached(self, value: f64) -> bool {
        match self {
            TimesAsFast(least) => value >= least,
            TimesAsLong(most) => value <= most,
        }
    }
}

impl Figure {
    /// Returns the figure, in bold type where our own driver does not reach what is wanted.
    fn cell(&self) -> String {
        match self.driver != OURS || self.wanted.is_reached(self.value) {
            true => format!("{:.2}", self.value),
            false => format!("**{:.2}**", self.value),
        }
    }
}

/// Columns of text, the machine and the driver; each of the others is a demand.
const TEXT_COLUMNS: usize = 2;
const COLUMNS: usize = TEXT_COLUMNS + DEMANDS.len();

/// Returns the table: what is wanted, and a line for each driver on each machine.
pub(super) fn render(outcomes: &[Outcome]) -> String {
    let mut headings = ["machine"; COLUMNS];
    headings[1] = "driver";
    for (heading, demand) in headings[TEXT_COLUMNS..].iter_mut().zip(&DEMANDS) {
        *heading = demand.name;
    }
    let wanted = |demand: &Demand| match demand.wanted {
        TimesAsFast(least) => format!("≥ {least}"),
        TimesAsLong(most) => format!("≤ {most}"),
    };
    let mut rows = vec![row("", "wanted", wanted)];
    for Outcome { name, demands, .. } in outcomes {
        let groups = demands.chunk_by(|one, next| one.driver == next.driver);
        rows.extend(groups.filter_map(|figures| {
            let driver = &figures.first()?.driver;
            Some(row(name, driver, |demand| {
                let figure = figures.iter().find(|figure| figure.demand == demand.name);
                figure.map_or_else(String::new, Figure::cell)
            }))
        }));
    }
    grid::render(headings, TEXT_COLUMNS, rows)
}

fn row(machine: &str, driver: &str, cell: impl Fn(&Demand) -> String) -> [String; COLUMNS] {
    let mut row = [const { String::new() }; COLUMNS];
    row[0] = machine.to_owned();
    row[1] = driver.to_owned();
    for (place, demand) in row[TEXT_COLUMNS..].iter_mut().zip(&DEMANDS) {
        *place = cell(demand);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::super::result::tests::rounds;
    use super::*;

    /// Two rounds on a fast host and one on a slow one.
    fn measured() -> Vec<Measurement> {
        let display = |driver, workload, rounds_ns| Measurement {
            device: "display".to_owned(),
            ..rounds(driver, workload, rounds_ns)
        };
        vec![
            rounds("levitate", "read-4k-one", &[1200, 1210, 1790]),
            rounds("floor", "read-4k-one", &[1000, 1100, 1500]),
            rounds(
                "virtio-drivers-blocking",
                "read-4k-one",
                &[1800, 2000, 3500],
            ),
            rounds("virtio-drivers", "read-4k-one", &[1080, 1089, 1700]),
            rounds("levitate-blocking", "read-4k-one", &[2400, 2420, 3600]),
            rounds("levitate", "read-4k-batch", &[400, 500, 700]),
            rounds("floor", "read-4k-batch", &[300, 300, 500]),
            rounds("virtio-drivers", "read-4k-batch", &[1000, 1500, 1800]),
            rounds("levitate-async", "read-4k-batch", &[2000, 2000, 3500]),
            rounds("virtio-drivers", "read-4k-deepest", &[900, 1500, 1400]),
            display("levitate", "present-all", &[100, 110, 160]),
            display("floor", "present-all", &[80, 100, 130]),
            display("virtio-drivers", "present-all", &[110, 121, 180]),
            display("levitate", "present-64x64", &[20, 20, 30]),
            display("virtio-drivers", "present-64x64", &[110, 118, 190]),
        ]
    }

    fn is(figures: &[Figure], driver: &str, demand: &str, value: Option<f64>) {
        let is_it = |one: &&Figure| one.driver == driver && one.demand == demand;
        let found = figures.iter().find(is_it).map(|one| one.value);
        let difference = found.zip(value).map(|(a, b)| (a - b).abs());
        assert!(
            found.is_none() == value.is_none() && difference.is_none_or(|it| it < 1e-9),
            "{driver}, {demand}: {found:?}"
        );
    }

    #[test]
    fn what_was_measured_in_a_round_is_compared_and_the_median_counts() {
        let figures = figures(&measured());
        for (demand, ours, floors) in [
            ("one/blocking", Some(2000.0 / 1210.0), Some(2000.0 / 1100.0)),
            ("one/in-flight", Some(0.9), Some(1.08)),
            ("one/floor", Some(1790.0 / 1500.0), None),
            ("batch/blocking", Some(4.5), Some(2000.0 / 300.0)),
            ("batch/deepest", Some(2.25), Some(3.0)),
            ("batch/floor", Some(1.4), None),
            ("all/flush", Some(1.1), Some(1.375)),
            ("64x64/flush", Some(5.9), None),
        ] {
            is(&figures, "levitate", demand, ours);
            is(&figures, "floor", demand, floors);
            is(&figures, "levitate-blocking", demand, None);
            is(&figures, "virtio-drivers", demand, None);
        }
    }

    #[test]
    fn what_is_demanded_of_us_and_not_reached_is_bold() {
        let outcome = Outcome::new("virt, pci", "aarch64 virt, pci", measured());
        let text = render(&[outcome]);
        let cells: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split('|').map(str::trim).collect())
            .collect();
        assert_eq!(
            cells[0][1..6],
            [
                "machine",
                "driver",
                "one/blocking",
                "one/in-flight",
                "one/floor"
            ]
        );
        let row = |number: usize| cells[number][1..11].join(" ");
        assert_eq!(row(2), " wanted ≥ 1 ≥ 1 ≤ 1.3 ≥ 5 ≥ 2 ≤ 1.3 ≥ 1.1 ≥ 6");
        assert_eq!(
            row(3),
            "virt, pci levitate 1.65 **0.90** 1.19 **4.50** 2.25 **1.40** 1.10 **5.90**"
        );
        assert_eq!(row(4), "virt, pci floor 1.82 1.08  6.67 3.00  1.38 ");
        assert_eq!(row(5), "virt, pci levitate-async    1.00 0.45 6.67  ");
        assert_eq!(cells.len(), 6, "{text}");
    }

    #[test]
    fn what_is_just_as_wanted_is_reached() {
        assert!(TimesAsFast(5.0).is_reached(5.0) && !TimesAsFast(5.0).is_reached(4.99));
        assert!(TimesAsLong(1.3).is_reached(1.3) && !TimesAsLong(1.3).is_reached(1.31));
    }

    #[test]
    fn without_the_other_crate_there_are_the_comparisons_with_the_floor() {
        let mut all = measured();
        all.retain(|one| !one.driver.starts_with(OTHERS));
        let figures = figures(&all);
        let left: Vec<&str> = figures.iter().map(|figure| figure.demand).collect();
        assert_eq!(left, ["one/floor", "batch/floor", "batch/floor"]);
    }
}
