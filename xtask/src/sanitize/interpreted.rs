//! The half of `cargo xtask sanitize` that is run under Miri.

use anyhow::Result;

use super::{Extent, program, skipped};
use crate::interrupt;
use crate::setup::{Prerequisite, Setup};
use crate::test::{Tally, counted};
use crate::workspace::Apart;

/// Tests for Miri, named as cargo and the test program want it.
struct Interpreted {
    tests: &'static [&'static str],
    /// What of them [`Extent::Short`] has time for; nothing named is everything.
    short: &'static [&'static str],
    /// What of them Miri cannot run, or not within minutes.
    left_out: &'static [&'static str],
    /// Whether they give back all they allocate.
    detects_leaks: bool,
}

/// What Miri interprets; it knows few system calls, and takes a fifth of a second for a request over a queue.
const INTERPRETED: &[Interpreted] = &[
    Interpreted {
        tests: &[
            "--package",
            "levitate-hal",
            "--lib",
            "--test",
            "plain",
            "--test",
            "barriers",
        ],
        short: &[],
        left_out: &[],
        detects_leaks: true,
    },
    Interpreted {
        tests: &["--package", "levitate-virtio", "--lib"],
        short: &[],
        left_out: &[],
        detects_leaks: false,
    },
    Interpreted {
        tests: &["--package", "levitate-virtio", "--test", "behaviour"],
        short: &[
            "probe::",
            "hostile_device::a_chain_used_twice",
            "hostile_device::memory_that_runs_out",
            "requests::a_request_is_taken_once",
            "requests::a_token_of_an_earlier_life",
            "timeout_causes::an_answer_after_a_timeout",
        ],
        left_out: &[
            // Requests, devices or accesses by the thousand.
            "in_order::",
            "notification::with_the_event_index",
            "notification_data::the_data_goes_round",
            "pci_hostile::no_configuration_space_makes",
            "pci_hostile::some_of_the_lies",
            "random_calls::",
            "ring_order::",
            "ring_sizes::",
            "sleeping_sides::",
            "transport_features::what_is_accepted",
        ],
        detects_leaks: false,
    },
    Interpreted {
        tests: &["--package", "levitate-drivers-blk", "--lib"],
        // What has pointers below it.
        short: &["asynchronous::line::"],
        left_out: &[
            // Ranges by the thousand, of numbers alone.
            "range::tests::the_requests_of_a_range_are_counted",
        ],
        detects_leaks: true,
    },
    Interpreted {
        tests: &["--package", "levitate-host", "--lib"],
        short: &[
            "dma::",
            "queue::split::",
            "queue::packed::position::",
            "queue::packed::tests::notifications::",
        ],
        left_out: &[
            // Sockets.
            "vhost_user::",
            // Rings by the thousand.
            "queue::packed::tests::hostile::whatever_is_in_the_ring",
            "queue::packed::tests::rounds::",
        ],
        detects_leaks: false,
    },
    Interpreted {
        tests: &["--package", "levitate-host", "--test", "models"],
        short: &["faults::lengths_and_indices"],
        left_out: &[
            // Files.
            "block_file::",
            "gpu_screens::a_screen_can_be_saved_as_png",
            // Requests, or accesses, by the thousand.
            "block_zones::every_request_in_every_state",
            "pci::no_access_breaks_the_device",
            "ring::the_available_index_wraps",
            "ring::with_in_order_one_used_element",
            "packed_threads::",
        ],
        detects_leaks: false,
    },
];

/// What depends on the order of threads, and on how stale a value is: more time tries more of both.
const THREADED: Interpreted = Interpreted {
    tests: &["--package", "levitate-hal", "--test", "barriers"],
    short: &[],
    left_out: &[],
    detects_leaks: true,
};

/// How many orders are tried with more time.
const SEEDS: u32 = 16;

/// Runs under Miri what it can interpret.
pub(super) fn run(extent: Extent, setup: &Setup) -> Result<Tally> {
    match setup.ensure(&[Prerequisite::Miri]) {
        Ok(()) => {}
        Err(why) if interrupt::interrupted().is_none() => {
            return Ok(skipped("miri", &format!("{why:#}")));
        }
        Err(error) => return Err(error),
    }
    let mut tally = Tally::default();
    for interpreted in INTERPRETED {
        tally.add(miri(interpreted, extent, 0)?);
    }
    if extent == Extent::Full {
        for seed in 1..SEEDS {
            tally.add(miri(&THREADED, extent, seed)?);
        }
    }
    Ok(tally)
}

/// Runs some tests under Miri, which takes every choice it has as `seed` has it.
fn miri(interpreted: &Interpreted, extent: Extent, seed: u32) -> Result<Tally> {
    let mut command = program("cargo", Some("nightly"));
    let mut flags = format!("-Zmiri-seed={seed}");
    if !interpreted.detects_leaks {
        flags += " -Zmiri-ignore-leaks";
    }
    command
        .args(["miri", "test", "--no-fail-fast", "--all-features"])
        .args(interpreted.tests)
        .arg("--target-dir")
        .arg(Apart::Miri.target_dir())
        .arg("--")
        .args(interpreted.filters(extent))
        .env("MIRIFLAGS", flags);
    let mut tally = counted::run(&mut command)?;
    if tally.passed + tally.failed == 0 {
        println!(
            "test miri ... FAILED: no test of {:?} goes by the names asked for",
            interpreted.tests
        );
        tally.failed += 1;
    }
    Ok(tally)
}

impl Interpreted {
    /// Returns what the test program is told of which tests to run.
    fn filters(&self, extent: Extent) -> Vec<&'static str> {
        let mut filters = match extent {
            Extent::Short => self.short.to_vec(),
            Extent::Full => Vec::new(),
        };
        for name in self.left_out {
            filters.extend(["--skip", name]);
        }
        filters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_miri_cannot_run_is_left_out_of_both_forms() {
        let tests = Interpreted {
            tests: &[],
            short: &["quick"],
            left_out: &["files", "sockets"],
            detects_leaks: true,
        };
        let left_out = ["--skip", "files", "--skip", "sockets"];
        assert_eq!(tests.filters(Extent::Full), left_out);
        assert_eq!(
            tests.filters(Extent::Short),
            [&["quick"], &left_out[..]].concat()
        );
    }
}
