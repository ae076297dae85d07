//! Commands to the display adapter.

use levitate_hal::{DmaSlice, Mmio};
use levitate_host::gpu::{Command, Rect, edid};
use levitate_host::{Fault, GpuModel, Pool, Version};

use crate::rig::Rig;

const OK: u32 = 0x1100;
const EDID: u64 = 2;
const WIDTH: u32 = 32;
const HEIGHT: u32 = 20;

fn adapter(model: GpuModel) -> Rig<GpuModel> {
    Rig::live(model, Version::Two, 2, 16, u64::MAX)
}

fn small() -> Rig<GpuModel> {
    let mut rig = adapter(GpuModel::new(WIDTH, HEIGHT));
    assert_eq!(command(&mut rig, 0x0100, &[]).0, 0x1101);
    rig
}

fn bytes(kind: u32, words: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0; 24];
    bytes[..4].copy_from_slice(&kind.to_le_bytes());
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes
}

/// Sends the bytes by `queue` with 1056 bytes of room; returns the response and how long it was.
fn send(rig: &mut Rig<GpuModel>, queue: u32, bytes: &[u8]) -> (Vec<u8>, u32) {
    let (_request, request_at) = rig.buffer(bytes);
    let (response, response_at) = rig.buffer(&[0xcc; 1056]);
    let position = rig.rings[queue as usize].used_index();
    rig.send(
        queue,
        &[
            (request_at, bytes.len() as u32, false),
            (response_at, 1056, true),
        ],
    );
    let (_, len) = rig.rings[queue as usize].used_element(position);
    (response.to_vec(), len)
}

/// Sends a control command of these words; returns the type of the response, and the body.
fn command(rig: &mut Rig<GpuModel>, kind: u32, words: &[u32]) -> (u32, Vec<u8>) {
    let (response, len) = send(rig, 0, &bytes(kind, words));
    let number = u32::from_le_bytes(response[..4].try_into().unwrap());
    (number, response[24..len as usize].to_vec())
}

fn create(rig: &mut Rig<GpuModel>, id: u32, format: u32, width: u32, height: u32) -> u32 {
    command(rig, 0x0101, &[id, format, width, height]).0
}

fn attach(rig: &mut Rig<GpuModel>, id: u32, entries: &[(u64, u32)]) -> u32 {
    let mut words = vec![id, entries.len() as u32];
    for (addr, len) in entries {
        words.extend([*addr as u32, (addr >> 32) as u32, *len, 0]);
    }
    command(rig, 0x0106, &words).0
}

fn set_scanout(rig: &mut Rig<GpuModel>, rect: [u32; 4], scanout: u32, id: u32) -> u32 {
    command(
        rig,
        0x0103,
        &[rect[0], rect[1], rect[2], rect[3], scanout, id],
    )
    .0
}

fn transfer(rig: &mut Rig<GpuModel>, rect: [u32; 4], offset: u32, id: u32) -> u32 {
    command(
        rig,
        0x0105,
        &[rect[0], rect[1], rect[2], rect[3], offset, 0, id, 0],
    )
    .0
}

fn flush(rig: &mut Rig<GpuModel>, rect: [u32; 4], id: u32) -> u32 {
    command(rig, 0x0104, &[rect[0], rect[1], rect[2], rect[3], id, 0]).0
}

const WHOLE: [u32; 4] = [0, 0, WIDTH, HEIGHT];

fn colour(x: u32, y: u32) -> u32 {
    x << 16 | y << 8 | (x ^ y)
}

/// A picture in B8G8R8X8, in memory.
fn picture(rig: &Rig<GpuModel>, paint: impl Fn(u32, u32) -> u32) -> (DmaSlice<u8, Pool>, u64) {
    let pixel = |at: u32| paint(at % WIDTH, at / WIDTH).to_le_bytes();
    let bytes: Vec<u8> = (0..WIDTH * HEIGHT).flat_map(pixel).collect();
    rig.buffer(&bytes)
}

/// An adapter whose screen 0 is attached to resource 1, with the picture behind it.
fn drawn() -> (DmaSlice<u8, Pool>, Rig<GpuModel>) {
    let mut rig = small();
    let (memory, at) = picture(&rig, colour);
    assert_eq!(create(&mut rig, 1, 2, WIDTH, HEIGHT), OK);
    assert_eq!(attach(&mut rig, 1, &[(at, WIDTH * HEIGHT * 4)]), OK);
    assert_eq!(set_scanout(&mut rig, WHOLE, 0, 1), OK);
    (memory, rig)
}

fn visible(rig: &Rig<GpuModel>, x: u32, y: u32) -> Option<u32> {
    rig.device.model(|gpu| gpu.visible(0)?.pixel(x, y))
}

#[test]
fn display_info_has_the_enabled_screens() {
    let mut rig = adapter(GpuModel::new(1280, 800).with_scanout(640, 480));
    rig.device.change_config(|gpu| gpu.set_mode(0, 1, 2, false));
    let (kind, body) = command(&mut rig, 0x0100, &[]);
    assert_eq!((kind, body.len()), (0x1101, 16 * 24));
    assert_eq!(body[..24], [0; 24]);
    let words: Vec<u32> = body[24..48]
        .as_chunks::<4>()
        .0
        .iter()
        .map(|word| u32::from_le_bytes(*word))
        .collect();
    assert_eq!(words, [0, 0, 640, 480, 1, 0]);
    rig.device.assert_clean();
}

#[test]
fn edid_is_that_of_the_mode() {
    let mut rig = adapter(GpuModel::new(1280, 800));
    let (kind, body) = command(&mut rig, 0x010a, &[0, 0]);
    assert_eq!((kind, body.len()), (0x1104, 1032));
    assert_eq!(body[..4], 128_u32.to_le_bytes());
    assert_eq!(body[8..136], edid(1280, 800));
    assert_eq!(command(&mut rig, 0x010a, &[1, 0]).0, 0x1205);
    rig.device.model(|gpu| gpu.set_edid(&[7; 2000]));
    let (_, body) = command(&mut rig, 0x010a, &[0, 0]);
    assert_eq!((&body[..4], body[1031]), (&1024_u32.to_le_bytes()[..], 7));
    rig.device.assert_clean();
    let mut rig = Rig::live(GpuModel::new(64, 64), Version::Two, 2, 8, !EDID);
    command(&mut rig, 0x010a, &[0, 0]);
    assert_eq!(rig.device.violations()[0].id, "GPU-25");
}

#[test]
fn a_picture_reaches_the_screen_with_the_flush_and_not_before() {
    let (memory, mut rig) = drawn();
    assert_eq!(visible(&rig, 5, 3), Some(0), "black");
    assert_eq!(transfer(&mut rig, WHOLE, 0, 1), OK);
    assert_eq!(visible(&rig, 5, 3), Some(0), "still black");
    let resource = rig.device.model(|gpu| gpu.resource_image(1)).unwrap();
    assert_eq!(resource.pixel(5, 3), Some(colour(5, 3)));
    assert_eq!(flush(&mut rig, WHOLE, 1), OK);
    let shown = rig.device.model(|gpu| gpu.visible(0)).unwrap();
    assert_eq!(shown, resource);
    for (at, pixel) in (0..).zip(shown.pixels()) {
        assert_eq!(*pixel, colour(at % WIDTH, at / WIDTH));
    }
    assert_eq!(shown.rgb_bytes()[3 * 33..][..3], [1, 1, 0]);
    rig.device.assert_clean();
    rig.bring_down();
    assert_eq!(rig.device.model(|gpu| gpu.visible(0)), None);
    drop(memory);
    rig.pool.assert_no_leaks();
}

#[test]
fn damage_reaches_the_screen_alone() {
    let (mut memory, mut rig) = drawn();
    transfer(&mut rig, WHOLE, 0, 1);
    flush(&mut rig, WHOLE, 1);
    memory.fill(0xee);
    let rect = [4, 2, 10, 3];
    assert_eq!(transfer(&mut rig, rect, (2 * WIDTH + 4) * 4, 1), OK);
    assert_eq!(visible(&rig, 4, 2), Some(colour(4, 2)), "not flushed");
    assert_eq!(flush(&mut rig, [0, 0, 6, 20], 1), OK);
    for (x, y, is_new) in [
        (4, 2, true),
        (5, 4, true),
        (6, 2, false),
        (3, 2, false),
        (4, 5, false),
    ] {
        let wanted = if is_new { 0xee_eeee } else { colour(x, y) };
        assert_eq!(visible(&rig, x, y), Some(wanted), "({x}, {y})");
    }
}

#[test]
fn an_offset_is_where_the_first_pixel_is() {
    let (_memory, mut rig) = drawn();
    assert_eq!(transfer(&mut rig, [0, 0, 2, 2], (7 * WIDTH + 3) * 4, 1), OK);
    let resource = rig.device.model(|gpu| gpu.resource_image(1)).unwrap();
    assert_eq!(resource.pixel(0, 0), Some(colour(3, 7)));
    assert_eq!(
        resource.pixel(1, 1),
        Some(colour(4, 8)),
        "rows are a resource apart"
    );
    rig.device.assert_clean();
    assert_eq!(
        transfer(&mut rig, WHOLE, 4, 1),
        OK,
        "QEMU copies what there is"
    );
    assert_eq!(rig.device.violations()[0].id, "GPU-24");
}

#[test]
fn backing_may_be_scattered_across_pixels() {
    let mut rig = small();
    let (memory, at) = picture(&rig, colour);
    create(&mut rig, 9, 2, WIDTH, HEIGHT);
    let all = WIDTH * HEIGHT * 4;
    let second = rig.buffer(&memory[1001..2000]);
    let entries = [(at, 1001), (second.1, 999), (at + 2000, all - 2000)];
    assert_eq!(attach(&mut rig, 9, &entries), OK);
    drop(memory);
    assert_eq!(
        rig.pool.take_misuses().len(),
        1,
        "attached memory is the device's"
    );
    rig.bring_down();
    let mut rig = small();
    let (_memory, at) = picture(&rig, colour);
    create(&mut rig, 9, 2, WIDTH, HEIGHT);
    let entries = [(at, 1001), (at + 1001, 999), (at + 2000, all - 2000)];
    assert_eq!(attach(&mut rig, 9, &entries), OK);
    assert_eq!(transfer(&mut rig, WHOLE, 0, 9), OK);
    let image = rig.device.model(|gpu| gpu.resource_image(9)).unwrap();
    assert!(
        (0..)
            .zip(image.pixels())
            .all(|(at, pixel)| *pixel == colour(at % WIDTH, at / WIDTH))
    );
    assert_eq!(command(&mut rig, 0x0107, &[9, 0]).0, OK);
    assert_eq!(
        command(&mut rig, 0x0107, &[9, 0]).0,
        0x1200,
        "nothing to detach"
    );
    rig.device.assert_clean();
}

#[test]
fn formats_name_their_bytes_in_memory() {
    for (format, wanted) in [
        (1, 0x03_0201),
        (2, 0x03_0201),
        (3, 0x02_0304),
        (4, 0x02_0304),
        (67, 0x01_0203),
        (134, 0x01_0203),
        (68, 0x04_0302),
        (121, 0x04_0302),
    ] {
        let mut rig = small();
        let (_memory, at) = rig.buffer(&[1, 2, 3, 4]);
        assert_eq!(create(&mut rig, 1, format, 1, 1), OK);
        attach(&mut rig, 1, &[(at, 4)]);
        transfer(&mut rig, [0, 0, 1, 1], 0, 1);
        let image = rig.device.model(|gpu| gpu.resource_image(1)).unwrap();
        assert_eq!(image.pixel(0, 0), Some(wanted), "format {format}");
        rig.bring_down();
    }
}

#[test]
fn a_part_of_a_resource_may_be_on_a_screen() {
    let (_memory, mut rig) = drawn();
    transfer(&mut rig, WHOLE, 0, 1);
    assert_eq!(set_scanout(&mut rig, [8, 4, 16, 16], 0, 1), OK);
    assert_eq!(visible(&rig, 0, 0), Some(colour(8, 4)), "shown at once");
    assert_eq!(visible(&rig, 16, 0), None);
    assert_eq!(set_scanout(&mut rig, [0, 0, 0, 0], 0, 0), OK);
    assert_eq!(visible(&rig, 0, 0), None, "off");
    assert_eq!(command(&mut rig, 0x0102, &[1, 0]).0, OK);
    assert_eq!(rig.device.model(|gpu| gpu.resources()), [0; 0]);
    rig.device.assert_clean();
}

#[test]
fn each_refusal_has_its_error() {
    let (_memory, mut rig) = drawn();
    let rig = &mut rig;
    assert_eq!(create(rig, 0, 2, 16, 16), 0x1203);
    assert_eq!(create(rig, 1, 2, 16, 16), 0x1203, "taken");
    assert_eq!(create(rig, 2, 99, 16, 16), 0x1205);
    assert_eq!(create(rig, 2, 2, 1 << 14, 1 << 14), 0x1201);
    assert_eq!(create(rig, 2, 2, u32::MAX, u32::MAX), 0x1201);
    assert_eq!(create(rig, 2, 2, 16, 16), OK);
    assert_eq!(set_scanout(rig, [0, 0, 16, 16], 0, 2), 0x1200, "no backing");
    assert_eq!(transfer(rig, [0, 0, 16, 16], 0, 2), 0x1200, "no backing");
    assert_eq!(set_scanout(rig, WHOLE, 1, 1), 0x1202);
    assert_eq!(set_scanout(rig, WHOLE, 0, 3), 0x1203);
    assert_eq!(set_scanout(rig, [0, 0, WIDTH + 1, 16], 0, 1), 0x1205);
    assert_eq!(set_scanout(rig, [u32::MAX, 0, 16, 16], 0, 1), 0x1205);
    assert_eq!(set_scanout(rig, [0, 0, 15, 16], 0, 1), 0x1205);
    assert_eq!(transfer(rig, [1, 0, WIDTH, 1], 0, 1), 0x1205);
    assert_eq!(transfer(rig, WHOLE, 0, 3), 0x1203);
    assert_eq!(flush(rig, [0, 1, 1, HEIGHT], 1), 0x1205);
    assert_eq!(flush(rig, WHOLE, 3), 0x1203);
    assert_eq!(command(rig, 0x0102, &[3, 0]).0, 0x1203);
    assert_eq!(attach(rig, 3, &[]), 0x1203);
    assert_eq!(attach(rig, 1, &[]), 0x1200, "has one");
    assert_eq!(command(rig, 0x0106, &[2, 16385]).0, 0x1200);
    assert_eq!(command(rig, 0x0106, &[2, 1]).0, 0x1200, "entry missing");
    assert_eq!(command(rig, 0x0300, &[0; 8]).0, 0x1200, "wrong queue");
    assert_eq!(command(rig, 0x0102, &[1]).0, 0x1200, "short");
    assert_eq!(command(rig, 0x0999, &[]).0, 0x1200, "unknown");
    let ids: Vec<_> = rig.device.violations().iter().map(|one| one.id).collect();
    assert_eq!(
        ids,
        [
            "GPU-22", "GPU-24", "GPU-24", "GPU-23", "GPU-23", "GPU-24", "GPU-20", "GPU-24"
        ]
    );
    assert!(rig.device.ring_errors().is_empty());
}

#[test]
fn a_fence_is_echoed() {
    let mut rig = small();
    let mut request = bytes(0x0100, &[]);
    request[4] = 1;
    request[8..16].copy_from_slice(&0x1122_3344_5566_7788_u64.to_le_bytes());
    request[16] = 5;
    let (response, len) = send(&mut rig, 0, &request);
    assert_eq!(len, 408);
    assert_eq!(response[4..24], request[4..24]);
    let asked = rig.device.model(|gpu| gpu.take_requests());
    assert_eq!(asked.last().unwrap().fence, Some(0x1122_3344_5566_7788));
    let (response, _) = send(&mut rig, 0, &bytes(0x0100, &[]));
    assert_eq!(response[4..24], [0; 20]);
}

#[test]
fn cursor_commands_are_answered_with_nothing() {
    let mut rig = small();
    let (response, len) = send(&mut rig, 1, &bytes(0x0301, &[0, 7, 8, 0, 0, 0, 0, 0]));
    assert_eq!((len, response[0]), (0, 0xcc));
    rig.device.assert_clean();
    let moved = rig.device.model(|gpu| gpu.take_requests()).pop().unwrap();
    assert_eq!(
        (moved.queue, moved.command, moved.response),
        (
            1,
            Command::MoveCursor {
                scanout: 0,
                x: 7,
                y: 8
            },
            None
        )
    );
    send(&mut rig, 1, &bytes(0x0100, &[]));
    assert_eq!(rig.device.violations()[0].id, "GPU-20");
}

#[test]
fn commands_are_noted_in_order() {
    let (_memory, mut rig) = drawn();
    flush(&mut rig, [1, 2, 3, 4], 1);
    let asked = rig.device.model(|gpu| gpu.take_requests());
    assert_eq!(asked.len(), 5);
    assert!(
        matches!(&asked[2].command, Command::AttachBacking { resource: 1, announced: 1, entries } if entries.len() == 1)
    );
    assert_eq!(
        asked[4].command,
        Command::Flush {
            rect: Rect::new(1, 2, 3, 4),
            resource: 1
        }
    );
    assert_eq!(asked[4].response, Some(OK));
}

#[test]
fn display_events_are_raised_and_cleared() {
    let rig = small();
    rig.device
        .change_config(|gpu| gpu.set_mode(0, 800, 600, true));
    assert_eq!(rig.device.read32(0x060) & 2, 2);
    assert_eq!((rig.device.read32(0x100), rig.device.read32(0x108)), (1, 1));
    rig.device.write32(0x104, 1);
    assert_eq!(rig.device.read32(0x100), 0);
    rig.device.assert_clean();
    rig.device.write32(0x100, 1);
    assert_eq!(rig.device.violations()[0].id, "GPU-03");
}

#[test]
fn scanouts_come_after_display_info_and_features_after_those_they_need() {
    let mut rig = adapter(GpuModel::new(64, 64));
    set_scanout(&mut rig, WHOLE, 0, 0);
    assert_eq!(rig.device.violations()[0].id, "GPU-06");
    let rig = Rig::plug(GpuModel::new(64, 64), Version::Two, |behaviour| {
        behaviour.offer = 1 << 4 | 1 << 5 | 1 << 3;
    });
    rig.probe();
    rig.negotiate(1 << 32 | 1 << 4 | 1 << 5);
    let ids: Vec<_> = rig.device.violations().iter().map(|one| one.id).collect();
    assert_eq!(ids, ["GPU-19", "GPU-19"]);
}

#[test]
fn a_response_can_be_of_another_type_or_short() {
    let mut rig = small();
    rig.device.inject(Fault::AnswerType(0x1104));
    assert_eq!(command(&mut rig, 0x0100, &[]).0, 0x1104);
    rig.device.inject(Fault::AnswerTruncated { len_bytes: 30 });
    let (response, len) = send(&mut rig, 0, &bytes(0x0100, &[]));
    assert_eq!((len, response[29], response[30]), (30, 0, 0xcc));
}

#[test]
fn a_request_without_a_header_is_no_command() {
    let mut rig = small();
    let (_, len) = send(&mut rig, 0, &[0; 23]);
    assert_eq!(len, 0);
    assert_eq!(rig.device.violations()[0].id, "GPU-24");
}

#[test]
fn a_flush_changes_only_the_screens_of_its_resource() {
    let (_memory, mut rig) = drawn();
    transfer(&mut rig, WHOLE, 0, 1);
    flush(&mut rig, WHOLE, 1);
    assert_eq!(create(&mut rig, 2, 2, WIDTH, HEIGHT), OK);
    assert_eq!(flush(&mut rig, WHOLE, 2), OK);
    assert_eq!(visible(&rig, 5, 3), Some(colour(5, 3)));
}

#[test]
fn two_screens_may_show_one_resource() {
    let mut rig = adapter(GpuModel::new(WIDTH, HEIGHT).with_scanout(16, 16));
    let (_memory, at) = picture(&rig, colour);
    create(&mut rig, 1, 2, WIDTH, HEIGHT);
    attach(&mut rig, 1, &[(at, WIDTH * HEIGHT * 4)]);
    assert_eq!(set_scanout(&mut rig, WHOLE, 0, 1), OK);
    assert_eq!(set_scanout(&mut rig, [16, 4, 16, 16], 1, 1), OK);
    transfer(&mut rig, WHOLE, 0, 1);
    flush(&mut rig, [0, 0, 20, 10], 1);
    let second = rig.device.model(|gpu| gpu.visible(1)).unwrap();
    assert_eq!(second.pixel(3, 5), Some(colour(19, 9)));
    assert_eq!((second.pixel(4, 5), second.pixel(3, 6)), (Some(0), Some(0)));
    assert_eq!(visible(&rig, 19, 9), Some(colour(19, 9)));
    assert_eq!(command(&mut rig, 0x0102, &[1, 0]).0, OK);
    assert_eq!(
        rig.device.model(|gpu| gpu.visible(1)),
        None,
        "unref ends it"
    );
    rig.bring_down();
}
