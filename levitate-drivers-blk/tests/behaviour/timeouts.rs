//! A device that does not answer: the wait ends at its deadline with a named cause, and a late answer does no harm.

use std::time::Duration;

use crate::bench::{Bench, Storage, assert_reads, filled, patterned, submit_read};
use levitate_drivers_blk::{Error, RequestKind};
use levitate_host::{AnyDevice, BlockModel, Completion, Fault, Plug, Version};
use levitate_virtio::{Features, Status, Timeout, TimeoutCause, Transport};

fn bench(plug: impl Into<Plug>, withheld: Features) -> Bench {
    Bench::with(plug, BlockModel::patterned(64), |behaviour| {
        behaviour.withhold = withheld.bits();
    })
}

/// Reads while the device behaves so, and returns the cause that is named; the slice is left alone and all memory comes back.
fn cause_of(bench: &Bench, spoil: impl FnOnce(&Bench)) -> TimeoutCause {
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    spoil(bench);
    let start = bench.clock.present();
    let mut data = [0x77; 512];
    let error = blk.read(0, &mut data).unwrap_err();
    let waited = bench.clock.present().since(start);
    assert!(waited >= bench.options.timeout && waited < 2 * bench.options.timeout);
    assert_eq!(data, [0x77; 512]);
    drop(blk);
    bench.pool.assert_no_leaks();
    match error {
        Error::Timeout(Timeout { timeout, cause }) => {
            assert_eq!(timeout, bench.options.timeout);
            cause
        }
        other => panic!("{other}"),
    }
}

fn completion(completion: Completion) -> impl FnOnce(&Bench) {
    move |bench| {
        bench.disk.set_completion(completion);
    }
}

#[test]
fn each_cause_has_its_name() {
    for plug in Plug::ALL {
        let all = || bench(plug, Features::empty());
        let without_event_index = || bench(plug, Features::EVENT_IDX);
        assert!(matches!(
            cause_of(&all(), completion(Completion::Never)),
            TimeoutCause::NotCompleted
        ));
        assert!(matches!(
            cause_of(&all(), completion(Completion::Deaf)),
            TimeoutCause::NotFetched { .. }
        ));
        for mute in [Completion::Never, Completion::Deaf] {
            assert!(matches!(
                cause_of(&without_event_index(), completion(mute)),
                TimeoutCause::Unknown
            ));
        }
        assert!(matches!(
            cause_of(&all(), |bench| bench.disk.inject(Fault::NoUsedElement)),
            TimeoutCause::UsedRingElsewhere { .. }
        ));
        let surprised = all();
        assert!(matches!(
            cause_of(&surprised, |bench| {
                completion(Completion::Never)(bench);
                // Somebody else resets the device.
                let mut transport = bench.disk.transport();
                transport.write_status(Status::empty());
                assert!(transport.read_status().is_empty());
            }),
            TimeoutCause::NotLive { .. }
        ));
        let broken = surprised.disk.take_violations();
        assert_eq!(
            broken.len(),
            1,
            "what the driver could not know: {broken:?}"
        );
        assert_eq!(broken[0].id, "INIT-08");
    }
    assert!(matches!(
        cause_of(&bench(Version::One, Features::empty()), |bench| {
            bench.disk.inject(Fault::UsedRingMisplaced);
        }),
        TimeoutCause::UsedRingElsewhere { .. }
    ));
}

#[test]
fn a_device_that_needs_a_reset_ends_the_wait_early() {
    let mut bench = bench(Version::Two, Features::empty());
    bench.options.timeout = Duration::from_secs(5);
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    completion(Completion::Never)(&bench);
    let disk = bench.disk.clone();
    bench
        .clock
        .after(Duration::from_millis(30), move || disk.set_needs_reset());
    let start = bench.clock.present();
    match blk.read(0, &mut [0; 512]).unwrap_err() {
        Error::NeedsReset { status } => assert_eq!(status.bits(), 0x4f),
        other => panic!("{other}"),
    }
    let waited = bench.clock.present().since(start);
    assert!(waited < Duration::from_millis(100), "{waited:?}");
    completion(Completion::Inline)(&bench);
    blk.recover(|_| ()).unwrap();
    blk.read(0, &mut [0; 512]).unwrap();
}

#[test]
fn a_device_that_is_gone_ends_the_wait_early() {
    for reads in [0xff, 0] {
        let mut bench = bench(Plug::PciMsix, Features::empty());
        bench.options.timeout = Duration::from_secs(5);
        if reads == 0xff {
            // It is not reset, as far as one can see, and keeps its memory.
            bench.pool.allow_leaks();
        }
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        completion(Completion::Never)(&bench);
        let disk = bench.disk.clone();
        bench.clock.after(Duration::from_millis(30), move || {
            // One that is taken out reaches no memory any more.
            disk.transport().write_status(Status::empty());
            let AnyDevice::Pci(function, _) = &disk else {
                panic!("the disk is on PCI");
            };
            function.unplug(reads);
        });
        let start = bench.clock.present();
        assert_eq!(blk.read(0, &mut [0; 512]), Err(Error::Gone), "{reads:#x}");
        let waited = bench.clock.present().since(start);
        assert!(waited < Duration::from_millis(100), "{waited:?}");
    }
}

#[test]
fn an_answer_after_the_deadline_reaches_no_memory_of_the_caller() {
    for plug in Plug::ALL {
        let bench = bench(plug, Features::empty());
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        completion(Completion::After(Duration::from_millis(150)))(&bench);
        let mut data = [0x77; 512];
        assert!(matches!(blk.read(9, &mut data), Err(Error::Timeout(_))));
        assert_eq!(blk.in_flight(), 1, "the device still has the request");
        bench.clock.advance(Duration::from_secs(1));
        assert_eq!(data, [0x77; 512]);
        bench.pool.assert_no_stray_accesses();
        // Nobody asked for it, so it is not handed out; the next call works.
        assert!(blk.poll().unwrap().is_none());
        assert_eq!((blk.in_flight(), blk.idle_slots()), (0, 4));
        completion(Completion::Inline)(&bench);
        blk.read(20, &mut data).unwrap();
        assert_eq!(data[..], patterned(20, 512), "not the late answer");
    }
}

#[test]
fn the_next_call_waits_for_the_late_answer_first() {
    let bench = bench(Version::Two, Features::empty());
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    completion(Completion::After(Duration::from_millis(150)))(&bench);
    let mut data = [0; 512];
    assert!(matches!(blk.read(9, &mut data), Err(Error::Timeout(_))));
    // After 100 ms; the late answer comes after 50 more, and the new one 150 later.
    completion(Completion::Inline)(&bench);
    assert_reads(&mut blk, 21);
}

#[test]
fn while_a_request_is_stuck_every_blocking_call_says_so_and_makes_no_other() {
    let bench = bench(Version::Two, Features::empty());
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    completion(Completion::Held)(&bench);
    for _ in 0..3 {
        assert!(matches!(
            blk.write(9, &[1; 512]),
            Err(Error::Timeout(Timeout {
                cause: TimeoutCause::NotCompleted,
                ..
            }))
        ));
        assert!(matches!(blk.flush(), Err(Error::Timeout(_))));
        assert!(matches!(blk.id(), Err(Error::Timeout(_))));
    }
    assert_eq!(bench.disk.waiting().len(), 1);
    assert_eq!(bench.notifications(), 1);
    // Submitted requests need no bounce buffer.
    let token = submit_read(&mut blk, 3);
    blk.notify();
    bench.disk.release_at(1);
    let done = blk.take(token).unwrap().unwrap();
    assert_eq!(done.buffer.unwrap().as_slice(), patterned(3, 512));

    bench.disk.release_all();
    completion(Completion::Inline)(&bench);
    blk.flush().unwrap();
    blk.write(10, &[2; 512]).unwrap();
    bench.disk.model(|disk| {
        assert_eq!(
            disk.content()[9 * 512..10 * 512],
            [1; 512],
            "it was written late"
        );
        assert_eq!(disk.content()[10 * 512..11 * 512], [2; 512]);
    });
}

#[test]
fn a_flush_that_is_late_is_not_taken_for_the_next_one() {
    let bench = bench(Version::Two, Features::empty());
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    blk.write(0, &[1; 512]).unwrap();
    completion(Completion::Held)(&bench);
    assert!(matches!(blk.flush(), Err(Error::Timeout(_))));
    bench.disk.model(|disk| disk.fail_flushes(1));
    bench.disk.release_all();
    completion(Completion::Inline)(&bench);
    // The late one failed; this one is made, and is what counts.
    assert_eq!(blk.flush(), Ok(()));
    bench
        .disk
        .model(|disk| assert_eq!(disk.durable()[..512], [1; 512]));
}

#[test]
fn a_late_owned_buffer_comes_back_by_poll() {
    let bench = bench(Version::Two, Features::empty());
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    completion(Completion::Held)(&bench);
    let buffer = filled(&blk, 1024, 0);
    let failed = blk.read_buffer(5, buffer).unwrap_err();
    assert!(matches!(failed.error, Error::Timeout(_)));
    assert!(failed.buffer.is_none(), "the device has it");
    assert!(blk.poll().unwrap().is_none());
    bench.disk.release_all();
    let done = blk.poll().unwrap().unwrap();
    assert_eq!(
        (done.kind, done.sector, done.result),
        (RequestKind::Read, 5, Ok(()))
    );
    assert_eq!(done.buffer.unwrap().as_slice(), patterned(5, 1024));
}

#[test]
fn dropped_with_requests_in_flight_it_resets_the_device_first() {
    for plug in Plug::ALL {
        let bench = bench(plug, Features::empty());
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        completion(Completion::Held)(&bench);
        for sector in 0..3 {
            submit_read(&mut blk, sector);
        }
        blk.notify();
        assert!(blk.write(9, &[0; 512]).is_err());
        assert_eq!(bench.disk.waiting().len(), 4);
        drop(blk);
        assert_eq!(bench.disk.status(), 0);
        assert_eq!(bench.disk.release_all(), 0, "the reset ended them");
        // The pool notices memory given back too early.
    }
}

#[test]
fn a_wait_for_time_that_never_comes_is_not_endless() {
    // The deadline passes in one step: the answer that came meanwhile still counts.
    let bench = bench(Version::Two, Features::empty());
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    completion(Completion::After(Duration::from_millis(50)))(&bench);
    bench.clock.set_step(Duration::from_secs(60));
    assert_reads(&mut blk, 2);
}
