//! A disk, the requests of its driver, and faults in them (§5.2.6).

use levitate_host::{BlockModel, Version};

use crate::driver::Driver;
use crate::life::{Plays, Step};
use crate::message::Message;
use crate::table::Act::After;
use crate::table::{Seeded, assert_each_is_named};

pub(crate) const SIZE_MAX: u64 = 1 << 1;
pub(crate) const SEG_MAX: u64 = 1 << 2;
pub(crate) const RO: u64 = 1 << 5;
const FLUSH: u64 = 1 << 9;

pub(crate) const IN: u32 = 0;
pub(crate) const OUT: u32 = 1;
const FLUSH_REQUEST: u32 = 4;
const GET_ID: u32 = 8;
pub(crate) const SECTORS: u64 = 64;

fn header(kind: u32, sector: u64) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    bytes[..4].copy_from_slice(&kind.to_le_bytes());
    bytes[8..].copy_from_slice(&sector.to_le_bytes());
    bytes
}

/// A request with the data for the disk, or the room for its data, in so many segments of these lengths.
pub(crate) fn request(kind: u32, sector: u64, data: &[usize]) -> Message {
    let mut readable = vec![header(kind, sector)];
    let mut writable = Vec::new();
    if kind == OUT {
        readable.extend(data.iter().map(|len| vec![0x5a; *len]));
    } else {
        writable.extend(data);
    }
    writable.push(1);
    Message {
        queue: 0,
        readable,
        writable,
    }
}

/// A request with these bytes for the disk.
pub(crate) fn telling(kind: u32, sector: u64, data: Vec<u8>, writable: &[usize]) -> Message {
    Message {
        queue: 0,
        readable: vec![header(kind, sector), data],
        writable: writable.to_vec(),
    }
}

impl Plays for BlockModel {
    const FEATURES: u64 = SIZE_MAX | SEG_MAX | RO | FLUSH;

    fn plug() -> Self {
        Self::patterned(SECTORS as usize).size_max(256).seg_max(2)
    }

    fn read_config(driver: &mut Driver<Self>) {
        let read_capacity = |driver: &Driver<Self>| [0x100, 0x104].map(|at| driver.read(at));
        if driver.version == Version::One {
            while read_capacity(driver) != read_capacity(driver) {}
        } else {
            driver.read(0x0fc);
            read_capacity(driver);
            driver.read(0x0fc);
        }
        for (feature, offset) in [(SIZE_MAX, 0x108), (SEG_MAX, 0x10c)] {
            if driver.offered & feature != 0 {
                driver.read(offset);
            }
        }
    }

    fn messages(_driver: &mut Driver<Self>) -> Vec<Message> {
        vec![
            request(IN, 3, &[256, 256]),
            request(OUT, SECTORS - 1, &[256, 256]),
            request(FLUSH_REQUEST, 0, &[]),
            request(GET_ID, 0, &[20]),
        ]
    }
}

/// Puts `message` in place of the first one.
pub(crate) fn first(driver: &mut Driver<BlockModel>, message: Message) {
    driver.messages[0] = message;
}

const FAULTS: &[Seeded<BlockModel>] = &[
    Seeded::new(
        "BLK-12",
        "a read past the end",
        Step::Compose,
        After(|driver, run| {
            first(
                driver,
                request(IN, run.either(SECTORS, SECTORS - 1), &[256, 256]),
            )
        }),
    ),
    Seeded::new(
        "BLK-12",
        "a write whose end wraps",
        Step::Compose,
        After(|driver, run| {
            first(
                driver,
                request(OUT, run.either(u64::MAX, SECTORS - 1), &[256, 256]),
            )
        }),
    ),
    Seeded::new(
        "BLK-14",
        "a flush with a sector",
        Step::Compose,
        After(|driver, run| first(driver, request(FLUSH_REQUEST, run.either(1, 0), &[]))),
    ),
    Seeded::new(
        "BLK-15",
        "a flush with data",
        Step::Compose,
        After(|driver, run| first(driver, request(FLUSH_REQUEST, 0, run.either(&[256], &[])))),
    ),
    Seeded::new(
        "BLK-16",
        "a read of less than a sector",
        Step::Compose,
        After(|driver, run| first(driver, request(IN, 0, run.either(&[256], &[256, 256])))),
    ),
    Seeded::new(
        "BLK-16",
        "a write of a sector and a byte",
        Step::Compose,
        After(|driver, run| {
            first(
                driver,
                request(OUT, 0, run.either(&[256, 256, 1], &[256, 255, 1])),
            )
        }),
    )
    .on(|behaviour| behaviour.withhold = SEG_MAX),
    Seeded::new(
        "BLK-18",
        "room for 19 bytes of an identifier",
        Step::Compose,
        After(|driver, run| first(driver, request(GET_ID, 0, &[run.either(19, 20)]))),
    ),
    Seeded::new(
        "BLK-40",
        "a header of 15 bytes",
        Step::Compose,
        After(|driver, run| driver.messages[2].readable[0].truncate(run.either(15, 16))),
    ),
    Seeded::new(
        "BLK-40",
        "no room for the status",
        Step::Compose,
        After(|driver, run| driver.messages[2].writable.truncate(run.either(0, 1))),
    ),
    Seeded::new(
        "BLK-40",
        "a read with data for the disk",
        Step::Compose,
        After(|driver, run| {
            let data = vec![vec![0; 256]; run.either(1, 0)];
            driver.messages[0].readable.extend(data);
        }),
    )
    .on(|behaviour| behaviour.withhold = SEG_MAX),
    Seeded::new(
        "BLK-41",
        "a segment longer than SIZE_MAX",
        Step::Compose,
        After(|driver, run| first(driver, request(IN, 0, run.either(&[512], &[256, 256])))),
    ),
    Seeded::new(
        "BLK-41",
        "more segments than SEG_MAX",
        Step::Compose,
        After(|driver, run| {
            first(
                driver,
                request(OUT, 0, run.either(&[256, 128, 128], &[256, 256])),
            )
        }),
    ),
    Seeded::new(
        "LEG-23",
        "header and data in one descriptor without ANY_LAYOUT",
        Step::Compose,
        After(|driver, run| {
            let mut message = request(OUT, 0, &[256, 256]);
            if run.is_broken() {
                let data = message.readable.remove(1);
                message.readable[0].extend(data);
            }
            first(driver, message);
        }),
    )
    .legacy(),
];

#[test]
fn each_wrong_request_to_a_disk_is_named() {
    assert_each_is_named(FAULTS);
}
