//! Configuration changes and interrupts.

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use levitate_drivers_gpu::{Events, GpuStorage, ModeSource};
use levitate_host::{Completion, Plug};
use levitate_virtio::{Interrupt, InterruptStatus};

use crate::rig::{Rig, chunks};

#[test]
fn a_display_change_is_an_event_and_the_display_info_is_new() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug, 1280, 800);
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        assert_eq!(gpu.pending_events(), Ok(Events::empty()));
        rig.device
            .change_config(|gpu| gpu.set_mode(0, 1024, 600, true));
        assert_eq!(gpu.pending_events(), Ok(Events::DISPLAY));
        let interrupt = gpu.interrupt().unwrap();
        // Over MSI-X, the vector tells the cause; that of the configuration is 0.
        assert_eq!(
            interrupt.acknowledge_vector(0),
            InterruptStatus::CONFIG_CHANGE
        );
        let mode = gpu.preferred_mode(0).unwrap();
        assert_eq!(
            (mode.width, mode.height, mode.source),
            (1024, 600, ModeSource::DisplayInfo)
        );
    }
}

#[test]
fn frames_interrupt_only_if_that_is_wanted() {
    for plug in Plug::LINES {
        let rig = Rig::new(plug, 64, 48);
        let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(2));
        let (mut gpu, mut picture) = rig.shown(&mut storage, &mut chunks);
        assert_eq!(rig.device.interrupts_raised(), 0);

        gpu.enable_interrupts().unwrap();
        rig.device.set_completion(Completion::Held);
        picture.mark_damage(&embedded_graphics::primitives::Rectangle::new(
            (3, 3).into(),
            (4, 4).into(),
        ));
        let frame = gpu.submit_present(&mut picture).unwrap();
        assert_eq!(gpu.poll_present(&mut picture, frame), Ok(None));
        assert!(!rig.device.is_interrupting());
        rig.device.release_all();
        assert!(rig.device.is_interrupting());
        let interrupt = gpu.interrupt().unwrap();
        assert_eq!(interrupt.acknowledge(), InterruptStatus::USED_BUFFER);
        assert!(gpu.poll_present(&mut picture, frame).unwrap().is_some());

        rig.device.set_completion(Completion::Inline);
        gpu.disable_interrupts().unwrap();
        let raised = rig.device.interrupts_raised();
        for _ in 0..3 {
            picture.mark_damage(&embedded_graphics::primitives::Rectangle::new(
                (3, 3).into(),
                (4, 4).into(),
            ));
            gpu.present(&mut picture).unwrap();
        }
        assert_eq!(rig.device.interrupts_raised(), raised);
        gpu.destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn of_two_frames_the_one_that_is_done_first_interrupts() {
    for plug in Plug::LINES {
        let rig = Rig::new(plug, 64, 48);
        let (mut storage, mut own, mut others) = (GpuStorage::<_>::new(), chunks(2), chunks(2));
        let (mut gpu, mut short) = rig.shown(&mut storage, &mut own);
        let mut long = gpu.create_framebuffer(0, 64, 48, &mut others).unwrap();
        gpu.present(&mut long).unwrap();
        gpu.enable_interrupts().unwrap();
        rig.device.set_completion(Completion::Held);
        let spot = |x| Rectangle::new(Point::new(x, x / 2), Size::new(4, 9));
        short.mark_damage(&spot(8));
        for x in [0, 20, 40, 60] {
            long.mark_damage(&spot(x));
        }
        let first = gpu.submit_present(&mut short).unwrap();
        let commands = rig.device.waiting().len();
        let second = gpu.submit_present(&mut long).unwrap();
        assert!(rig.device.waiting().len() > 2 * commands);
        // Whoever is asked for last, and lacks more.
        assert_eq!(gpu.poll_present(&mut short, first), Ok(None));
        assert_eq!(gpu.poll_present(&mut long, second), Ok(None));
        (0..commands).for_each(|_| assert!(rig.device.release_one()));
        assert!(rig.device.is_interrupting());
        let interrupt = gpu.interrupt().unwrap();
        assert_eq!(interrupt.acknowledge(), InterruptStatus::USED_BUFFER);
        assert!(gpu.poll_present(&mut short, first).unwrap().is_some());
        assert_eq!(gpu.poll_present(&mut long, second), Ok(None));
        rig.device.release_all();
        assert!(rig.device.is_interrupting());
        assert_eq!(interrupt.acknowledge(), InterruptStatus::USED_BUFFER);
        assert!(gpu.poll_present(&mut long, second).unwrap().is_some());
        rig.device.set_completion(Completion::Inline);
        gpu.destroy_framebuffer(short).unwrap();
        gpu.destroy_framebuffer(long).unwrap();
    }
}

#[test]
fn the_wish_for_interrupts_outlives_a_reset() {
    for plug in Plug::ALL {
        let rig = Rig::new(plug, 64, 48);
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        gpu.enable_interrupts().unwrap();
        gpu.reset().unwrap();
        let raised = rig.device.interrupts_raised();
        gpu.display_info().unwrap();
        assert_eq!(rig.device.interrupts_raised(), raised + 1);
    }
}
