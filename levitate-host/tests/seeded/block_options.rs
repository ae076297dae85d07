//! Faults in what a disk only has if it offers it: RO, several queues, its cache, and erasing (§5.2.5, §5.2.6).

use levitate_hal::Mmio;
use levitate_host::BlockModel;
use levitate_host::block::{EraseLimits, ZoneModel, Zoned};

use crate::block::{RO, SECTORS, first, telling};
use crate::driver::Driver;
use crate::life::Step;
use crate::table::Act::{After, Before, TooEarly};
use crate::table::{Run, Seeded, assert_each_is_named};

const CONFIG_WCE: u64 = 1 << 11;
const DISCARD: u64 = 1 << 13;
const WRITE_ZEROES: u64 = 1 << 14;
const SECURE_ERASE: u64 = 1 << 16;
const ZONED: u64 = 1 << 17;

const DISCARD_REQUEST: u32 = 11;
const WRITE_ZEROES_REQUEST: u32 = 13;
const SECURE_ERASE_REQUEST: u32 = 14;
const UNMAP: u32 = 1;

/// Where `writeback` is.
const WRITEBACK: usize = 0x120;
const LIMITS: EraseLimits = EraseLimits {
    max_sectors: 8,
    max_segments: 1,
    alignment_sectors: 1,
};

fn disk() -> BlockModel {
    BlockModel::patterned(SECTORS as usize)
}

fn eraser() -> BlockModel {
    disk()
        .discard(LIMITS)
        .write_zeroes(LIMITS)
        .secure_erase(LIMITS)
}

fn managed_and_discarding() -> BlockModel {
    disk()
        .zoned(Zoned::new(ZoneModel::HostManaged, 16))
        .discard(LIMITS)
}

/// One segment of one sector.
pub(crate) fn segment(sector: u64, sectors: u32, flags: u32) -> Vec<u8> {
    let mut bytes = sector.to_le_bytes().to_vec();
    bytes.extend(sectors.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    bytes
}

/// Sends a request with two segments first, or with one, which is right.
fn two_segments(driver: &mut Driver<BlockModel>, kind: u32, run: Run) {
    let segments = [segment(0, 1, 0), segment(4, 1, 0)];
    let data = segments[..run.either(2, 1)].concat();
    first(driver, telling(kind, 0, data, &[1]));
}

const FAULTS: &[Seeded<BlockModel>] = &[
    Seeded::new(
        "BLK-04",
        "writeback read before FEATURES_OK",
        Step::FeaturesOk,
        TooEarly(|driver| {
            driver.device.read8(WRITEBACK);
        }),
    )
    .modern()
    .of(|| disk().switchable_cache()),
    Seeded::new(
        "BLK-06",
        "DISCARD on a host-managed disk",
        Step::WriteFeatures,
        Before(|driver, run| driver.accepts |= run.either(DISCARD, 0)),
    )
    .modern()
    .accepting(ZONED)
    .of(managed_and_discarding),
    Seeded::new(
        "BLK-13",
        "RO not accepted",
        Step::WriteFeatures,
        Before(|driver, run| driver.accepts &= !run.either(RO, 0)),
    )
    .of(|| disk().read_only()),
    Seeded::new(
        "BLK-22",
        "2 written to writeback",
        Step::DriverOk,
        After(|driver, run| driver.device.write8(WRITEBACK, run.either(2, 1))),
    )
    .accepting(CONFIG_WCE)
    .of(|| disk().switchable_cache()),
    Seeded::new(
        "BLK-22",
        "writeback written without CONFIG_WCE",
        Step::DriverOk,
        After(|driver, run| {
            if run.is_broken() {
                driver.device.write8(WRITEBACK, 0);
            } else {
                driver.device.read8(WRITEBACK);
            }
        }),
    )
    .of(|| disk().switchable_cache()),
    Seeded::new(
        "BLK-42",
        "a second queue without MQ",
        Step::Compose,
        After(|driver, run| driver.messages[0].queue = run.either(1, 0)),
    )
    .of(|| disk().queues(2)),
    Seeded::new(
        "BLK-17",
        "a segment cut short",
        Step::Compose,
        After(|driver, run| {
            let mut data = segment(0, 1, 0);
            data.truncate(run.either(15, 16));
            first(driver, telling(DISCARD_REQUEST, 0, data, &[1]));
        }),
    )
    .accepting(DISCARD)
    .of(eraser),
    Seeded::new(
        "BLK-19",
        "more segments than max_discard_seg",
        Step::Compose,
        After(|driver, run| two_segments(driver, DISCARD_REQUEST, run)),
    )
    .accepting(DISCARD)
    .of(eraser),
    Seeded::new(
        "BLK-20",
        "more segments than max_secure_erase_seg",
        Step::Compose,
        After(|driver, run| two_segments(driver, SECURE_ERASE_REQUEST, run)),
    )
    .accepting(SECURE_ERASE)
    .of(eraser),
    Seeded::new(
        "BLK-21",
        "more segments than max_write_zeroes_seg",
        Step::Compose,
        After(|driver, run| two_segments(driver, WRITE_ZEROES_REQUEST, run)),
    )
    .accepting(WRITE_ZEROES)
    .of(eraser),
    Seeded::new(
        "BLK-24",
        "a discard with unmap",
        Step::Compose,
        After(|driver, run| {
            let data = segment(0, 1, run.either(UNMAP, 0));
            first(driver, telling(DISCARD_REQUEST, 0, data, &[1]));
        }),
    )
    .accepting(DISCARD)
    .of(eraser),
];

#[test]
fn each_wrong_use_of_an_option_is_named() {
    assert_each_is_named(FAULTS);
}
