//! A device that does not answer: the wait ends, the error says why, and a reset is the way out.

use std::time::Duration;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use levitate_drivers_gpu::{Error, Gpu, GpuStorage, InitError, Options, ResetError};
use levitate_host::{AnyDevice, Completion, Fault, Plug, Version};
use levitate_virtio::{Features, QueueIndex, Status, Timeout, TimeoutCause, Transport as _};

use crate::picture::{Picture, card};
use crate::rig::{Rig, chunks, display};

const FIVE_SECONDS: Duration = Duration::from_secs(5);

fn cause(error: Error) -> TimeoutCause {
    match error {
        Error::Timeout(Timeout { timeout, cause }) => {
            assert_eq!(timeout, FIVE_SECONDS);
            cause
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_way_of_not_answering_has_its_cause() {
    let queue = QueueIndex::new(0);
    for plug in Plug::ALL {
        for (completion, features, expected) in [
            (
                Completion::Never,
                Features::EVENT_IDX,
                TimeoutCause::NotCompleted,
            ),
            (Completion::Never, Features::empty(), TimeoutCause::Unknown),
            (
                Completion::Deaf,
                Features::EVENT_IDX,
                TimeoutCause::NotFetched { queue },
            ),
        ] {
            let rig = Rig::new(plug, 64, 48);
            let mut storage = GpuStorage::<_>::new();
            let mut gpu = rig.gpu_with(&mut storage, features);
            rig.device.set_completion(completion);
            let before = rig.clock.present();
            let error = gpu.display_info().unwrap_err();
            assert_eq!(cause(error), expected);
            let waited = rig.clock.present().since(before);
            assert!(
                (FIVE_SECONDS..FIVE_SECONDS * 2).contains(&waited),
                "{waited:?}"
            );
        }
    }
}

#[test]
fn a_used_ring_that_is_not_written_is_told_from_silence() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug, 64, 48);
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        rig.device.inject(Fault::NoUsedElement);
        let queue = QueueIndex::new(0);
        assert_eq!(
            cause(gpu.display_info().unwrap_err()),
            TimeoutCause::UsedRingElsewhere { queue }
        );
    }
}

#[test]
fn a_device_that_needs_a_reset_says_so() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug, 64, 48);
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        rig.device.set_completion(Completion::Never);
        rig.device.set_needs_reset();
        let found = cause(gpu.display_info().unwrap_err());
        assert!(
            matches!(found, TimeoutCause::NeedsReset { .. }),
            "{found:?}"
        );
        rig.device.set_completion(Completion::Inline);
        gpu.reset().unwrap();
        assert!(gpu.display_info().is_ok());
    }
}

#[test]
fn the_wait_is_as_long_as_the_options_say() {
    let rig = Rig::new(Version::Two, 64, 48);
    let mut storage = GpuStorage::<_>::new();
    let timeout = Duration::from_millis(20);
    let options = Options {
        timeout,
        ..Options::default()
    };
    let mut gpu = Gpu::with_options(
        rig.device.transport(),
        rig.platform(),
        &mut storage,
        options,
    )
    .unwrap();
    rig.device.set_completion(Completion::Never);
    let before = rig.clock.present();
    let expected = Timeout {
        timeout,
        cause: TimeoutCause::NotCompleted,
    };
    assert_eq!(gpu.display_info(), Err(Error::Timeout(expected)));
    assert!(rig.clock.present().since(before) < Duration::from_millis(100));
}

#[test]
fn after_a_reset_a_picture_is_shown_again_with_what_was_drawn() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug, 64, 48);
        let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(5));
        let (mut gpu, mut picture) = rig.shown(&mut storage, &mut chunks);
        let expected = Picture::card(64, 48);
        card(&mut picture).unwrap();

        rig.device.set_completion(Completion::Never);
        let error = gpu.present(&mut picture).unwrap_err();
        assert_eq!(cause(error), TimeoutCause::NotCompleted);
        assert_eq!(
            picture.damage().count(),
            1,
            "what was not shown is not forgotten"
        );

        rig.device.set_completion(Completion::Inline);
        gpu.reset().unwrap();
        assert_eq!(gpu.present(&mut picture), Err(Error::FramebufferLost));
        assert_eq!(
            gpu.submit_present(&mut picture),
            Err(Error::FramebufferLost)
        );
        assert_eq!(gpu.show(&picture), Err(Error::FramebufferLost));
        gpu.attach(&mut picture).unwrap();
        gpu.present(&mut picture).unwrap();
        rig.visible().assert_same(&expected);
        gpu.attach(&mut picture).unwrap();
        assert_eq!(
            picture.damage().count(),
            0,
            "a picture the device knows is left as it is"
        );

        gpu.destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn a_frame_submitted_and_never_answered_ends_at_its_deadline() {
    let rig = Rig::new(Version::Two, 64, 48);
    let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(5));
    let (mut gpu, mut picture) = rig.prepared(&mut storage, &mut chunks);
    rig.device.set_completion(Completion::Never);
    let frame = gpu.submit_present(&mut picture).unwrap();
    rig.clock.advance(Duration::from_millis(4900));
    assert_eq!(gpu.poll_present(&mut picture, frame), Ok(None));
    rig.clock.advance(Duration::from_millis(200));
    let error = gpu.poll_present(&mut picture, frame).unwrap_err();
    assert_eq!(cause(error), TimeoutCause::NotCompleted);
    assert_eq!(picture.damage().count(), 1);
    assert_eq!(
        gpu.poll_present(&mut picture, frame),
        Err(Error::FrameForgotten)
    );
    rig.device.set_completion(Completion::Inline);
    gpu.reset().unwrap();
    gpu.destroy_framebuffer(picture).unwrap();
}

#[test]
fn answers_that_come_too_late_are_thrown_away_and_their_slots_used_again() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug, 1280, 800);
        let mut storage = GpuStorage::<_, 4>::new();
        let mut gpu = rig.gpu(&mut storage);
        let mut chunks = chunks(2);
        let mut picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
        for _ in 0..10 {
            rig.device
                .set_completion(Completion::After(Duration::from_secs(6)));
            assert_eq!(
                cause(gpu.display_info().unwrap_err()),
                TimeoutCause::NotCompleted
            );
            picture.clear(Rgb888::GREEN).unwrap();
            assert_eq!(
                cause(gpu.present(&mut picture).unwrap_err()),
                TimeoutCause::NotCompleted
            );
            rig.clock.advance(Duration::from_secs(7));
            rig.device.set_completion(Completion::Inline);
            assert_eq!(gpu.display_info().unwrap().displays()[0].width, 1280);
            gpu.present(&mut picture).unwrap();
        }
        gpu.destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn memory_of_a_picture_that_was_never_finished_is_kept_until_the_reset() {
    for plug in Plug::ALL {
        for completion in [Completion::Never, Completion::Deaf] {
            let rig = Rig::new(plug, 64, 48);
            let mut storage = GpuStorage::<_>::new();
            let mut gpu = rig.gpu(&mut storage);
            gpu.screens().unwrap();
            let mut chunks = chunks(3);
            rig.device.set_completion(completion);
            let error = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap_err();
            cause(error);
            assert!(chunks.iter().all(|chunk| chunk.is_in_use()));
            let kept = rig.pool.live();
            // Nobody knows whether the device has it, so it can neither be freed nor used for another.
            cause(gpu.reclaim(&mut chunks).unwrap_err());
            cause(gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap_err());
            assert_eq!(rig.pool.live(), kept);

            rig.device.set_completion(Completion::Inline);
            gpu.reset().unwrap();
            let picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
            gpu.destroy_framebuffer(picture).unwrap();
        }
    }
}

#[test]
fn a_device_that_is_never_reset_keeps_its_memory_and_the_driver_is_of_no_use() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug, 64, 48);
        let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(3));
        let (mut gpu, mut picture) = rig.prepared(&mut storage, &mut chunks);
        let live = rig.pool.live();
        rig.device
            .behave(|behaviour| behaviour.reset_reads = u32::MAX);
        let error = gpu.reset().unwrap_err();
        assert!(
            matches!(
                error,
                ResetError::Unconfirmed {
                    timeout: FIVE_SECONDS,
                    ..
                }
            ),
            "{error:?}"
        );
        assert_eq!(rig.pool.live(), live, "the device may still use all of it");

        assert_eq!(gpu.reset(), Err(ResetError::Gone));
        assert_eq!(gpu.display_info(), Err(Error::Gone));
        assert_eq!(gpu.present(&mut picture), Err(Error::Gone));
        picture.clear(Rgb888::RED).unwrap();
        assert_eq!(gpu.destroy_framebuffer(picture).map(drop), Err(Error::Gone));
        assert_eq!(gpu.num_scanouts(), 0);
        assert!(gpu.interrupt().is_none());
        drop(gpu);
        assert!(chunks.iter().all(|chunk| chunk.is_in_use()));
        drop(chunks);
        assert_eq!(rig.pool.misuses(), []);
        rig.pool.allow_leaks();
    }
}

#[test]
fn dropping_the_driver_of_such_a_device_leaks_and_ends() {
    let rig = Rig::new(Version::Two, 64, 48);
    let mut storage = GpuStorage::<_>::new();
    let gpu = rig.gpu(&mut storage);
    rig.device
        .behave(|behaviour| behaviour.reset_reads = u32::MAX);
    let before = rig.clock.present();
    drop(gpu);
    let waited = rig.clock.present().since(before);
    assert!(
        (FIVE_SECONDS..FIVE_SECONDS * 2).contains(&waited),
        "{waited:?}"
    );
    assert_eq!(rig.pool.misuses(), []);
    rig.pool.allow_leaks();
}

#[test]
fn a_device_that_does_not_come_up_again_gives_back_the_memory_all_the_same() {
    let rig = Rig::new(Version::Two, 64, 48);
    let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(3));
    let (mut gpu, picture) = rig.prepared(&mut storage, &mut chunks);
    rig.device
        .behave(|behaviour| behaviour.refuse_features = true);
    let error = gpu.reset().unwrap_err();
    assert!(
        matches!(error, ResetError::Init(InitError::Init(_))),
        "{error:?}"
    );
    assert_eq!(gpu.display_info(), Err(Error::Gone));
    // The reset was confirmed, so the device has no use for it.
    gpu.destroy_framebuffer(picture).unwrap();
}

#[test]
fn a_device_that_is_slow_to_reset_is_waited_for() {
    let model = display(64, 48);
    let rig = Rig::plug(model, Version::Two, |behaviour| behaviour.reset_reads = 100);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    gpu.reset().unwrap();
    assert!(gpu.display_info().is_ok());
}

#[test]
fn slots_that_unanswered_commands_keep_are_no_excuse_for_a_nameless_error() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug, 64, 48);
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu_with(&mut storage, Features::EVENT_IDX);
        rig.device.set_completion(Completion::Never);
        // Sixteen of them take all slots; from then on nothing can be sent.
        for _ in 0..20 {
            let error = gpu.display_info().unwrap_err();
            assert_eq!(cause(error), TimeoutCause::NotCompleted);
        }
        let mut chunks = chunks(1);
        let error = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap_err();
        assert_eq!(cause(error), TimeoutCause::NotCompleted);
        rig.device.set_completion(Completion::Inline);
        gpu.reset().unwrap();
        assert!(gpu.display_info().is_ok());
    }
}

#[test]
fn a_reset_of_a_device_that_is_gone_says_so() {
    for reads in [0xff, 0] {
        let rig = Rig::new(Plug::PciMsix, 64, 48);
        let AnyDevice::Pci(function, _) = &rig.device else {
            panic!("the display is on PCI");
        };
        if reads == 0xff {
            // It is not reset, as far as one can see, and keeps its memory.
            rig.pool.allow_leaks();
        }
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        // One that is taken out reaches no memory any more.
        rig.device.transport().write_status(Status::empty());
        function.unplug(reads);
        let error = gpu.reset().unwrap_err();
        assert_eq!(error, ResetError::Unplugged, "{reads:#x}");
        assert_eq!(error.to_string(), "device is gone from its bus");
        assert_eq!(gpu.display_info(), Err(Error::Gone));
    }
}
