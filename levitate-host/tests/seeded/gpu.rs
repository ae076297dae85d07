//! A display, the commands of its driver, and faults in them (§5.7.6).

use levitate_host::GpuModel;

use crate::driver::Driver;
use crate::life::{Plays, Step};
use crate::message::Message;
use crate::table::Act::{After, Before};
use crate::table::{Seeded, assert_each_is_named};

pub(crate) const EDID: u64 = 1 << 1;
const RESOURCE_BLOB: u64 = 1 << 3;
pub(crate) const CONTEXT_INIT: u64 = 1 << 4;
const BLOB_ALIGNMENT: u64 = 1 << 5;

pub(crate) const GET_DISPLAY_INFO: u32 = 0x0100;
pub(crate) const RESOURCE_CREATE_2D: u32 = 0x0101;
const SET_SCANOUT: u32 = 0x0103;
const RESOURCE_FLUSH: u32 = 0x0104;
pub(crate) const TRANSFER_TO_HOST_2D: u32 = 0x0105;
pub(crate) const RESOURCE_ATTACH_BACKING: u32 = 0x0106;
pub(crate) const GET_EDID: u32 = 0x010a;
const MOVE_CURSOR: u32 = 0x0301;

pub(crate) const FORMAT_B8G8R8X8: u32 = 2;
pub(crate) const WIDTH: u32 = 32;
pub(crate) const HEIGHT: u32 = 16;

/// Places in the list of messages.
const DISPLAY_INFO: usize = 0;
/// Where GET_EDID is.
pub(crate) const IDENTIFICATION: usize = 1;
const CREATE: usize = 2;
const ATTACH: usize = 3;
const SCANOUT: usize = 4;
pub(crate) const CURSOR: usize = 7;

pub(crate) fn command(queue: u32, kind: u32, words: &[u32]) -> Message {
    let mut bytes = vec![0; 24];
    bytes[..4].copy_from_slice(&kind.to_le_bytes());
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    Message {
        queue,
        readable: vec![bytes],
        writable: vec![24 + 1032],
    }
}

impl Plays for GpuModel {
    const FEATURES: u64 = EDID;

    fn plug() -> Self {
        Self::new(WIDTH, HEIGHT)
    }

    fn read_config(driver: &mut Driver<Self>) {
        driver.read(0x100);
        driver.read(0x108);
    }

    fn messages(driver: &mut Driver<Self>) -> Vec<Message> {
        let len = WIDTH * HEIGHT * 4;
        let picture = driver.buffer(&vec![0x55; len as usize]);
        let [low, high] = [picture as u32, (picture >> 32) as u32];
        let create = [1, FORMAT_B8G8R8X8, WIDTH, HEIGHT];
        vec![
            command(0, GET_DISPLAY_INFO, &[]),
            command(0, GET_EDID, &[0, 0]),
            command(0, RESOURCE_CREATE_2D, &create),
            command(0, RESOURCE_ATTACH_BACKING, &[1, 1, low, high, len, 0]),
            command(0, SET_SCANOUT, &[0, 0, WIDTH, HEIGHT, 0, 1]),
            command(0, TRANSFER_TO_HOST_2D, &[0, 0, WIDTH, HEIGHT, 0, 0, 1, 0]),
            command(0, RESOURCE_FLUSH, &[0, 0, WIDTH, HEIGHT, 1, 0]),
            command(1, MOVE_CURSOR, &[0, 1, 2, 0, 0, 0, 0, 0]),
        ]
    }
}

const FAULTS: &[Seeded<GpuModel>] = &[
    Seeded::new(
        "GPU-06",
        "a scanout before the display info",
        Step::Compose,
        After(|driver, run| {
            driver
                .messages
                .swap(run.either(DISPLAY_INFO, CURSOR), SCANOUT)
        }),
    ),
    Seeded::new(
        "GPU-19",
        "CONTEXT_INIT without VIRGL",
        Step::WriteFeatures,
        Before(|driver, run| driver.accepts |= run.either(CONTEXT_INIT, 0)),
    )
    .on(|behaviour| behaviour.offer = CONTEXT_INIT),
    Seeded::new(
        "GPU-19",
        "BLOB_ALIGNMENT without RESOURCE_BLOB",
        Step::WriteFeatures,
        Before(|driver, run| driver.accepts |= run.either(BLOB_ALIGNMENT, 0)),
    )
    .on(|behaviour| behaviour.offer = RESOURCE_BLOB | BLOB_ALIGNMENT),
    Seeded::new(
        "GPU-20",
        "a cursor command on the control queue",
        Step::Compose,
        After(|driver, run| driver.messages[CURSOR].queue = run.either(0, 1)),
    ),
    Seeded::new(
        "GPU-20",
        "a control command on the cursor queue",
        Step::Compose,
        After(|driver, run| {
            let more = command(run.either(1, 0), GET_DISPLAY_INFO, &[]);
            driver.messages.push(more);
        }),
    ),
    Seeded::new(
        "GPU-22",
        "a resource with number 0",
        Step::Compose,
        After(|driver, run| {
            let words = [run.either(0, 1), FORMAT_B8G8R8X8, WIDTH, HEIGHT];
            driver.messages[CREATE] = command(0, RESOURCE_CREATE_2D, &words);
        }),
    ),
    Seeded::new(
        "GPU-23",
        "a scanout wider than its resource",
        Step::Compose,
        After(|driver, run| {
            let words = [run.either(1, 0), 0, WIDTH, HEIGHT, 0, 1];
            driver.messages[SCANOUT] = command(0, SET_SCANOUT, &words);
        }),
    ),
    Seeded::new(
        "GPU-24",
        "no backing before scanout and transfer",
        Step::Compose,
        After(|driver, run| {
            if run.is_broken() {
                driver.messages.remove(ATTACH);
            }
        }),
    ),
    Seeded::new(
        "GPU-24",
        "a backing entry cut short",
        Step::Compose,
        After(|driver, run| driver.messages[ATTACH].readable[0].truncate(run.either(40, 48))),
    ),
    Seeded::new(
        "GPU-25",
        "GET_EDID without EDID",
        Step::WriteFeatures,
        Before(|driver, run| driver.accepts &= !run.either(EDID, 0)),
    ),
];

#[test]
fn each_wrong_command_to_a_display_is_named() {
    assert_each_is_named(FAULTS);
}
