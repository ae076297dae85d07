//! `cargo xtask bench queue`: what a request costs in a virtqueue, ours beside other crates' and a floor, in one process.
//!
//! [`program`] builds and runs what measures, [`callgrind`] has valgrind count its instructions, of which [`slow`] knows those that
//! take long; [`limits`] says what the figures have to be, [`expected`] what they were; [`table`] shows them.

mod callgrind;
pub(crate) mod expected;
pub(crate) mod limits;
mod program;
mod slow;
mod starts;
mod table;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::chart::{self, Bar, Group};
use super::document;
use super::options::QueueOptions;
use crate::setup::{Prerequisite, Setup};
pub(crate) use callgrind::Counts;
pub(crate) use program::{Case, Program, Times};
use slow::Slow;

/// Turns that make times that mean something.
const ROUNDS: usize = 301;

/// What was measured of one case; all figures are those of one request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    #[serde(flatten)]
    pub(crate) times: Times,
    #[serde(flatten)]
    pub(crate) counts: Counts,
}

impl Measured {
    pub(crate) fn case(&self) -> &Case {
        &self.times.case
    }
}

/// Measures everything, `rounds` times.
///
/// # Errors
///
/// The program cannot be built, or it or valgrind does not do what it should.
pub(crate) fn measure(rounds: usize) -> Result<Vec<Measured>> {
    let program = Program::build()?;
    let slow = Slow::find(&program)?;
    let mut all = Vec::new();
    eprintln!("xtask: measuring times …");
    for times in program.time(rounds)? {
        eprintln!("xtask: counting instructions of {} …", times.case);
        let counts = callgrind::count(&program, &times.case, &slow)?;
        all.push(Measured { times, counts });
    }
    Ok(all)
}

/// Measures, and shows what was found.
pub(super) fn run(options: &QueueOptions, setup: &Setup) -> Result<u8> {
    setup.ensure(&[Prerequisite::Valgrind])?;
    let all = measure(ROUNDS)?;
    let text = format!("{}\n{}", table::render(&all), limits::render(&all));
    println!("{text}");
    if let Some(path) = &options.json {
        let json = serde_json::to_string_pretty(&all)? + "\n";
        std::fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if options.save {
        document::QUEUE.save(&text, &drawn(&all))?;
    }
    Ok(0)
}

/// Returns the chart: instructions and times, one request at a time and in batches.
fn drawn(all: &[Measured]) -> String {
    let mut groups = Vec::new();
    for (is_one, depth) in [(true, "one at a time"), (false, "in batches")] {
        let shown: Vec<&Measured> = all
            .iter()
            .filter(|one| one.case().driver != "device" && (one.case().depth == 1) == is_one)
            .collect();
        let bars = |value: fn(&Measured) -> f64, unit: &str| {
            let bar = |one: &&Measured| Bar {
                name: format!("{} {}", one.case().driver, one.case().way),
                value: value(one),
                label: format!("{:.1} {unit}", value(one)),
            };
            shown.iter().map(bar).collect()
        };
        groups.push(Group {
            heading: format!("Instructions of the driver, requests {depth}"),
            bars: bars(|one| one.counts.driver(), "instructions"),
        });
        groups.push(Group {
            heading: format!("Median time with the device's share, requests {depth}"),
            bars: bars(|one| one.times.median_ns, "ns"),
        });
    }
    chart::svg("What a request costs, shorter is better", &groups)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A measurement with these instructions, a third of them in each phase.
    pub(crate) fn measured(
        driver: &str,
        way: &str,
        depth: usize,
        instructions: f64,
        ns: f64,
    ) -> Measured {
        Measured {
            times: Times {
                case: Case {
                    driver: driver.to_owned(),
                    way: way.to_owned(),
                    ring: "split-direct".to_owned(),
                    depth,
                },
                min_ns: ns,
                median_ns: ns,
                max_ns: ns,
                floors: ns / 20.0,
                allocations: 0.0,
            },
            counts: Counts {
                submit: instructions / 3.0,
                notify: instructions / 3.0,
                complete: instructions / 3.0,
                device: 7.0,
                full_barriers: 1.0,
                divisions: 0.0,
            },
        }
    }

    #[test]
    fn the_chart_has_all_but_the_device() {
        let chart = drawn(&[
            measured("device", "split-direct", 1, 1.0, 1.0),
            measured("levitate", "split-direct", 1, 120.0, 20.0),
            measured("levitate", "split-direct", 32, 90.0, 10.0),
        ]);
        assert!(chart.contains("120.0 instructions"), "{chart}");
        assert!(chart.contains("10.0 ns"), "{chart}");
        assert_eq!(chart.matches(">levitate split-direct<").count(), 4);
        assert!(!chart.contains("device split-direct"), "{chart}");
    }
}
