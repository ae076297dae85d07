//! Faults in what is recommended or optional on a display: changes, the cursor, and commands of features (§5.7.4, §5.7.6).

use levitate_host::GpuModel;

use crate::driver::Driver;
use crate::gpu::{CURSOR, GET_DISPLAY_INFO, HEIGHT, IDENTIFICATION, WIDTH, command};
use crate::life::Step;
use crate::table::Act::After;
use crate::table::{Seeded, assert_each_is_named};

const GET_CAPSET_INFO: u32 = 0x0108;
const CTX_CREATE: u32 = 0x0200;
const UPDATE_CURSOR: u32 = 0x0300;
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

/// Shows `resource` as the cursor.
fn show(driver: &mut Driver<GpuModel>, resource: u32) {
    let words = [0, 1, 2, 0, resource, 0, 0, 0];
    driver.messages[CURSOR] = command(1, UPDATE_CURSOR, &words);
}

const FAULTS: &[Seeded<GpuModel>] = &[
    Seeded::new(
        "GPU-04",
        "the modes not asked for again",
        Step::TakeUsed,
        After(change),
    )
    .of(strict),
    Seeded::new(
        "GPU-05",
        "the EDID not asked for again",
        Step::TakeUsed,
        After(|driver| {
            change(driver);
            driver.messages[IDENTIFICATION] = command(0, GET_DISPLAY_INFO, &[]);
        }),
    )
    .of(strict),
    Seeded::new(
        "GPU-07",
        "the EDID not asked for",
        Step::Compose,
        After(|driver| {
            driver.messages.remove(IDENTIFICATION);
        }),
    )
    .of(strict),
    Seeded::new(
        "GPU-10",
        "a cursor that was not made",
        Step::Compose,
        After(|driver| show(driver, 44)),
    ),
    Seeded::new(
        "GPU-11",
        "a ring index without CONTEXT_INIT",
        Step::Compose,
        After(|driver| driver.messages[0].readable[0][4] = 2),
    ),
    Seeded::new(
        "GPU-12",
        "a capability set that is not there",
        Step::Compose,
        After(|driver| driver.messages.push(command(0, GET_CAPSET_INFO, &[0, 0]))),
    ),
    Seeded::new(
        "GPU-18",
        "an event cleared that is none",
        Step::DriverOk,
        After(|driver| driver.write(EVENTS_CLEAR, 2)),
    ),
    Seeded::new(
        "GPU-21",
        "a cursor of another size than 64 x 64",
        Step::Compose,
        After(|driver| show(driver, 1)),
    ),
    Seeded::new(
        "GPU-27",
        "a 3D command without VIRGL",
        Step::Compose,
        After(|driver| driver.messages.push(command(0, CTX_CREATE, &[0; 18]))),
    ),
];

#[test]
fn each_wrong_use_of_a_displays_options_is_named() {
    assert_each_is_named(FAULTS);
}
