//! Configuration changes and interrupts.

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
