//! Frames and questions of a task: what they cost, and what becomes of them when the task or the device gives up.

use std::time::Duration;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use levitate_drivers_gpu::{
    AsyncGpu, Error, Framebuffer, GpuStorage, Presented, ResetError, Signal,
};
use levitate_host::{AnyDevice, Completion, Fault, GpuModel, Plug, Pool, Task, Version};
use levitate_virtio::{Status, Timeout, TimeoutCause, Transport as _};

use crate::picture::{Picture, card};
use crate::rig::{Platform, Rig, Transport, Variant, chunks, display, every_variant};

pub(crate) type Driver<'s> = AsyncGpu<'s, Transport<GpuModel>, Platform>;

const TIMEOUT: Duration = Duration::from_secs(5);

/// A driver for a task, and a picture that is on the screen.
pub(crate) fn drive<'s>(
    rig: &Rig,
    storage: &'s mut GpuStorage<Pool>,
    signal: &'s Signal,
    chunks: &'s mut [levitate_drivers_gpu::Chunk<Pool>],
) -> (Driver<'s>, Framebuffer<'s, Pool>) {
    let (gpu, picture) = rig.shown(storage, chunks);
    rig.device.set_completion(Completion::Held);
    let _ = rig.notifications();
    (AsyncGpu::new(gpu, signal), picture)
}

pub(crate) fn draw(picture: &mut Framebuffer<'_, Pool>, x: i32) {
    let spot = Rectangle::new(Point::new(x, 5), Size::new(4, 3));
    picture.fill_solid(&spot, Rgb888::RED).unwrap();
}

pub(crate) fn answer_all(rig: &Rig) {
    rig.device.set_completion(Completion::Inline);
    rig.device.release_all();
}

#[test]
fn a_frame_is_a_notification_and_a_wake_up() {
    for rig in every_variant(64, 48) {
        let signal = Signal::new();
        let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(2));
        let (mut gpu, mut picture) = drive(&rig, &mut storage, &signal, &mut chunks);
        let handle = gpu.gpu().interrupt().unwrap();
        let expected = Picture::card(64, 48);
        card(&mut picture).unwrap();
        let allocated = rig.pool.allocated_so_far();
        for round in 1..=10 {
            picture.mark_damage(&Rectangle::new(Point::zero(), Size::new(64, 48)));
            let task = Task::waiting(gpu.present(&mut picture));
            assert_eq!(rig.notifications(), 1);
            assert_eq!(task.wakes(), 0);
            assert_eq!(rig.device.release_all(), 2, "a transfer and a flush");
            assert_eq!(rig.device.deliver(&signal, &handle), 1);
            assert_eq!(task.wakes(), 1);
            let presented = Presented {
                pixels: 64 * 48,
                commands: 2,
            };
            assert_eq!(task.end(), Ok(presented));
            assert_eq!(rig.device.interrupts_raised(), round);
            rig.visible().assert_same(&expected);
        }
        assert_eq!(rig.pool.allocated_so_far(), allocated);
        // Nothing drawn, nothing sent.
        assert_eq!(
            Task::new(gpu.present(&mut picture)).end(),
            Ok(Presented::default())
        );
        assert_eq!(rig.notifications(), 0);
        assert_eq!(gpu.idle_polls(), 0);

        answer_all(&rig);
        gpu.into_inner().destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn a_frame_of_many_commands_wakes_its_task_with_the_last() {
    for rig in every_variant(64, 48) {
        let signal = Signal::new();
        let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(2));
        let (mut gpu, mut picture) = drive(&rig, &mut storage, &signal, &mut chunks);
        let handle = gpu.gpu().interrupt().unwrap();
        for x in [0, 20, 40, 60] {
            let spot = Rectangle::new(Point::new(x, x / 2), Size::new(4, 17));
            picture.fill_solid(&spot, Rgb888::RED).unwrap();
        }
        let mut task = Task::waiting(gpu.present(&mut picture));
        let commands = rig.device.waiting().len();
        assert!(commands > 2, "{commands}");
        for _ in 1..commands {
            rig.device.release_one();
            assert_eq!(rig.device.deliver(&signal, &handle), 0);
        }
        // A task that looks for another reason still has its interrupt.
        assert!(task.poll().is_pending());
        rig.device.release_one();
        assert_eq!(rig.device.deliver(&signal, &handle), 1);
        assert_eq!(task.wakes(), 1);
        task.end().unwrap();
        assert_eq!(gpu.idle_polls(), 1, "that look");
        answer_all(&rig);
        gpu.into_inner().destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn a_frame_that_is_dropped_is_settled_by_the_next() {
    for rig in every_variant(64, 48) {
        let signal = Signal::new();
        let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(2));
        let (mut gpu, mut picture) = drive(&rig, &mut storage, &signal, &mut chunks);
        let handle = gpu.gpu().interrupt().unwrap();
        let mut expected = Picture::black(64, 48);

        // Before it is polled it is nothing.
        draw(&mut picture, 1);
        drop(gpu.present(&mut picture));
        assert_eq!(rig.notifications(), 0);

        // In flight, and half answered.
        drop(Task::waiting(gpu.present(&mut picture)));
        assert_eq!(rig.device.waiting().len(), 2);
        assert!(rig.device.release_one());
        rig.device.deliver(&signal, &handle);

        draw(&mut picture, 20);
        let mut task = Task::waiting(gpu.present(&mut picture));
        assert_eq!(rig.device.waiting().len(), 1, "the first frame's flush");
        assert!(rig.device.release_one());
        rig.device.deliver(&signal, &handle);
        assert!(task.poll().is_pending());
        assert_eq!(rig.device.waiting().len(), 2, "what was drawn since");
        rig.device.release_all();
        rig.device.deliver(&signal, &handle);
        assert_eq!(task.end().unwrap().pixels, 12);
        for x in [1, 20] {
            let spot = Rectangle::new(Point::new(x, 5), Size::new(4, 3));
            expected.fill_solid(&spot, Rgb888::RED).unwrap();
        }
        rig.visible().assert_same(&expected);

        // Answered, and nobody has looked: the outcome is there without a wait.
        draw(&mut picture, 40);
        drop(Task::waiting(gpu.present(&mut picture)));
        answer_all(&rig);
        assert_eq!(
            Task::new(gpu.present(&mut picture)).end(),
            Ok(Presented::default())
        );

        // All slots are idle again, or a frame of eight commands would not fit.
        for x in [0, 15, 30, 45] {
            draw(&mut picture, x);
        }
        gpu.gpu_mut().present(&mut picture).unwrap();
        gpu.into_inner().destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn a_picture_can_go_while_its_dropped_frame_is_in_flight() {
    let rig = Rig::new(Version::Two, 64, 48);
    let signal = Signal::new();
    let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(2));
    let (mut gpu, mut picture) = drive(&rig, &mut storage, &signal, &mut chunks);
    draw(&mut picture, 1);
    drop(Task::waiting(gpu.present(&mut picture)));
    let device = rig.device.clone();
    rig.clock.after(Duration::from_millis(20), move || {
        device.set_completion(Completion::Inline);
        device.release_all();
    });
    // It waits for the frame first: the memory is the device's until then.
    gpu.into_inner().destroy_framebuffer(picture).unwrap();
}

#[test]
fn a_missed_deadline_is_noticed_at_a_tick_and_repeated_after_a_reset() {
    for rig in every_variant(64, 48) {
        let signal = Signal::new();
        let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(2));
        let (mut gpu, mut picture) = drive(&rig, &mut storage, &signal, &mut chunks);
        draw(&mut picture, 1);
        let mut task = Task::waiting(gpu.present(&mut picture));
        rig.clock.advance(TIMEOUT / 2);
        signal.on_tick();
        assert_eq!(task.wakes(), 1);
        assert!(task.poll().is_pending(), "there is time");
        rig.clock.advance(TIMEOUT / 2);
        signal.on_tick();
        assert_eq!(task.wakes(), 2);
        let timeout = TIMEOUT;
        let cause = TimeoutCause::NotCompleted;
        assert_eq!(task.end(), Err(Error::Timeout(Timeout { timeout, cause })));

        answer_all(&rig);
        gpu.gpu_mut().reset().unwrap();
        gpu.gpu_mut().attach(&mut picture).unwrap();
        // The wish for interrupts outlives the reset.
        let raised = rig.device.interrupts_raised();
        Task::new(gpu.present(&mut picture)).end().unwrap();
        assert!(rig.device.interrupts_raised() > raised);
        let mut expected = Picture::black(64, 48);
        let spot = Rectangle::new(Point::new(1, 5), Size::new(4, 3));
        expected.fill_solid(&spot, Rgb888::RED).unwrap();
        rig.visible().assert_same(&expected);
        gpu.into_inner().destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn a_device_that_gives_up_says_so_at_once() {
    for rig in every_variant(64, 48) {
        let signal = Signal::new();
        let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(2));
        let (mut gpu, mut picture) = drive(&rig, &mut storage, &signal, &mut chunks);
        let handle = gpu.gpu().interrupt().unwrap();
        draw(&mut picture, 1);
        let task = Task::waiting(gpu.present(&mut picture));
        rig.device.set_needs_reset();
        rig.device.deliver(&signal, &handle);
        let error = task.end().unwrap_err();
        assert!(error.needs_reset());
        let Error::NeedsReset { status } = error else {
            panic!("{error}");
        };
        assert!(status.contains(Status::DEVICE_NEEDS_RESET));
        answer_all(&rig);
        gpu.gpu_mut().reset().unwrap();
        gpu.gpu_mut().attach(&mut picture).unwrap();
        Task::new(gpu.present(&mut picture)).end().unwrap();
        gpu.into_inner().destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn a_device_that_is_gone_ends_the_wait_at_the_next_tick() {
    for reads in [0xff, 0] {
        let rig = Rig::new(Plug::PciMsix, 64, 48);
        let AnyDevice::Pci(function, _) = rig.device.clone() else {
            panic!("the display is on PCI");
        };
        // A picture that no device can be told to forget is not freed.
        rig.pool.allow_leaks();
        let signal = Signal::new();
        let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(2));
        let (mut gpu, mut picture) = drive(&rig, &mut storage, &signal, &mut chunks);
        draw(&mut picture, 1);
        let task = Task::waiting(gpu.present(&mut picture));
        // One that is taken out reaches no memory any more.
        rig.device.transport().write_status(Status::empty());
        function.unplug(reads);
        signal.on_tick();
        let error = task.end().unwrap_err();
        assert_eq!(error, Error::Unplugged, "{reads:#x}");
        assert!(error.needs_reset());
        assert_eq!(gpu.gpu_mut().reset(), Err(ResetError::Unplugged));
    }
}

#[test]
fn a_used_ring_that_lies_is_an_error_and_no_wait() {
    for fault in [
        Fault::UsedIdOutOfRange,
        Fault::UsedIdNotInFlight,
        Fault::UsedLen(u32::MAX),
        Fault::UsedIndexJump(7),
    ] {
        for variant in Variant::ALL.into_iter().skip(1) {
            let rig = Rig::new(variant, 64, 48);
            let signal = Signal::new();
            let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(2));
            let (mut gpu, mut picture) = drive(&rig, &mut storage, &signal, &mut chunks);
            let handle = gpu.gpu().interrupt().unwrap();
            draw(&mut picture, 1);
            let task = Task::waiting(gpu.present(&mut picture));
            rig.device.inject_always(Some(fault));
            rig.device.release_all();
            assert_ne!(rig.device.deliver(&signal, &handle), 0);
            assert_ne!(task.wakes(), 0);
            let outcome = task.end();
            assert!(
                matches!(outcome, Err(Error::Device(_))),
                "{fault:?}: {outcome:?}"
            );
            rig.device.inject_always(None);
            answer_all(&rig);
            gpu.gpu_mut().reset().unwrap();
            gpu.gpu_mut().attach(&mut picture).unwrap();
            Task::new(gpu.present(&mut picture)).end().unwrap();
            gpu.into_inner().destroy_framebuffer(picture).unwrap();
        }
    }
}

#[test]
fn a_screen_that_changes_is_asked_about_without_a_wait_of_the_cpu() {
    for variant in Variant::ALL {
        let rig = Rig::plug(display(64, 48).with_scanout(80, 60), variant, |_| ());
        let signal = Signal::new();
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = AsyncGpu::new(rig.gpu(&mut storage), &signal);
        let handle = gpu.gpu().interrupt().unwrap();
        assert_eq!(Task::new(gpu.process_events()).end(), Ok(None));
        let event = Task::waiting(signal.config_change());
        rig.device
            .change_config(|gpu| gpu.set_mode(0, 1024, 600, true));
        rig.device.deliver(&signal, &handle);
        assert_eq!(event.wakes(), 1);
        event.end();

        rig.device.set_completion(Completion::Held);
        // A future that is dropped between two questions loses none of them.
        for answers in [0, 1, 2, 3] {
            let mut task = Task::new(gpu.process_events());
            for _ in 0..answers {
                assert!(task.poll().is_pending());
                rig.device.release_all();
                rig.device.deliver(&signal, &handle);
            }
            if answers == 3 {
                let screens = task.end().unwrap().expect("changed");
                let mode = screens.as_slice()[0].mode();
                assert_eq!((mode.width, mode.height), (1024, 600));
                assert!(screens.as_slice()[1].edid_mode.is_some());
                break;
            }
            assert!(task.poll().is_pending());
        }
        assert_eq!(Task::new(gpu.process_events()).end(), Ok(None));
        answer_all(&rig);
    }
}

#[test]
fn a_monitor_that_is_silent_costs_a_task_one_deadline() {
    let rig = Rig::plug(display(64, 48).with_scanout(80, 60), Version::Two, |_| ());
    let signal = Signal::new();
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = AsyncGpu::new(rig.gpu(&mut storage), &signal);
    rig.device
        .change_config(|gpu| gpu.set_mode(0, 1024, 600, true));
    rig.device.set_completion(Completion::Held);
    let mut task = Task::waiting(gpu.process_events());
    rig.device.release_all();
    assert!(task.poll().is_pending(), "it has the display info");
    rig.clock.advance(TIMEOUT);
    let screens = task.end().unwrap().expect("changed");
    assert!(
        screens
            .as_slice()
            .iter()
            .all(|screen| screen.edid_mode.is_none())
    );
    assert_eq!(rig.device.waiting().len(), 1, "no other is asked for");
    answer_all(&rig);
}
