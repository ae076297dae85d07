//! What the display of QEMU's `vhost-user-gpu` is sent is what was drawn, pixel for pixel.

use std::time::{Duration, Instant};

use embedded_graphics_core::geometry::{Point, Size};
use embedded_graphics_core::primitives::Rectangle;
use levitate_drivers_gpu::{Bgrx8888, Chunk, Error, Framebuffer, Options};
use levitate_host::Pool;

use crate::screen::{Screen, Slots, assert_shows};

fn chunks(count: usize) -> Vec<Chunk<Pool>> {
    (0..count).map(|_| Chunk::new()).collect()
}

/// Draws a picture in which every pixel differs from its neighbours, and every `picture` from the one before.
fn draw(framebuffer: &mut Framebuffer<'_, Pool>, area: Rectangle, picture: u32) {
    let columns = area.top_left.x as usize..area.top_left.x as usize + area.size.width as usize;
    for y in area.top_left.y as u32..area.top_left.y as u32 + area.size.height {
        let row = &mut framebuffer.row_mut(y).unwrap()[columns.clone()];
        for (x, pixel) in row.iter_mut().enumerate() {
            let hash = (x as u32 + 1 + (y << 12) + (picture << 24)).wrapping_mul(0x9e37_79b1);
            let [red, green, blue, _] = hash.to_be_bytes();
            *pixel = Bgrx8888::new(red, green, blue);
        }
    }
    framebuffer.mark_damage(&area);
}

fn area(left: i32, top: i32, width: u32, height: u32) -> Rectangle {
    Rectangle::new(Point::new(left, top), Size::new(width, height))
}

/// Every size and number of pieces of memory that a picture is tried with.
const PICTURES: [(u32, u32, usize); 4] = [
    (640, 480, 1),
    (1024, 768, 7),
    (333, 217, 217),
    (1920, 1080, 3),
];

#[test]
fn every_pixel_arrives_after_a_full_frame_and_after_a_small_damage() {
    for (width, height, pieces) in PICTURES {
        let Some(mut screen) = Screen::plug(width, height) else {
            return;
        };
        let mut slots = Slots::new();
        let mut gpu = screen.drive(&mut slots, Options::default());
        let mode = gpu.preferred_mode(0).unwrap();
        assert_eq!((mode.width, mode.height), (width, height));
        match gpu.edid(0) {
            // QEMU 7.2's back end has no EDIDs.
            Err(Error::NoEdid) => {}
            edid => {
                let timing = edid.unwrap().preferred_timing().unwrap();
                assert_eq!((timing.width, timing.height), (width, height));
            }
        }
        let mut chunks = chunks(pieces);
        let mut framebuffer = gpu
            .create_framebuffer(0, width, height, &mut chunks)
            .unwrap();

        draw(&mut framebuffer, area(0, 0, width, height), 1);
        gpu.present(&mut framebuffer).unwrap();
        screen.display.after(1, |seen| {
            assert_eq!(seen.updates, [[0, 0, width, height]]);
            assert_shows(seen, &framebuffer);
        });

        // At the edges, in the middle, and a single pixel.
        let right = width as i32 - 5;
        let bottom = height as i32 - 3;
        let damages = [
            area(10, 20, 33, 7),
            area(0, 0, 1, 1),
            area(right, bottom, 5, 3),
            area(0, 100, width, 1),
        ];
        for (index, damage) in (2..).zip(damages) {
            draw(&mut framebuffer, damage, index);
            gpu.present(&mut framebuffer).unwrap();
            screen.display.after(index as usize, |seen| {
                let Rectangle { top_left, size } = damage;
                let sent = [
                    top_left.x as u32,
                    top_left.y as u32,
                    size.width,
                    size.height,
                ];
                assert_eq!(seen.updates.last(), Some(&sent), "no more than the damage");
                assert_shows(seen, &framebuffer);
            });
        }

        gpu.destroy_framebuffer(framebuffer).unwrap();
        drop(gpu);
        let seen = screen.display.finish(&mut screen.back_end);
        assert_eq!(seen.complaint, None);
        assert_eq!(seen.size, Some((0, 0)), "the scanout is off");
        screen.pool.assert_no_leaks();
    }
}

#[test]
fn one_connection_has_many_lives() {
    let Some(mut screen) = Screen::plug(320, 200) else {
        return;
    };
    let mut slots = Slots::new();
    let mut gpu = screen.drive(&mut slots, Options::default());
    for life in 1..5 {
        let mut chunks = chunks(3);
        let mut framebuffer = gpu.create_framebuffer(0, 320, 200, &mut chunks).unwrap();
        draw(&mut framebuffer, area(0, 0, 320, 200), life);
        gpu.present(&mut framebuffer).unwrap();
        screen
            .display
            .after(life as usize, |seen| assert_shows(seen, &framebuffer));
        // QEMU's back end would know it beyond the reset, which to it is no more than the end of the virtqueues.
        gpu.destroy_framebuffer(framebuffer).unwrap();
        gpu.reset().unwrap();
    }
    drop(gpu);
    screen.pool.assert_no_leaks();
}

#[test]
fn a_back_end_killed_before_it_showed_a_frame_is_an_error_and_costs_no_memory() {
    let Some(mut screen) = Screen::plug(320, 200) else {
        return;
    };
    // Enough for what comes before the end.
    let timeout = Duration::from_secs(5);
    let options = Options {
        timeout,
        ..Options::default()
    };
    let mut slots = Slots::new();
    let mut gpu = screen.drive(&mut slots, options);
    let mut chunks = chunks(3);
    let mut framebuffer = gpu.create_framebuffer(0, 320, 200, &mut chunks).unwrap();
    screen.back_end.stop();
    let frame = gpu.submit_present(&mut framebuffer).unwrap();
    screen.back_end.kill();
    let begin = Instant::now();
    let error = gpu.wait_present(&mut framebuffer, frame).unwrap_err();
    assert!(begin.elapsed() < timeout + Duration::from_secs(10));
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    let (_, stopped) = gpu.stop().unwrap();
    framebuffer.release(&stopped).unwrap();
    screen.pool.assert_no_leaks();
}
