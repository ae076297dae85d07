//! What the display adapter answers to each command.

use levitate_hal::Mmio;
use levitate_host::gpu::{Command, Rect, edid};
use levitate_host::{Fault, GpuModel, Version};

use crate::adapter::*;
use crate::rig::Rig;

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
