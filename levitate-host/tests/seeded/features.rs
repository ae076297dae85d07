//! Faults in the choice of features (§2.2.1, §6).

use levitate_host::BlockModel;

use crate::driver::{RING_PACKED, VERSION_1};
use crate::life::Step;
use crate::table::Act::{After, Before, Instead};
use crate::table::{Seeded, assert_each_is_named};

const ANY_LAYOUT: u64 = 1 << 27;
const BIT_30: u64 = 1 << 30;
const ORDER_PLATFORM: u64 = 1 << 36;
const SR_IOV: u64 = 1 << 37;
const NOTIF_CONFIG_DATA: u64 = 1 << 39;
const ADMIN_VQ: u64 = 1 << 41;
/// A bit of the block device that means nothing.
const UNSPECIFIED: u64 = 1 << 23;

const FAULTS: &[Seeded<BlockModel>] = &[
    Seeded::new(
        "FEAT-01",
        "BLK_SIZE, which is not offered",
        Step::WriteFeatures,
        Before(|driver, run| {
            let bit = run.either(1 << 6, 0);
            driver.offered |= bit;
            driver.accepts |= bit;
        }),
    ),
    Seeded::new(
        "FEAT-04",
        "a bit that no specification has",
        Step::WriteFeatures,
        Before(|driver, run| driver.accepts |= run.either(UNSPECIFIED, 0)),
    )
    .on(|behaviour| behaviour.offer = UNSPECIFIED),
    Seeded::new(
        "FEAT-04",
        "a bit of another transport",
        Step::WriteFeatures,
        Before(|driver, run| driver.accepts |= run.either(NOTIF_CONFIG_DATA, 0)),
    )
    .modern()
    .on(|behaviour| behaviour.offer = NOTIF_CONFIG_DATA),
    Seeded::new(
        "LEG-16",
        "bit 30",
        Step::WriteFeatures,
        Before(|driver, run| driver.accepts |= run.either(BIT_30, 0)),
    )
    .on(|behaviour| behaviour.offer = BIT_30),
    Seeded::new(
        "MMIO-33",
        "ADMIN_VQ",
        Step::WriteFeatures,
        Before(|driver, run| driver.accepts |= run.either(ADMIN_VQ, 0)),
    )
    .modern()
    .on(|behaviour| behaviour.offer = ADMIN_VQ),
    Seeded::new(
        "RSVD-10",
        "SR_IOV",
        Step::WriteFeatures,
        Before(|driver, run| driver.accepts |= run.either(SR_IOV, 0)),
    )
    .modern()
    .on(|behaviour| behaviour.offer = SR_IOV),
    Seeded::new(
        "RSVD-01",
        "no VERSION_1",
        Step::WriteFeatures,
        Before(|driver, run| driver.accepts &= !run.either(VERSION_1, 0)),
    )
    .modern(),
    Seeded::new(
        "RSVD-06",
        "no RING_PACKED",
        Step::WriteFeatures,
        Before(|driver, run| driver.accepts &= !run.either(RING_PACKED, 0)),
    )
    .packed(),
    Seeded::new(
        "RSVD-07",
        "no ORDER_PLATFORM",
        Step::WriteFeatures,
        Before(|driver, run| driver.accepts &= !run.either(ORDER_PLATFORM, 0)),
    )
    .modern()
    .on(|behaviour| behaviour.offer = ORDER_PLATFORM),
    Seeded::new(
        "LEG-15",
        "no ANY_LAYOUT",
        Step::WriteFeatures,
        Before(|driver, run| driver.accepts &= !run.either(ANY_LAYOUT, 0)),
    )
    .legacy()
    .on(|behaviour| behaviour.offer = ANY_LAYOUT),
    Seeded::new(
        "LEG-09",
        "FEATURES_OK on a legacy device",
        Step::WriteFeatures,
        After(|driver, run| driver.set_status(run.either(8, 0))),
    )
    .legacy(),
    Seeded::new(
        "MMIO-10",
        "DeviceFeatures without DeviceFeaturesSel",
        Step::ReadFeatures,
        Before(|driver, run| {
            if !run.is_broken() {
                driver.write(0x014, 0);
            }
            driver.read(0x010);
        }),
    ),
    Seeded::new(
        "MMIO-11",
        "DriverFeatures without DriverFeaturesSel",
        Step::WriteFeatures,
        Instead(|driver| {
            let chosen = driver.chosen();
            driver.write(0x020, chosen as u32);
            if !driver.is_legacy() {
                driver.write(0x024, 1);
                driver.write(0x020, (chosen >> 32) as u32);
            }
        }),
    ),
];

#[test]
fn each_wrong_choice_of_features_is_named() {
    assert_each_is_named(FAULTS);
}
