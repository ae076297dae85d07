//! What is known of drivers that do less than the kernel asks for: the tests they fail, each with its reason.
//!
//! The tests are the self-tests (those of a disk without its number) and those that look at the machine from outside.
//! A test that is expected to fail and passes is a failure, so that the table says what is so.

use crate::command_line::{Driver, Kind};

/// A test that a driver is expected to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The test's name.
    pub test: &'static str,
    /// Whose driver it is.
    pub driver: Driver,
    /// The kind of device.
    pub kind: Kind,
    /// Where it does, if not everywhere.
    pub over: Option<Over>,
    /// Why it fails.
    pub reason: &'static str,
}

/// A way to a device in which drivers differ more than over version 2 of the registers in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Version 1 of the registers in memory.
    Legacy,
    /// PCI, with its interrupt line.
    Line,
    /// PCI, with messages as interrupts.
    Messages,
}

/// All that is known.
pub const EXPECTATIONS: &[Expectation] = &[
    other(Kind::Gpu, "display-present-damage", ALWAYS_ALL),
    other(Kind::Gpu, "display-present-nothing", ALWAYS_ALL),
    other(
        Kind::Gpu,
        "display-interrupts",
        "virtio-drivers cannot tell a display not to interrupt",
    ),
    over(Over::Messages, Kind::Blk, "interrupts", NO_MESSAGES),
    over(
        Over::Messages,
        Kind::Gpu,
        "follows-a-display-that-is-resized",
        NO_MESSAGES,
    ),
    over(Over::Messages, Kind::Blk, "drives-a-narrow-queue", SIXTEEN),
    over(Over::Line, Kind::Blk, "drives-a-narrow-queue", SIXTEEN),
    other(Kind::Gpu, "shows-damage-alone", ALWAYS_ALL),
    other(
        Kind::Blk,
        "erases",
        "virtio-drivers has no request to discard sectors, and none to zero them",
    ),
    other(
        Kind::Blk,
        "asks-only-for-what-there-is",
        "virtio-drivers leaves it to the disk to refuse sectors past its end",
    ),
    other(
        Kind::Blk,
        "follows-a-disk-that-is-resized",
        "virtio-drivers reads the length of a disk once, when it comes up",
    ),
    over(
        Over::Legacy,
        Kind::Blk,
        "accesses-no-register-wrongly",
        "virtio-drivers accesses registers that version 1 has not: features above 31, the configuration's generation",
    ),
];

const NO_MESSAGES: &str = "virtio-drivers gives nothing a message, and MSI-X is on";
const SIXTEEN: &str = "virtio-drivers wants queues of 16 entries, and the disk has 4";
const ALWAYS_ALL: &str = "virtio-drivers sends and shows all of the picture, whatever was drawn";

const fn other(kind: Kind, test: &'static str, reason: &'static str) -> Expectation {
    Expectation {
        test,
        driver: Driver::VirtioDrivers,
        kind,
        over: None,
        reason,
    }
}

const fn over(over: Over, kind: Kind, test: &'static str, reason: &'static str) -> Expectation {
    Expectation {
        over: Some(over),
        ..other(kind, test, reason)
    }
}

/// Returns why `test` is expected to fail with the driver of that crate, if it is; `over` is what is special about the way to the device.
#[must_use]
pub fn reason(test: &str, crate_name: &str, over: Option<Over>) -> Option<&'static str> {
    let mut all = EXPECTATIONS.iter();
    let found = all.find(|expectation| {
        expectation.test == test
            && expectation.driver.crate_name(expectation.kind) == crate_name
            && (expectation.over.is_none() || expectation.over == over)
    });
    found.map(|expectation| expectation.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_driver_that_is_named_is_expected_to_fail() {
        let test = "display-present-damage";
        for over in [
            None,
            Some(Over::Legacy),
            Some(Over::Line),
            Some(Over::Messages),
        ] {
            assert_eq!(reason(test, "virtio-drivers", over), Some(ALWAYS_ALL));
            assert_eq!(reason(test, "levitate-drivers-gpu", over), None);
            assert_eq!(reason("display-present", "virtio-drivers", over), None);
        }
    }

    #[test]
    fn what_fails_in_one_way_passes_in_the_others() {
        let reason = |over| reason("interrupts", "virtio-drivers", over);
        assert_eq!(reason(Some(Over::Messages)), Some(NO_MESSAGES));
        assert_eq!(reason(Some(Over::Legacy)), None);
        assert_eq!(reason(None), None);
    }

    #[test]
    fn nothing_is_expected_of_ours_and_nothing_twice() {
        for (index, one) in EXPECTATIONS.iter().enumerate() {
            assert_ne!(
                one.driver,
                Driver::Levitate,
                "{}: ours is to be mended",
                one.test
            );
            let key = |one: &Expectation| (one.test, one.driver, one.over);
            let same = |other: &&Expectation| key(other) == key(one);
            assert!(
                !EXPECTATIONS[..index].iter().any(|other| same(&other)),
                "{}",
                one.test
            );
        }
    }
}
