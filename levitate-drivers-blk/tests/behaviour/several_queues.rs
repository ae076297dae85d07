//! Several queues of one disk (`VIRTIO_BLK_F_MQ`).

use std::time::Duration;

use crate::bench::{Bench, Storage, every_variant, filled, patterned};
use levitate_drivers_blk::{Error, PollError, RequestError, RequestKind};
use levitate_hal::DmaBuffer;
use levitate_host::block::Kind;
use levitate_host::{BlockModel, Completion, Fault, Plug, Pool};
use levitate_virtio::{DeviceFault, QueueIndex, TimeoutCause};

fn disk(queues: u16) -> BlockModel {
    BlockModel::patterned(64).queues(queues)
}

/// The queues the requests came by, in their order.
fn queues(bench: &Bench) -> Vec<u16> {
    let requests = bench.take_requests();
    requests.iter().map(|request| request.queue).collect()
}

#[test]
fn requests_come_by_the_queue_they_were_submitted_to() {
    for bench in every_variant(|| disk(3)) {
        let mut storage = Storage::<2, 2>::new();
        let mut blk = bench.drive(&mut storage);
        assert_eq!((blk.queue_count(), blk.capabilities().num_queues()), (3, 3));
        let buffers: Vec<_> = (0..3).map(|_| filled(&blk, 512, 0)).collect();
        let allocated = bench.pool.allocated_so_far();
        let mut tokens = Vec::new();
        for ((sector, buffer), mut queue) in (0..).zip(buffers).zip(blk.queues()) {
            tokens.push(queue.submit_read(sector, buffer).unwrap());
            assert!(queue.notify(), "each has a notification of its own");
            assert!(!queue.notify());
        }
        assert_eq!(blk.in_flight(), 3);
        assert_eq!(queues(&bench), [0, 1, 2]);
        for (sector, token) in (0..3_u16).zip(&tokens).rev() {
            let mut queue = blk.queue(usize::from(sector)).unwrap();
            assert_eq!(queue.index(), QueueIndex::new(sector));
            for other in &tokens {
                if other != token {
                    assert!(queue.take(*other).unwrap().is_none(), "of another queue");
                }
            }
            let done = queue.take(*token).unwrap().unwrap();
            assert_eq!((done.token, done.result), (*token, Ok(())));
            assert_eq!(
                done.buffer.unwrap().as_slice(),
                patterned(sector.into(), 512)
            );
        }
        assert_eq!(bench.pool.allocated_so_far(), allocated);
        assert!(blk.queue(3).is_none());
    }
}

#[test]
fn all_queues_are_polled_as_one() {
    let bench = Bench::new(disk(4));
    let mut storage = Storage::<2, 3>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.set_completion(Completion::Held);
    let buffers: Vec<_> = (0..4).map(|byte| filled(&blk, 512, byte)).collect();
    for (buffer, mut queue) in buffers.into_iter().zip(blk.queues()) {
        let sector = u64::from(queue.index().get());
        queue.submit_write(sector, buffer).unwrap();
    }
    assert!(blk.notify());
    assert_eq!(bench.notifications(), 4);
    assert!(blk.poll().unwrap().is_none());
    // The third queue's request is answered, then the others'.
    assert!(bench.disk.release_at(2));
    assert_eq!(blk.poll().unwrap().unwrap().sector, 2);
    assert!(blk.poll().unwrap().is_none());
    bench.disk.release_all();
    let mut sectors: Vec<_> = std::iter::from_fn(|| blk.poll().unwrap())
        .map(|done| done.sector)
        .collect();
    sectors.sort_unstable();
    assert_eq!(sectors, [0, 1, 3]);
}

#[test]
fn a_busy_queue_does_not_keep_the_others_waiting() {
    let bench = Bench::new(disk(3));
    let mut storage = Storage::<2, 2>::new();
    let mut blk = bench.drive(&mut storage);
    let buffers: Vec<_> = (0..3).map(|_| filled(&blk, 512, 0)).collect();
    for (buffer, mut queue) in buffers.into_iter().zip(blk.queues()) {
        queue.submit_read(0, buffer).unwrap();
        queue.notify();
    }
    // Whatever is collected is submitted to its queue again, which is done with it at once.
    let mut turns = Vec::new();
    for _ in 0..6 {
        let done = blk.poll().unwrap().unwrap();
        let index = done.token.queue().get();
        let mut queue = blk.queue(usize::from(index)).unwrap();
        queue.submit_read(0, done.buffer.unwrap()).unwrap();
        queue.notify();
        turns.push(index);
    }
    assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn queues_are_used_by_threads_of_their_own() {
    let bench = Bench::new(disk(4));
    let mut storage = Storage::<2, 3>::new();
    let mut blk = bench.drive(&mut storage);
    let buffers: Vec<_> = (0..4).map(|_| filled(&blk, 512, 0)).collect();
    std::thread::scope(|scope| {
        for (mut buffer, mut queue) in buffers.into_iter().zip(blk.queues()) {
            scope.spawn(move || {
                let home = u64::from(queue.index().get()) * 16;
                for turn in 0..200_u64 {
                    let (sector, byte) = (home + turn % 16, (home + turn) as u8);
                    buffer.as_mut_slice().fill(byte);
                    let token = queue.submit_write(sector, buffer).unwrap();
                    queue.notify();
                    // The model answers within the notification.
                    let done = queue.take(token).unwrap().expect("it is done");
                    assert_eq!(done.result, Ok(()));
                    let token = queue.submit_read(sector, done.buffer.unwrap()).unwrap();
                    queue.notify();
                    buffer = queue.take(token).unwrap().unwrap().buffer.unwrap();
                    assert_eq!(buffer.as_slice(), [byte; 512]);
                }
            });
        }
    });
    assert_eq!(queues(&bench).len(), 4 * 400);
}

#[test]
fn blocking_calls_take_the_first_queue_and_leave_the_others_alone() {
    let bench = Bench::new(disk(2));
    let mut storage = Storage::<1, 1>::new();
    let mut blk = bench.drive(&mut storage);
    let buffer = filled(&blk, 512, 0);
    bench.disk.set_completion(Completion::Held);
    let mut second = blk.queue(1).unwrap();
    let token = second.submit_read(9, buffer).unwrap();
    second.notify();
    bench.disk.set_completion(Completion::Inline);
    blk.write(1, &[7; 512]).unwrap();
    blk.flush().unwrap();
    assert_eq!(queues(&bench), [0, 0]);
    bench.disk.release_all();
    let done = blk.wait(token).unwrap().unwrap();
    assert_eq!(done.buffer.unwrap().as_slice(), patterned(9, 512));
    assert!(blk.wait(token).unwrap().is_none());
}

#[test]
fn a_late_request_of_the_driver_is_not_handed_out_by_its_queue() {
    let bench = Bench::new(disk(2));
    let mut storage = Storage::<2, 1>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.set_completion(Completion::Held);
    assert!(matches!(blk.read(0, &mut [0; 512]), Err(Error::Timeout(_))));
    bench.disk.set_completion(Completion::Inline);
    bench.disk.release_all();
    for mut queue in blk.queues() {
        assert!(queue.poll().unwrap().is_none());
        assert_eq!(queue.in_flight(), 0);
    }
    blk.read(0, &mut [0; 512]).unwrap();
}

#[test]
fn a_missed_deadline_names_its_queue() {
    let bench = Bench::new(disk(2));
    let mut storage = Storage::<2, 1>::new();
    let mut blk = bench.drive(&mut storage);
    let buffer = filled(&blk, 512, 0);
    bench.disk.set_completion(Completion::Deaf);
    let mut second = blk.queue(1).unwrap();
    let token = second.submit_read(0, buffer).unwrap();
    second.notify();
    let queue = QueueIndex::new(1);
    match blk.wait(token) {
        Err(Error::Timeout(timeout)) => {
            assert_eq!(timeout.cause, TimeoutCause::NotFetched { queue });
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_recovery_ends_the_requests_of_every_queue() {
    for plug in Plug::ALL {
        let bench = Bench::with(plug, disk(3), |_| {});
        let mut storage = Storage::<2, 2>::new();
        let mut blk = bench.drive(&mut storage);
        bench.disk.set_completion(Completion::Never);
        let buffers: Vec<_> = (0..3).map(|_| filled(&blk, 512, 0)).collect();
        let mut tokens = Vec::new();
        for (buffer, mut queue) in buffers.into_iter().zip(blk.queues()) {
            tokens.push(queue.submit_read(0, buffer).unwrap());
            queue.notify();
        }
        bench.disk.set_completion(Completion::Inline);
        let mut reclaimed = 0;
        blk.recover(|request| {
            reclaimed += 1;
            assert_eq!(request.kind, RequestKind::Read);
            assert_eq!(request.result, Err(RequestError::Aborted));
            assert!(request.buffer.is_some());
        })
        .unwrap();
        assert_eq!(reclaimed, 3);
        assert_eq!(blk.queue_count(), 3);
        for token in tokens {
            assert!(blk.take(token).unwrap().is_none());
        }
        let buffer = filled(&blk, 512, 0);
        let mut last = blk.queue(2).unwrap();
        let token = last.submit_read(5, buffer).unwrap();
        last.notify();
        assert_eq!(blk.wait(token).unwrap().unwrap().result, Ok(()));
    }
}

#[test]
fn a_queue_that_is_broken_leaves_the_others_usable() {
    let bench = Bench::new(disk(2));
    let mut storage = Storage::<2, 1>::new();
    let mut blk = bench.drive(&mut storage);
    let buffers: [DmaBuffer<Pool>; 2] = [filled(&blk, 512, 0), filled(&blk, 512, 0)];
    let [first, second] = buffers;
    bench.disk.inject(Fault::UsedIdOutOfRange);
    let mut broken = blk.queue(0).unwrap();
    broken.submit_read(0, first).unwrap();
    broken.notify();
    let mut good = blk.queue(1).unwrap();
    let token = good.submit_read(1, second).unwrap();
    good.notify();
    assert_eq!(blk.poll().unwrap().unwrap().token, token);
    assert!(matches!(
        blk.poll(),
        Err(PollError::Fault(DeviceFault::UnknownId { .. }))
    ));
    blk.recover(drop).unwrap();
    blk.read(0, &mut [0; 512]).unwrap();
}

#[test]
fn one_interrupt_is_for_all_queues() {
    let bench = Bench::new(disk(2));
    let mut storage = Storage::<2, 1>::new();
    let mut blk = bench.drive(&mut storage);
    blk.set_used_notifications(true);
    assert!(blk.poll().unwrap().is_none());
    let buffers = [filled(&blk, 512, 0), filled(&blk, 512, 0)];
    for (buffer, mut queue) in buffers.into_iter().zip(blk.queues()) {
        let raised = bench.disk.interrupts_raised();
        queue.submit_read(0, buffer).unwrap();
        queue.notify();
        assert_eq!(bench.disk.interrupts_raised(), raised + 1);
    }
    assert!(blk.poll().unwrap().is_some() && blk.poll().unwrap().is_some());
}

#[test]
fn a_flush_by_any_queue_is_for_the_writes_of_all() {
    let bench = Bench::new(disk(2));
    let mut storage = Storage::<2, 1>::new();
    let mut blk = bench.drive(&mut storage);
    blk.write(3, &[0x5a; 512]).unwrap();
    let mut second = blk.queue(1).unwrap();
    let token = second.submit_flush().unwrap();
    second.notify();
    assert_eq!(second.take(token).unwrap().unwrap().result, Ok(()));
    bench
        .disk
        .model(|disk| assert_eq!(disk.durable()[3 * 512..4 * 512], [0x5a; 512]));
    let kinds: Vec<_> = bench.take_requests().iter().map(|r| r.kind).collect();
    assert_eq!(kinds, [Kind::Out, Kind::Flush]);
}

#[test]
fn a_timeout_of_one_queue_is_not_that_of_another() {
    let bench = Bench::new(disk(2));
    let mut storage = Storage::<2, 1>::new();
    let mut blk = bench.drive(&mut storage);
    let buffers = [filled(&blk, 512, 0), filled(&blk, 512, 0)];
    bench.disk.set_completion(Completion::Held);
    let tokens: Vec<_> = buffers
        .into_iter()
        .zip(blk.queues())
        .map(|(buffer, mut queue)| {
            let token = queue.submit_read(4, buffer).unwrap();
            queue.notify();
            token
        })
        .collect();
    let disk = bench.disk.clone();
    bench.clock.after(Duration::from_millis(1), move || {
        assert!(disk.release_at(1))
    });
    assert!(blk.wait(tokens[1]).unwrap().is_some());
    assert!(matches!(blk.wait(tokens[0]), Err(Error::Timeout(_))));
    bench.disk.release_all();
    assert!(blk.wait(tokens[0]).unwrap().is_some());
}
