//! Faults in setting up a queue of version 1 (§4.2.4).

use levitate_host::BlockModel;

use crate::life::Step;
use crate::table::Act::{After, Before, Skip};
use crate::table::{Seeded, assert_each_is_named};

const FAULTS: &[Seeded<BlockModel>] = &[
    // The device leaves the queue alone: without a page size it would look for it elsewhere.
    Seeded::new("LMMIO-02", "no page size", Step::WritePageSize, Skip)
        .legacy()
        .on(|behaviour| behaviour.ignore_queue_setup = true),
    Seeded::new(
        "LMMIO-02",
        "a page size that is no power of two",
        Step::WritePageSize,
        Before(|driver| driver.write(0x028, 3000)),
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
        After(|driver| {
            driver.read(0x034);
        }),
    )
    .legacy(),
    Seeded::new(
        "LMMIO-04",
        "a queue that is not there",
        Step::SelectQueue,
        After(|driver| driver.write(0x030, 7)),
    )
    .legacy(),
    Seeded::new(
        "LMMIO-05",
        "a size above the maximum",
        Step::WriteSize,
        Before(|driver| driver.write(0x038, 2048)),
    )
    .legacy(),
    Seeded::new("LMMIO-05", "no size", Step::WriteSize, Skip)
        .legacy()
        .on(|behaviour| behaviour.queue_size_max = 512),
    Seeded::new(
        "LMMIO-06",
        "a used ring that is not zeroed",
        Step::EnableQueue,
        Before(|driver| driver.rings[0].put(driver.rings[0].used + 8, 1)),
    )
    .legacy(),
    Seeded::new("LMMIO-07", "no alignment", Step::WriteAlign, Skip).legacy(),
    Seeded::new(
        "LMMIO-07",
        "an alignment that is no power of two",
        Step::WriteAlign,
        Before(|driver| driver.write(0x03c, 3000)),
    )
    .legacy(),
    Seeded::new(
        "LMMIO-08",
        "the size written after the page number",
        Step::EnableQueue,
        After(|driver| driver.write(0x038, 512)),
    )
    .legacy(),
    Seeded::new(
        "LMMIO-08",
        "the alignment written after the page number",
        Step::EnableQueue,
        After(|driver| driver.write(0x03c, 4096)),
    )
    .legacy(),
];

#[test]
fn each_wrong_way_to_set_up_a_legacy_queue_is_named() {
    assert_each_is_named(FAULTS);
}
