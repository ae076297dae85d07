//! Faults in what is recommended or optional on a display: changes, the cursor, and commands of features (§5.7.4, §5.7.6).

use levitate_host::GpuModel;

use crate::driver::Driver;
use crate::gpu::{
    CURSOR, FORMAT_B8G8R8X8, GET_DISPLAY_INFO, GET_EDID, HEIGHT, IDENTIFICATION,
    RESOURCE_ATTACH_BACKING, RESOURCE_CREATE_2D, TRANSFER_TO_HOST_2D, WIDTH, command,
};
use crate::life::Step;
use crate::table::Act::After;
use crate::table::{Seeded, assert_each_is_named};

const GET_CAPSET_INFO: u32 = 0x0108;
const CTX_CREATE: u32 = 0x0200;
const UPDATE_CURSOR: u32 = 0x0300;
/// The flag of a header that has its answer wait until the command is carried out.
const FENCE: u8 = 1;
/// Where `events_clear` is.
const EVENTS_CLEAR: usize = 0x104;
const EVENT_DISPLAY: u32 = 1;

/// A display that reports what is only recommended, too.
fn strict() -> GpuModel {
    GpuModel::new(WIDTH, HEIGHT).watching_recommendations()
}

/// The display changes, and the driver takes notice.
fn change(driver: &mut Driver<GpuModel>) {
    let size = |gpu: &mut GpuModel| gpu.set_mode(0, WIDTH, HEIGHT, true);
    driver.device.change_config(size);
    driver.write(EVENTS_CLEAR, EVENT_DISPLAY);
}

/// Asks for the modes next, and then for the EDID.
fn ask_again(driver: &mut Driver<GpuModel>) {
    let again = command(0, GET_DISPLAY_INFO, &[]);
    driver.messages.insert(IDENTIFICATION, again);
}

/// Makes and fills a resource with number 2, of this size, and shows `resource` as the cursor.
fn show(driver: &mut Driver<GpuModel>, resource: u32, size: u32) {
    let len = size * size * 4;
    let picture = driver.buffer(&vec![0x55; len as usize]);
    let [low, high] = [picture as u32, (picture >> 32) as u32];
    let mut transfer = command(0, TRANSFER_TO_HOST_2D, &[0, 0, size, size, 0, 0, 2, 0]);
    transfer.readable[0][4] = FENCE;
    driver.messages.truncate(CURSOR);
    driver.messages.extend([
        command(0, RESOURCE_CREATE_2D, &[2, FORMAT_B8G8R8X8, size, size]),
        command(0, RESOURCE_ATTACH_BACKING, &[2, 1, low, high, len, 0]),
        transfer,
        command(1, UPDATE_CURSOR, &[0, 1, 2, 0, resource, 0, 0, 0]),
    ]);
}

const FAULTS: &[Seeded<GpuModel>] = &[
    Seeded::new(
        "GPU-04",
        "the modes not asked for again",
        Step::TakeUsed,
        After(|driver, run| {
            change(driver);
            if !run.is_broken() {
                ask_again(driver);
            }
        }),
    )
    .of(strict),
    Seeded::new(
        "GPU-05",
        "the EDID not asked for again",
        Step::TakeUsed,
        After(|driver, run| {
            change(driver);
            ask_again(driver);
            if run.is_broken() {
                driver.messages.remove(IDENTIFICATION + 1);
            }
        }),
    )
    .of(strict),
    Seeded::new(
        "GPU-07",
        "the EDID not asked for",
        Step::Compose,
        After(|driver, run| {
            if run.is_broken() {
                driver.messages.remove(IDENTIFICATION);
            }
        }),
    )
    .of(strict),
    Seeded::new(
        "GPU-10",
        "a cursor that was not made",
        Step::Compose,
        After(|driver, run| show(driver, run.either(44, 2), 64)),
    ),
    Seeded::new(
        "GPU-11",
        "a ring index without CONTEXT_INIT",
        Step::Compose,
        After(|driver, run| driver.messages[0].readable[0][4] = run.either(2, 1)),
    ),
    Seeded::new(
        "GPU-12",
        "a capability set that is not there",
        Step::Compose,
        After(|driver, run| {
            let kind = run.either(GET_CAPSET_INFO, GET_EDID);
            driver.messages.push(command(0, kind, &[0, 0]));
        }),
    ),
    Seeded::new(
        "GPU-18",
        "an event cleared that is none",
        Step::DriverOk,
        After(|driver, run| driver.write(EVENTS_CLEAR, run.either(2, EVENT_DISPLAY))),
    ),
    Seeded::new(
        "GPU-21",
        "a cursor of another size than 64 x 64",
        Step::Compose,
        After(|driver, run| show(driver, 2, run.either(32, 64))),
    ),
    Seeded::new(
        "GPU-27",
        "a 3D command without VIRGL",
        Step::Compose,
        After(|driver, run| {
            let (kind, words) = run.either((CTX_CREATE, 18), (GET_EDID, 2));
            driver.messages.push(command(0, kind, &vec![0; words]));
        }),
    ),
];

#[test]
fn each_wrong_use_of_a_displays_options_is_named() {
    assert_each_is_named(FAULTS);
}
