//! Frames in flight: submitted, asked for, failed and repeated.

use std::time::Duration;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use levitate_drivers_gpu::{
    CommandError, CommandType, Error, GpuStorage, Presented, ResponseFault,
};
use levitate_host::{Completion, Fault, Version};
use levitate_virtio::SubmitError;

use crate::picture::{Picture, card};
use crate::rig::{Rig, chunks, display, every_variant};

fn spot(n: i32) -> Rectangle {
    Rectangle::new(Point::new(5 + n, 9), Size::new(4, 3))
}

#[test]
fn a_frame_is_seen_with_its_flush_and_done_with_its_answer() {
    for rig in every_variant(64, 48) {
        let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(3));
        let (mut gpu, mut picture) = rig.prepared(&mut storage, &mut chunks);
        let expected = Picture::card(64, 48);
        card(&mut picture).unwrap();

        rig.device.set_completion(Completion::Held);
        let _ = rig.notifications();
        let frame = gpu.submit_present(&mut picture).unwrap();
        assert_eq!(rig.notifications(), 1);
        assert_eq!(rig.device.waiting().len(), 2);
        assert_eq!(gpu.poll_present(&mut picture, frame), Ok(None));

        // The transfer alone shows nothing: this is what a frame without its flush would come to.
        assert!(rig.device.release_one());
        rig.resource().assert_same(&expected);
        rig.visible().assert_same(&Picture::black(64, 48));
        assert_eq!(gpu.poll_present(&mut picture, frame), Ok(None));

        assert!(rig.device.release_one());
        rig.visible().assert_same(&expected);
        let presented = Presented {
            pixels: 64 * 48,
            commands: 2,
        };
        assert_eq!(gpu.poll_present(&mut picture, frame), Ok(Some(presented)));
        assert_eq!(
            gpu.poll_present(&mut picture, frame),
            Err(Error::FrameForgotten)
        );
        assert_eq!(rig.notifications(), 0, "asking does not notify");

        rig.device.set_completion(Completion::Inline);
        gpu.destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn a_frame_that_is_answered_at_once_reads_the_clock_twice() {
    let rig = Rig::new(Version::Two, 64, 48);
    let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(1));
    let (mut gpu, mut picture) = rig.shown(&mut storage, &mut chunks);
    rig.clock.set_step(Duration::from_millis(1));
    let before = rig.clock.present();
    picture.mark_damage(&spot(0));
    gpu.present(&mut picture).unwrap();
    let readings = rig.clock.present().since(before).as_millis();
    assert_eq!(readings, 2, "as its deadline begins, and as the wait does");
    gpu.destroy_framebuffer(picture).unwrap();
}

#[test]
fn drawing_goes_on_while_a_frame_is_in_flight() {
    let rig = Rig::new(Version::Two, 64, 48);
    let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(3));
    let (mut gpu, mut picture) = rig.shown(&mut storage, &mut chunks);
    let mut expected = Picture::black(64, 48);

    rig.device.set_completion(Completion::Held);
    picture.fill_solid(&spot(0), Rgb888::RED).unwrap();
    expected.fill_solid(&spot(0), Rgb888::RED).unwrap();
    let first = gpu.submit_present(&mut picture).unwrap();
    picture.fill_solid(&spot(40), Rgb888::BLUE).unwrap();
    assert_eq!(gpu.submit_present(&mut picture), Err(Error::FrameInFlight));
    assert_eq!(rig.device.release_all(), 2);
    assert_eq!(
        gpu.poll_present(&mut picture, first)
            .unwrap()
            .unwrap()
            .pixels,
        12
    );
    rig.visible().assert_same(&expected);

    expected.fill_solid(&spot(40), Rgb888::BLUE).unwrap();
    let second = gpu.submit_present(&mut picture).unwrap();
    // The flush before its transfer: the answers come in any order.
    assert!(rig.device.release_at(1));
    assert_eq!(gpu.poll_present(&mut picture, second), Ok(None));
    assert!(rig.device.release_one());
    assert_eq!(gpu.wait_present(&mut picture, second).unwrap().pixels, 12);
    rig.device.set_completion(Completion::Inline);
    picture.mark_damage(&spot(40));
    gpu.present(&mut picture).unwrap();
    rig.visible().assert_same(&expected);
    gpu.destroy_framebuffer(picture).unwrap();
}

#[test]
fn presenting_waits_for_a_slow_device_and_for_the_frame_before() {
    for rig in every_variant(64, 48) {
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        rig.device
            .set_completion(Completion::After(Duration::from_millis(900)));
        let mut chunks = chunks(3);
        let mut picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
        let mut expected = Picture::black(64, 48);
        let _first = gpu.submit_present(&mut picture).unwrap();
        card(&mut picture).unwrap();
        card(&mut expected).unwrap();
        let presented = gpu.present(&mut picture).unwrap();
        assert_eq!(presented.pixels, 64 * 48);
        rig.visible().assert_same(&expected);
        gpu.destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn two_pictures_and_a_question_can_be_in_flight_together() {
    let model = display(64, 48).with_scanout(32, 24);
    let rig = Rig::plug(model, Version::Two, |_| ());
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    let (mut chunks_a, mut chunks_b) = (chunks(2), chunks(2));
    let mut a = gpu.create_framebuffer(0, 64, 48, &mut chunks_a).unwrap();
    let mut b = gpu.create_framebuffer(1, 32, 24, &mut chunks_b).unwrap();
    let (mut expected_a, mut expected_b) = (Picture::black(64, 48), Picture::black(32, 24));
    card(&mut a).unwrap();
    card(&mut b).unwrap();
    card(&mut expected_a).unwrap();
    card(&mut expected_b).unwrap();

    rig.device
        .set_completion(Completion::After(Duration::from_millis(40)));
    let frame_a = gpu.submit_present(&mut a).unwrap();
    let frame_b = gpu.submit_present(&mut b).unwrap();
    assert_eq!(rig.device.waiting().len(), 4);
    for (picture, other) in [(&mut a, frame_b), (&mut b, frame_a)] {
        let error = Err(Error::FrameForgotten);
        assert_eq!(
            gpu.poll_present(picture, other),
            error,
            "one's token is not good for the other"
        );
    }
    // Its answer comes after theirs; it takes nothing that belongs to them.
    assert_eq!(gpu.display_info().unwrap().displays().len(), 2);
    assert_eq!(
        gpu.poll_present(&mut b, frame_b).unwrap().unwrap().pixels,
        32 * 24
    );
    assert_eq!(
        gpu.poll_present(&mut a, frame_a).unwrap().unwrap().pixels,
        64 * 48
    );
    rig.visible().assert_same(&expected_a);
    let second = rig.device.model(|gpu| gpu.visible(1)).unwrap();
    Picture::from(&second).assert_same(&expected_b);

    gpu.destroy_framebuffer(a).unwrap();
    gpu.destroy_framebuffer(b).unwrap();
}

#[test]
fn with_little_room_rectangles_are_merged_and_all_is_seen() {
    for rig in every_variant(160, 120) {
        let mut storage = GpuStorage::<_, 4>::new();
        let mut gpu = rig.gpu(&mut storage);
        let mut chunks = chunks(5);
        let mut picture = gpu.create_framebuffer(0, 160, 120, &mut chunks).unwrap();
        gpu.present(&mut picture).unwrap();
        let mut expected = Picture::black(160, 120);
        for corner in [(0, 0), (140, 0), (0, 100), (140, 100)] {
            let area = Rectangle::new(corner.into(), Size::new(20, 20));
            picture.fill_solid(&area, Rgb888::GREEN).unwrap();
            expected.fill_solid(&area, Rgb888::GREEN).unwrap();
        }
        let presented = gpu.present(&mut picture).unwrap();
        assert_eq!(
            presented,
            Presented {
                pixels: 2 * 20 * 120,
                commands: 4
            }
        );
        rig.visible().assert_same(&expected);
        gpu.destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn without_room_a_frame_is_refused_and_nothing_is_lost() {
    let model = display(64, 48).with_scanout(32, 24);
    let rig = Rig::plug(model, Version::Two, |_| ());
    let mut storage = GpuStorage::<_, 4>::new();
    let mut gpu = rig.gpu(&mut storage);
    let (mut chunks_a, mut chunks_b) = (chunks(2), chunks(2));
    let mut a = gpu.create_framebuffer(0, 64, 48, &mut chunks_a).unwrap();
    let mut b = gpu.create_framebuffer(1, 32, 24, &mut chunks_b).unwrap();
    gpu.present(&mut a).unwrap();
    rig.device.set_completion(Completion::Held);
    for corner in [(0, 0), (60, 44)] {
        a.mark_damage(&Rectangle::new(corner.into(), Size::new(4, 4)));
    }
    let frame = gpu.submit_present(&mut a).unwrap();
    let full = Error::Submit(SubmitError::Full {
        slots: 4,
        free: 0,
        needed: 2,
    });
    assert_eq!(gpu.submit_present(&mut b), Err(full));
    assert_eq!(rig.device.release_all(), 4);
    assert_eq!(gpu.wait_present(&mut a, frame).unwrap().commands, 4);
    rig.device.set_completion(Completion::Inline);
    assert_eq!(gpu.present(&mut b).unwrap().pixels, 32 * 24);
    gpu.destroy_framebuffer(a).unwrap();
    gpu.destroy_framebuffer(b).unwrap();
}

#[test]
fn a_frame_that_failed_is_repeated_by_the_next_one() {
    // The faults hit the transfer, or the flush, the second answer.
    for honest_before in [0, 1] {
        for rig in every_variant(64, 48) {
            let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(3));
            let (mut gpu, mut picture) = rig.shown(&mut storage, &mut chunks);
            picture.fill_solid(&spot(0), Rgb888::RED).unwrap();
            let mut expected = Picture::black(64, 48);
            expected.fill_solid(&spot(0), Rgb888::RED).unwrap();

            rig.device.set_completion(Completion::Held);
            let frame = gpu.submit_present(&mut picture).unwrap();
            for _ in 0..honest_before {
                rig.device.release_one();
            }
            rig.device.inject(Fault::AnswerType(0x1205));
            rig.device.release_all();
            let command =
                [CommandType::TransferToHost2d, CommandType::ResourceFlush][honest_before];
            let error = CommandError::InvalidParameter;
            assert_eq!(
                gpu.poll_present(&mut picture, frame),
                Err(Error::Command { command, error })
            );
            assert_eq!(picture.damage().collect::<Vec<_>>(), [spot(0)]);

            rig.device.set_completion(Completion::Inline);
            let _ = rig.take_requests();
            assert_eq!(gpu.present(&mut picture).unwrap().pixels, 12);
            assert_eq!(rig.take_requests().len(), 2);
            rig.visible().assert_same(&expected);
            gpu.destroy_framebuffer(picture).unwrap();
        }
    }
}

#[test]
fn what_was_drawn_meanwhile_is_added_to_what_failed() {
    let rig = Rig::new(Version::Two, 64, 48);
    let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(3));
    let (mut gpu, mut picture) = rig.shown(&mut storage, &mut chunks);
    rig.device.set_completion(Completion::Held);
    let mut expected = Picture::black(64, 48);
    for n in [0, 50] {
        picture.fill_solid(&spot(n), Rgb888::RED).unwrap();
        expected.fill_solid(&spot(n), Rgb888::RED).unwrap();
        if n == 0 {
            let _frame = gpu.submit_present(&mut picture).unwrap();
        }
    }
    rig.device.inject(Fault::AnswerType(0x1100 - 1));
    rig.device.release_all();
    rig.device.set_completion(Completion::Inline);
    // Nobody asked for the outcome of the first frame, so the second one is told.
    let fault = ResponseFault::UnexpectedType {
        found: 0x10ff,
        expected: 0x1100,
    };
    let error = Error::Response {
        command: CommandType::TransferToHost2d,
        fault,
    };
    assert_eq!(gpu.submit_present(&mut picture), Err(error));
    assert_eq!(gpu.present(&mut picture).unwrap().commands, 2);
    rig.visible().assert_same(&expected);
    gpu.destroy_framebuffer(picture).unwrap();
}

#[test]
fn frames_nobody_asks_for_use_nothing_up() {
    let rig = Rig::new(Version::Two, 32, 32);
    let mut storage = GpuStorage::<_, 4>::new();
    let mut gpu = rig.gpu(&mut storage);
    for _ in 0..20 {
        let mut chunks = chunks(2);
        let mut picture = gpu.create_framebuffer(0, 32, 32, &mut chunks).unwrap();
        let _frame = gpu.submit_present(&mut picture).unwrap();
        // The picture goes with its frame on its way; the chunks still know whose they are.
        gpu.reclaim(&mut chunks).unwrap();
    }
}

#[test]
fn a_frame_is_remembered_before_older_ones_and_as_long_as_it_is_in_flight() {
    const PLACES: usize = 8;
    for (completion, others) in [(Completion::Inline, PLACES - 1), (Completion::Held, PLACES)] {
        let rig = Rig::new(Version::Two, 32, 32);
        let mut storage = GpuStorage::<_, PLACES>::new();
        let mut gpu = rig.gpu(&mut storage);
        let mut chunks: Vec<_> = (0..=PLACES + others).map(|_| chunks(2)).collect();
        let mut pictures = Vec::new();
        for chunks in &mut chunks {
            pictures.push(gpu.create_framebuffer(0, 32, 32, chunks).unwrap());
        }
        let (one, rest) = pictures.split_first_mut().unwrap();
        let (older, newer) = rest.split_at_mut(PLACES);
        // Nobody asks for these: there is no place left.
        for picture in older {
            let _frame = gpu.submit_present(picture).unwrap();
        }
        rig.device.set_completion(completion);
        let frame = gpu.submit_present(one).unwrap();
        rig.device.set_completion(Completion::Inline);
        for picture in newer {
            let _frame = gpu.submit_present(picture).unwrap();
        }
        rig.device.release_all();
        assert_eq!(gpu.wait_present(one, frame).unwrap().pixels, 32 * 32);
        drop(pictures);
        for chunks in &mut chunks {
            gpu.reclaim(chunks).unwrap();
        }
    }
}

#[test]
fn a_frame_with_nothing_to_do_is_done_at_once() {
    let rig = Rig::new(Version::Two, 32, 32);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    let mut chunks = chunks(2);
    let mut picture = gpu.create_framebuffer(0, 32, 32, &mut chunks).unwrap();
    gpu.present(&mut picture).unwrap();
    let frame = gpu.submit_present(&mut picture).unwrap();
    let nothing = Presented::default();
    assert_eq!(gpu.poll_present(&mut picture, frame), Ok(Some(nothing)));
    assert_eq!(gpu.wait_present(&mut picture, frame), Ok(nothing));
    gpu.destroy_framebuffer(picture).unwrap();
}

#[test]
fn late_answers_are_not_in_the_way_of_a_frame() {
    for is_collected in [false, true] {
        let rig = Rig::new(Version::Two, 64, 48);
        let mut storage = GpuStorage::<_, 4>::new();
        let mut gpu = rig.gpu(&mut storage);
        let mut chunks = chunks(2);
        let mut picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
        // Three that are given up, and are answered right after the third is.
        for millis in [15_900, 10_800, 5_700] {
            let late = Duration::from_millis(millis);
            rig.device.set_completion(Completion::After(late));
            gpu.display_info().unwrap_err();
        }
        if is_collected {
            // Its wait finds the others' answers, and leaves them.
            let slow = Duration::from_secs(3);
            rig.device.set_completion(Completion::After(slow));
            gpu.display_info().unwrap();
        } else {
            rig.clock.advance(Duration::from_secs(3));
        }
        rig.device.set_completion(Completion::Inline);
        let frame = gpu.submit_present(&mut picture).unwrap();
        gpu.wait_present(&mut picture, frame).unwrap();
        gpu.destroy_framebuffer(picture).unwrap();
    }
}
