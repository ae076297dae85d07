//! Faults in the steps of an initialization (§2.1, §2.4, §3.1.1).

use levitate_host::{BlockModel, Completion};

use crate::life::Step;
use crate::table::Act::{After, Before, Both, Instead, Skip, TooEarly, TooLate};
use crate::table::{Seeded, assert_each_is_named};

const FAULTS: &[Seeded<BlockModel>] = &[
    Seeded::new(
        "STATUS-01",
        "DRIVER together with ACKNOWLEDGE",
        Step::Acknowledge,
        Instead(|driver| driver.status = 1),
    ),
    Seeded::new(
        "STATUS-01",
        "a bit that is no status bit",
        Step::Acknowledge,
        Instead(|driver| {
            driver.write(0x070, 0x101);
            driver.status = 1;
        }),
    ),
    Seeded::new(
        "STATUS-02",
        "ACKNOWLEDGE turned off by DRIVER",
        Step::Driver,
        Instead(|driver| {
            driver.write(0x070, 2);
            driver.set_status(2);
        }),
    ),
    Seeded::new(
        "STATUS-03",
        "going on after FAILED",
        Step::Driver,
        After(|driver, run| {
            driver.set_status(0x80);
            if run.is_broken() {
                driver.set_status(0);
            }
            driver.stop();
        }),
    )
    .ending(),
    Seeded::new(
        "STATUS-04",
        "a request after DEVICE_NEEDS_RESET was read",
        Step::Notify,
        Before(|driver, run| {
            driver.device.set_needs_reset();
            driver.read(0x070);
            if !run.is_broken() {
                driver.stop();
            }
        }),
    )
    .ending(),
    Seeded::new("INIT-01", "no reset first", Step::Reset, Skip),
    Seeded::new("INIT-01", "no DRIVER", Step::Driver, Skip),
    Seeded::new(
        "INIT-04",
        "more features after FEATURES_OK",
        Step::FeaturesOk,
        TooLate(|driver| {
            driver.write(0x024, 0);
            driver.write(0x020, driver.chosen() as u32);
        }),
    )
    .modern(),
    Seeded::new(
        "INIT-05",
        "FEATURES_OK not read back",
        Step::ConfirmFeatures,
        Skip,
    )
    .modern(),
    Seeded::new(
        "INIT-06",
        "refused features given up without FAILED",
        Step::ConfirmFeatures,
        Instead(|driver| {
            driver.read(0x070);
            driver.stop();
        }),
    )
    .modern()
    .ending()
    .on(|behaviour| behaviour.refuse_features = true),
    Seeded::new(
        "INIT-07",
        "a queue set up after the features were refused",
        Step::ConfirmFeatures,
        After(|driver, run| {
            if run.is_broken() {
                driver.set_up_queue();
            }
        }),
    )
    .modern()
    .ending()
    .on(|behaviour| behaviour.refuse_features = true),
    Seeded::new(
        "INIT-08",
        "a notification before DRIVER_OK",
        Step::DriverOk,
        Skip,
    ),
    Seeded::new(
        "RESET-01",
        "a reset taken for done while the status is not 0",
        Step::ConfirmReset,
        Skip,
    ),
    Seeded::new(
        "RESET-01",
        "a register written while the device is busy with its reset",
        Step::ConfirmReset,
        TooEarly(|driver| driver.write(0x030, 0)),
    ),
    Seeded::new(
        "CLEAN-01",
        "a descriptor changed while the device has it",
        Step::TakeUsed,
        TooEarly(|driver| {
            let mut descriptor = driver.chain[0];
            descriptor.len -= 1;
            driver.ring().write_descriptor(0, descriptor);
        }),
    )
    .on(|behaviour| behaviour.completion = Completion::Held),
    Seeded::new(
        "CLEAN-02",
        "buffers freed, and then the reset",
        Step::TakeUsed,
        Both(|driver, run| {
            if !run.is_broken() {
                driver.act(Step::Reset);
                driver.act(Step::ConfirmReset);
            }
            driver.buffers.clear();
            driver.stop();
        }),
    )
    .ending()
    .on(|behaviour| behaviour.completion = Completion::Never),
    Seeded::new(
        "CLEAN-02",
        "buffers freed before the answer",
        Step::TakeUsed,
        TooEarly(|driver| driver.buffers.clear()),
    )
    .on(|behaviour| behaviour.completion = Completion::Held),
];

#[test]
fn each_broken_step_of_a_life_is_named() {
    assert_each_is_named(FAULTS);
}
