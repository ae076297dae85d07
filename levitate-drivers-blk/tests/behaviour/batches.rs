//! Submitted requests: many in flight, done in any order, collected by polling or by token.

use std::time::Duration;

use crate::bench::{
    Bench, Storage, assert_reads, every_variant, filled, patterned, submit_read,
    variants_out_of_order,
};
use levitate_drivers_blk::{Error, RequestError, RequestKind, SubmitError};
use levitate_host::{BlockModel, Completion};
use levitate_virtio::{Features, Timeout, TimeoutCause};

#[test]
fn requests_done_out_of_order_are_told_apart() {
    for bench in variants_out_of_order(|| BlockModel::patterned(64)) {
        let mut storage = Storage::<8>::new();
        let mut blk = bench.drive(&mut storage);
        bench.disk.set_completion(Completion::Held);
        let tokens: Vec<_> = (0..8)
            .map(|sector| submit_read(&mut blk, sector * 3))
            .collect();
        assert!(blk.notify());
        assert_eq!((blk.in_flight(), blk.idle_slots()), (8, 0));
        assert!(blk.poll().unwrap().is_none());

        for position in [5, 0, 5, 2, 0] {
            assert!(bench.disk.release_at(position));
        }
        // The heads 5, 0, 7, 3, 1 were answered, in this order.
        for (slot, sector) in [(5, 15), (0, 0), (7, 21), (3, 9), (1, 3)] {
            let done = blk.poll().unwrap().expect("five requests are done");
            assert_eq!(done.token, tokens[slot]);
            assert_eq!((done.kind, done.sector), (RequestKind::Read, sector));
            assert_eq!(done.result, Ok(()));
            assert_eq!(done.buffer.unwrap().as_slice(), patterned(sector, 512));
        }
        assert!(blk.poll().unwrap().is_none());
        assert_eq!(bench.disk.release_all(), 3);
        assert!(blk.take(tokens[0]).unwrap().is_none(), "it was taken");
        let done = blk.take(tokens[4]).unwrap().unwrap();
        assert_eq!(done.buffer.unwrap().as_slice(), patterned(12, 512));
        assert!(blk.take(tokens[4]).unwrap().is_none());
        assert_eq!(blk.poll().unwrap().unwrap().token, tokens[2]);
        assert_eq!(blk.poll().unwrap().unwrap().token, tokens[6]);
        assert_eq!((blk.in_flight(), blk.idle_slots()), (0, 8));
    }
}

#[test]
fn a_batch_costs_one_notification_and_no_memory() {
    for bench in every_variant(|| BlockModel::patterned(64)) {
        let mut storage = Storage::<16>::new();
        let mut blk = bench.drive(&mut storage);
        let mut buffers: Vec<_> = (0..16).map(|byte| filled(&blk, 1024, byte)).collect();
        let allocated = bench.pool.allocated_so_far();
        for round in 1..=20 {
            for (index, buffer) in buffers.drain(..).enumerate() {
                blk.submit_write(index as u64 * 2, buffer).unwrap();
            }
            assert_eq!(
                bench.notifications(),
                round - 1,
                "submitting does not notify"
            );
            assert!(blk.notify());
            assert!(!blk.notify(), "there is nothing new");
            assert_eq!(bench.notifications(), round);
            while let Some(done) = blk.poll().unwrap() {
                assert_eq!(done.result, Ok(()));
                buffers.push(done.buffer.unwrap());
            }
            assert_eq!(buffers.len(), 16);
        }
        assert_eq!(bench.pool.allocated_so_far(), allocated);
        bench.disk.model(|disk| {
            for (index, pair) in disk.content().chunks(1024).take(16).enumerate() {
                assert!(pair.iter().all(|byte| *byte == index as u8));
            }
        });
    }
}

#[test]
fn a_device_that_looks_by_itself_is_not_notified() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.behave(|behaviour| {
        behaviour.suppression = levitate_host::device::Suppression::Frozen;
    });
    // It asks to be told of a request that is far away.
    bench.disk.set_available_event(0, 1000);
    let token = submit_read(&mut blk, 1);
    assert!(!blk.notify());
    assert_eq!(bench.notifications(), 0);
    bench.disk.look_at(0);
    let done = blk.take(token).unwrap().unwrap();
    assert_eq!(done.buffer.unwrap().as_slice(), patterned(1, 512));
}

#[test]
fn a_request_beyond_the_slots_is_handed_back() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<2>::new();
    let mut blk = bench.drive(&mut storage);
    for sector in 0..2 {
        submit_read(&mut blk, sector);
    }
    let buffer = filled(&blk, 512, 0x77);
    let rejected = blk.submit_write(2, buffer).unwrap_err();
    let full = levitate_virtio::SubmitError::Full {
        slots: 2,
        free: 0,
        needed: 1,
    };
    assert_eq!(rejected.error, SubmitError::Queue(full));
    assert_eq!(rejected.buffer.as_slice(), [0x77; 512]);
    assert_eq!(blk.submit_flush(), Err(SubmitError::Queue(full)));
    assert_eq!(
        blk.read(0, &mut [0; 512]),
        Err(SubmitError::Queue(full).into())
    );

    blk.notify();
    drop(blk.poll().unwrap().unwrap());
    blk.submit_write(2, rejected.buffer).unwrap();
    blk.notify();
    drop(blk.poll().unwrap().unwrap());
    drop(blk.poll().unwrap().unwrap());
    // The blocking call works again: its buffer was not lost.
    let mut data = [0; 512];
    blk.read(2, &mut data).unwrap();
    assert_eq!(data, [0x77; 512]);
}

#[test]
fn blocking_calls_leave_submitted_requests_alone() {
    for bench in variants_out_of_order(|| BlockModel::patterned(64)) {
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        bench.disk.set_completion(Completion::Held);
        let buffers = [filled(&blk, 512, 0), filled(&blk, 1024, 0)];
        let [first, second] = buffers;
        let first = blk.submit_read(10, first).unwrap();
        let second = blk.submit_read(20, second).unwrap();
        blk.notify();
        // The first is answered now; the blocking call finds it done and leaves it.
        bench.disk.release_one();
        bench.disk.set_completion(Completion::Inline);
        assert_reads(&mut blk, 30);
        blk.write(40, &[1; 512]).unwrap();
        blk.flush().unwrap();

        let done = blk.poll().unwrap().unwrap();
        assert_eq!(done.token, first);
        assert_eq!(done.buffer.unwrap().as_slice(), patterned(10, 512));
        assert!(blk.poll().unwrap().is_none());
        bench.disk.release_all();
        let done = blk.poll().unwrap().unwrap();
        assert_eq!(done.token, second);
        assert_eq!(done.buffer.unwrap().as_slice(), patterned(20, 1024));
    }
}

#[test]
fn one_of_many_can_be_waited_for() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.set_completion(Completion::Held);
    let tokens: Vec<_> = (0..3).map(|sector| submit_read(&mut blk, sector)).collect();
    blk.notify();
    let disk = bench.disk.clone();
    bench.clock.after(Duration::from_millis(1), move || {
        assert!(disk.release_at(1));
    });
    let done = blk.wait(tokens[1]).unwrap().unwrap();
    assert_eq!(done.buffer.unwrap().as_slice(), patterned(1, 512));
    assert!(blk.wait(tokens[1]).unwrap().is_none(), "it was returned");
    // A wait in vain says why, and the request stays.
    assert!(matches!(
        blk.wait(tokens[0]),
        Err(Error::Timeout(Timeout {
            cause: TimeoutCause::NotCompleted,
            ..
        }))
    ));
    assert_eq!(bench.disk.release_all(), 2);
    for token in [tokens[2], tokens[0]] {
        assert_eq!(blk.wait(token).unwrap().unwrap().result, Ok(()));
    }
}

#[test]
fn a_flush_can_be_submitted_like_the_rest() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    blk.write(0, &[9; 512]).unwrap();
    let token = blk.submit_flush().unwrap();
    blk.notify();
    let done = blk.take(token).unwrap().unwrap();
    assert_eq!((done.kind, done.sector), (RequestKind::Flush, 0));
    assert_eq!(done.result, Ok(()));
    assert!(done.buffer.is_none());
    bench
        .disk
        .model(|disk| assert_eq!(disk.durable()[..512], [9; 512]));
}

#[test]
fn an_error_is_that_of_its_request_only() {
    let bench = Bench::new(BlockModel::patterned(16));
    bench.disk.model(|disk| disk.fail_sectors(4..5));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    for sector in [3, 4, 5] {
        submit_read(&mut blk, sector);
    }
    blk.notify();
    for (sector, result) in [(3, Ok(())), (4, Err(RequestError::Io)), (5, Ok(()))] {
        let done = blk.poll().unwrap().unwrap();
        assert_eq!((done.sector, done.result), (sector, result));
        assert!(done.buffer.is_some(), "the buffer comes back in any case");
    }
}

/// The register that takes a queue's size (§4.2.2).
const QUEUE_NUM: usize = 0x38;

#[test]
fn requests_are_in_the_ring_where_it_has_room_for_all_of_them() {
    fn queue_size<const N: usize>(offered: Features) -> Vec<u64> {
        let bench = Bench::with(
            levitate_host::Version::Two,
            BlockModel::patterned(8),
            |behaviour| {
                behaviour.queue_size_max = 16;
                behaviour.offer = offered.bits();
            },
        );
        let mut storage = Storage::<N>::new();
        let mut blk = bench.try_drive(&mut storage).unwrap();
        for _ in 0..N {
            submit_read(&mut blk, 0);
        }
        blk.notify();
        for _ in 0..N {
            assert_eq!(blk.poll().unwrap().unwrap().result, Ok(()));
        }
        bench.disk.log().writes_to(QUEUE_NUM)
    }
    // Header, data and status are four descriptors of the ring, or one that names a table of them.
    assert_eq!(queue_size::<4>(Features::empty()), [16]);
    assert_eq!(queue_size::<5>(Features::empty()), [8]);
    assert_eq!(queue_size::<4>(Features::RING_PACKED), [4]);
}

#[test]
fn there_are_as_many_slots_as_the_queue_has_room_for() {
    for (withheld, slots) in [
        // A request is one descriptor of the ring with tables, and four of them without.
        (Features::empty(), 8),
        (Features::INDIRECT_DESC, 2),
    ] {
        let bench = Bench::with(
            levitate_host::Version::Two,
            BlockModel::patterned(8),
            |behaviour| {
                behaviour.queue_size_max = 8;
                behaviour.withhold = withheld.bits();
            },
        );
        let mut storage = Storage::<64>::new();
        let mut blk = bench.drive(&mut storage);
        assert_eq!(blk.idle_slots(), slots);
        for _ in 0..slots {
            submit_read(&mut blk, 0);
        }
        blk.notify();
        for _ in 0..slots {
            assert_eq!(blk.poll().unwrap().unwrap().result, Ok(()));
        }
    }
}
