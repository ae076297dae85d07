//! Reading, writing and flushing a disk of QEMU's storage daemon.

use std::time::Duration;

use levitate_drivers_blk::{Error, SubmitError};
use levitate_virtio::transport::{Interrupt as _, InterruptStatus};

use crate::storage::{Export, PLAIN, Slots, Storage, patterned};

#[test]
fn what_is_read_is_in_the_image_and_what_is_written_gets_there() {
    let image = patterned(1 << 20);
    let Some(storage) = Storage::serve(&image, PLAIN) else {
        return;
    };
    let mut slots = Slots::new();
    let mut blk = storage.drive(&mut slots);
    assert_eq!(blk.capacity_sectors(), 2048);
    assert_eq!(blk.id().unwrap().as_str(), Ok("vhost_user_blk"));

    let mut data = vec![0; 1 << 20];
    blk.read(0, &mut data).unwrap();
    assert!(data == image, "every byte of the image is read");

    blk.write(7, &[0xab; 1024]).unwrap();
    blk.flush().unwrap();
    let mut expected = image;
    expected[7 * 512..9 * 512].fill(0xab);
    assert!(
        storage.image() == expected,
        "and no byte beside them is written"
    );
    blk.read(0, &mut data).unwrap();
    assert!(data == expected, "what was written is read");
    blk.reset(|_| ()).unwrap();
    storage.pool.assert_no_leaks();
}

#[test]
fn a_batch_costs_one_notification_and_the_daemon_interrupts_for_it() {
    let image = patterned(1 << 20);
    let Some(storage) = Storage::serve(&image, PLAIN) else {
        return;
    };
    let mut slots = Slots::new();
    let mut blk = storage.drive(&mut slots);
    let interrupt = blk.interrupt().unwrap();
    // QEMU's back ends interrupt once for nothing when they are told how.
    interrupt.acknowledge();
    assert_eq!(interrupt.acknowledge(), InterruptStatus::empty());
    blk.set_used_notifications(true);
    for sector in 0..8 {
        let buffer = blk.allocate_buffer(512).unwrap();
        blk.submit_read(sector, buffer).unwrap();
    }
    assert!(blk.notify());
    let mut left = 8;
    while left > 0 {
        // Nothing is polled for: without an interrupt this ends here.
        assert!(
            interrupt.wait(Duration::from_secs(10)),
            "{left} are missing"
        );
        assert_eq!(interrupt.acknowledge(), InterruptStatus::USED_BUFFER);
        while let Some(done) = blk.poll().unwrap() {
            done.result.unwrap();
            let start = done.sector as usize * 512;
            let buffer = done.buffer.unwrap();
            assert_eq!(buffer.as_slice(), &image[start..start + 512]);
            left -= 1;
        }
    }
    drop(blk);
    storage.pool.assert_no_leaks();
}

#[test]
fn a_buffer_of_the_heap_goes_through_the_shared_memory_and_back() {
    let image = patterned(1 << 20);
    let Some(storage) = Storage::serve(&image, PLAIN) else {
        return;
    };
    let mut slots = Slots::new();
    let mut blk = storage.drive(&mut slots);
    let mapped =
        levitate_hal::Mapped::new(&storage.pool, vec![0; 65536], levitate_hal::Direction::Both);
    let buffer = blk.read_buffer(100, mapped.unwrap().into()).unwrap();
    assert!(buffer.as_slice() == &image[100 * 512..][..65536]);
    drop((buffer, blk));
    storage.pool.assert_no_leaks();
}

#[test]
fn one_connection_has_many_lives() {
    let image = patterned(1 << 20);
    let Some(storage) = Storage::serve(&image, PLAIN) else {
        return;
    };
    let mut slots = Slots::new();
    let mut blk = storage.drive(&mut slots);
    let live = storage.pool.live();
    for sector in 0..20 {
        let mut data = [0; 512];
        blk.read(sector, &mut data).unwrap();
        assert_eq!(data, image[sector as usize * 512..][..512]);
        blk.recover(|_| panic!("nothing was in flight")).unwrap();
        assert_eq!(storage.pool.live(), live);
    }
    drop(blk);
    storage.pool.assert_no_leaks();
}

#[test]
fn a_disk_that_is_not_writable_is_not_written_to() {
    let export = Export {
        settings: "writable=off",
        ..PLAIN
    };
    let image = patterned(4096);
    let Some(storage) = Storage::serve(&image, export) else {
        return;
    };
    let mut slots = Slots::new();
    let mut blk = storage.drive(&mut slots);
    assert!(blk.is_read_only());
    let refused = blk.write(0, &[0; 512]);
    assert!(matches!(
        refused,
        Err(Error::Refused(SubmitError::ReadOnly))
    ));
    blk.read(0, &mut [0; 512]).unwrap();
    drop(blk);
    storage.pool.assert_no_leaks();
}

#[test]
fn a_disk_with_blocks_of_4096_bytes_is_read_by_blocks() {
    let export = Export {
        settings: "writable=on,logical-block-size=4096",
        ..PLAIN
    };
    let image = patterned(65536);
    let Some(storage) = Storage::serve(&image, export) else {
        return;
    };
    let mut slots = Slots::new();
    let mut blk = storage.drive(&mut slots);
    assert_eq!(blk.block_size_bytes(), 4096);
    let mut data = [0; 4096];
    assert!(matches!(
        blk.read(1, &mut data),
        Err(Error::Refused(SubmitError::NotWholeBlocks { .. }))
    ));
    blk.read(8, &mut data).unwrap();
    assert_eq!(data, image[4096..8192]);
    drop(blk);
    storage.pool.assert_no_leaks();
}
