//! Faults in the use of the MMIO registers (§4.2.2, §4.2.3.1, §4.2.3.4).

use levitate_hal::Mmio;
use levitate_host::BlockModel;

use crate::life::Step;
use crate::table::Act::{After, Before, Instead, Skip};
use crate::table::{Seeded, assert_each_is_named};

const FAULTS: &[Seeded<BlockModel>] = &[
    Seeded::new(
        "MMIO-01",
        "an offset that is no register",
        Step::DriverOk,
        After(|driver, run| {
            driver.read(run.either(0x018, 0x00c));
        }),
    ),
    Seeded::new(
        "MMIO-01",
        "an access across two registers",
        Step::DriverOk,
        After(|driver, run| {
            driver.read(run.either(0x072, 0x070));
        }),
    ),
    Seeded::new(
        "MMIO-01",
        "a register of version 1",
        Step::DriverOk,
        After(|driver, run| driver.write(run.either(0x028, 0x030), 0)),
    )
    .modern(),
    Seeded::new(
        "MMIO-02",
        "a read-only register written",
        Step::DriverOk,
        After(|driver, run| driver.write(run.either(0x034, 0x030), 0)),
    ),
    Seeded::new(
        "MMIO-03",
        "a write-only register read",
        Step::DriverOk,
        After(|driver, run| {
            driver.read(run.either(0x030, 0x00c));
        }),
    ),
    Seeded::new(
        "MMIO-04",
        "a register read by half",
        Step::DriverOk,
        After(|driver, run| {
            if run.is_broken() {
                driver.device.read16(0x070);
            } else {
                driver.read(0x070);
            }
        }),
    ),
    Seeded::new(
        "MMIO-04",
        "a register written by the byte",
        Step::DriverOk,
        After(|driver, run| {
            if run.is_broken() {
                driver.device.write8(0x064, 0);
            } else {
                driver.write(0x064, 0);
            }
        }),
    ),
    Seeded::new(
        "MMIO-06",
        "going on with what has another magic value",
        Step::ReadMagic,
        Instead(|driver| {
            driver.read(0x000);
        }),
    )
    .on(|behaviour| behaviour.magic = 0x1234_5678)
    .ending(),
    Seeded::new(
        "MMIO-07",
        "going on with an unknown version",
        Step::ReadVersion,
        Instead(|driver| {
            driver.read(0x004);
        }),
    )
    .on(|behaviour| behaviour.version = Some(3))
    .ending(),
    Seeded::new("MMIO-22", "the magic value not read", Step::ReadMagic, Skip),
    Seeded::new("MMIO-22", "the version not read", Step::ReadVersion, Skip),
    Seeded::new(
        "MMIO-23",
        "the device type not read",
        Step::ReadDeviceId,
        Skip,
    ),
    Seeded::new(
        "MMIO-25",
        "going on with an empty transport",
        Step::ReadDeviceId,
        Instead(|driver| {
            driver.read(0x008);
            driver.read(0x070);
            driver.stop();
        }),
    )
    .on(|behaviour| behaviour.device_id = Some(0))
    .ending(),
    Seeded::new(
        "MMIO-26",
        "a look for shared memory",
        Step::ReadFeatures,
        After(|driver, run| {
            driver.write(run.either(0x0ac, 0x030), 0);
            driver.read(run.either(0x0b0, 0x034));
        }),
    )
    .modern(),
    Seeded::new(
        "MMIO-18",
        "an undefined bit acknowledged",
        Step::AckInterrupt,
        Before(|driver, run| driver.interrupts |= run.either(4, 1)),
    ),
    Seeded::new(
        "MMIO-28",
        "an interrupt acknowledged unread",
        Step::ReadInterrupt,
        Instead(|driver| driver.interrupts = 1),
    ),
    Seeded::new(
        "MMIO-32",
        "a notification for a queue that is not there",
        Step::Notify,
        After(|driver, run| driver.write(0x050, run.either(9, 0))),
    ),
    Seeded::new(
        "LMMIO-10",
        "QueueReady of version 2 read",
        Step::DriverOk,
        After(|driver, run| {
            driver.read(run.either(0x044, 0x040));
        }),
    )
    .legacy(),
    Seeded::new(
        "LMMIO-10",
        "a queue address of version 2 written",
        Step::DriverOk,
        After(|driver, run| driver.write(run.either(0x080, 0x030), 0)),
    )
    .legacy(),
    Seeded::new(
        "LMMIO-10",
        "the generation of version 2 read",
        Step::DriverOk,
        After(|driver, run| {
            driver.read(run.either(0x0fc, 0x070));
        }),
    )
    .legacy(),
];

#[test]
fn each_wrong_access_to_a_register_is_named() {
    assert_each_is_named(FAULTS);
}
