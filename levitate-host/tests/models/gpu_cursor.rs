//! The pointer: the cursor queue, and the picture a viewer sees.

use levitate_hal::DmaSlice;
use levitate_host::gpu::{Command, Cursor};
use levitate_host::{GpuModel, Pool};

use crate::adapter::*;
use crate::rig::Rig;

const UPDATE: u32 = 0x0300;
const MOVE: u32 = 0x0301;
const CURSOR: u32 = 9;

/// An adapter whose screen shows a picture, with a cursor's resource that is filled and fenced.
///
/// Its pixels are transparent but for the row and the column that cross at (5, 3), which are opaque red,
/// and for (0, 0), which is blue by half.
fn pointed(model: GpuModel) -> (Vec<DmaSlice<u8, Pool>>, Rig<GpuModel>) {
    let mut rig = adapter(model);
    command(&mut rig, 0x0100, &[]);
    let (picture, at) = picture(&rig, colour);
    create(&mut rig, 1, 2, WIDTH, HEIGHT);
    attach(&mut rig, 1, &[(at, WIDTH * HEIGHT * 4)]);
    set_scanout(&mut rig, WHOLE, 0, 1);
    transfer(&mut rig, WHOLE, 0, 1);
    flush(&mut rig, WHOLE, 1);
    let pixel = |at: u32| match (at % 64, at / 64) {
        (5, _) | (_, 3) => 0xffff_0000_u32,
        (0, 0) => 0x8000_00ff,
        _ => 0x0012_3456,
    };
    let bytes: Vec<u8> = (0..64 * 64)
        .flat_map(|at| pixel(at).to_le_bytes())
        .collect();
    let (shape, at) = rig.buffer(&bytes);
    create(&mut rig, CURSOR, 1, 64, 64);
    attach(&mut rig, CURSOR, &[(at, 64 * 64 * 4)]);
    transfer(&mut rig, [0, 0, 64, 64], 0, CURSOR);
    fence(&mut rig);
    (vec![picture, shape], rig)
}

fn fence(rig: &mut Rig<GpuModel>) {
    let mut request = bytes(0x0100, &[]);
    request[4] = 1;
    send(rig, 0, &request);
}

/// Sends a cursor command, all its words by hand; returns the response and its length.
fn cursor(
    rig: &mut Rig<GpuModel>,
    kind: u32,
    [scanout, x, y]: [u32; 3],
    [resource, hot_x, hot_y]: [u32; 3],
) -> (Vec<u8>, u32) {
    let words = [scanout, x, y, 0, resource, hot_x, hot_y, 0];
    send(rig, 1, &bytes(kind, &words))
}

fn composed(rig: &Rig<GpuModel>, x: u32, y: u32) -> u32 {
    rig.device
        .model(|gpu| gpu.composed(0).unwrap().pixel(x, y).unwrap())
}

fn pointer(rig: &Rig<GpuModel>) -> Cursor {
    rig.device.model(|gpu| gpu.cursor(0).unwrap().clone())
}

#[test]
fn the_bytes_of_an_update_are_those_of_the_specification() {
    let (_memory, mut rig) = pointed(GpuModel::new(WIDTH, HEIGHT));
    #[rustfmt::skip]
    let request = [
        0, 3, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,
        0, 0, 0, 0,  20, 0, 0, 0,  10, 0, 0, 0,  0, 0, 0, 0,
        9, 0, 0, 0,  5, 0, 0, 0,  3, 0, 0, 0,  0, 0, 0, 0,
    ];
    let (_, len) = send(&mut rig, 1, &request);
    assert_eq!(len, 0, "QEMU answers nothing");
    let noted = rig.device.model(|gpu| gpu.take_requests()).pop().unwrap();
    assert_eq!(
        noted.command,
        Command::UpdateCursor {
            scanout: 0,
            x: 20,
            y: 10,
            resource: 9,
            hot_x: 5,
            hot_y: 3
        }
    );
    let found = pointer(&rig);
    assert_eq!((found.x, found.y), (20, 10));
    assert_eq!((found.hot_x, found.hot_y, found.resource), (5, 3, 9));
    rig.device.assert_clean();
}

#[test]
fn what_points_is_where_the_pointer_is() {
    let (_memory, mut rig) = pointed(GpuModel::new(WIDTH, HEIGHT));
    cursor(&mut rig, UPDATE, [0, 20, 10], [CURSOR, 5, 3]);
    assert_eq!(composed(&rig, 20, 10), 0xff_0000);
    assert_eq!(composed(&rig, 20, 19), 0xff_0000, "the column");
    assert_eq!(composed(&rig, 31, 10), 0xff_0000, "the row");
    assert_eq!(composed(&rig, 14, 10), colour(14, 10), "left of it");
    assert_eq!(composed(&rig, 20, 6), colour(20, 6), "above it");
    assert_eq!(composed(&rig, 21, 11), colour(21, 11), "seen through it");
    // (15, 7) is 0x0f0708; half of it is blue.
    assert_eq!(composed(&rig, 15, 7), 0x07_0384);
    assert_eq!(
        visible(&rig, 20, 10),
        Some(colour(20, 10)),
        "the screen itself has none"
    );
    rig.device.assert_clean();
}

#[test]
fn a_move_changes_the_place_alone() {
    let (_memory, mut rig) = pointed(GpuModel::new(WIDTH, HEIGHT));
    cursor(&mut rig, UPDATE, [0, 20, 10], [CURSOR, 5, 3]);
    cursor(&mut rig, MOVE, [0, 2, 1], [77, 88, 99]);
    let found = pointer(&rig);
    assert_eq!((found.x, found.y), (2, 1));
    assert_eq!((found.hot_x, found.hot_y, found.resource), (5, 3, CURSOR));
    assert_eq!(composed(&rig, 2, 1), 0xff_0000, "cut off left and above");
    assert_eq!(composed(&rig, 20, 10), colour(20, 10), "gone from there");
    rig.device.assert_clean();
}

#[test]
fn a_cursor_is_a_copy_and_resource_0_hides_it() {
    let (mut memory, mut rig) = pointed(GpuModel::new(WIDTH, HEIGHT));
    cursor(&mut rig, UPDATE, [0, 20, 10], [CURSOR, 5, 3]);
    memory[1].fill(0xff);
    transfer(&mut rig, [0, 0, 64, 64], 0, CURSOR);
    assert_eq!(composed(&rig, 20, 10), 0xff_0000, "not updated");
    assert_eq!(command(&mut rig, 0x0102, &[CURSOR, 0]).0, OK);
    assert_eq!(composed(&rig, 20, 10), 0xff_0000, "outlives its resource");
    cursor(&mut rig, UPDATE, [0, 20, 10], [0, 0, 0]);
    assert_eq!(composed(&rig, 20, 10), colour(20, 10));
    assert_eq!(pointer(&rig).resource, 0);
    rig.device.assert_clean();
    rig.reset();
    assert_eq!(pointer(&rig), Cursor::default());
}

#[test]
fn each_screen_has_a_pointer() {
    let (_memory, mut rig) = pointed(GpuModel::new(WIDTH, HEIGHT).with_scanout(32, 20));
    set_scanout(&mut rig, WHOLE, 1, 1);
    cursor(&mut rig, UPDATE, [1, 20, 10], [CURSOR, 5, 3]);
    assert_eq!(composed(&rig, 20, 10), colour(20, 10));
    let second = rig.device.model(|gpu| gpu.composed(1)).unwrap();
    assert_eq!(second.pixel(20, 10), Some(0xff_0000));
    assert_eq!(rig.device.model(|gpu| gpu.cursor(2).cloned()), None);
    rig.device.assert_clean();
}

#[test]
fn a_format_without_alpha_is_opaque() {
    let (_memory, mut rig) = pointed(GpuModel::new(WIDTH, HEIGHT));
    // Bytes 10, 20, 30, 40: by format the alpha is the last, the first, or none.
    let (_shape, at) = rig.buffer(&[0x10, 0x20, 0x30, 0x40].repeat(64 * 64));
    for (format, wanted) in [
        (1, 0x0c_0804),
        (2, 0x30_2010),
        (3, 0x02_0304),
        (4, 0x20_3040),
        (67, 0x04_080c),
        (68, 0x40_3020),
        (121, 0x04_0302),
        (134, 0x10_2030),
    ] {
        create(&mut rig, 20, format, 64, 64);
        attach(&mut rig, 20, &[(at, 64 * 64 * 4)]);
        transfer(&mut rig, [0, 0, 64, 64], 0, 20);
        fence(&mut rig);
        cursor(&mut rig, UPDATE, [0, 0, 0], [20, 0, 0]);
        assert_eq!(colour(0, 0), 0);
        assert_eq!(composed(&rig, 0, 0), wanted, "format {format}");
        command(&mut rig, 0x0102, &[20, 0]);
    }
    rig.device.assert_clean();
    rig.bring_down();
}

#[test]
fn a_cursor_is_64_by_64_and_filled_for_certain() {
    let (_memory, mut rig) = pointed(GpuModel::new(WIDTH, HEIGHT));
    cursor(&mut rig, UPDATE, [0, 0, 0], [1, 0, 0]);
    assert_eq!(rig.ids(), ["GPU-21"]);
    cursor(&mut rig, UPDATE, [0, 0, 0], [44, 0, 0]);
    assert_eq!(rig.ids(), ["GPU-10"], "there is none");
    let (_shape, at) = rig.buffer(&[0; 64 * 64 * 4]);
    create(&mut rig, 20, 1, 64, 64);
    attach(&mut rig, 20, &[(at, 64 * 64 * 4)]);
    fence(&mut rig);
    cursor(&mut rig, UPDATE, [0, 0, 0], [20, 0, 0]);
    assert_eq!(rig.ids(), ["GPU-10"], "not filled");
    transfer(&mut rig, [0, 0, 64, 64], 0, 20);
    cursor(&mut rig, UPDATE, [0, 0, 0], [20, 0, 0]);
    assert_eq!(rig.ids(), ["GPU-10"], "perhaps not filled yet");
    fence(&mut rig);
    cursor(&mut rig, UPDATE, [0, 0, 0], [20, 0, 0]);
    assert_eq!(rig.ids(), [""; 0]);
    rig.bring_down();
}

#[test]
fn cursor_commands_can_be_answered_as_specified() {
    let (_memory, mut rig) = pointed(GpuModel::new(WIDTH, HEIGHT).answering_cursor_commands());
    let mut kind_of = |kind: u32, place: [u32; 3], resource: u32| {
        let (response, len) = cursor(&mut rig, kind, place, [resource, 0, 0]);
        assert_eq!(len, 24);
        assert_eq!(response[4..24], [0; 20]);
        u32::from_le_bytes(response[..4].try_into().unwrap())
    };
    assert_eq!(kind_of(UPDATE, [0, 1, 1], CURSOR), 0x1100);
    assert_eq!(kind_of(MOVE, [0, 1, 1], 0), 0x1100);
    assert_eq!(kind_of(UPDATE, [1, 1, 1], CURSOR), 0x1202);
    assert_eq!(kind_of(MOVE, [1, 1, 1], 0), 0x1202);
    assert_eq!(kind_of(UPDATE, [0, 1, 1], 33), 0x1203);
    assert_eq!(kind_of(UPDATE, [0, 1, 1], 1), 0x1205, "not 64x64");
    assert_eq!(kind_of(0x0100, [0; 3], 0), 0x1200, "not a cursor command");
    assert_eq!(rig.ids(), ["GPU-10", "GPU-21", "GPU-20"]);
    let (response, len) = send(&mut rig, 1, &bytes(UPDATE, &[0; 7]));
    assert_eq!((len, &response[..4]), (24, &[0, 0x12, 0, 0][..]));
    assert_eq!(rig.ids(), ["GPU-24"]);
    // Fences come back here too.
    let mut request = bytes(MOVE, &[0; 8]);
    request[4] = 1;
    request[8..16].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
    let (response, _) = send(&mut rig, 1, &request);
    assert_eq!(
        response[..24],
        [&[0, 0x11, 0, 0][..], &request[4..24]].concat()
    );
    let noted = rig.device.model(|gpu| gpu.take_requests()).pop().unwrap();
    assert_eq!((noted.response, noted.queue), (Some(OK), 1));
}
