//! Whose memory it is: divided into chunks, and given back where it is not needed.

use embedded_graphics::prelude::*;
use levitate_drivers_gpu::{CommandError, CommandType, Error, GpuStorage, InitError};
use levitate_hal::DmaError;
use levitate_host::gpu::Command;
use levitate_host::{Fault, Version};
use levitate_virtio::QueueError;

use crate::picture::{Picture, card};
use crate::rig::{Rig, Variant, chunks, display, every_variant};

/// Lengths of the backing's entries in bytes.
fn entry_bytes(commands: &[Command]) -> Vec<u32> {
    let entries = commands.iter().find_map(|command| match command {
        Command::AttachBacking {
            announced, entries, ..
        } => {
            assert_eq!(*announced as usize, entries.len());
            Some(entries)
        }
        _ => None,
    });
    entries.unwrap().iter().map(|(_, len)| *len).collect()
}

#[test]
fn rows_are_divided_evenly_and_never_cut() {
    let row = 37 * 4;
    for (count, expected) in [
        (1, vec![10]),
        (2, vec![5, 5]),
        (3, vec![4, 4, 2]),
        (4, vec![3, 3, 3, 1]),
        // With three rows in each, the fifth chunk and those after it would have nothing.
        (6, vec![2, 2, 2, 2, 2]),
        (7, vec![2, 2, 2, 2, 2]),
        (9, vec![2, 2, 2, 2, 2]),
        (10, vec![1; 10]),
        (1000, vec![1; 10]),
    ] {
        // QEMU wants scanouts of at least 16 rows; the division does not care what the device says to that.
        let rig = Rig::new(Version::Two, 64, 48);
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        let mut chunks = chunks(count);
        let _ = gpu.create_framebuffer(0, 37, 10, &mut chunks);
        let expected: Vec<u32> = expected.iter().map(|rows| rows * row).collect();
        assert_eq!(
            entry_bytes(&rig.take_commands()),
            expected,
            "{count} chunks"
        );
    }
}

#[test]
fn a_picture_is_created_with_one_notification() {
    for rig in every_variant(64, 48) {
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        let mode = gpu.screens().unwrap().as_slice()[0].mode();
        let mut chunks = chunks(48);
        let _ = rig.notifications();
        let _ = rig.take_requests();
        let picture = gpu
            .create_framebuffer(0, mode.width, mode.height, &mut chunks)
            .unwrap();
        assert_eq!(rig.notifications(), 1);
        assert_eq!(rig.take_requests().len(), 3);
        assert_eq!((picture.size(), picture.scanout()), (Size::new(64, 48), 0));
        gpu.destroy_framebuffer(picture).unwrap();
    }
}

#[test]
fn a_picture_is_destroyed_on_the_device_before_its_memory_is_freed() {
    let rig = Rig::new(Version::Two, 64, 48);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    let mut chunks = chunks(4);
    let before = rig.pool.live();
    let picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
    let _ = rig.take_requests();
    let given_back = gpu.destroy_framebuffer(picture).unwrap();
    assert!(given_back.iter().all(|chunk| !chunk.is_in_use()));
    assert_eq!(rig.pool.live(), before);
    assert_eq!(rig.device.model(|gpu| gpu.resources()), [0_u32; 0]);
    assert!(rig.device.model(|gpu| gpu.visible(0)).is_none());
    let requests = rig.take_requests();
    assert!(matches!(
        requests[0].command,
        Command::SetScanout {
            scanout: 0,
            resource: 0,
            ..
        }
    ));
    assert_eq!(requests[1].command, Command::Unref { resource: 1 });
    assert!(
        requests[1].fence.is_some(),
        "the answer says that the device is done with it"
    );
    assert_eq!(requests.len(), 2);
}

#[test]
fn out_of_memory_at_any_moment_leaves_nothing_behind() {
    for variant in Variant::ALL {
        let mut refused = 0;
        for successes in 0.. {
            let rig = Rig::new(variant, 64, 48);
            let mut storage = GpuStorage::<_>::new();
            rig.pool.fail_allocation_after(successes);
            let mut gpu = match rig.try_gpu(&mut storage) {
                Ok(gpu) => gpu,
                Err(error) => {
                    let out_of_memory = DmaError::OutOfMemory {
                        size_bytes: 0,
                        align_bytes: 0,
                    };
                    let InitError::Queue(QueueError::Dma(found)) = error else {
                        panic!("{error:?}");
                    };
                    assert_eq!(
                        std::mem::discriminant(&found),
                        std::mem::discriminant(&out_of_memory)
                    );
                    rig.pool.assert_no_leaks();
                    refused += 1;
                    continue;
                }
            };
            let mut chunks = chunks(4);
            match gpu.create_framebuffer(0, 64, 48, &mut chunks) {
                Ok(picture) => {
                    gpu.destroy_framebuffer(picture).unwrap();
                    // Two pieces for the queue, four chunks and the list of them.
                    assert_eq!((successes, refused), (7, 7));
                    break;
                }
                Err(Error::Dma(DmaError::OutOfMemory { .. })) => refused += 1,
                Err(error) => panic!("{error:?}"),
            }
            assert!(chunks.iter().all(|chunk| !chunk.is_in_use()));
            assert_eq!(rig.device.model(|gpu| gpu.resources()), [0_u32; 0]);
            // It works once there is memory.
            let mut picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
            gpu.present(&mut picture).unwrap();
            gpu.destroy_framebuffer(picture).unwrap();
        }
    }
}

#[test]
fn whichever_command_the_device_refuses_all_is_undone() {
    let commands = [
        CommandType::ResourceCreate2d,
        CommandType::ResourceAttachBacking,
        CommandType::SetScanout,
    ];
    for variant in Variant::ALL {
        for (position, command) in commands.into_iter().enumerate() {
            let rig = Rig::new(variant, 64, 48);
            let mut storage = GpuStorage::<_>::new();
            let mut gpu = rig.gpu(&mut storage);
            gpu.screens().unwrap();
            let before = rig.pool.live();
            let mut chunks = chunks(4);
            for _ in 0..position {
                rig.device.inject(Fault::AnswerType(0x1100));
            }
            rig.device.inject(Fault::AnswerType(0x1201));
            let error = CommandError::OutOfMemory;
            let refused = gpu.create_framebuffer(0, 64, 48, &mut chunks);
            assert_eq!(refused.map(drop), Err(Error::Command { command, error }));
            assert_eq!(rig.pool.live(), before);
            assert_eq!(rig.device.model(|gpu| gpu.resources()), [0_u32; 0]);

            let mut picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
            gpu.present(&mut picture).unwrap();
            gpu.destroy_framebuffer(picture).unwrap();
        }
    }
}

#[test]
fn a_picture_too_large_for_the_device_is_its_error_and_not_a_leak() {
    let model = display(64, 48).host_memory(64 * 48 * 4);
    let rig = Rig::plug(model, Version::Two, |_| ());
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    let mut chunks = chunks(2);
    let command = CommandType::ResourceCreate2d;
    let error = CommandError::OutOfMemory;
    let refused = gpu.create_framebuffer(0, 65, 48, &mut chunks);
    assert_eq!(refused.map(drop), Err(Error::Command { command, error }));
    let picture = gpu.create_framebuffer(0, 64, 48, &mut chunks).unwrap();
    gpu.destroy_framebuffer(picture).unwrap();
}

#[test]
fn sizes_no_picture_has_are_refused_before_anything_is_sent() {
    let rig = Rig::new(Version::Two, 64, 48);
    let mut storage = GpuStorage::<_>::new();
    let mut gpu = rig.gpu(&mut storage);
    let mut chunks = chunks(1);
    for (width, height) in [
        (0, 48),
        (64, 0),
        (16385, 48),
        (64, 16385),
        (u32::MAX, u32::MAX),
    ] {
        let refused = gpu.create_framebuffer(0, width, height, &mut chunks);
        assert_eq!(refused.map(drop), Err(Error::InvalidSize { width, height }));
    }
    let refused = gpu.create_framebuffer(0, 64, 48, &mut []);
    assert_eq!(refused.map(drop), Err(Error::NoChunks));
    assert_eq!(rig.take_requests(), []);
}

#[test]
fn of_two_pictures_the_one_that_is_shown_is_seen() {
    for rig in every_variant(64, 48) {
        let mut storage = GpuStorage::<_>::new();
        let mut gpu = rig.gpu(&mut storage);
        let (mut chunks_a, mut chunks_b) = (chunks(2), chunks(3));
        let mut a = gpu.create_framebuffer(0, 64, 48, &mut chunks_a).unwrap();
        card(&mut a).unwrap();
        gpu.present(&mut a).unwrap();
        let mut b = gpu.create_framebuffer(0, 64, 48, &mut chunks_b).unwrap();
        gpu.present(&mut b).unwrap();
        rig.visible().assert_same(&Picture::black(64, 48));
        gpu.show(&a).unwrap();
        let expected = Picture::card(64, 48);
        rig.visible().assert_same(&expected);
        // The one that is not seen goes without a blink.
        gpu.destroy_framebuffer(b).unwrap();
        rig.visible().assert_same(&expected);
        gpu.destroy_framebuffer(a).unwrap();
    }
}
