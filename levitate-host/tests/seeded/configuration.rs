//! Faults in reading and writing the configuration space (§2.5, §4.2.2.2).

use levitate_hal::Mmio;
use levitate_host::{BlockModel, GpuModel};

use crate::driver::Driver;
use crate::life::Step;
use crate::table::Act::{After, Both, Instead, TooEarly};
use crate::table::{Run, Seeded, assert_each_is_named};

/// Where the capacity of a disk is.
const CAPACITY: usize = 0x100;
const GENERATION: usize = 0x0fc;
/// Where `size_max` is, which is offered.
const SIZE_MAX: usize = 0x108;

/// Reads the configuration as it should be read, where that is what was not done.
fn read_again(driver: &mut Driver<BlockModel>, run: Run) {
    if !run.is_broken() {
        driver.act(Step::ReadConfig);
    }
}

const OF_A_DISK: &[Seeded<BlockModel>] = &[
    Seeded::new(
        "CFG-01",
        "a field of 64 bits without its generation",
        Step::ReadConfig,
        Instead(|driver| {
            driver.read(CAPACITY);
            driver.read(CAPACITY + 4);
            driver.read(GENERATION);
        }),
    )
    .modern(),
    Seeded::new(
        "CFG-01",
        "a field of 64 bits without the generation after it",
        Step::ReadConfig,
        Instead(|driver| {
            driver.read(GENERATION);
            driver.read(CAPACITY);
            driver.read(CAPACITY + 4);
        }),
    )
    .modern(),
    Seeded::new(
        "CFG-03",
        "a field taken although the generation changed",
        Step::ReadConfig,
        Both(|driver, run| {
            driver.read(GENERATION);
            driver.read(CAPACITY);
            driver
                .device
                .change_config(|disk: &mut BlockModel| disk.set_capacity(128));
            driver.read(CAPACITY + 4);
            driver.read(GENERATION);
            read_again(driver, run);
        }),
    )
    .modern(),
    Seeded::new(
        "LEG-03",
        "a field of 64 bits read once from a legacy device",
        Step::ReadConfig,
        Instead(|driver| {
            driver.read(CAPACITY);
            driver.read(CAPACITY + 4);
        }),
    )
    .legacy(),
    Seeded::new(
        "LEG-03",
        "two readings that do not agree",
        Step::ReadConfig,
        Both(|driver, run| {
            driver.read(CAPACITY);
            driver
                .device
                .change_config(|disk: &mut BlockModel| disk.set_capacity(128));
            driver.read(CAPACITY);
            read_again(driver, run);
        }),
    )
    .legacy(),
    Seeded::new(
        "CFG-04",
        "blk_size, whose feature is not offered",
        Step::ReadConfig,
        After(|driver, run| {
            driver.read(run.either(0x114, SIZE_MAX));
        }),
    ),
    Seeded::new(
        "MMIO-05",
        "a quarter of a field",
        Step::ReadConfig,
        After(|driver, run| {
            if run.is_broken() {
                driver.device.read16(CAPACITY);
            }
            read_again(driver, run);
        }),
    ),
    Seeded::new(
        "MMIO-05",
        "64 bits at once",
        Step::ReadConfig,
        After(|driver, run| {
            if run.is_broken() {
                driver.device.read64(CAPACITY);
            }
            read_again(driver, run);
        }),
    ),
    Seeded::new(
        "MMIO-01",
        "a field past the end",
        Step::ReadConfig,
        After(|driver, run| {
            driver.read(run.either(0x160, SIZE_MAX));
        }),
    ),
    Seeded::new(
        "MMIO-02",
        "a field that is read-only written",
        Step::DriverOk,
        After(|driver, run| {
            if run.is_broken() {
                driver.write(CAPACITY, 1);
            }
            read_again(driver, run);
        }),
    ),
];

const OF_A_DISPLAY: &[Seeded<GpuModel>] = &[
    Seeded::new(
        "INIT-03",
        "the configuration written before FEATURES_OK",
        Step::FeaturesOk,
        TooEarly(|driver| driver.write(0x104, 1)),
    )
    .modern(),
    Seeded::new(
        "GPU-03",
        "events_read written",
        Step::DriverOk,
        After(|driver, run| driver.write(run.either(0x100, 0x104), 1)),
    ),
];

#[test]
fn each_wrong_look_at_a_disks_configuration_is_named() {
    assert_each_is_named(OF_A_DISK);
}

#[test]
fn each_wrong_write_to_a_displays_configuration_is_named() {
    assert_each_is_named(OF_A_DISPLAY);
}
