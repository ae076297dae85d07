//! Faults in setting up a queue of version 1 (§4.2.4).

use levitate_host::{Behaviour, BlockModel};

use crate::life::Step;
use crate::table::Act::{After, Before, Both, Skip, TooLate};
use crate::table::{Seeded, assert_each_is_named};

const FAULTS: &[Seeded<BlockModel>] = &[
    Seeded::new(
        "LMMIO-02",
        "no page size",
        Step::WritePageSize,
        Both(|driver, run| {
            if run.is_broken() {
                // The device leaves the queue alone: without a page size it would look for it elsewhere.
                let leave_alone = |behaviour: &mut Behaviour| behaviour.ignore_queue_setup = true;
                driver.device.behave(leave_alone);
            } else {
                driver.act(Step::WritePageSize);
            }
        }),
    )
    .legacy(),
    Seeded::new(
        "LMMIO-02",
        "a page size that is no power of two",
        Step::WritePageSize,
        Before(|driver, run| driver.write(0x028, run.either(3000, 4096))),
    )
    .legacy(),
    Seeded::new(
        "LMMIO-03",
        "no look at whether the queue is in use",
        Step::ReadInUse,
        Skip,
    )
    .legacy(),
    Seeded::new(
        "LMMIO-04",
        "no look at the maximum size",
        Step::ReadMaxSize,
        Skip,
    )
    .legacy(),
    Seeded::new(
        "LMMIO-04",
        "the maximum size read of a queue in use",
        Step::EnableQueue,
        After(|driver, run| {
            driver.read(run.either(0x034, 0x040));
        }),
    )
    .legacy(),
    Seeded::new(
        "LMMIO-04",
        "a queue that is not there",
        Step::SelectQueue,
        After(|driver, run| driver.write(0x030, run.either(7, 0))),
    )
    .legacy(),
    Seeded::new(
        "LMMIO-05",
        "a size above the maximum",
        Step::WriteSize,
        Before(|driver, run| driver.write(0x038, run.either(2048, 1024))),
    )
    .legacy(),
    Seeded::new("LMMIO-05", "no size", Step::WriteSize, Skip)
        .legacy()
        .on(|behaviour| behaviour.queue_size_max = 512),
    Seeded::new(
        "LMMIO-06",
        "a used ring that is not zeroed",
        Step::EnableQueue,
        Before(|driver, run| driver.rings[0].put(driver.rings[0].used + 8, run.either(1, 0))),
    )
    .legacy(),
    Seeded::new("LMMIO-07", "no alignment", Step::WriteAlign, Skip).legacy(),
    Seeded::new(
        "LMMIO-07",
        "an alignment that is no power of two",
        Step::WriteAlign,
        Before(|driver, run| driver.write(0x03c, run.either(3000, 4096))),
    )
    .legacy(),
    Seeded::new(
        "LMMIO-08",
        "the size written after the page number",
        Step::EnableQueue,
        TooLate(|driver| driver.write(0x038, 512)),
    )
    .legacy(),
    Seeded::new(
        "LMMIO-08",
        "the alignment written after the page number",
        Step::EnableQueue,
        TooLate(|driver| driver.write(0x03c, 4096)),
    )
    .legacy(),
];

#[test]
fn each_wrong_way_to_set_up_a_legacy_queue_is_named() {
    assert_each_is_named(FAULTS);
}
