//! What the figures have to be: [`LIMITS`].

use anyhow::{Result, bail, ensure};

use super::Measured;
use super::program::Case;
use crate::bench::grid;

/// An upper limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// What is limited.
    what: What,
    /// Which of our ways.
    way: &'static str,
    /// One request at a time, or batches.
    is_one: bool,
    at_most: f64,
    reached: Reached,
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Instructions.
    Instructions,
    /// Instructions, as a multiple of the floor's with an indirect table that is used again.
    InstructionsInFloors,
    /// Full barriers.
    FullBarriers,
    /// Divisions.
    Divisions,
    /// Allocations from the heap.
    Allocations,
    /// The median of the time as a multiple of the floor's over the same kind of ring, just before.
    TimeInFloors,
    /// The [steady](steady_ns) time, as a multiple of that of the queue of virtio-drivers without indirect tables.
    TimeInVirtioDrivers,
    /// The [steady](steady_ns) time, as a multiple of that of the fastest other crate: of queues over the same format, or of block drivers.
    TimeInFastest,
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::InstructionsInFloors => "instructions, in those of the floor split-indirect",
            Self::FullBarriers => "full barriers",
            Self::Divisions => "divisions",
            Self::Allocations => "allocations",
            Self::TimeInFloors => "time, in that of the floor over such a ring",
            Self::TimeInVirtioDrivers => "time, in that of virtio-drivers split-direct",
            Self::TimeInFastest => "time, in that of the fastest other crate",
        }
    }
}

/// Whether a limit is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// It is, and a change that breaks it is a mistake.
    Yes,
    /// It is not; a change that reaches it says so here, for it to stay so.
    NotYet,
    /// It is one of time, which depends on what else the host does: tests do not ask.
    Untested,
}

use Reached::{NotYet, Untested, Yes};
use What::{
    Allocations, Divisions, FullBarriers, Instructions, InstructionsInFloors, TimeInFastest,
    TimeInFloors, TimeInVirtioDrivers,
};

/// Once in a batch of 32.
const BATCHED: f64 = 1.0 / 32.0;

macro_rules! limits {
    ($($what:ident: $($way:literal)*: $one:literal one $one_is:ident, $batch:tt in batches $batch_is:ident;)*) => {
        &[$($(
            Limit { what: $what, way: $way, is_one: true, at_most: $one, reached: $one_is },
            Limit { what: $what, way: $way, is_one: false, at_most: $batch, reached: $batch_is },
        )*)*]
    };
}

/// All limits.
const LIMITS: &[Limit] = limits! {
    Instructions: "split-direct" "split-direct-event" "split-direct-in-order" "split-direct-event-in-order" "split-indirect": 140.0 one Yes, 125.0 in batches Yes;
    Instructions: "packed-direct" "packed-direct-event" "packed-direct-in-order" "packed-direct-event-in-order" "packed-indirect": 185.0 one Yes, 155.0 in batches Yes;
    // Twice the floor is less than a driver takes that is written for this one case and checks and owns (`block-checked`).
    InstructionsInFloors: "block": 2.0 one NotYet, 2.0 in batches NotYet;
    FullBarriers: "split-direct" "split-direct-event" "split-direct-in-order" "split-direct-event-in-order" "split-indirect" "block": 1.0 one Yes, BATCHED in batches Yes;
    FullBarriers: "packed-direct" "packed-direct-event" "packed-direct-in-order" "packed-direct-event-in-order" "packed-indirect": 1.0 one Yes, BATCHED in batches Yes;
    Divisions: "split-direct" "split-direct-event" "split-direct-in-order" "split-direct-event-in-order" "split-indirect" "block": 0.0 one Yes, 0.0 in batches Yes;
    Divisions: "packed-direct" "packed-direct-event" "packed-direct-in-order" "packed-direct-event-in-order" "packed-indirect": 0.0 one Yes, 0.0 in batches Yes;
    Allocations: "split-direct" "split-direct-event" "split-direct-in-order" "split-direct-event-in-order" "split-indirect" "block": 0.0 one Yes, 0.0 in batches Yes;
    Allocations: "packed-direct" "packed-direct-event" "packed-direct-in-order" "packed-direct-event-in-order" "packed-indirect": 0.0 one Yes, 0.0 in batches Yes;
    TimeInFloors: "split-direct" "split-direct-event" "split-direct-in-order" "split-direct-event-in-order" "split-indirect": 1.4 one Untested, 1.6 in batches Untested;
    TimeInFloors: "packed-direct" "packed-direct-event" "packed-direct-in-order" "packed-direct-event-in-order" "packed-indirect": 1.4 one Untested, 1.6 in batches Untested;
    TimeInFloors: "block": 1.4 one Untested, 1.6 in batches Untested;
    TimeInVirtioDrivers: "split-direct" "split-indirect": 0.4 one Untested, 0.4 in batches Untested;
    TimeInFastest: "split-direct" "split-indirect" "packed-direct" "packed-indirect" "block": 0.667 one Untested, 0.667 in batches Untested;
};

/// Returns the limits that tests ask for.
pub(crate) fn counted() -> impl Iterator<Item = &'static Limit> {
    LIMITS.iter().filter(|limit| limit.reached != Untested)
}

/// How a limit fares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    Kept,
    /// With what was measured, if there is such a contender.
    NotYet(Option<f64>),
}

impl Limit {
    /// Returns the words for it.
    pub(crate) fn name(&self) -> String {
        let depth = if self.is_one {
            "one at a time"
        } else {
            "in batches"
        };
        format!("{}, {depth}: {}", self.way, self.what.name())
    }

    /// Compares with what was measured.
    ///
    /// # Errors
    ///
    /// A limit that was kept is not any more, or one that was not is now, and this table does not know.
    pub(crate) fn check(&self, all: &[Measured]) -> Result<Fate> {
        let (value, at_most) = (self.value(all), self.at_most);
        if let (FullBarriers, Some(value)) = (self.what, value) {
            // Without one, either requests are lost or none was looked for where it is.
            ensure!(value >= at_most, "{value:.2}, and {at_most} is needed");
        }
        match (self.reached, value) {
            (Yes | Untested, Some(value)) if value <= at_most => Ok(Fate::Kept),
            (Yes | Untested, Some(value)) => bail!("{value:.2}, and at most {at_most} is wanted"),
            (Yes | Untested, None) => bail!("there is no such contender any more"),
            (NotYet, Some(value)) if value <= at_most => {
                bail!(
                    "{value:.2} is within {at_most}: make the table in limits.rs say so, for it to stay so"
                )
            }
            (NotYet, value) => Ok(Fate::NotYet(value)),
        }
    }

    /// Returns what is limited, if there is such a contender.
    fn value(&self, all: &[Measured]) -> Option<f64> {
        let is_deep = |case: &Case| (case.depth == 1) == self.is_one;
        let find = |driver: &str, way: &str| {
            all.iter().find(|one| {
                let case = one.case();
                case.driver == driver && case.way == way && is_deep(case)
            })
        };
        let ours = find("levitate", self.way)?;
        let steady = |one: &Measured| steady_ns(one, all).unwrap_or(one.times.median_ns);
        let time = |other: Option<&Measured>| Some(steady(ours) / steady(other?));
        match self.what {
            Instructions => Some(ours.counts.driver()),
            InstructionsInFloors => {
                Some(ours.counts.driver() / find("floor", "split-indirect")?.counts.driver())
            }
            FullBarriers => Some(ours.counts.full_barriers),
            Divisions => Some(ours.counts.divisions),
            Allocations => Some(ours.times.allocations),
            TimeInFloors => Some(ours.times.floors),
            TimeInVirtioDrivers => time(find("virtio-drivers", "split-direct")),
            TimeInFastest => {
                let is_peer = |one: &&Measured| {
                    let case = one.case();
                    !["device", "floor", "levitate"].contains(&case.driver.as_str())
                        && is_deep(case)
                        && self.is_alike(case)
                };
                let by_time = |a: &&Measured, b: &&Measured| steady(a).total_cmp(&steady(b));
                time(all.iter().filter(is_peer).min_by(by_time))
            }
        }
    }

    /// Says whether another crate's way is of the same kind: a block driver, or a queue with rings of the same format.
    fn is_alike(&self, other: &Case) -> bool {
        let kind = |way: &str| way.split('-').next().map(str::to_owned);
        kind(self.way) == kind(&other.way)
    }
}

/// Returns the time that a contender would take if the host were as the floor over such a ring had it for the most part: so others can be
/// compared with it that had their turns at other times.
fn steady_ns(one: &Measured, all: &[Measured]) -> Option<f64> {
    let is_floor = |other: &&Measured| {
        let (case, other) = (one.case(), other.case());
        other.driver == "floor" && other.way == case.ring && other.is_as_deep_as(case)
    };
    let floor = all.iter().find(is_floor)?;
    Some(one.times.floors * floor.times.median_ns)
}

const HEADINGS: [&str; 6] = [
    "limited",
    "way",
    "one at a time",
    "limit",
    "in batches",
    "limit",
];

/// Returns what was measured for each limit, as a table; what is beyond its limit is bold.
pub(super) fn render(all: &[Measured]) -> String {
    let cells = |limit: &Limit| {
        let value = match limit.value(all) {
            Some(value) if value <= limit.at_most => format!("{value:.2}"),
            Some(value) => format!("**{value:.2}**"),
            None => "none there".to_owned(),
        };
        [value, limit.at_most.to_string()]
    };
    let (pairs, _) = LIMITS.as_chunks::<2>();
    let rows = pairs.iter().map(|[one, batch]| {
        let [[value, limit], [batch_value, batch_limit]] = [cells(one), cells(batch)];
        let what = one.what.name().to_owned();
        [
            what,
            one.way.to_owned(),
            value,
            limit,
            batch_value,
            batch_limit,
        ]
    });
    grid::render(HEADINGS, 2, rows)
}

#[cfg(test)]
mod tests {
    use super::super::tests::measured;
    use super::*;

    fn limit(what: What, way: &'static str, at_most: f64, reached: Reached) -> Limit {
        Limit {
            what,
            way,
            is_one: true,
            at_most,
            reached,
        }
    }

    #[test]
    fn a_limit_is_kept_broken_or_reached() {
        let all = [measured("levitate", "split-direct", 1, 120.0, 20.0)];
        let check =
            |at_most, reached| limit(Instructions, "split-direct", at_most, reached).check(&all);
        assert_eq!(check(120.0, Yes).unwrap(), Fate::Kept);
        assert!(
            check(119.0, Yes)
                .unwrap_err()
                .to_string()
                .contains("120.00")
        );
        assert_eq!(check(119.0, NotYet).unwrap(), Fate::NotYet(Some(120.0)));
        let barriers = limit(FullBarriers, "split-direct", 2.0, Yes).check(&all);
        assert!(barriers.unwrap_err().to_string().contains("is needed"));
        let reached = check(120.0, NotYet).unwrap_err().to_string();
        assert!(reached.contains("limits.rs"), "{reached}");
    }

    #[test]
    fn a_contender_that_is_not_there_is_missed_only_once_it_was() {
        let check = |reached| limit(Instructions, "packed-direct", 185.0, reached).check(&[]);
        assert_eq!(check(NotYet).unwrap(), Fate::NotYet(None));
        assert!(check(Yes).is_err());
    }

    #[test]
    fn what_is_compared_with_is_of_the_same_kind_and_depth() {
        let all = [
            measured("levitate", "split-direct", 1, 120.0, 20.0),
            measured("levitate", "block", 1, 120.0, 30.0),
            measured("floor", "split-direct", 1, 80.0, 16.0),
            measured("floor", "split-indirect", 1, 60.0, 15.0),
            measured("virtio-drivers", "split-direct", 1, 250.0, 50.0),
            measured("virtio-drivers", "split-indirect", 16, 250.0, 10.0),
            measured("libblkio", "split-direct", 1, 300.0, 40.0),
            measured("libblkio", "packed-direct", 1, 300.0, 35.0),
            measured("libblkio", "block-packed", 1, 300.0, 60.0),
        ];
        let value = |what, way| limit(what, way, 1.0, Yes).value(&all).unwrap();
        let is = |value: f64, wanted: f64| assert!((value - wanted).abs() < 1e-9, "{value}");
        is(value(InstructionsInFloors, "block"), 2.0);
        is(value(TimeInFloors, "split-direct"), 1.0);
        is(value(TimeInVirtioDrivers, "split-direct"), 0.4);
        is(value(TimeInFastest, "split-direct"), 0.5);
        is(value(TimeInFastest, "block"), 0.5);
        is(value(Allocations, "block"), 0.0);
    }

    #[test]
    fn no_limit_is_there_twice() {
        for (place, limit) in LIMITS.iter().enumerate() {
            let same = LIMITS.iter().position(|other| other.name() == limit.name());
            assert_eq!(same, Some(place), "{}", limit.name());
        }
        assert!(counted().count() > 0);
    }
}
