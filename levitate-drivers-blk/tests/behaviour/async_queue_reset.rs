//! A reset of the queue alone, with futures of it at every stage: those in flight end, and those that wait go on (§2.6.1).

use std::time::Duration;

use levitate_drivers_blk::{
    BufferError, Error, Reclaimed, RequestError, RequestKind, ResetQueueError, Signal, SubmitError,
};
use levitate_host::{BlockModel, Completion, Fault, Plug, Pool, Version};
use levitate_virtio::{DeviceFault, Features, QueueResetError, RestartError};

use crate::bench::{Bench, Storage, patterned};
use crate::tasks::{AsyncDriver, Tasks, deliver, drive, hold, read};

const ABORTED: Error = Error::Request(RequestError::Aborted);
/// A register that says for longer than the timeout that the reset goes on, and not for twice as long.
const LATE_READS: u32 = 150_000;

/// A disk that resets its queue, which takes some reads, and a driver's options that want it.
fn resettable(plug: impl Into<Plug>, rings: Features, reset_reads: Option<u32>) -> Bench {
    let model = BlockModel::patterned(32).id("disk-7");
    let mut bench = Bench::with(plug, model, |behaviour| {
        behaviour.offer = (Features::RING_RESET | rings).bits();
        behaviour.queue_reset_reads = reset_reads;
    });
    bench.options.features |= Features::RING_RESET;
    bench
}

/// Disks on every transport that has such a reset, with rings of each kind.
fn each_ring() -> impl Iterator<Item = Bench> {
    let rings = [
        Features::empty(),
        Features::RING_PACKED,
        Features::RING_PACKED | Features::IN_ORDER,
    ];
    let plugs = [Plug::Mmio(Version::Two), Plug::PciLine, Plug::PciMsix];
    let each = plugs
        .into_iter()
        .flat_map(move |plug| rings.map(|rings| (plug, rings)));
    each.map(|(plug, rings)| {
        println!("{plug:?} with {rings:?}");
        resettable(plug, rings, Some(3))
    })
}

fn answer_at_once(bench: &Bench) {
    bench.disk.set_completion(Completion::Inline);
}

/// One request, to see that the disk works.
fn read_one(blk: &AsyncDriver<'_>) {
    let mut tasks = Tasks::new();
    tasks.spawn(read(blk, 1));
    let (_, outcome) = tasks.run().pop().unwrap();
    assert_eq!(outcome.unwrap().as_slice(), patterned(1, 512));
}

/// What `reclaim` was handed, without the buffers.
fn summary(reclaimed: &[Reclaimed<Pool>]) -> Vec<(RequestKind, u64, Result<(), RequestError>)> {
    assert!(reclaimed.iter().all(|request| request.buffer.is_some()));
    reclaimed
        .iter()
        .map(|request| (request.kind, request.sector, request.result))
        .collect()
}

#[test]
fn what_is_in_flight_ends_and_what_waits_goes_on_each_time() {
    for bench in each_ring() {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let live = bench.pool.live();
        for round in 0..3_u64 {
            // The driver's own buffer, a request of a task that is dropped, one that is answered and not looked at, and one that is not.
            let mut ids = Tasks::new();
            bench.disk.set_completion(Completion::Held);
            ids.spawn(blk.id());
            assert!(ids.run().is_empty());
            let mut tasks = hold(&bench, &blk, 3);
            tasks.cancel(0);
            for sector in 9..15 {
                tasks.spawn(read(&blk, sector));
            }
            assert!(tasks.run().is_empty());
            assert!(bench.disk.release_one(), "the ID");
            assert!(bench.disk.release_one(), "what nobody waits for");
            assert!(bench.disk.release_one(), "the second read");
            let requests = blk.counts().requests;
            assert_eq!(requests, round * 11 + 4);

            answer_at_once(&bench);
            let mut reclaimed = Vec::new();
            blk.reset_queue(|request| reclaimed.push(request)).unwrap();
            assert_eq!(blk.counts().requests, requests, "no new beginning");
            assert_eq!(
                summary(&reclaimed),
                [
                    (RequestKind::Read, 0, Ok(())),
                    (RequestKind::Read, 1, Ok(())),
                    (RequestKind::Read, 2, Err(RequestError::Aborted)),
                ]
            );
            assert_eq!(ids.run().pop().unwrap().1.unwrap_err(), ABORTED);
            let ended = tasks.run();
            assert_eq!(ended.len(), 2 + 6);
            for (task, outcome) in ended {
                match task {
                    1 | 2 => {
                        let BufferError { error, buffer } = outcome.unwrap_err();
                        assert_eq!(error, ABORTED);
                        assert!(buffer.is_none(), "it was reclaimed");
                    }
                    _ => assert_eq!(outcome.unwrap().as_slice(), patterned(task as u64 + 6, 512)),
                }
            }
            drop((ids, tasks, reclaimed));
            assert_eq!((blk.in_flight(), blk.idle_slots()), (0, 4));
            assert_eq!(bench.pool.live(), live, "it does not grow");
            let mut ids = Tasks::new();
            ids.spawn(blk.id());
            assert_eq!(ids.run().pop().unwrap().1.unwrap().as_str(), Ok("disk-7"));
        }
    }
}

#[test]
fn tasks_that_wait_for_room_sleep_on_and_are_woken_by_their_own_interrupts_afterwards() {
    for bench in each_ring() {
        let signal = Signal::new();
        let mut storage = Storage::<2>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut tasks = hold(&bench, &blk, 2);
        for sector in 2..6 {
            tasks.spawn(read(&blk, sector));
        }
        assert!(tasks.run().is_empty());
        blk.reset_queue(drop).unwrap();
        assert_eq!(tasks.run().len(), 2, "those that were in flight");
        assert_eq!(blk.in_flight(), 2, "two of the others have their room");
        let mut ended = 0;
        for _ in 0..4 {
            bench.disk.release_one();
            deliver(&bench.disk, &blk, &signal);
            for (task, outcome) in tasks.run() {
                assert_eq!(outcome.unwrap().as_slice(), patterned(task as u64, 512));
                ended += 1;
            }
        }
        assert_eq!((ended, tasks.alive()), (4, 0));
    }
}

#[test]
fn a_queue_that_the_device_broke_is_mended() {
    for bench in each_ring() {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut tasks = hold(&bench, &blk, 2);
        bench.disk.inject(Fault::UsedIdOutOfRange);
        bench.disk.release_one();
        deliver(&bench.disk, &blk, &signal);
        for (_, outcome) in tasks.run() {
            assert!(matches!(outcome.unwrap_err().error, Error::Fault(_)));
        }
        assert_eq!(tasks.alive(), 0);
        let mut reclaimed = 0;
        blk.reset_queue(|_| reclaimed += 1).unwrap();
        assert_eq!(reclaimed, 2);
        answer_at_once(&bench);
        read_one(&blk);
        let _ = bench.disk.take_complaints();
    }
}

#[test]
fn a_reset_that_does_not_happen_disturbs_nobody() {
    // Without the feature, and as QEMU's virtio-mmio, with the bit and without the register.
    for wants_reset in [false, true] {
        let mut bench = resettable(Version::Two, Features::empty(), None);
        bench
            .options
            .features
            .set(Features::RING_RESET, wants_reset);
        let signal = Signal::new();
        let mut storage = Storage::<2>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut tasks = hold(&bench, &blk, 4);
        let error = blk.reset_queue(|_| panic!("the device has it"));
        let error = error.unwrap_err();
        let is_as_expected = match error {
            ResetQueueError::Reset(QueueResetError::Ignored { .. }) => wants_reset,
            ResetQueueError::Reset(QueueResetError::NotNegotiated { .. }) => !wants_reset,
            _ => false,
        };
        assert!(is_as_expected, "{error}");
        let _ = bench.disk.take_complaints();
        assert!(tasks.run().is_empty(), "nobody was woken");
        assert_eq!((0..4).map(|task| tasks.wakes(task)).sum::<usize>(), 0);
        for _ in 0..4 {
            bench.disk.release_one();
            deliver(&bench.disk, &blk, &signal);
            for (task, outcome) in tasks.run() {
                assert_eq!(outcome.unwrap().as_slice(), patterned(task as u64, 512));
            }
        }
        assert_eq!(tasks.alive(), 0);
    }
}

#[test]
fn a_reset_that_is_late_is_waited_for_by_the_next_call() {
    let bench = resettable(Version::Two, Features::empty(), Some(LATE_READS));
    let signal = Signal::new();
    let mut storage = Storage::<3>::new();
    let blk = drive(&bench, &mut storage, &signal);
    let mut tasks = hold(&bench, &blk, 4);
    // Its deadline is later than that of the others.
    bench.clock.advance(Duration::from_millis(50));
    let error = blk
        .reset_queue(|_| panic!("the device has it"))
        .unwrap_err();
    let ResetQueueError::Reset(QueueResetError::Timeout { timeout, .. }) = error else {
        panic!("{error}");
    };
    assert_eq!(timeout, bench.options.timeout);
    // A future that is dropped in between, and others that find out that their time is over.
    tasks.cancel(1);
    signal.on_tick();
    let ended = tasks.run();
    assert_eq!(ended.len(), 3);
    for (task, outcome) in ended {
        let BufferError { error, buffer } = outcome.unwrap_err();
        assert!(matches!(error, Error::Timeout(_)), "{error}");
        assert_eq!(buffer.is_some(), task == 3, "what was never submitted");
    }
    assert_eq!(blk.in_flight(), 3, "the device has them, as far as it says");

    let mut reclaimed = Vec::new();
    blk.reset_queue(|request| reclaimed.push(request)).unwrap();
    let aborted = Err(RequestError::Aborted);
    let expected = [0, 1, 2].map(|sector| (RequestKind::Read, sector, aborted));
    assert_eq!(summary(&reclaimed), expected);
    answer_at_once(&bench);
    read_one(&blk);
    bench
        .disk
        .behave(|behaviour| behaviour.queue_reset_reads = Some(0));
    blk.reset_queue(|_| panic!("there is nothing in it"))
        .unwrap();
    read_one(&blk);
}

#[test]
fn a_reset_that_never_finishes_leaves_the_reset_of_the_device() {
    let bench = resettable(Version::Two, Features::empty(), Some(u32::MAX));
    let signal = Signal::new();
    let mut storage = Storage::<2>::new();
    let blk = drive(&bench, &mut storage, &signal);
    let mut tasks = hold(&bench, &blk, 3);
    for _ in 0..2 {
        let error = blk
            .reset_queue(|_| panic!("the device has it"))
            .unwrap_err();
        let is_named = matches!(
            error,
            ResetQueueError::Reset(QueueResetError::Timeout { .. })
        );
        assert!(is_named, "{error}");
    }
    let mut reclaimed = 0;
    answer_at_once(&bench);
    blk.recover(|_| reclaimed += 1).unwrap();
    assert_eq!(reclaimed, 2);
    for (task, outcome) in tasks.run() {
        match task {
            2 => assert_eq!(outcome.unwrap().as_slice(), patterned(2, 512)),
            _ => assert_eq!(outcome.unwrap_err().error, ABORTED),
        }
    }
    assert_eq!(tasks.alive(), 0);
    drop(tasks);
    let _ = bench.disk.take_complaints();
}

#[test]
fn a_queue_without_memory_ends_all_futures_and_keeps_what_they_had() {
    for bench in each_ring() {
        let signal = Signal::new();
        let mut storage = Storage::<2>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut tasks = hold(&bench, &blk, 3);
        bench.pool.fail_allocation_after(0);
        let error = blk
            .reset_queue(|_| panic!("it stays in the queue"))
            .unwrap_err();
        let is_named = matches!(error, ResetQueueError::Restart(RestartError::Dma(_)));
        assert!(is_named, "{error}");
        for (task, outcome) in tasks.run() {
            let BufferError { error, buffer } = outcome.unwrap_err();
            match task {
                2 => {
                    let refused = levitate_virtio::SubmitError::Broken(DeviceFault::NotEnabled);
                    assert_eq!(error, Error::Refused(SubmitError::Queue(refused)));
                    assert!(buffer.is_some());
                }
                _ => {
                    assert_eq!(error, Error::Fault(DeviceFault::NotEnabled));
                    assert!(buffer.is_none());
                }
            }
        }
        assert_eq!(tasks.alive(), 0);
        let mut reclaimed = 0;
        blk.reset_queue(|_| reclaimed += 1).unwrap();
        assert_eq!(reclaimed, 2);
        answer_at_once(&bench);
        read_one(&blk);
    }
}

#[test]
fn after_a_recovery_that_failed_there_is_no_queue() {
    let bench = resettable(Version::Two, Features::empty(), Some(0));
    bench.pool.allow_leaks();
    let signal = Signal::new();
    let mut storage = Storage::<2>::new();
    let blk = drive(&bench, &mut storage, &signal);
    bench
        .disk
        .behave(|behaviour| behaviour.reset_reads = u32::MAX);
    blk.recover(drop).unwrap_err();
    assert_eq!(blk.reset_queue(drop), Err(ResetQueueError::NotRunning));
}
