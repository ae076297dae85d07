//! Faults in requests to a host-managed disk (§5.2.6).

use levitate_host::BlockModel;
use levitate_host::block::{EraseLimits, ZoneModel, Zoned};

use crate::block::{OUT, SECTORS, request, telling};
use crate::block_options::segment;
use crate::driver::Driver;
use crate::life::Step;
use crate::message::Message;
use crate::table::Act::After;
use crate::table::{Seeded, assert_each_is_named};

const SECURE_ERASE: u64 = 1 << 16;
const ZONED: u64 = 1 << 17;

const SECURE_ERASE_REQUEST: u32 = 14;
const ZONE_APPEND: u32 = 15;
const ZONE_REPORT: u32 = 16;
const ZONE_OPEN: u32 = 18;
const ZONE_RESET_ALL: u32 = 26;

/// Sectors of a zone.
const ZONE: u32 = 16;
/// Where the first sequential zone begins.
const SEQUENTIAL: u64 = ZONE as u64;

fn zones() -> Zoned {
    Zoned::new(ZoneModel::HostManaged, ZONE).conventional(1)
}

fn disk(zones: Zoned) -> BlockModel {
    BlockModel::patterned(SECTORS as usize).zoned(zones)
}

fn coarse() -> BlockModel {
    disk(zones().write_granularity(1024))
}

fn eraser() -> BlockModel {
    disk(zones()).secure_erase(EraseLimits {
        max_sectors: ZONE,
        max_segments: 1,
        alignment_sectors: ZONE,
    })
}

/// Sends only this.
fn only(driver: &mut Driver<BlockModel>, message: Message) {
    driver.messages = vec![message];
}

fn append(sector: u64, len_bytes: usize) -> Message {
    telling(ZONE_APPEND, sector, vec![0x5a; len_bytes], &[8, 1])
}

const FAULTS: &[Seeded<BlockModel>] = &[
    Seeded::new(
        "BLK-28",
        "a report from no zone",
        Step::Compose,
        After(|driver, run| only(driver, request(ZONE_REPORT, run.either(SECTORS, 0), &[128]))),
    )
    .modern()
    .accepting(ZONED)
    .of(|| disk(zones())),
    Seeded::new(
        "BLK-30",
        "a zone opened by its second sector",
        Step::Compose,
        After(|driver, run| {
            only(
                driver,
                request(ZONE_OPEN, SEQUENTIAL + run.either(1, 0), &[]),
            )
        }),
    )
    .modern()
    .accepting(ZONED)
    .of(|| disk(zones())),
    Seeded::new(
        "BLK-31",
        "all zones reset from a sector on",
        Step::Compose,
        After(|driver, run| {
            only(
                driver,
                request(ZONE_RESET_ALL, run.either(SEQUENTIAL, 0), &[]),
            )
        }),
    )
    .modern()
    .accepting(ZONED)
    .of(|| disk(zones())),
    Seeded::new(
        "BLK-32",
        "an append to the middle of a zone",
        Step::Compose,
        After(|driver, run| only(driver, append(SEQUENTIAL + run.either(1, 0), 512))),
    )
    .modern()
    .accepting(ZONED)
    .of(|| disk(zones())),
    Seeded::new(
        "BLK-33",
        "an append of half the granularity",
        Step::Compose,
        After(|driver, run| only(driver, append(SEQUENTIAL, run.either(512, 1024)))),
    )
    .modern()
    .accepting(ZONED)
    .of(coarse),
    Seeded::new(
        "BLK-34",
        "an append of more than max_append_sectors",
        Step::Compose,
        After(|driver, run| only(driver, append(SEQUENTIAL, run.either(1024, 512)))),
    )
    .modern()
    .accepting(ZONED)
    .of(|| disk(zones().max_append(1))),
    Seeded::new(
        "BLK-36",
        "a write of half the granularity",
        Step::Compose,
        After(|driver, run| only(driver, request(OUT, SEQUENTIAL, &[run.either(512, 1024)]))),
    )
    .modern()
    .accepting(ZONED)
    .of(coarse),
    Seeded::new(
        "BLK-37",
        "a write that begins at half the granularity",
        Step::Compose,
        After(|driver, run| only(driver, request(OUT, SEQUENTIAL + run.either(1, 0), &[1024]))),
    )
    .modern()
    .accepting(ZONED)
    .of(coarse),
    Seeded::new(
        "BLK-38",
        "a write beyond what a zone can hold",
        Step::Compose,
        After(|driver, run| only(driver, request(OUT, SEQUENTIAL, &[run.either(5, 4) * 512]))),
    )
    .modern()
    .accepting(ZONED)
    .of(|| disk(zones().capacity(4))),
    Seeded::new(
        "BLK-39",
        "part of a zone erased",
        Step::Compose,
        After(|driver, run| {
            let data = segment(SEQUENTIAL, run.either(3, ZONE), 0);
            only(driver, telling(SECURE_ERASE_REQUEST, 0, data, &[1]));
        }),
    )
    .modern()
    .accepting(ZONED | SECURE_ERASE)
    .of(eraser),
];

#[test]
fn each_wrong_request_to_a_zoned_disk_is_named() {
    assert_each_is_named(FAULTS);
}
