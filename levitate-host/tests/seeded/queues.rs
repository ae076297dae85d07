//! Faults in setting up a queue of version 2, and in its memory whatever the version (§2.7, §4.2.3.2).

use levitate_host::{Behaviour, BlockModel};

use crate::driver::Driver;
use crate::life::Step;
use crate::table::Act::{After, Before, Skip, TooLate};
use crate::table::{Seeded, assert_each_is_named};

const RING_RESET: u64 = 1 << 40;

fn with_queue_reset(behaviour: &mut Behaviour) {
    behaviour.offer = RING_RESET;
    behaviour.queue_reset_reads = Some(0);
    behaviour.queue_size_max = 512;
}

/// Does with a queue that was reset what was done with it at first, with or without its size.
fn set_up_again(driver: &mut Driver<BlockModel>, has_size: bool) {
    driver.act(Step::ReadInUse);
    driver.act(Step::ReadMaxSize);
    if has_size {
        driver.act(Step::WriteSize);
    }
    driver.act(Step::WriteAddresses);
    driver.act(Step::EnableQueue);
}

const FAULTS: &[Seeded<BlockModel>] = &[
    Seeded::new(
        "MMIO-12",
        "a size above the maximum",
        Step::WriteSize,
        Before(|driver, run| driver.write(0x038, run.either(2048, 1024))),
    )
    .modern(),
    Seeded::new(
        "MMIO-13",
        "a size written while the queue is ready",
        Step::EnableQueue,
        TooLate(|driver| driver.write(0x038, 512)),
    )
    .modern(),
    Seeded::new(
        "MMIO-13",
        "an address written while the queue is ready",
        Step::EnableQueue,
        TooLate(|driver| driver.write(0x090, driver.rings[0].areas()[1] as u32)),
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
        After(|driver, run| driver.write(0x030, run.either(7, 0))),
    )
    .modern(),
    Seeded::new(
        "MMIO-31",
        "a used ring that is not zeroed",
        Step::EnableQueue,
        Before(|driver, run| driver.rings[0].put(driver.rings[0].used + 8, run.either(1, 0))),
    )
    .modern(),
    Seeded::new(
        "MMIO-19",
        "a reset of the queue not waited for",
        Step::EnableQueue,
        After(|driver, run| {
            driver.write(0x0c0, 1);
            if !run.is_broken() {
                driver.read(0x0c0);
            }
            set_up_again(driver, true);
        }),
    )
    .modern()
    .accepting(RING_RESET)
    .on(with_queue_reset),
    Seeded::new(
        "VQR-03",
        "no size after a reset of the queue",
        Step::EnableQueue,
        After(|driver, run| {
            driver.write(0x0c0, 1);
            driver.read(0x0c0);
            set_up_again(driver, !run.is_broken());
        }),
    )
    .modern()
    .accepting(RING_RESET)
    .on(with_queue_reset),
    Seeded::new(
        "SPLIT-01",
        "descriptors at an odd multiple of 8",
        Step::WriteAddresses,
        Before(|driver, run| driver.rings[0].descriptors += run.either(8, 0)),
    )
    .modern(),
    Seeded::new(
        "SPLIT-01",
        "an available ring at an odd address",
        Step::WriteAddresses,
        Before(|driver, run| driver.rings[0].available += run.either(17, 18)),
    )
    .modern(),
    Seeded::new(
        "SPLIT-01",
        "a used ring at an odd multiple of 2",
        Step::WriteAddresses,
        Before(|driver, run| driver.rings[0].used += run.either(2, 4)),
    )
    .modern(),
    Seeded::new(
        "SPLIT-19",
        "used.flags is not zero",
        Step::EnableQueue,
        Before(|driver, run| driver.rings[0].put(driver.rings[0].used, run.either(2, 0))),
    ),
    Seeded::new(
        "SPLIT-28",
        "a size that is no power of two",
        Step::WriteSize,
        Before(|driver, run| driver.write(0x038, run.either(24, 16))),
    ),
    Seeded::new(
        "SPLIT-28",
        "a size above 32768",
        Step::WriteSize,
        Before(|driver, run| driver.write(0x038, run.either(65536, 32768))),
    )
    .on(|behaviour| behaviour.queue_size_max = 65536),
];

#[test]
fn each_wrong_way_to_set_up_a_queue_is_named() {
    assert_each_is_named(FAULTS);
}
