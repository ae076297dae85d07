//! Reset and recovery: every request ends, all memory comes back, and a device that does not reset keeps its own.

use std::time::Duration;

use crate::bench::{Bench, Storage, assert_reads, filled, patterned, submit_read};
use levitate_drivers_blk::{
    Error, PollError, RecoverError, RequestError, RequestKind, ResetError, SubmitError,
};
use levitate_host::{AnyDevice, BlockModel, Completion, Plug};
use levitate_virtio::{Status, Transport as _};

#[test]
fn recovery_ends_every_request_and_the_device_works_again() {
    for plug in Plug::ALL {
        let bench = Bench::with(plug, BlockModel::patterned(64), |_| {});
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        bench.disk.set_completion(Completion::Held);
        let done = submit_read(&mut blk, 1);
        let buffer = filled(&blk, 1024, 0x42);
        let stuck = blk.submit_write(2, buffer).unwrap();
        blk.notify();
        bench.disk.release_one();
        // A blocking call that times out meanwhile sees the first one done.
        assert!(matches!(blk.flush(), Err(Error::Timeout(_))));
        bench.disk.set_completion(Completion::Inline);

        let mut reclaimed = Vec::new();
        blk.recover(|request| reclaimed.push(request)).unwrap();
        assert_eq!(reclaimed.len(), 2, "the flush was the driver's own");
        assert_eq!(
            (reclaimed[0].kind, reclaimed[0].sector, reclaimed[0].result),
            (RequestKind::Read, 1, Ok(()))
        );
        let read = reclaimed[0].buffer.as_ref().unwrap();
        assert_eq!(read.as_slice(), patterned(1, 512));
        assert_eq!(
            (reclaimed[1].kind, reclaimed[1].sector, reclaimed[1].result),
            (RequestKind::Write, 2, Err(RequestError::Aborted))
        );
        let written = reclaimed[1].buffer.as_ref().unwrap();
        assert_eq!(written.as_slice(), [0x42; 1024]);

        assert_eq!((blk.in_flight(), blk.idle_slots()), (0, 4));
        for token in [done, stuck] {
            assert!(blk.take(token).unwrap().is_none());
        }
        assert_reads(&mut blk, 7);
        blk.flush().unwrap();
    }
}

#[test]
fn tokens_of_an_earlier_life_name_nothing() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<1>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.set_completion(Completion::Held);
    let old = submit_read(&mut blk, 0);
    blk.notify();
    blk.recover(|_| ()).unwrap();
    let new = submit_read(&mut blk, 1);
    blk.notify();
    bench.disk.release_all();
    assert_ne!(old, new);
    assert!(blk.take(old).unwrap().is_none());
    assert!(blk.wait(old).unwrap().is_none());
    assert!(blk.take(new).unwrap().is_some());
}

#[test]
fn recovery_does_not_grow() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    let live = bench.pool.live();
    for _ in 0..50 {
        bench.disk.set_completion(Completion::Held);
        assert!(blk.read(0, &mut [0; 512]).is_err());
        bench.disk.set_completion(Completion::Inline);
        blk.recover(|_| ()).unwrap();
        assert_eq!(bench.pool.live(), live);
        blk.read(0, &mut [0; 512]).unwrap();
    }
}

#[test]
fn recovery_sees_what_became_of_the_device() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    assert_eq!(blk.capacity_sectors(), 8);
    bench.disk.model(|disk| disk.set_capacity(5));
    blk.recover(|_| ()).unwrap();
    assert_eq!(blk.capacity_sectors(), 5);
}

#[test]
fn reset_gives_the_transport_back_for_another_driver() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.set_completion(Completion::Held);
    submit_read(&mut blk, 0);
    blk.notify();
    assert!(blk.read(0, &mut [0; 512]).is_err());
    let mut reclaimed = 0;
    let transport = blk.reset(|_| reclaimed += 1).unwrap();
    assert_eq!(reclaimed, 1);
    assert_eq!(bench.disk.status(), 0);
    bench.pool.assert_no_leaks();

    bench.disk.set_completion(Completion::Inline);
    let platform = (bench.pool.clone(), bench.clock.clone());
    let mut blk = levitate_drivers_blk::Blk::new(transport, platform, &mut storage).unwrap();
    assert_reads(&mut blk, 1);
}

#[test]
fn a_device_slow_to_reset_is_waited_for() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.behave(|behaviour| behaviour.reset_reads = 500);
    blk.recover(|_| ()).unwrap();
    blk.read(0, &mut [0; 512]).unwrap();
}

#[test]
fn a_device_that_never_resets_keeps_what_it_has_and_nothing_else() {
    let bench = Bench::new(BlockModel::patterned(8));
    bench.pool.allow_leaks();
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.set_completion(Completion::Held);
    let token = submit_read(&mut blk, 0);
    blk.notify();
    bench
        .disk
        .behave(|behaviour| behaviour.reset_reads = u32::MAX);
    let start = bench.clock.present();
    match blk.recover(|request| panic!("the device has {request:?}")) {
        Err(RecoverError::Reset { timeout, .. }) => assert_eq!(timeout, bench.options.timeout),
        other => panic!("{other:?}"),
    }
    assert!(bench.clock.present().since(start) < 2 * bench.options.timeout);
    // The device answers nevertheless: into memory that is still there.
    bench.disk.release_all();
    bench.pool.assert_no_stray_accesses();

    // Every call says that the device is not running, and none panics or waits.
    let not_running = Error::Refused(SubmitError::NotRunning);
    assert_eq!(blk.read(0, &mut [0; 512]), Err(not_running));
    assert_eq!(blk.write(0, &[0; 512]), Err(not_running));
    assert_eq!(blk.flush(), Err(not_running));
    assert_eq!(blk.id(), Err(not_running));
    assert_eq!(blk.submit_flush(), Err(SubmitError::NotRunning));
    let buffer = filled(&blk, 512, 0);
    let rejected = blk.submit_read(0, buffer).unwrap_err();
    assert_eq!(rejected.error, SubmitError::NotRunning);
    let rejected = blk.read_buffer(0, rejected.buffer).unwrap_err();
    assert_eq!(rejected.error, not_running);
    drop(rejected);
    assert!(!blk.notify());
    assert_eq!(blk.poll().unwrap_err(), PollError::NotRunning);
    assert_eq!(blk.wait(token).unwrap_err(), not_running);
    assert_eq!(blk.recover(|_| ()), Err(RecoverError::NotRunning));
    assert!(blk.interrupt().is_none());
    assert!(matches!(blk.reset(|_| ()), Err(ResetError::NotRunning)));
    // The rings, the headers and the one buffer that was in flight.
    assert_eq!(bench.pool.live().allocations, 3);
    assert_eq!(bench.pool.misuses(), []);
}

#[test]
fn dropped_while_the_device_does_not_reset_it_leaks_rather_than_frees() {
    let bench = Bench::new(BlockModel::patterned(8));
    bench.pool.allow_leaks();
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    bench.disk.set_completion(Completion::Held);
    assert!(blk.read(0, &mut [0; 512]).is_err());
    bench
        .disk
        .behave(|behaviour| behaviour.reset_reads = u32::MAX);
    drop(blk);
    // The bounce buffer is in flight, so it stays too.
    assert_eq!(bench.pool.live().allocations, 3);
    bench.disk.release_all();
    bench.pool.assert_no_stray_accesses();
    assert_eq!(bench.pool.misuses(), []);
}

#[test]
fn a_reset_that_is_not_confirmed_gives_the_transport_in_the_error() {
    let bench = Bench::new(BlockModel::patterned(8));
    bench.pool.allow_leaks();
    let mut storage = Storage::<4>::new();
    let blk = bench.drive(&mut storage);
    bench
        .disk
        .behave(|behaviour| behaviour.reset_reads = u32::MAX);
    match blk.reset(|_| ()) {
        Err(ResetError::Device(error)) => {
            assert_eq!(error.timeout, Duration::from_millis(100));
            assert_eq!(error.status.bits(), 0xf);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_device_that_cannot_be_brought_up_again_is_not_running() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    bench
        .disk
        .behave(|behaviour| behaviour.refuse_features = true);
    assert!(matches!(
        blk.recover(|_| ()),
        Err(RecoverError::Init(levitate_drivers_blk::InitError::Device(
            levitate_virtio::InitError::FeaturesRefused { .. }
        )))
    ));
    assert!(blk.read(0, &mut [0; 512]).is_err());
}

#[test]
fn a_recovery_of_a_device_that_is_gone_says_so() {
    for reads in [0xff, 0] {
        let bench = Bench::with(Plug::PciMsix, BlockModel::patterned(8), |_| {});
        let AnyDevice::Pci(function, _) = &bench.disk else {
            panic!("the disk is on PCI");
        };
        if reads == 0xff {
            // It is not reset, as far as one can see, and keeps its memory.
            bench.pool.allow_leaks();
        }
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        // One that is taken out reaches no memory any more.
        bench.disk.transport().write_status(Status::empty());
        function.unplug(reads);
        let error = blk.recover(|_| ()).unwrap_err();
        assert_eq!(error, RecoverError::Gone, "{reads:#x}");
        assert_eq!(error.to_string(), "device is gone from its bus");
        let not_running = Error::Refused(SubmitError::NotRunning);
        assert_eq!(blk.read(0, &mut [0; 512]), Err(not_running));
    }
}
