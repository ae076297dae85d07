//! The barriers between two threads of this machine: a message behind a flag, and two flags that are raised at once.
//!
//! A CPU may keep the order by itself, so it is Miri, which tries stale values, under which each test fails without its barrier.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use levitate_hal::Barriers;

const ALL: [Barriers; 2] = [Barriers::Cpu, Barriers::Platform];

/// An interpreter takes its time, and tries orders that a CPU rarely does.
const ROUNDS: u32 = if cfg!(miri) { 30 } else { 20_000 };

#[test]
fn what_is_written_before_the_index_is_seen_behind_it() {
    for barriers in ALL {
        let (entry, index) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    entry.store(round, Ordering::Relaxed);
                    barriers.before_publish();
                    index.store(round, Ordering::Relaxed);
                }
            });
            // Ends: the other thread counts up to `ROUNDS` whatever this one does.
            let mut seen = 0;
            while seen < ROUNDS {
                seen = index.load(Ordering::Relaxed);
                barriers.after_used_index_read();
                let entry = entry.load(Ordering::Relaxed);
                assert!(entry >= seen, "{barriers:?}: {entry} behind {seen}");
                thread::yield_now();
            }
        });
    }
}

#[test]
fn of_two_that_write_and_then_look_at_least_one_sees_the_other() {
    for barriers in ALL {
        let flags = [const { AtomicU32::new(0) }; 2];
        let seen = [const { AtomicU32::new(0) }; 2];
        let start = Barrier::new(2);
        let side = |own: usize| {
            for round in 1..=ROUNDS {
                start.wait();
                flags[own].store(round, Ordering::Relaxed);
                barriers.before_suppression_read();
                let other = flags[1 - own].load(Ordering::Relaxed);
                seen[own].store(other, Ordering::Relaxed);
                start.wait();
                let both = seen.each_ref().map(|seen| seen.load(Ordering::Relaxed));
                assert!(both.contains(&round), "{barriers:?}: {both:?} in {round}");
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| side(0));
            side(1);
        });
    }
}
