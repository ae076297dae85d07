//! The oracle finds what it is for: each bug that is seeded between driver and device fails a run, and for its own reason.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

#[path = "support/inputs.rs"]
mod inputs;

use inputs::{input, outcome};
use levitate_fuzz::{Sabotage, TARGETS};

/// Inputs to try: a polite device, a mute one, and random ones.
const INPUTS: u64 = 300;

/// Runs inputs until one fails with `reason`; panics if none does, or if one fails that is not sabotaged.
fn finds(target: &str, sabotage: Sabotage, reason: &str) {
    let (_, _, run) = TARGETS
        .into_iter()
        .find(|(name, _, _)| *name == target)
        .unwrap();
    let mut other = Vec::new();
    for seed in 0..INPUTS {
        let bytes = input(seed);
        assert!(
            outcome(run, &bytes, Sabotage::None).is_ok(),
            "input {seed} fails without sabotage"
        );
        match outcome(run, &bytes, sabotage) {
            Err(why) if why.contains(reason) => return,
            Err(why) => other.push(why),
            Ok(()) => {}
        }
    }
    panic!(
        "{sabotage:?} is not found in {target}; found first: {:?}",
        other.first()
    );
}

#[test]
fn a_wait_without_an_end_is_found() {
    for target in ["block", "gpu"] {
        finds(target, Sabotage::FrozenClock, "no end after");
    }
}

#[test]
fn a_loop_without_a_look_at_the_clock_is_found() {
    for target in ["queue", "block", "gpu", "config"] {
        finds(target, Sabotage::BlindLoop, "without a look at the clock");
    }
}

#[test]
fn a_missed_deadline_is_found() {
    finds("block", Sabotage::SlowClock, "waits");
    finds("gpu", Sabotage::SlowClock, "waits");
}

#[test]
fn leaked_memory_is_found() {
    for target in ["queue", "block", "gpu", "probe"] {
        finds(target, Sabotage::Leak, "pieces of memory are leaked");
    }
}

#[test]
fn memory_that_is_given_back_early_is_found() {
    for target in ["queue", "block", "gpu"] {
        finds(
            target,
            Sabotage::EarlyRelease,
            "while a device may still use",
        );
    }
}

#[test]
fn an_address_that_leads_nowhere_is_found() {
    for target in ["queue", "block", "gpu", "probe"] {
        finds(target, Sabotage::WrongAddress, "is not in memory");
    }
}

#[test]
fn a_driver_that_does_not_work_after_a_reset_is_found() {
    finds("queue", Sabotage::NotReady, "does not answer");
    finds(
        "block",
        Sabotage::NotReady,
        "a device that behaves does not work",
    );
    finds(
        "gpu",
        Sabotage::NotReady,
        "a device that behaves does not work",
    );
}

#[test]
fn a_buffer_that_comes_back_early_is_found() {
    finds("block", Sabotage::TakenEarly, "that the device still has");
}

#[test]
fn a_buffer_that_comes_back_twice_is_found() {
    finds("block", Sabotage::TakenTwice, "a buffer came back twice");
}

#[test]
fn an_access_outside_the_registers_is_found() {
    finds("probe", Sabotage::OutsideRegisters, "bytes of registers");
}

#[test]
fn a_used_ring_that_is_misread_is_found() {
    finds("queue", Sabotage::Miscounted, "the used ring has");
}

#[test]
fn a_footer_that_does_not_begin_anew_is_found() {
    finds("queue", Sabotage::StaleFooter, "a footer is not");
}

#[test]
fn a_wrap_counter_that_does_not_turn_is_found() {
    finds("queue", Sabotage::StaleWrap, "the used ring has");
}

#[test]
fn what_a_reset_of_the_queue_gives_back_twice_is_found() {
    finds("queue", Sabotage::BackTwice, "which nobody has");
}

#[test]
fn a_token_that_outlives_a_reset_of_the_queue_is_found() {
    finds("queue", Sabotage::OldToken, "a token of before the reset");
}

#[test]
fn a_notification_that_comes_too_late_is_found() {
    finds("queue", Sabotage::LateEvent, "of another request");
}

#[test]
fn a_torn_configuration_is_found() {
    finds("config", Sabotage::TornConfig, "that never was");
}

#[test]
fn an_impossible_picture_is_found() {
    finds("display", Sabotage::HugePicture, "no picture can have");
}

#[test]
fn a_range_outside_its_bar_is_found() {
    finds("pci", Sabotage::WideBars, "reaches outside its BAR");
}
