//! Every target takes any bytes: random ones, and those that once found something.

#[path = "support/watch.rs"]
mod watch;

use std::path::Path;

use levitate_fuzz::{Run, TARGETS};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use watch::Watch;

/// Inputs a target in this form; the fuzzer makes millions.
const CASES: u32 = 400;

/// Bytes of the longest input.
const MAX_BYTES: usize = 400;

#[expect(clippy::expect_used, reason = "a test may panic")]
fn try_random(run: Run) {
    let config = ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let bytes = proptest::collection::vec(any::<u8>(), 0..MAX_BYTES);
    let watch = Watch::new();
    TestRunner::new(config)
        .run(&bytes, |bytes| {
            watch.next();
            run(&bytes);
            Ok(())
        })
        .expect("every input");
}

#[test]
fn a_queue_takes_random_bytes() {
    try_random(levitate_fuzz::queue);
}

#[test]
fn the_block_driver_takes_random_bytes() {
    try_random(levitate_fuzz::block);
}

#[test]
fn the_gpu_driver_takes_random_bytes() {
    try_random(levitate_fuzz::gpu);
}

#[test]
fn probing_takes_random_bytes() {
    try_random(levitate_fuzz::probe);
}

#[test]
fn configuration_readers_take_random_bytes() {
    try_random(levitate_fuzz::config);
}

#[test]
fn display_readers_take_random_bytes() {
    try_random(levitate_fuzz::display);
}

#[test]
fn the_search_for_structures_on_pci_takes_random_bytes() {
    try_random(levitate_fuzz::pci);
}

#[test]
fn what_once_found_something_finds_nothing_now() {
    let regressions = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let watch = Watch::new();
    let mut inputs = 0;
    for directory in std::fs::read_dir(regressions).unwrap() {
        let directory = directory.unwrap();
        let name = directory.file_name().into_string().unwrap();
        let target = TARGETS.iter().find(|(target, ..)| *target == name);
        let Some((_, run, _)) = target else {
            panic!("regressions/{name} is no target's");
        };
        for input in std::fs::read_dir(directory.path()).unwrap() {
            let path = input.unwrap().path();
            eprintln!("{name}: {}", path.display());
            watch.next();
            run(&std::fs::read(&path).unwrap());
            inputs += 1;
        }
    }
    assert!(inputs > 0, "there are inputs, and none was run");
}
