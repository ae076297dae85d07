//! What is known of drivers that do less than the kernel asks for: the tests they fail, each with its reason.
//!
//! The tests are the self-tests (those of a disk without its number) and those that look at the machine from outside.
//! A test that is expected to fail and passes is a failure, so that the table says what is so; and so is one that fails in
//! another way than it is expected to.

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
    /// What it looks like when it fails: what the test says has one of these in it.
    pub failures: &'static [&'static str],
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
    lacks(
        OTHER,
        Kind::Gpu,
        "display-present-damage",
        &[" bytes were sent for damage of "],
        ALWAYS_ALL,
    ),
    lacks(
        OTHER,
        Kind::Gpu,
        "display-present-nothing",
        &[" bytes were sent though nothing was drawn"],
        ALWAYS_ALL,
    ),
    lacks(
        OTHER,
        Kind::Gpu,
        "display-interrupts",
        &["the driver cannot tell a display not to interrupt"],
        "virtio-drivers cannot tell a display not to interrupt",
    ),
    lacks(
        OTHER,
        Kind::Blk,
        "interrupts",
        &["nothing within 5s"],
        NO_MESSAGES,
    )
    .over(Over::Messages),
    lacks(
        OTHER,
        Kind::Gpu,
        "follows-a-display-that-is-resized",
        &[r#"no news of "display "#],
        NO_MESSAGES,
    )
    .over(Over::Messages),
    lacks(OTHER, Kind::Blk, NARROW, NO_NARROW, SIXTEEN).over(Over::Messages),
    lacks(OTHER, Kind::Blk, NARROW, NO_NARROW, SIXTEEN).over(Over::Line),
    lacks(
        OTHER,
        Kind::Gpu,
        "shows-damage-alone",
        &["`gpu fill` was to flush its rectangle"],
        ALWAYS_ALL,
    ),
    lacks(
        OTHER,
        Kind::Blk,
        "erases",
        &["the driver has no such request"],
        "virtio-drivers has no request to discard sectors, and none to zero them",
    ),
    lacks(
        OTHER,
        Kind::Blk,
        "asks-only-for-what-there-is",
        &["this should have been refused before the device saw it"],
        "virtio-drivers leaves it to the disk to refuse sectors past its end",
    ),
    lacks(
        OTHER,
        Kind::Blk,
        "follows-a-disk-that-is-resized",
        &[r#"no news of "disk "#],
        "virtio-drivers reads the length of a disk once, when it comes up",
    ),
    lacks(
        OTHER,
        Kind::Blk,
        "accesses-no-register-wrongly",
        &["guest_features_sel > 0 in legacy mode"],
        "virtio-drivers accesses registers that version 1 has not: features above 31, the configuration's generation",
    )
    .over(Over::Legacy),
    lacks(
        OTHER,
        Kind::Blk,
        "ends-when-reset",
        &[NO_END],
        WAITS_FOR_EVER,
    ),
    lacks(
        OTHER,
        Kind::Blk,
        "ends-when-unplugged",
        &[NO_END, ALL_ONES],
        WAITS_FOR_EVER,
    ),
];

const OTHER: Driver = Driver::VirtioDrivers;

const NARROW: &str = "drives-a-narrow-queue";
const NO_NARROW: &[&str] = &[r#"names no disk "narrow""#];

const NO_MESSAGES: &str = "virtio-drivers gives nothing a message, and MSI-X is on";
const SIXTEEN: &str = "virtio-drivers wants queues of 16 entries, and the disk has 4";
const ALWAYS_ALL: &str = "virtio-drivers sends and shows all of the picture, whatever was drawn";
const WAITS_FOR_EVER: &str = "virtio-drivers waits without a deadline for an answer that a disk that is lost does not give, \
     and panics over one of which all registers read as ones";
const NO_END: &str =
    r#"the reading has no end: the serial line did not show "\nlevitate> " within"#;
/// Where it panics: PCI of `virt` reads as ones where no device is.
const ALL_ONES: &str = "virtio-drivers-0.13.0/src/transport/pci.rs";

const fn lacks(
    driver: Driver,
    kind: Kind,
    test: &'static str,
    failures: &'static [&'static str],
    reason: &'static str,
) -> Expectation {
    Expectation {
        test,
        driver,
        kind,
        over: None,
        failures,
        reason,
    }
}

impl Expectation {
    /// Says whether a test that says this fails as it is expected to.
    #[must_use]
    pub fn is_how(&self, said: &str) -> bool {
        self.failures.iter().any(|failure| said.contains(failure))
    }

    /// The same, in one way to the device alone.
    const fn over(self, over: Over) -> Self {
        Self {
            over: Some(over),
            ..self
        }
    }
}

/// Returns what is expected of `test` with the driver of that crate, if it is to fail; `over` is what is special about the way to the device.
#[must_use]
pub fn find(test: &str, crate_name: &str, over: Option<Over>) -> Option<&'static Expectation> {
    let mut all = EXPECTATIONS.iter();
    all.find(|expectation| {
        expectation.test == test
            && expectation.driver.crate_name(expectation.kind) == crate_name
            && (expectation.over.is_none() || expectation.over == over)
    })
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
            let found = find(test, "virtio-drivers", over);
            assert_eq!(found.map(|found| found.reason), Some(ALWAYS_ALL));
            assert_eq!(find(test, "levitate-drivers-gpu", over), None);
            assert_eq!(find("display-present", "virtio-drivers", over), None);
        }
    }

    #[test]
    fn what_fails_in_one_way_passes_in_the_others() {
        let find = |over| find("interrupts", "virtio-drivers", over);
        let found = find(Some(Over::Messages));
        assert_eq!(found.map(|found| found.reason), Some(NO_MESSAGES));
        assert_eq!(find(Some(Over::Legacy)), None);
        assert_eq!(find(None), None);
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

    #[test]
    fn every_failure_looks_like_something() {
        for one in EXPECTATIONS {
            assert!(!one.failures.is_empty(), "{}", one.test);
            assert!(!one.is_how(""), "{}", one.test);
        }
    }
}
