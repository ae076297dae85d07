//! Some commands answered and others not: an answer is never thrown away, and memory never given back under the device.

use std::time::Duration;

use embedded_graphics::primitives::Rectangle;
use levitate_drivers_gpu::{CommandError, CommandType, Error, Gpu, GpuStorage};
use levitate_host::{Completion, Fault, Pool, Version};
use levitate_virtio::{MmioTransport, Timeout, TimeoutCause};

use crate::meddler::{Meddler, Touch};
use crate::rig::{Platform, Rig, chunks, display};

type MeddledGpu<'s> = Gpu<'s, MmioTransport<Meddler>, Platform>;

fn meddled<'s>(rig: &Rig, storage: &'s mut GpuStorage<Pool>) -> (MeddledGpu<'s>, Meddler) {
    let meddler = Meddler::new(rig.device.mmio());
    let transport = MmioTransport::probe(meddler.clone()).unwrap().unwrap();
    let gpu = Gpu::new(transport, rig.platform(), storage).unwrap();
    (gpu, meddler)
}

fn corner() -> Rectangle {
    Rectangle::new((0, 0).into(), (4, 4).into())
}

fn is_timeout<R>(result: &Result<R, Error>) -> bool {
    let cause = TimeoutCause::NotCompleted;
    matches!(result, Err(Error::Timeout(Timeout { cause: found, .. })) if *found == cause)
}

#[test]
fn an_answer_that_the_diagnosis_of_another_frame_finds_is_not_lost() {
    let model = display(64, 48).with_scanout(64, 48);
    let rig = Rig::plug(model, Version::Two, |_| ());
    let mut storage = GpuStorage::new();
    let (mut gpu, meddler) = meddled(&rig, &mut storage);
    let (mut chunks_a, mut chunks_b) = (chunks(1), chunks(1));
    let mut a = gpu.create_framebuffer(0, 64, 48, &mut chunks_a).unwrap();
    let mut b = gpu.create_framebuffer(1, 64, 48, &mut chunks_b).unwrap();
    gpu.present(&mut a).unwrap();
    gpu.present(&mut b).unwrap();

    rig.device.set_completion(Completion::Held);
    a.mark_damage(&corner());
    b.mark_damage(&corner());
    let frame_a = gpu.submit_present(&mut a).unwrap();
    rig.clock.advance(Duration::from_secs(4));
    let frame_b = gpu.submit_present(&mut b).unwrap();
    rig.clock.advance(Duration::from_secs(2));
    // The first two commands are those of A; B is answered while it is looked for what became of A.
    meddler.meddle(|device, touch| {
        if touch == Touch::StatusRead {
            while device.waiting().len() > 2 {
                device.release_at(2);
            }
        }
    });
    let lost = gpu.poll_present(&mut a, frame_a);
    assert!(is_timeout(&lost), "{lost:?}");
    meddler.stop();
    assert_eq!(rig.device.waiting().len(), 2);
    assert!(gpu.poll_present(&mut b, frame_b).unwrap().is_some());

    rig.device.release_all();
    rig.device.set_completion(Completion::Inline);
    gpu.destroy_framebuffer(a).unwrap();
    gpu.destroy_framebuffer(b).unwrap();
}

#[test]
fn memory_whose_attachment_is_not_answered_stays_though_the_resource_was_refused() {
    let rig = Rig::new(Version::Two, 64, 48);
    let mut storage = GpuStorage::new();
    let (mut gpu, meddler) = meddled(&rig, &mut storage);
    gpu.screens().unwrap();
    let before = rig.pool.live();
    rig.device.set_completion(Completion::Held);
    // RESOURCE_CREATE_2D is refused, and ATTACH_BACKING alone never answered.
    rig.device.inject(Fault::AnswerType(0x1200));
    meddler.meddle(|device, touch| {
        if touch == Touch::Notified {
            if device.waiting().len() == 3 {
                device.release_at(0);
            }
            while device.waiting().len() > 1 {
                device.release_at(1);
            }
        }
    });
    let mut chunks = chunks(1);
    let refused = gpu.create_framebuffer(0, 64, 48, &mut chunks);
    let command = CommandType::ResourceCreate2d;
    let error = CommandError::Unspecified;
    assert_eq!(refused.map(drop), Err(Error::Command { command, error }));
    assert_eq!(rig.device.waiting().len(), 1);
    assert_ne!(rig.pool.live(), before, "the device may still look at it");
    assert!(is_timeout(&gpu.reclaim(&mut chunks)));
    assert_ne!(rig.pool.live(), before, "the device may still look at it");

    meddler.stop();
    rig.device.release_all();
    rig.device.set_completion(Completion::Inline);
    gpu.reclaim(&mut chunks).unwrap();
    assert_eq!(rig.pool.live(), before);
    drop(gpu);
    // The device did them in another order than they were sent.
    let violations = rig.device.take_violations();
    let ids: Vec<&str> = violations.iter().map(|violation| violation.id).collect();
    assert_eq!(ids, ["GPU-24"]);
}

#[test]
fn a_picture_whose_frame_is_late_keeps_its_memory_until_the_frame_is_answered() {
    let rig = Rig::new(Version::Two, 64, 48);
    let mut storage = GpuStorage::new();
    let (mut gpu, meddler) = meddled(&rig, &mut storage);
    let mut chunks = chunks(1);
    let mut picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
    gpu.present(&mut picture).unwrap();
    let live = rig.pool.live();
    rig.device.set_completion(Completion::Held);
    picture.mark_damage(&corner());
    let late = gpu.present(&mut picture);
    assert!(is_timeout(&late), "{late:?}");
    // The frame's two commands stay where they are, and what comes after them is answered at once.
    meddler.meddle(|device, touch| {
        if touch == Touch::Notified {
            while device.waiting().len() > 2 {
                device.release_at(2);
            }
        }
    });
    let refused = gpu.destroy_framebuffer(picture).map(drop);
    assert!(is_timeout(&refused), "{refused:?}");
    assert_eq!(rig.pool.live(), live, "the device may still look at it");

    meddler.stop();
    rig.device.release_all();
    rig.device.set_completion(Completion::Inline);
    gpu.reclaim(&mut chunks).unwrap();
}
