//! A device that lies, with each kind of ring there is: split or packed, each with and without indirect descriptors, event index
//! and use in order.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

#[path = "support/inputs.rs"]
mod inputs;
#[path = "support/watch.rs"]
mod watch;

use inputs::{input, outcome};
use levitate_fuzz::{Sabotage, TARGETS};
use watch::Watch;

/// Inputs for each kind of ring.
const INPUTS: u64 = 500;

/// Bits of the byte that says what the device offers, as targets read it.
const LEGACY: u8 = 1;
const INDIRECT: u8 = 2;
const EVENT_IDX: u8 = 4;
const PACKED: u8 = 8;
const IN_ORDER: u8 = 32;

/// Says by the names of its features what ring a byte is for.
fn name(shape: u8) -> String {
    let features = [
        (PACKED, "packed"),
        (INDIRECT, "indirect"),
        (EVENT_IDX, "event index"),
        (IN_ORDER, "in order"),
    ];
    let chosen = features.iter().filter(|(bit, _)| shape & bit != 0);
    let names: Vec<&str> = chosen.map(|(_, name)| *name).collect();
    format!("a ring with {names:?}")
}

/// Returns the kinds of rings that have `needed`.
fn rings(needed: u8) -> Vec<u8> {
    let all = INDIRECT | EVENT_IDX | PACKED | IN_ORDER;
    let shapes = 0..=all;
    shapes
        .filter(|shape| shape & !all == 0 && shape & needed == needed)
        .collect()
}

/// Returns an input for a ring; its other choices are random, but for the device being new.
///
/// `from_end` is how many bytes a target takes before that which says what the device offers.
fn input_for(shape: u8, from_end: usize, seed: u64) -> Vec<u8> {
    let mut bytes = input(seed);
    bytes.resize(bytes.len().max(16), 0);
    let at = bytes.len() - 1 - from_end;
    let others = !(LEGACY | INDIRECT | EVENT_IDX | PACKED | IN_ORDER);
    bytes[at] = bytes[at] & others | shape;
    bytes
}

/// Runs inputs against a queue for each kind of ring that has `needed`, until one fails with `reason`; panics if none does.
fn each_finds(needed: u8, sabotage: Sabotage, reason: &str) {
    let named = TARGETS.into_iter().find(|(name, ..)| *name == "queue");
    let (_, _, run) = named.unwrap();
    let watch = Watch::new();
    for shape in rings(needed) {
        let found = (0..INPUTS).any(|seed| {
            watch.next();
            let outcome = outcome(run, &input_for(shape, 1, seed), sabotage);
            outcome.is_err_and(|why| why.contains(reason))
        });
        assert!(found, "{}: {sabotage:?} is not found", name(shape));
    }
}

/// Runs inputs for every kind of ring.
fn all_take_random_bytes(target: &str, from_end: usize) {
    let named = TARGETS.into_iter().find(|(name, ..)| *name == target);
    let (_, run, _) = named.unwrap();
    let watch = Watch::new();
    for shape in rings(0) {
        for seed in 0..INPUTS {
            eprintln!("{}, input {seed}", name(shape));
            watch.next();
            run(&input_for(shape, from_end, seed));
        }
    }
}

#[test]
fn there_are_sixteen_kinds() {
    assert_eq!(rings(0).len(), 16);
    assert_eq!(rings(PACKED | IN_ORDER).len(), 4);
}

#[test]
fn a_queue_takes_random_bytes_with_each() {
    all_take_random_bytes("queue", 1);
}

#[test]
fn the_block_driver_takes_random_bytes_with_each() {
    all_take_random_bytes("block", 2);
}

#[test]
fn a_completion_that_is_counted_twice_is_found_with_each() {
    each_finds(0, Sabotage::Miscounted, "the used ring has");
}

#[test]
fn a_completion_that_is_missed_is_found_with_each() {
    each_finds(0, Sabotage::Overlooked, "is not found");
}

#[test]
fn completions_in_another_order_are_found_with_each() {
    each_finds(0, Sabotage::WrongOrder, "are done in this order");
}

#[test]
fn a_request_that_is_taken_out_of_its_turn_is_found_with_each() {
    each_finds(0, Sabotage::OutOfTurn, "out of its turn");
}

#[test]
fn what_a_reset_of_the_queue_gives_back_twice_is_found_with_each() {
    each_finds(0, Sabotage::BackTwice, "which nobody has");
}

#[test]
fn a_token_that_outlives_a_reset_of_the_queue_is_found_with_each() {
    each_finds(0, Sabotage::OldToken, "a token of before the reset");
}

#[test]
fn a_notification_that_comes_too_late_is_found_with_each() {
    each_finds(EVENT_IDX, Sabotage::LateEvent, "of another request");
}

#[test]
fn a_batch_of_which_only_the_last_is_taken_is_found() {
    each_finds(IN_ORDER, Sabotage::LastAlone, "the used ring has");
}

#[test]
fn a_footer_that_does_not_begin_anew_is_found_with_each() {
    each_finds(0, Sabotage::StaleFooter, "a footer is not");
}

#[test]
fn a_wrap_counter_that_does_not_turn_is_found_with_each() {
    each_finds(PACKED, Sabotage::StaleWrap, "the used ring has");
}
