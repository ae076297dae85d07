//! Faults in the available ring and in notifications (§2.7.6, §2.7.7, §2.7.10).

use levitate_host::{BlockModel, Version};

use crate::driver::{Driver, EVENT_IDX, SIZE};
use crate::life::{Step, live};
use crate::table::Act::{After, Before, Instead};
use crate::table::{Run, Seeded, assert_each_is_named};

/// Waits for an answer until it has waited long enough.
fn wait(driver: &mut Driver<BlockModel>) {
    driver.read(0x070);
    driver.stop();
}

/// Notifies without having asked whether the device wants it, or only if it does.
fn notify_again(driver: &mut Driver<BlockModel>, run: Run) {
    if run.is_broken() {
        driver.write(0x050, 0);
    } else {
        driver.act(Step::Notify);
    }
}

const FAULTS: &[Seeded<BlockModel>] = &[
    Seeded::new(
        "SPLIT-11",
        "an index that goes back",
        Step::Publish,
        After(|driver, run| {
            let index = driver.ring().published;
            driver
                .ring()
                .set_available_index(run.either(u16::MAX, index));
        }),
    ),
    Seeded::new(
        "SPLIT-11",
        "an index that goes round the ring",
        Step::Publish,
        After(|driver, run| {
            let index = driver.ring().published;
            driver
                .ring()
                .set_available_index(run.either(SIZE + 1, index));
        }),
    ),
    Seeded::new(
        "SPLIT-12",
        "avail.flags is neither 0 nor 1",
        Step::Publish,
        Before(|driver, run| driver.rings[0].put(driver.rings[0].available, run.either(2, 1))),
    ),
    Seeded::new(
        "SPLIT-14",
        "avail.flags is 1 with EVENT_IDX",
        Step::Publish,
        Before(|driver, run| driver.rings[0].put(driver.rings[0].available, run.either(1, 0))),
    )
    .accepting(EVENT_IDX),
    Seeded::new(
        "SPLIT-21",
        "a notification while used.flags is 1",
        Step::Notify,
        After(|driver, run| {
            driver.device.set_used_flags(0, 1);
            notify_again(driver, run);
            driver.device.set_used_flags(0, 0);
        }),
    ),
    Seeded::new(
        "SPLIT-22",
        "a wait without a notification",
        Step::Notify,
        Instead(wait),
    ),
    Seeded::new(
        "SPLIT-24",
        "a wait without a notification, with EVENT_IDX",
        Step::Notify,
        Instead(wait),
    )
    .accepting(EVENT_IDX),
    Seeded::new(
        "SPLIT-25",
        "a notification that avail_event did not ask for",
        Step::Notify,
        After(notify_again),
    )
    .accepting(EVENT_IDX),
];

#[test]
fn each_wrong_notification_is_named() {
    assert_each_is_named(FAULTS);
}

#[test]
fn a_driver_that_gives_up_before_it_decides_whether_to_notify_breaks_no_rule() {
    let gives_up = [0, EVENT_IDX].map(|features| {
        Seeded::<BlockModel>::new("", "", Step::Notify, Instead(Driver::stop)).accepting(features)
    });
    for seeded in &gives_up {
        for version in [Version::One, Version::Two] {
            let outcome = live(version, seeded, Run::Broken);
            assert_eq!(outcome.ids, [""; 0], "{version:?}");
        }
    }
}
