//! Faults in setting up a queue of version 2, and in its memory whatever the version (§2.7, §4.2.3.2).

use levitate_host::BlockModel;

use crate::life::Step;
use crate::table::Act::{After, Before, Instead, Skip};
use crate::table::{Seeded, assert_each_is_named};

const FAULTS: &[Seeded<BlockModel>] = &[
    Seeded::new(
        "MMIO-12",
        "a size above the maximum",
        Step::WriteSize,
        Before(|driver| driver.write(0x038, 2048)),
    )
    .modern(),
    Seeded::new(
        "MMIO-13",
        "a size written while the queue is ready",
        Step::EnableQueue,
        After(|driver| driver.write(0x038, 8)),
    )
    .modern(),
    Seeded::new(
        "MMIO-13",
        "an address written while the queue is ready",
        Step::EnableQueue,
        After(|driver| driver.write(0x090, 0)),
    )
    .modern(),
    Seeded::new(
        "MMIO-31",
        "no look at whether the queue is in use",
        Step::ReadInUse,
        Skip,
    )
    .modern(),
    Seeded::new(
        "MMIO-31",
        "no look at the maximum size",
        Step::ReadMaxSize,
        Skip,
    )
    .modern(),
    Seeded::new("MMIO-31", "no size", Step::WriteSize, Skip)
        .modern()
        .on(|behaviour| behaviour.queue_size_max = 512),
    Seeded::new("MMIO-31", "no addresses", Step::WriteAddresses, Skip).modern(),
    Seeded::new(
        "MMIO-31",
        "a queue that is not there",
        Step::SelectQueue,
        After(|driver| driver.write(0x030, 7)),
    )
    .modern(),
    Seeded::new(
        "MMIO-31",
        "a used ring that is not zeroed",
        Step::EnableQueue,
        Before(|driver| driver.rings[0].put(driver.rings[0].used + 8, 1)),
    )
    .modern(),
    Seeded::new(
        "SPLIT-01",
        "descriptors at an odd multiple of 8",
        Step::WriteAddresses,
        Before(|driver| driver.rings[0].descriptors += 8),
    )
    .modern(),
    Seeded::new(
        "SPLIT-01",
        "an available ring at an odd address",
        Step::WriteAddresses,
        Before(|driver| driver.rings[0].available += 17),
    )
    .modern(),
    Seeded::new(
        "SPLIT-01",
        "a used ring at an odd multiple of 2",
        Step::WriteAddresses,
        Before(|driver| driver.rings[0].used += 2),
    )
    .modern(),
    Seeded::new(
        "SPLIT-19",
        "used.flags is not zero",
        Step::EnableQueue,
        Before(|driver| driver.rings[0].put(driver.rings[0].used, 2)),
    ),
    Seeded::new(
        "SPLIT-28",
        "a size that is no power of two",
        Step::WriteSize,
        Before(|driver| driver.write(0x038, 24)),
    ),
    Seeded::new(
        "SPLIT-28",
        "a size above 32768",
        Step::WriteSize,
        Instead(|driver| {
            driver.write(0x038, 65536);
            driver.act(Step::WriteSize);
        }),
    )
    .on(|behaviour| behaviour.queue_size_max = 65536),
];

#[test]
fn each_wrong_way_to_set_up_a_queue_is_named() {
    assert_each_is_named(FAULTS);
}
