//! Calls of tasks: each is done, and rightly, whatever it shares the queue with.

use std::future::Future;
use std::time::Duration;

use levitate_drivers_blk::{AsyncBlk, Blk, BufferError, Error, Signal, SubmitError, Unmap};
use levitate_host::block::EraseLimits;
use levitate_host::{BlockModel, Completion};

use crate::bench::{Bench, Storage, every_variant, patterned, variants_out_of_order};
use crate::tasks::{Tasks, deliver, drive, read};

/// Sixteen sectors a request.
const LIMITS: EraseLimits = EraseLimits {
    max_sectors: 16,
    max_segments: 1,
    alignment_sectors: 1,
};

/// Runs one future, and the interrupts of its device, to its end.
fn finish<R>(run: impl Future<Output = R>, mut serve: impl FnMut()) -> R {
    let mut tasks = Tasks::new();
    tasks.spawn(run);
    for _ in 0..1000 {
        if let Some((_, outcome)) = tasks.run().pop() {
            return outcome;
        }
        serve();
    }
    panic!("the task does not end");
}

#[test]
fn requests_done_out_of_order_wake_their_own_tasks() {
    for bench in variants_out_of_order(|| BlockModel::patterned(64)) {
        let signal = Signal::new();
        let mut storage = Storage::<8>::new();
        let blk = drive(&bench, &mut storage, &signal);
        bench.disk.set_completion(Completion::Held);
        let mut tasks = Tasks::new();
        for sector in 0..8 {
            let buffer = blk.allocate_buffer(512).unwrap();
            tasks.spawn(blk.submit_read(sector, buffer).unwrap());
        }
        assert!(tasks.run().is_empty());
        let mut left: Vec<u64> = (0..8).collect();
        for position in [5, 0, 5, 2, 0, 1, 1, 0] {
            assert!(bench.disk.release_at(position));
            assert_eq!(deliver(&bench.disk, &blk, &signal), 1);
            let done = tasks.run();
            assert_eq!(done.len(), 1, "one is done, and no other");
            let (task, completion) = done.into_iter().next().unwrap();
            let completion = completion.unwrap();
            assert_eq!(completion.sector, left.remove(position));
            assert_eq!(completion.sector, task as u64);
            let buffer = completion.buffer.unwrap();
            assert_eq!(buffer.as_slice(), patterned(completion.sector, 512));
        }
        assert_eq!(tasks.alive(), 0);
        // Whoever led was woken for the sake of another at most once for each answer.
        assert!(blk.counts().idle_polls <= 8, "{:?}", blk.counts());
    }
}

#[test]
fn every_kind_of_request_is_done_by_interrupts() {
    for bench in every_variant(|| {
        BlockModel::patterned(64)
            .id("disk-7")
            .discard(LIMITS)
            .write_zeroes(LIMITS)
    }) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let delay = Duration::from_micros(50);
        bench.disk.set_completion(Completion::After(delay));
        let serve = || {
            bench.clock.advance(delay);
            deliver(&bench.disk, &blk, &signal);
        };
        let mut buffer = blk.allocate_buffer(4096).unwrap();
        buffer.as_mut_slice().fill(0x5a);
        buffer = finish(blk.write(8, buffer), serve).unwrap();
        finish(blk.flush(), serve).unwrap();
        assert_eq!(finish(blk.id(), serve).unwrap().as_str(), Ok("disk-7"));
        bench.disk.model(|disk| {
            assert_eq!(disk.durable()[8 * 512..16 * 512], [0x5a; 4096]);
        });
        // Two requests of 16 sectors each, and one of 8.
        bench.take_requests();
        finish(blk.write_zeroes(4, 40, Unmap::Allowed), serve).unwrap();
        assert_eq!(bench.take_requests().len(), 3);
        buffer = finish(blk.read(8, buffer), serve).unwrap();
        assert_eq!(buffer.as_slice(), [0; 4096]);
        finish(blk.discard(16, 8), serve).unwrap();
        let refused = finish(blk.secure_erase(0, 8), serve).unwrap_err();
        assert!(matches!(
            refused,
            Error::Refused(SubmitError::NoCommand { .. })
        ));
        let refused = finish(blk.lifetime(), serve).unwrap_err();
        assert!(matches!(
            refused,
            Error::Refused(SubmitError::NoCommand { .. })
        ));
    }
}

#[test]
fn a_long_transfer_is_several_requests_and_keeps_its_window() {
    let bench = Bench::new(BlockModel::patterned(64).size_max(1024).seg_max(2));
    let signal = Signal::new();
    let mut storage = Storage::<4>::new();
    let blk = drive(&bench, &mut storage, &signal);
    assert_eq!(blk.capabilities().max_request_bytes(), 2048);
    let mut buffer = blk.allocate_buffer(16 * 512).unwrap();
    buffer.set_window(512..512 + 5 * 1024).unwrap();
    let serve = || {
        deliver(&bench.disk, &blk, &signal);
    };
    let buffer = finish(blk.read(7, buffer), serve).unwrap();
    assert_eq!(buffer.window(), 512..512 + 5 * 1024);
    assert_eq!(buffer.as_slice(), patterned(7, 5 * 1024));
    assert_eq!(bench.take_requests().len(), 3);

    // The window is whole again after an error too.
    bench.disk.model(|disk| disk.fail_sectors(12..13));
    let error = finish(blk.read(7, buffer), serve).unwrap_err();
    let BufferError { error, buffer } = error;
    assert!(matches!(error, Error::Request(_)), "{error}");
    assert_eq!(buffer.as_ref().unwrap().window(), 512..512 + 5 * 1024);
    let refused = finish(blk.write(60, buffer.unwrap()), serve).unwrap_err();
    assert!(matches!(
        refused.error,
        Error::Refused(SubmitError::OutOfRange { .. })
    ));
    assert!(refused.buffer.is_some());
}

#[test]
fn what_does_not_find_room_waits_for_it() {
    for bench in every_variant(|| BlockModel::patterned(64)) {
        let signal = Signal::new();
        let mut storage = Storage::<2>::new();
        let blk = drive(&bench, &mut storage, &signal);
        bench.disk.set_completion(Completion::Held);
        let mut tasks = Tasks::new();
        for sector in 0..30 {
            tasks.spawn(read(&blk, sector));
        }
        let mut ended = 0;
        for _ in 0..31 {
            for (task, outcome) in tasks.run() {
                assert_eq!(outcome.unwrap().as_slice(), patterned(task as u64, 512));
                ended += 1;
            }
            assert!(blk.in_flight() <= 2);
            bench.disk.release_one();
            deliver(&bench.disk, &blk, &signal);
        }
        assert_eq!(ended, 30);
        assert_eq!(blk.counts().requests, 30);
    }
}

#[test]
fn the_drivers_own_buffer_is_for_one_at_a_time() {
    let bench = Bench::new(BlockModel::patterned(64).id("disk-7").write_zeroes(LIMITS));
    let signal = Signal::new();
    let mut storage = Storage::<8>::new();
    let blk = drive(&bench, &mut storage, &signal);
    bench.disk.set_completion(Completion::Held);
    let mut ids = Tasks::new();
    for _ in 0..3 {
        ids.spawn(blk.id());
    }
    let mut zeroing = Tasks::new();
    zeroing.spawn(blk.write_zeroes(0, 64, Unmap::Forbidden));
    let mut answered = 0;
    while ids.alive() + zeroing.alive() != 0 {
        for (_, id) in ids.run() {
            assert_eq!(id.unwrap().as_str(), Ok("disk-7"));
        }
        for (_, outcome) in zeroing.run() {
            outcome.unwrap();
        }
        assert!(blk.in_flight() <= 1);
        if bench.disk.release_one() {
            answered += 1;
        }
        deliver(&bench.disk, &blk, &signal);
        assert!(
            answered <= 7,
            "three questions, and four pieces of 16 sectors"
        );
    }
    bench
        .disk
        .model(|disk| assert!(disk.content().iter().all(|byte| *byte == 0)));
}

#[test]
fn blocking_calls_come_before_and_after() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let mut blocking: Blk<'_, _, _> = bench.drive(&mut storage);
        let mut data = [0; 512];
        blocking.read(1, &mut data).unwrap();
        assert_eq!(data[..], patterned(1, 512));
        let blk = AsyncBlk::new(blocking, &signal);
        let buffer = blk.allocate_buffer(512).unwrap();
        let serve = || {
            deliver(&bench.disk, &blk, &signal);
        };
        let buffer = finish(blk.read(2, buffer), serve).unwrap();
        assert_eq!(buffer.as_slice(), patterned(2, 512));
        let raised = bench.disk.interrupts_raised();
        assert!(raised <= 1);
        let mut blocking = blk.into_inner();
        blocking.read(3, &mut data).unwrap();
        assert_eq!(data[..], patterned(3, 512));
        assert_eq!(bench.disk.interrupts_raised(), raised);
    }
}
