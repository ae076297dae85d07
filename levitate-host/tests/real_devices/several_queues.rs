//! A real disk with several virtqueues, all of them in use at a time.

use levitate_drivers_blk::{Blk, BlkStorage, Options};
use levitate_host::Pool;

use crate::storage::{Export, PATIENCE, PLAIN, Storage, patterned, wait_for};

#[test]
fn every_queue_of_a_disk_is_served() {
    let export = Export {
        settings: "writable=on,num-queues=4",
        ..PLAIN
    };
    let image = patterned(1 << 20);
    let Some(storage) = Storage::serve(&image, export) else {
        return;
    };
    let mut slots = BlkStorage::<Pool, 8, 3>::new();
    let options = Options {
        timeout: PATIENCE,
        ..Options::default()
    };
    let transport = storage.connect();
    let mut blk = Blk::with_options(transport, storage.platform(), &mut slots, options).unwrap();
    assert_eq!(blk.queue_count(), 4);
    for round in 0..50 {
        for index in 0..4 {
            for turn in 0..8 {
                let sector = (round * 32 + turn * 4 + index) % 2048;
                let buffer = blk.allocate_buffer(512).unwrap();
                let mut queue = blk.queue(index as usize).unwrap();
                queue.submit_read(sector, buffer).unwrap();
            }
        }
        for mut queue in blk.queues() {
            assert_eq!(queue.in_flight(), 8);
            queue.notify();
        }
        for mut queue in blk.queues() {
            let index = u64::from(queue.index().get());
            for number in 0..8 {
                let what = format!("request {number} of round {round} in queue {index}");
                let done = wait_for(&what, || queue.poll().unwrap());
                done.result.unwrap();
                assert_eq!(
                    done.sector % 4,
                    index,
                    "it comes back where it was submitted"
                );
                let start = done.sector as usize * 512;
                assert_eq!(done.buffer.unwrap().as_slice(), &image[start..start + 512]);
            }
        }
    }
    drop(blk);
    storage.pool.assert_no_leaks();
}
