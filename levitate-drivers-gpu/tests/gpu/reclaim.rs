//! Memory the device may still read: kept until it does not, and given back then.

use levitate_drivers_gpu::{CommandError, CommandType, Error, GpuStorage};
use levitate_host::gpu::Command;
use levitate_host::{Fault, Version};

use crate::picture::{Picture, card};
use crate::rig::{Rig, chunks, display, every_variant};

#[test]
fn a_picture_the_device_does_not_let_go_stays_until_it_does() {
    let rig = Rig::new(Version::Two, 64, 48);
    let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(2));
    let (mut gpu, picture) = rig.prepared(&mut storage, &mut chunks);
    let live = rig.pool.live();
    // SET_SCANOUT is answered as it should be, RESOURCE_UNREF is not.
    rig.device.inject(Fault::AnswerType(0x1100));
    rig.device.inject(Fault::AnswerType(0x1200));
    let command = CommandType::ResourceUnref;
    let error = CommandError::Unspecified;
    let refused = gpu.destroy_framebuffer(picture);
    assert_eq!(refused.map(drop), Err(Error::Command { command, error }));
    assert_eq!(rig.pool.live(), live);
    // The device knows it no longer, and says so: that is as good.
    gpu.reclaim(&mut chunks).unwrap();
}

#[test]
fn chunks_and_pictures_of_another_device_are_refused() {
    let (rig_a, rig_b) = (
        Rig::new(Version::Two, 64, 48),
        Rig::new(Version::Two, 64, 48),
    );
    let (mut storage_a, mut storage_b) = (GpuStorage::<_>::new(), GpuStorage::<_>::new());
    let mut gpu_a = rig_a.gpu(&mut storage_a);
    let mut gpu_b = rig_b.gpu(&mut storage_b);
    let mut chunks = chunks(2);
    let mut picture = gpu_a.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
    assert_eq!(gpu_b.present(&mut picture), Err(Error::ForeignFramebuffer));
    assert_eq!(
        gpu_b.submit_present(&mut picture),
        Err(Error::ForeignFramebuffer)
    );
    assert_eq!(gpu_b.attach(&mut picture), Err(Error::ForeignFramebuffer));
    assert_eq!(gpu_b.show(&picture), Err(Error::ForeignFramebuffer));
    let (_, stopped_b) = gpu_b.stop().unwrap();
    assert!(picture.release(&stopped_b).is_err());
    assert!(
        !chunks[0].release(&stopped_b),
        "the device that has it was not stopped"
    );

    let mut storage_b = GpuStorage::<_>::new();
    let mut gpu_b = rig_b.gpu(&mut storage_b);
    assert_eq!(gpu_b.reclaim(&mut chunks), Err(Error::ChunkInUse));
    let refused = gpu_b.create_framebuffer(0, 64, 48, &mut chunks);
    assert_eq!(refused.map(drop), Err(Error::ChunkInUse));
    gpu_a.reclaim(&mut chunks).unwrap();
    let picture = gpu_b.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
    assert_eq!(
        gpu_a.destroy_framebuffer(picture).map(drop),
        Err(Error::ForeignFramebuffer)
    );
    gpu_b.reclaim(&mut chunks).unwrap();
}

#[test]
fn chunks_of_several_pictures_are_reclaimed_together() {
    let model = display(64, 48).with_scanout(64, 48);
    let rig = Rig::plug(model, Version::Two, |_| ());
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    let mut chunks = chunks(6);
    let (first, second) = chunks.split_at_mut(3);
    let _ = gpu.create_framebuffer(0, 64, 48, first).unwrap();
    let _ = gpu.create_framebuffer(1, 64, 48, second).unwrap();
    assert_eq!(rig.device.model(|gpu| gpu.resources()), [1, 2]);
    let picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
    assert_eq!(rig.device.model(|gpu| gpu.resources()), [3]);
    gpu.destroy_framebuffer(picture).unwrap();
}

#[test]
fn chunks_dropped_too_early_leak_and_are_never_reused() {
    let rig = Rig::new(Version::Two, 64, 48);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    let before = rig.pool.live();
    let mut chunks = chunks(3);
    let _ = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
    drop(chunks);
    assert_ne!(rig.pool.live(), before);
    drop(gpu);
    assert_eq!(rig.pool.misuses(), []);
    rig.pool.allow_leaks();
}

#[test]
fn a_stopped_device_gives_back_everything() {
    for rig in every_variant(64, 48) {
        let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(3));
        let (gpu, mut picture) = rig.shown(&mut storage, &mut chunks);
        let (transport, stopped) = gpu.stop().unwrap();
        assert_eq!(rig.device.status(), 0);
        // It can be drawn on, though nobody looks.
        card(&mut picture).unwrap();
        picture.release(&stopped).unwrap();
        rig.pool.assert_no_leaks();

        // The way to the device is still good.
        let mut storage = GpuStorage::<_>::new();
        let mut gpu =
            levitate_drivers_gpu::Gpu::new(transport, rig.platform(), &mut storage).unwrap();
        let mut picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
        let expected = Picture::card(64, 48);
        card(&mut picture).unwrap();
        gpu.present(&mut picture).unwrap();
        rig.visible().assert_same(&expected);
        gpu.destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn a_picture_lost_in_a_reset_gives_back_its_memory_without_a_command() {
    let rig = Rig::new(Version::Two, 64, 48);
    let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(3));
    let (mut gpu, picture) = rig.prepared(&mut storage, &mut chunks);
    gpu.reset().unwrap();
    let _ = rig.take_requests();
    gpu.destroy_framebuffer(picture).unwrap();
    assert_eq!(rig.take_requests(), []);
}

#[test]
fn what_a_failed_attempt_left_behind_is_destroyed_by_the_next_one() {
    let rig = Rig::new(Version::Two, 64, 48);
    let (mut storage, mut chunks) = (GpuStorage::<_>::new(), chunks(3));
    let (mut gpu, mut picture) = rig.prepared(&mut storage, &mut chunks);
    card(&mut picture).unwrap();
    gpu.reset().unwrap();
    gpu.screens().unwrap();
    // SET_SCANOUT is refused, and then RESOURCE_UNREF too.
    for answer in [0x1100, 0x1100, 0x1202, 0x1200] {
        rig.device.inject(Fault::AnswerType(answer));
    }
    let command = CommandType::SetScanout;
    let error = CommandError::InvalidScanoutId;
    assert_eq!(
        gpu.attach(&mut picture),
        Err(Error::Command { command, error })
    );
    assert_eq!(gpu.present(&mut picture), Err(Error::FramebufferLost));

    let _ = rig.take_requests();
    gpu.attach(&mut picture).unwrap();
    assert_eq!(rig.take_commands()[0], Command::Unref { resource: 1 });
    gpu.present(&mut picture).unwrap();
    rig.visible().assert_same(&Picture::card(64, 48));
    gpu.destroy_framebuffer(picture).unwrap();
}
