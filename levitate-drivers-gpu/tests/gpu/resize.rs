//! Another size for a picture; whatever goes wrong, the old size comes back.

use embedded_graphics::prelude::*;
use levitate_drivers_gpu::{CommandError, CommandType, Error, Framebuffer, GpuStorage};
use levitate_host::gpu::Command;
use levitate_host::{Completion, Fault, GpuModel, Pool, Version};

use crate::picture::{Picture, card};
use crate::rig::{Rig, TestGpu, Variant, chunks, display, every_variant};

const REFUSED: Error = Error::Command {
    command: CommandType::ResourceCreate2d,
    error: CommandError::OutOfMemory,
};

/// A display that has memory for one picture of 64 times 48 pixels.
fn small_display() -> GpuModel {
    display(64, 48).host_memory(64 * 48 * 4)
}

/// Draws on the picture, and checks that it is all there is to be seen.
fn assert_shown(rig: &Rig, gpu: &mut TestGpu<'_>, picture: &mut Framebuffer<'_, Pool>) {
    let size = picture.size();
    card(picture).unwrap();
    gpu.present(picture).unwrap();
    rig.visible()
        .assert_same(&Picture::card(size.width, size.height));
}

#[test]
fn a_picture_of_another_size_is_shown_and_uses_all_chunks() {
    for rig in every_variant(160, 120) {
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        let mut chunks = chunks(20);
        let mut picture = gpu.create_framebuffer(0, 64, 17, &mut chunks).unwrap();
        for (width, height, pieces) in [(160, 120, 20), (32, 24, 12), (160, 120, 20)] {
            rig.take_requests();
            gpu.resize_framebuffer(&mut picture, width, height).unwrap();
            assert_eq!(picture.size(), Size::new(width, height));
            let commands = rig.take_commands();
            let used = commands.iter().find_map(|command| match command {
                Command::AttachBacking { entries, .. } => Some(entries.len()),
                _ => None,
            });
            assert_eq!(used, Some(pieces));
            assert_eq!(rig.device.model(|gpu| gpu.resources()).len(), 1);
            gpu.present(&mut picture).unwrap();
            rig.visible().assert_same(&Picture::black(width, height));
            assert_shown(&rig, &mut gpu, &mut picture);
        }
        assert_eq!(gpu.destroy_framebuffer(picture).unwrap().len(), 20);
    }
}

#[test]
fn a_size_the_device_refuses_leaves_the_old_one() {
    for variant in Variant::ALL {
        let rig = Rig::plug(small_display(), variant, |_| ());
        let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(3));
        let (mut gpu, mut picture) = rig.prepared(&mut storage, &mut chunks);
        assert_shown(&rig, &mut gpu, &mut picture);
        let refused = gpu.resize_framebuffer(&mut picture, 65, 48);
        assert_eq!(refused, Err(REFUSED));
        assert_eq!(picture.size(), Size::new(64, 48));
        assert_shown(&rig, &mut gpu, &mut picture);
        for (width, height) in [(0, 48), (64, 16385)] {
            let refused = gpu.resize_framebuffer(&mut picture, width, height);
            assert_eq!(refused, Err(Error::InvalidSize { width, height }));
        }
        assert_eq!(gpu.present(&mut picture).unwrap().commands, 0, "unchanged");
        gpu.destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn out_of_memory_at_any_moment_leaves_the_old_size() {
    // Four chunks and the list of them.
    for successes in 0..5 {
        let rig = Rig::new(Version::Two, 160, 120);
        let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(4));
        let (mut gpu, mut picture) = rig.prepared(&mut storage, &mut chunks);
        rig.pool.fail_allocation_after(successes);
        let refused = gpu.resize_framebuffer(&mut picture, 160, 120);
        assert!(matches!(refused, Err(Error::Dma(_))), "{refused:?}");
        assert_eq!(picture.size(), Size::new(64, 48));
        assert_shown(&rig, &mut gpu, &mut picture);
        gpu.destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn a_picture_that_was_lost_altogether_comes_back() {
    for variant in Variant::ALL {
        let rig = Rig::plug(small_display(), variant, |_| ());
        let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(3));
        let (mut gpu, mut picture) = rig.prepared(&mut storage, &mut chunks);
        // The old picture goes from the scanout and from the device, then the new one is refused and undone, and the old one too.
        for answer in [0x1100, 0x1100, 0x1201, 0x1100, 0x1100, 0x1100, 0x1201] {
            rig.device.inject(Fault::AnswerType(answer));
        }
        let refused = gpu.resize_framebuffer(&mut picture, 32, 24);
        assert_eq!(refused, Err(REFUSED));
        assert_eq!(rig.device.model(|gpu| gpu.resources()), [0_u32; 0]);
        assert!(!picture.has_picture());
        // Nothing but the picture is missing.
        card(&mut picture).unwrap();
        assert_eq!(gpu.present(&mut picture), Err(Error::FramebufferLost));
        assert_eq!(gpu.show(&picture), Err(Error::FramebufferLost));
        assert!(gpu.screens().is_ok());

        gpu.attach(&mut picture).unwrap();
        assert!(picture.has_picture());
        assert_eq!(picture.size(), Size::new(64, 48));
        assert_shown(&rig, &mut gpu, &mut picture);
        gpu.destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn a_resize_that_is_not_answered_is_undone_after_the_reset() {
    for variant in Variant::ALL {
        // The first command that is not answered: of letting the old picture go, then of making the new one.
        for answered in 0..3 {
            let rig = Rig::new(variant, 160, 120);
            let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(3));
            let (mut gpu, mut picture) = rig.shown(&mut storage, &mut chunks);
            rig.device.set_completion(Completion::Held);
            for second in 0..answered {
                let device = rig.device.clone();
                let when = core::time::Duration::from_millis(500 * (second + 1));
                rig.clock.after(when, move || {
                    device.release_one();
                });
            }
            let silent = gpu.resize_framebuffer(&mut picture, 160, 120);
            assert!(matches!(silent, Err(Error::Timeout(_))), "{silent:?}");
            assert_eq!(picture.size(), Size::new(64, 48));
            card(&mut picture).unwrap();
            rig.device.set_completion(Completion::Inline);
            gpu.reset().unwrap();
            gpu.attach(&mut picture).unwrap();
            assert_eq!(picture.size(), Size::new(64, 48));
            assert_shown(&rig, &mut gpu, &mut picture);
            gpu.resize_framebuffer(&mut picture, 160, 120).unwrap();
            assert_shown(&rig, &mut gpu, &mut picture);
            gpu.destroy_framebuffer(picture).unwrap();
        }
    }
}
