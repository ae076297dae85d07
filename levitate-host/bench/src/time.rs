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
    /// Heap allocations of a request.
    allocations: f64,
}

/// A case, and what its turns took so far.
struct Measuring {
    place: usize,
    case: Case,
    contender: Box<dyn Batches>,
    turns_ns: Vec<f64>,
    allocations: u64,
}

impl Measuring {
    fn turn(&mut self, requests: usize) {
        let batches = requests.div_ceil(self.case.depth);
        let before = allocations::count();
        let begin = Instant::now();
        self.contender.run(batches);
        let time = begin.elapsed();
        self.allocations += allocations::count() - before;
        let requests = batches * self.case.depth;
        self.turns_ns.push(time.as_nanos() as f64 / requests as f64);
    }

    fn end(mut self, requests: usize) -> Measured {
        let rounds = self.turns_ns.len();
        self.turns_ns.sort_by(f64::total_cmp);
        let requests = rounds * requests.next_multiple_of(self.case.depth);
        Measured {
            case: self.case,
            min_ns: self.turns_ns[0],
            median_ns: self.turns_ns[rounds / 2],
            max_ns: self.turns_ns[rounds - 1],
            allocations: self.allocations as f64 / requests as f64,
        }
    }
}

/// Has all contenders take turns, `rounds` of them with `requests` requests each, and no fewer than one of either.
pub(crate) fn measure(rounds: usize, requests: usize) -> Vec<Measured> {
    let (rounds, requests) = (rounds.max(1), requests.max(1));
    let entries = contenders::all().enumerate();
    let mut all: Vec<Measuring> = entries
        .map(|(place, entry)| Measuring {
            place,
            case: entry.case,
            contender: (entry.make)(entry.case.depth),
            turns_ns: Vec::with_capacity(rounds),
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
        for measuring in &mut all {
            measuring.turn(requests);
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

    #[test]
    fn everything_takes_time() {
        for measured in measure(3, 64) {
            assert!(measured.min_ns > 0.0, "{measured:?}");
            assert!(measured.min_ns <= measured.median_ns, "{measured:?}");
            assert!(measured.median_ns <= measured.max_ns, "{measured:?}");
        }
    }
}
