//! What is drawn is what is seen, pixel for pixel, and no more is transferred than was drawn.

use embedded_graphics::Pixel;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use levitate_drivers_gpu::{Bgrx8888, GpuStorage, Presented};
use levitate_host::Version;
use levitate_host::gpu::{Command, Rect};
use levitate_virtio::Features;

use crate::picture::{Picture, Random, Stroke, card};
use crate::rig::{Rig, Variant, chunks, every_variant};

/// Sizes, the last three of which divide into chunks with a rest.
const SIZES: [(u32, u32); 4] = [(160, 120), (161, 97), (37, 101), (16, 16)];

#[test]
fn a_picture_is_seen_pixel_for_pixel() {
    for variant in Variant::ALL {
        for (width, height) in SIZES {
            let expected = Picture::card(width, height);
            for count in [1, 2, 3, 7, 40, height as usize - 1, height as usize, 200] {
                let rig = Rig::new(variant, width, height);
                let mut storage = GpuStorage::<_>::new();
                let mut gpu = rig.gpu(&mut storage);
                let mut chunks = chunks(count);
                let mut picture = gpu
                    .create_framebuffer(0, width, height, &mut chunks)
                    .unwrap();
                rig.visible().assert_same(&Picture::black(width, height));

                card(&mut picture).unwrap();
                let presented = gpu.present(&mut picture).unwrap();
                assert_eq!(presented.pixels, u64::from(width * height));
                rig.visible().assert_same(&expected);

                gpu.destroy_framebuffer(picture).unwrap();
            }
        }
    }
}

#[test]
fn a_picture_is_seen_whatever_the_ring_can_do() {
    let expected = Picture::card(64, 48);
    for variant in Variant::ALL {
        for features in [
            Features::empty(),
            Features::INDIRECT_DESC,
            Features::EVENT_IDX,
            Features::INDIRECT_DESC | Features::EVENT_IDX,
        ] {
            let rig = Rig::new(variant, 64, 48);
            let mut storage = GpuStorage::<_>::new();
            let rings = Features::RING_PACKED | Features::IN_ORDER;
            let mut gpu = rig.gpu_with(&mut storage, features | rings);
            let negotiated = gpu.features().unwrap().common;
            assert_eq!(
                negotiated & (Features::INDIRECT_DESC | Features::EVENT_IDX),
                features
            );
            let mut chunks = chunks(5);
            let mut picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
            card(&mut picture).unwrap();
            gpu.present(&mut picture).unwrap();
            rig.visible().assert_same(&expected);
            gpu.destroy_framebuffer(picture).unwrap();
        }
    }
}

#[test]
fn only_what_was_drawn_is_transferred() {
    for rig in every_variant(160, 120) {
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        let mut chunks = chunks(7);
        let mut picture = gpu.create_framebuffer(0, 160, 120, &mut chunks).unwrap();
        let mut expected = Picture::card(160, 120);
        card(&mut picture).unwrap();
        gpu.present(&mut picture).unwrap();

        let _ = rig.take_requests();
        let _ = rig.notifications();
        let area = Rectangle::new(Point::new(30, 15), Size::new(20, 10));
        picture.fill_solid(&area, Rgb888::RED).unwrap();
        expected.fill_solid(&area, Rgb888::RED).unwrap();
        let presented = gpu.present(&mut picture).unwrap();
        assert_eq!(
            presented,
            Presented {
                pixels: 200,
                commands: 2
            }
        );
        assert_eq!(presented.transferred_bytes(), 800);
        rig.visible().assert_same(&expected);

        assert_eq!(rig.notifications(), 1);
        let requests = rig.take_requests();
        let rect = Rect::new(30, 15, 20, 10);
        assert_eq!(
            requests[0].command,
            Command::Transfer {
                rect,
                offset: (15 * 160 + 30) * 4,
                resource: 1
            }
        );
        assert_eq!(requests[1].command, Command::Flush { rect, resource: 1 });
        assert!(
            requests[1].fence.is_some(),
            "a flush is answered when it is done"
        );
        assert_eq!(requests.len(), 2);

        gpu.destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn rectangles_far_apart_are_one_frame_with_one_notification() {
    for rig in every_variant(160, 120) {
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        let mut chunks = chunks(3);
        let mut picture = gpu.create_framebuffer(0, 160, 120, &mut chunks).unwrap();
        gpu.present(&mut picture).unwrap();
        let mut expected = Picture::black(160, 120);

        for round in 0..3 {
            let _ = rig.take_requests();
            let _ = rig.notifications();
            let color = Rgb888::new(round, 7, 9);
            for corner in [(0, 0), (140, 0), (0, 100), (140, 100)] {
                let area = Rectangle::new(corner.into(), Size::new(20, 20));
                picture.fill_solid(&area, color).unwrap();
                expected.fill_solid(&area, color).unwrap();
            }
            let presented = gpu.present(&mut picture).unwrap();
            assert_eq!(
                presented,
                Presented {
                    pixels: 1600,
                    commands: 8
                }
            );
            assert_eq!(rig.notifications(), 1);
            // All transfers come before the first flush, so that no half of the frame is seen.
            let kinds: Vec<bool> = rig
                .take_commands()
                .iter()
                .map(|command| matches!(command, Command::Transfer { .. }))
                .collect();
            assert_eq!(kinds, [true, true, true, true, false, false, false, false]);
            rig.visible().assert_same(&expected);
        }
        gpu.destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn nothing_drawn_is_nothing_sent() {
    let rig = Rig::new(Version::Two, 64, 48);
    let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(1));
    let (mut gpu, mut picture) = rig.shown(&mut storage, &mut chunks);
    let _ = rig.take_requests();
    let _ = rig.notifications();

    // Nothing that is inside, at least.
    let nowhere = [
        Rectangle::new(Point::new(64, 0), Size::new(5, 5)),
        Rectangle::new(Point::new(0, 48), Size::new(5, 5)),
        Rectangle::new(Point::new(-5, -5), Size::new(5, 5)),
        Rectangle::new(Point::new(5, 5), Size::new(0, 5)),
    ];
    for area in nowhere {
        picture.fill_solid(&area, Rgb888::RED).unwrap();
        picture
            .fill_contiguous(&area, std::iter::repeat(Rgb888::RED))
            .unwrap();
        picture.mark_damage(&area);
    }
    picture
        .draw_iter([Pixel(Point::new(-1, 3), Rgb888::RED)])
        .unwrap();
    assert_eq!(gpu.present(&mut picture), Ok(Presented::default()));
    assert_eq!(rig.notifications(), 0);
    assert_eq!(rig.take_requests(), []);
    rig.visible().assert_same(&Picture::black(64, 48));
    gpu.destroy_framebuffer(picture).unwrap();
}

#[test]
fn rows_can_be_written_and_are_seen_once_they_are_marked() {
    let rig = Rig::new(Version::Two, 40, 30);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    let mut chunks = chunks(4);
    let mut picture = gpu.create_framebuffer(0, 40, 30, &mut chunks).unwrap();
    gpu.present(&mut picture).unwrap();
    let mut expected = Picture::black(40, 30);

    for y in 0..30 {
        for (x, pixel) in (0..).zip(picture.row_mut(y).unwrap()) {
            *pixel = Bgrx8888::new(x, y as u8, 200);
        }
        let row =
            (0..40).map(|x| Pixel(Point::new(x, y as i32), Rgb888::new(x as u8, y as u8, 200)));
        expected.draw_iter(row).unwrap();
    }
    assert_eq!(picture.row(29).unwrap()[39], Bgrx8888::new(39, 29, 200));
    assert_eq!(picture.row(30), None);
    assert_eq!(picture.row_mut(u32::MAX), None);
    assert_eq!(
        gpu.present(&mut picture).unwrap().commands,
        0,
        "nobody said that anything changed"
    );

    picture.mark_damage(&Rectangle::new(Point::new(-3, -3), Size::new(100, 100)));
    let whole = Rectangle::new(Point::zero(), Size::new(40, 30));
    assert_eq!(picture.damage().collect::<Vec<_>>(), [whole]);
    gpu.present(&mut picture).unwrap();
    rig.visible().assert_same(&expected);
    gpu.destroy_framebuffer(picture).unwrap();
}

#[test]
fn whatever_is_drawn_the_screen_shows_what_a_plain_picture_shows() {
    for variant in Variant::ALL {
        for seed in 0..6 {
            let mut random = Random::new(seed);
            let size = Size::new(random.within(20..140) as u32, random.within(20..90) as u32);
            let rig = Rig::new(variant, size.width, size.height);
            let mut storage = GpuStorage::<_>::new();
            let mut gpu = rig.gpu(&mut storage);
            let mut chunks = chunks(random.within(1..50) as usize);
            let mut picture = gpu
                .create_framebuffer(0, size.width, size.height, &mut chunks)
                .unwrap();
            let mut expected = Picture::black(size.width, size.height);
            for _ in 0..60 {
                for _ in 0..random.within(0..5) {
                    let stroke = Stroke::random(&mut random, size);
                    stroke.draw(&mut picture).unwrap();
                    stroke.draw(&mut expected).unwrap();
                }
                let _ = rig.notifications();
                let presented = gpu.present(&mut picture).unwrap();
                assert_eq!(rig.notifications(), usize::from(presented.commands != 0));
                // A pixel that was drawn and is not in the damage shows here.
                rig.visible().assert_same(&expected);
            }
            gpu.destroy_framebuffer(picture).unwrap();
        }
    }
}
