//! Screens that come, go, move and identify themselves; and what a driver owes them.

use levitate_hal::Mmio;
use levitate_host::gpu::{Rect, edid};
use levitate_host::{GpuModel, Version};

use crate::adapter::*;
use crate::rig::Rig;

/// The six words that GET_DISPLAY_INFO says of a screen.
fn info(rig: &mut Rig<GpuModel>, scanout: usize) -> Vec<u32> {
    let (kind, body) = command(rig, 0x0100, &[]);
    assert_eq!((kind, body.len()), (0x1101, 384));
    let (words, _) = body[24 * scanout..][..24].as_chunks::<4>();
    words.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

#[test]
fn screens_have_places() {
    let model = GpuModel::new(640, 480).with_scanout_at(Rect::new(640, 16, 320, 200));
    let mut rig = adapter(model);
    assert_eq!(rig.device.read32(0x108), 2);
    assert_eq!(info(&mut rig, 0), [0, 0, 640, 480, 1, 0]);
    assert_eq!(info(&mut rig, 1), [640, 16, 320, 200, 1, 0]);
    assert_eq!(info(&mut rig, 2), [0; 6]);
    rig.device.change_config(|gpu| gpu.set_position(1, 0, 480));
    assert_eq!(rig.device.read32(0x060) & 2, 2, "notified");
    assert_eq!(rig.device.read32(0x100), 1);
    assert_eq!(info(&mut rig, 1), [0, 480, 320, 200, 1, 0]);
    rig.device
        .change_config(|gpu| gpu.set_mode(1, 800, 600, false));
    assert_eq!(info(&mut rig, 1), [0; 6], "off");
    rig.device.assert_clean();
}

#[test]
fn each_screen_has_its_own_identification() {
    let mut rig = adapter(GpuModel::new(640, 480).with_scanout(320, 200));
    let mut block = |scanout: u32| {
        let (kind, body) = command(&mut rig, 0x010a, &[scanout, 0]);
        assert_eq!((kind, body.len()), (0x1104, 1032));
        let len = u32::from_le_bytes(body[..4].try_into().unwrap()) as usize;
        body[8..8 + len].to_vec()
    };
    assert_eq!(block(0), edid(640, 480));
    assert_eq!(block(1), edid(320, 200));
    rig.device.model(|gpu| gpu.set_scanout_edid(1, &[1, 2, 3]));
    let mut block = |scanout: u32| command(&mut rig, 0x010a, &[scanout, 0]).1;
    assert_eq!(block(0)[8..136], edid(640, 480));
    assert_eq!(block(1)[..12], [3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0]);
    rig.device.model(|gpu| gpu.set_mode(0, 1024, 768, true));
    let (_, body) = command(&mut rig, 0x010a, &[0, 0]);
    assert_eq!(body[8..136], edid(1024, 768), "that of the new mode");
    rig.device.assert_clean();
    let mut rig = adapter(GpuModel::new(640, 480).without_edid());
    assert_eq!(command(&mut rig, 0x010a, &[0, 0]).0, 0x1200);
    assert_eq!(rig.ids(), ["GPU-25"]);
}

#[test]
fn only_events_that_exist_are_cleared() {
    let rig = small();
    rig.device.change_config(|gpu| gpu.set_position(0, 1, 1));
    rig.device.write32(0x104, 2);
    assert_eq!(rig.ids(), ["GPU-18"]);
    assert_eq!(rig.device.read32(0x100), 1);
    rig.device.write32(0x104, 1);
    assert_eq!(rig.device.read32(0x100), 0);
    rig.device.assert_clean();
}

/// An adapter that watches, with a resource for its screen.
fn watched() -> Rig<GpuModel> {
    let mut rig = adapter(GpuModel::new(WIDTH, HEIGHT).watching_recommendations());
    info(&mut rig, 0);
    create(&mut rig, 1, 2, WIDTH, HEIGHT);
    attach(&mut rig, 1, &[]);
    rig
}

#[test]
fn a_driver_asks_for_identification_at_the_start() {
    let mut rig = watched();
    assert_eq!(set_scanout(&mut rig, WHOLE, 0, 0), OK);
    assert_eq!(rig.ids(), [""; 0], "nothing is set up");
    assert_eq!(set_scanout(&mut rig, WHOLE, 0, 1), OK);
    assert_eq!(rig.ids(), ["GPU-07"]);
    command(&mut rig, 0x010a, &[0, 0]);
    set_scanout(&mut rig, WHOLE, 0, 1);
    assert_eq!(rig.ids(), [""; 0]);
    let model = GpuModel::new(WIDTH, HEIGHT).watching_recommendations();
    let mut rig = Rig::live(model, Version::Two, 2, 16, !EDID);
    info(&mut rig, 0);
    create(&mut rig, 1, 2, WIDTH, HEIGHT);
    attach(&mut rig, 1, &[]);
    set_scanout(&mut rig, WHOLE, 0, 1);
    rig.device.assert_clean();
}

#[test]
fn at_the_start_there_is_nothing_to_ask_again() {
    let mut rig = adapter(GpuModel::new(WIDTH, HEIGHT).watching_recommendations());
    create(&mut rig, 1, 2, WIDTH, HEIGHT);
    attach(&mut rig, 1, &[]);
    set_scanout(&mut rig, WHOLE, 0, 1);
    assert_eq!(rig.ids(), ["GPU-06", "GPU-07"]);
}

#[test]
fn a_driver_asks_again_when_the_display_has_changed() {
    let mut rig = watched();
    command(&mut rig, 0x010a, &[0, 0]);
    rig.device
        .change_config(|gpu| gpu.set_mode(0, 64, 64, true));
    set_scanout(&mut rig, WHOLE, 0, 1);
    assert_eq!(rig.ids(), [""; 0], "it may not know yet");
    rig.device.write32(0x104, 1);
    set_scanout(&mut rig, WHOLE, 0, 1);
    assert_eq!(rig.ids(), ["GPU-04", "GPU-05"]);
    info(&mut rig, 0);
    set_scanout(&mut rig, WHOLE, 0, 1);
    assert_eq!(rig.ids(), ["GPU-05"]);
    command(&mut rig, 0x010a, &[0, 0]);
    set_scanout(&mut rig, WHOLE, 0, 1);
    assert_eq!(rig.ids(), [""; 0]);
    rig.bring_down();
}

#[test]
fn commands_of_features_that_were_not_negotiated_are_refused() {
    let mut rig = small();
    for (kind, rule) in [
        (0x0108, "GPU-12"),
        (0x010b, "GPU-25"),
        (0x010c, "GPU-25"),
        (0x010d, "GPU-25"),
        (0x0200, "GPU-27"),
        (0x0207, "GPU-27"),
        (0x0208, "GPU-25"),
        (0x0209, "GPU-25"),
    ] {
        assert_eq!(command(&mut rig, kind, &[0; 8]).0, 0x1200, "{kind:#x}");
        assert_eq!(rig.ids(), [rule], "{kind:#x}");
    }
    let mut rig = Rig::plug(GpuModel::new(64, 64), Version::Two, |behaviour| {
        behaviour.offer = 1 | 1 << 2 | 1 << 3;
    });
    rig.probe();
    rig.negotiate(u64::MAX);
    for index in 0..2 {
        rig.set_up_queue(index, 8);
    }
    rig.go();
    for kind in [0x010b, 0x010c, 0x0200, 0x0208] {
        assert_eq!(command(&mut rig, kind, &[0; 8]).0, 0x1200, "{kind:#x}");
    }
    rig.device.assert_clean();
}

#[test]
fn a_ring_index_needs_its_feature_and_is_at_most_63() {
    let indexed = |index: u8| {
        let mut request = bytes(0x0100, &[]);
        (request[4], request[20]) = (2, index);
        request
    };
    let mut rig = small();
    send(&mut rig, 0, &indexed(0));
    assert_eq!(rig.ids(), ["GPU-11"]);
    let mut rig = Rig::plug(GpuModel::new(64, 64), Version::Two, |behaviour| {
        behaviour.offer = 1 | 1 << 4;
    });
    rig.probe();
    rig.negotiate(u64::MAX);
    rig.set_up_queue(0, 8);
    rig.go();
    send(&mut rig, 0, &indexed(63));
    assert_eq!(rig.ids(), [""; 0]);
    send(&mut rig, 0, &indexed(64));
    assert_eq!(rig.ids(), ["GPU-11"]);
}

#[test]
fn every_2d_command_is_answered_with_24_bytes() {
    let mut rig = small();
    let (_memory, at) = picture(&rig, colour);
    let mut entry = vec![1, 1];
    entry.extend([at as u32, (at >> 32) as u32, WIDTH * HEIGHT * 4, 0]);
    let whole = |tail: &[u32]| [&WHOLE[..], tail].concat();
    for (kind, words) in [
        (0x0101, vec![1, 2, WIDTH, HEIGHT]),
        (0x0106, entry),
        (0x0103, whole(&[0, 1])),
        (0x0105, whole(&[0, 0, 1, 0])),
        (0x0104, whole(&[1, 0])),
        (0x0107, vec![1, 0]),
        (0x0102, vec![1, 0]),
    ] {
        let (response, len) = send(&mut rig, 0, &bytes(kind, &words));
        assert_eq!(len, 24, "{kind:#x}");
        let mut wanted = [0; 24];
        wanted[..2].copy_from_slice(&[0x00, 0x11]);
        assert_eq!(response[..24], wanted, "{kind:#x}");
        assert_eq!(response[24], 0xcc, "no more than that");
    }
    rig.device.assert_clean();
}

#[test]
fn a_screen_can_be_saved_as_png() {
    let (_memory, mut rig) = drawn();
    transfer(&mut rig, WHOLE, 0, 1);
    flush(&mut rig, WHOLE, 1);
    let shown = rig.device.model(|gpu| gpu.composed(0)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("screen.png");
    shown.save_png(&path).unwrap();
    let file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (WIDTH, HEIGHT));
    assert_eq!(info.color_type, png::ColorType::Rgb);
    assert_eq!(pixels, shown.rgb_bytes());
    assert!(shown.save_png(dir.path().join("no/such.png")).is_err());
    rig.bring_down();
}
