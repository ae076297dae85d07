//! Times and allocations of everything, in turns: [`measure`].

use std::time::Instant;

use serde::Serialize;

use crate::allocations;
use crate::contenders::{self, Batches, Case};

/// What one case took.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    #[serde(flatten)]
    case: Case,
    /// Nanoseconds of a request, the device's share included: in the shortest turn, the median one, the longest one.
    min_ns: f64,
    median_ns: f64,
    max_ns: f64,
    /// The time of a turn, as a multiple of that of the turn before it, which the floor over such a ring had: the median.
    floors: f64,
    /// Heap allocations of a request.
    allocations: f64,
}

/// A case, and what its turns took so far.
struct Measuring {
    place: usize,
    case: Case,
    contender: Box<dyn Batches>,
    turns_ns: Vec<f64>,
    in_floors: Vec<f64>,
    allocations: u64,
}

impl Measuring {
    /// Runs so many requests; returns how long one took, in nanoseconds.
    fn run(&mut self, requests: usize) -> f64 {
        let batches = requests.div_ceil(self.case.depth);
        let begin = Instant::now();
        self.contender.run(batches);
        let time = begin.elapsed();
        time.as_nanos() as f64 / (batches * self.case.depth) as f64
    }

    fn turn(&mut self, requests: usize, floor_ns: f64) {
        let before = allocations::count();
        let turn_ns = self.run(requests);
        self.allocations += allocations::count() - before;
        self.turns_ns.push(turn_ns);
        self.in_floors.push(turn_ns / floor_ns);
    }

    /// Says whether it is the floor that another one is compared with.
    fn is_floor_of(&self, other: &Case) -> bool {
        let Case {
            driver, way, depth, ..
        } = self.case;
        driver == "floor" && way == other.ring && (depth == 1) == (other.depth == 1)
    }

    fn end(mut self, requests: usize) -> Measured {
        let rounds = self.turns_ns.len();
        self.turns_ns.sort_by(f64::total_cmp);
        self.in_floors.sort_by(f64::total_cmp);
        let requests = rounds * requests.next_multiple_of(self.case.depth);
        Measured {
            case: self.case,
            min_ns: self.turns_ns[0],
            median_ns: self.turns_ns[rounds / 2],
            max_ns: self.turns_ns[rounds - 1],
            floors: self.in_floors[rounds / 2],
            allocations: self.allocations as f64 / requests as f64,
        }
    }
}

/// Has all contenders take turns, `rounds` of them with `requests` requests each, and no fewer than one of either.
///
/// Before each turn the floor over such a ring has one that counts for nothing else. A CPU may have another clock or half of its units
/// for some milliseconds, when another guest of its host wants the rest: that is in both turns, and not in what one is of the other.
pub(crate) fn measure(rounds: usize, requests: usize) -> Vec<Measured> {
    let (rounds, requests) = (rounds.max(1), requests.max(1));
    let entries = contenders::all().enumerate();
    let mut all: Vec<Measuring> = entries
        .map(|(place, entry)| Measuring {
            place,
            case: entry.case,
            contender: (entry.make)(entry.case.depth),
            turns_ns: Vec::with_capacity(rounds),
            in_floors: Vec::with_capacity(rounds),
            allocations: 0,
        })
        .collect();
    for measuring in &mut all {
        // Caches, branch predictors, and the pages of the memory.
        measuring.contender.run(requests);
    }
    for round in 0..rounds {
        // What else the host does hits none of them at the same place each time.
        let count = all.len();
        all.rotate_left((7 * round + 1) % count);
        for place in 0..count {
            let case = all[place].case;
            let mut floors = all.iter_mut().filter(|other| other.is_floor_of(&case));
            let floor = floors.next().expect("a floor over each kind of ring");
            let floor_ns = floor.run(requests);
            all[place].turn(requests, floor_ns);
        }
    }
    all.sort_by_key(|measuring| measuring.place);
    all.into_iter()
        .map(|measuring| measuring.end(requests))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What takes no time.
    struct Nothing;

    impl Batches for Nothing {
        fn run(&mut self, _count: usize) {}
    }

    #[test]
    fn a_floor_is_that_over_the_same_ring_with_batches_where_there_are_batches() {
        let case = |driver, way, ring, depth| Case {
            driver,
            way,
            ring,
            depth,
        };
        let is_floor = |candidate: Case, other: &Case| {
            let measuring = Measuring {
                place: 0,
                case: candidate,
                contender: Box::new(Nothing),
                turns_ns: Vec::new(),
                in_floors: Vec::new(),
                allocations: 0,
            };
            measuring.is_floor_of(other)
        };
        let floor = |way, depth| case("floor", way, way, depth);
        let single = case("levitate", "block", "split-direct", 1);
        let batch = Case {
            depth: 16,
            ..single
        };
        assert!(is_floor(floor("split-direct", 1), &single));
        assert!(!is_floor(floor("split-direct", 32), &single));
        assert!(!is_floor(floor("split-direct", 1), &batch));
        assert!(
            is_floor(floor("split-direct", 32), &batch),
            "a batch of another size is one, too"
        );
        for depth in [1, 32] {
            for other in [single, batch, floor("split-direct", depth)] {
                let others = [
                    floor("split-indirect", depth),
                    floor("packed-direct", depth),
                    // Over such a ring, but not the one that stands for it.
                    case("floor", "split-preset", "split-direct", depth),
                    // No floor, but called as one.
                    case("levitate", "split-direct", "split-direct", depth),
                    case("device", "split-direct", "split-direct", depth),
                ];
                for candidate in others {
                    assert!(!is_floor(candidate, &other), "{candidate:?} of {other:?}");
                }
            }
        }
    }

    #[test]
    fn everything_takes_time() {
        for measured in measure(3, 64) {
            assert!(measured.min_ns > 0.0, "{measured:?}");
            assert!(measured.min_ns <= measured.median_ns, "{measured:?}");
            assert!(measured.median_ns <= measured.max_ns, "{measured:?}");
            assert!(measured.floors > 0.0, "{measured:?}");
        }
    }
}
