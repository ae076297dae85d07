//! Devices that lie, give up, or are reset: every task that waits gets an error of its own, and none waits for ever.

use levitate_drivers_blk::{BufferError, Error, RecoverError, RequestError, Signal, SubmitError};
use levitate_host::{AnyDevice, BlockModel, Completion, Fault, Plug};
use levitate_virtio::{Status, Transport as _};

use crate::bench::{Bench, Storage, every_variant, patterned};
use crate::tasks::{Tasks, deliver, drive, hold, read};

#[test]
fn every_task_hears_of_a_used_ring_that_lies() {
    for fault in [
        Fault::UsedIdOutOfRange,
        Fault::UsedTwice,
        Fault::UsedLen(u32::MAX),
        Fault::UsedIndexJump(7),
        Fault::UsedIndexJump(u16::MAX - 3),
    ] {
        // The length means nothing on the legacy interface, so there it is no lie.
        for plug in levitate_host::Plug::ALL.into_iter().skip(1) {
            let bench = Bench::with(plug, BlockModel::patterned(32), |_| {});
            let signal = Signal::new();
            let mut storage = Storage::<4>::new();
            let blk = drive(&bench, &mut storage, &signal);
            // Four that are answered, and more that wait for room than are woken in one go.
            let mut tasks = hold(&bench, &blk, 4);
            for sector in 4..12 {
                tasks.spawn(read(&blk, sector));
            }
            assert!(tasks.run().is_empty());
            bench.disk.inject(fault);
            assert!(bench.disk.release_one());
            deliver(&bench.disk, &blk, &signal);
            let mut kept = 0;
            for (task, outcome) in tasks.run() {
                match outcome {
                    Err(BufferError { error, buffer }) => {
                        let is_fault = matches!(
                            error,
                            Error::Fault(_)
                                | Error::Refused(SubmitError::Queue(
                                    levitate_virtio::SubmitError::Broken(_)
                                ))
                        );
                        assert!(is_fault, "{fault:?}, task {task}: {error}");
                        kept += usize::from(buffer.is_none());
                    }
                    // The answer that was given before the lie.
                    Ok(_) => assert!(matches!(fault, Fault::UsedTwice | Fault::UsedIndexJump(_))),
                }
            }
            assert_eq!(tasks.alive(), 0, "{fault:?}");
            drop(tasks);

            let mut reclaimed = 0;
            blk.recover(|_| reclaimed += 1).unwrap();
            assert_eq!(reclaimed, kept, "{fault:?}: what the device has, all of it");
            bench.disk.set_completion(Completion::Inline);
            let mut tasks = Tasks::new();
            tasks.spawn(read(&blk, 1));
            let (_, outcome) = tasks.run().pop().unwrap();
            assert_eq!(outcome.unwrap().as_slice(), patterned(1, 512));
        }
    }
}

#[test]
fn a_device_that_gives_up_says_so_to_every_task_at_once() {
    for bench in every_variant(|| BlockModel::patterned(16)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut tasks = hold(&bench, &blk, 4);
        for sector in 4..8 {
            tasks.spawn(read(&blk, sector));
        }
        assert!(tasks.run().is_empty());
        bench.disk.set_needs_reset();
        // No deadline, and no tick: it is a change of the configuration.
        deliver(&bench.disk, &blk, &signal);
        assert!(signal.take_config_change());
        let ended = tasks.run();
        assert_eq!(ended.len(), 8);
        for (_, outcome) in ended {
            let error = outcome.unwrap_err().error;
            let Error::NeedsReset { status } = error else {
                panic!("{error}");
            };
            assert!(status.contains(Status::DEVICE_NEEDS_RESET));
        }
        // Nor is it notified any more.
        let notifications = bench.notifications();
        assert!(!blk.notify());
        assert_eq!(bench.notifications(), notifications);
        drop(tasks);

        blk.recover(drop).unwrap();
        bench.disk.set_completion(Completion::Inline);
        let mut tasks = Tasks::new();
        tasks.spawn(blk.flush());
        assert_eq!(tasks.run().len(), 1);
    }
}

#[test]
fn a_recovery_ends_what_is_in_flight_and_lets_in_what_waits() {
    for bench in every_variant(|| BlockModel::patterned(16).id("disk-7")) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut ids = Tasks::new();
        bench.disk.set_completion(Completion::Held);
        ids.spawn(blk.id());
        assert!(ids.run().is_empty());
        let mut tasks = hold(&bench, &blk, 3);
        let waits = tasks.spawn(read(&blk, 9));
        assert!(tasks.run().is_empty());
        // One is answered, which another task has seen, and its own has not looked yet.
        assert!(bench.disk.release_at(1));
        deliver(&bench.disk, &blk, &signal);
        assert!(tasks.poll(waits).is_pending());
        bench.disk.set_completion(Completion::Inline);
        let mut reclaimed = Vec::new();
        let counts = blk.counts();
        assert_eq!(counts.requests, 4);
        blk.recover(|request| reclaimed.push(request)).unwrap();
        assert_eq!(blk.counts(), counts, "a recovery is no new beginning");
        assert_eq!(reclaimed.len(), 3, "the ID's buffer is the driver's");
        let answered = reclaimed.iter().filter(|request| request.result.is_ok());
        assert_eq!(answered.count(), 1);
        assert!(reclaimed.iter().all(|request| request.buffer.is_some()));
        for (task, outcome) in tasks.run() {
            if task == waits {
                assert_eq!(outcome.unwrap().as_slice(), patterned(9, 512));
                continue;
            }
            let BufferError { error, buffer } = outcome.unwrap_err();
            assert_eq!(error, Error::Request(RequestError::Aborted));
            assert!(buffer.is_none());
        }
        assert_eq!(tasks.alive(), 0);
        let (_, id) = ids.run().pop().unwrap();
        assert_eq!(id.unwrap_err(), Error::Request(RequestError::Aborted));
        drop(ids);
        let mut ids = Tasks::new();
        ids.spawn(blk.id());
        assert_eq!(ids.run().pop().unwrap().1.unwrap().as_str(), Ok("disk-7"));
        assert_eq!(blk.counts().requests, 4 + 2);
    }
}

#[test]
fn a_recovery_that_fails_ends_everything() {
    let bench = Bench::new(BlockModel::patterned(16));
    bench.pool.allow_leaks();
    let signal = Signal::new();
    let mut storage = Storage::<2>::new();
    let blk = drive(&bench, &mut storage, &signal);
    let mut tasks = hold(&bench, &blk, 3);
    bench
        .disk
        .behave(|behaviour| behaviour.reset_reads = u32::MAX);
    let counts = blk.counts();
    blk.recover(drop).unwrap_err();
    assert_eq!(blk.counts(), counts);
    let ended = tasks.run();
    assert_eq!(ended.len(), 3);
    for (task, outcome) in ended {
        let error = outcome.unwrap_err().error;
        match task {
            2 => assert_eq!(error, Error::Refused(SubmitError::NotRunning)),
            _ => assert_eq!(error, Error::Request(RequestError::Aborted)),
        }
    }
    assert!(blk.interrupt().is_none());
    let mut tasks = Tasks::new();
    tasks.spawn(blk.flush());
    let (_, outcome) = tasks.run().pop().unwrap();
    assert_eq!(outcome, Err(Error::Refused(SubmitError::NotRunning)));
}

#[test]
fn a_capacity_that_changes_wakes_who_waits_for_that() {
    for bench in every_variant(|| BlockModel::patterned(16)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut tasks = Tasks::new();
        let task = tasks.spawn(async {
            signal.config_change().await;
            blk.process_config_change()
        });
        assert!(tasks.run().is_empty());
        bench.disk.change_config(|disk| disk.set_capacity(8));
        assert_eq!(deliver(&bench.disk, &blk, &signal), 1);
        assert_eq!(tasks.wakes(task), 1);
        let (_, change) = tasks.run().pop().unwrap();
        let change = change.unwrap().unwrap();
        assert_eq!((change.before_sectors, change.now_sectors), (16, 8));
        assert_eq!(blk.capabilities().capacity_sectors(), 8);
    }
}

#[test]
fn an_interrupt_for_nothing_costs_one_look() {
    let bench = Bench::new(BlockModel::patterned(16));
    let signal = Signal::new();
    let mut storage = Storage::<4>::new();
    let blk = drive(&bench, &mut storage, &signal);
    let mut tasks = hold(&bench, &blk, 3);
    for _ in 0..5 {
        bench.disk.interrupt_for_queue(0);
        deliver(&bench.disk, &blk, &signal);
        assert!(tasks.run().is_empty());
    }
    assert_eq!(blk.counts().idle_polls, 5);
    let wakes: usize = (0..3).map(|task| tasks.wakes(task)).sum();
    assert_eq!(wakes, 5, "that of whoever leads");
    // A line that another device pulled wakes nobody.
    signal.on_interrupt(&blk.interrupt().unwrap());
    let wakes: usize = (0..3).map(|task| tasks.wakes(task)).sum();
    assert_eq!(wakes, 5);
    bench.disk.release_all();
    deliver(&bench.disk, &blk, &signal);
    assert_eq!(tasks.run().len(), 3);
}

/// Who waits for the driver's own buffer is told of the fault as well, and not that the driver is not running.
#[test]
fn a_fault_is_named_to_those_that_wait_for_the_drivers_own_buffer() {
    let bench = Bench::new(BlockModel::patterned(8).id("disk-7"));
    let signal = Signal::new();
    let mut storage = Storage::<4>::new();
    let blk = drive(&bench, &mut storage, &signal);
    bench.disk.set_completion(Completion::Held);
    let mut tasks = Tasks::new();
    for _ in 0..3 {
        tasks.spawn(blk.id());
    }
    assert!(tasks.run().is_empty());
    bench.disk.inject(Fault::UsedIdOutOfRange);
    bench.disk.release_one();
    deliver(&bench.disk, &blk, &signal);
    let outcomes = tasks.run();
    assert_eq!(outcomes.len(), 3);
    for (task, outcome) in outcomes {
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::Fault(_)), "{task}: {error}");
    }
    let _ = bench.disk.take_complaints();
}

#[test]
fn a_device_that_is_gone_ends_every_wait_at_the_next_tick() {
    for reads in [0xff, 0] {
        let bench = Bench::with(Plug::PciMsix, BlockModel::patterned(16), |_| {});
        let AnyDevice::Pci(function, _) = &bench.disk else {
            panic!("the disk is on PCI");
        };
        if reads == 0xff {
            // It is not reset, as far as one can see, and keeps its memory.
            bench.pool.allow_leaks();
        }
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut tasks = hold(&bench, &blk, 4);
        tasks.spawn(read(&blk, 4));
        assert!(tasks.run().is_empty());
        // One that is taken out reaches no memory any more.
        bench.disk.transport().write_status(Status::empty());
        function.unplug(reads);
        assert!(tasks.run().is_empty(), "nobody is woken by that");
        signal.on_tick();
        let ended = tasks.run();
        assert_eq!(ended.len(), 5);
        for (_, outcome) in ended {
            assert_eq!(outcome.unwrap_err().error, Error::Gone, "{reads:#x}");
        }
        assert_eq!(blk.recover(drop), Err(RecoverError::Gone));
    }
}
