//! Deadlines of tasks: each has its own, and a tick, or any poll, finds out that it is missed.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use levitate_drivers_blk::{BufferError, Error, Signal, SubmitError};
use levitate_host::{BlockModel, Completion, VirtualClock};
use levitate_virtio::{Timeout, TimeoutCause};

use crate::bench::{Bench, Storage, every_variant, patterned};
use crate::tasks::{Tasks, deliver, drive, hold, read};

#[test]
fn a_missed_deadline_ends_its_own_request_with_the_reason() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut tasks = hold(&bench, &blk, 2);
        bench.clock.advance(bench.options.timeout / 2);
        let late = tasks.spawn(read(&blk, 2));
        assert!(tasks.run().is_empty());
        signal.on_tick();
        assert_eq!(
            tasks.wakes(late),
            1,
            "the one that leads looks at the clock"
        );
        assert!(tasks.run().is_empty());
        assert_eq!(tasks.wakes(0) + tasks.wakes(1), 0, "nobody is late");

        bench.clock.advance(bench.options.timeout / 2);
        signal.on_tick();
        let ended = tasks.run();
        assert_eq!(ended.len(), 2);
        for (task, outcome) in ended {
            assert!(task < 2);
            assert_eq!(tasks.wakes(task), 1);
            let BufferError { error, buffer } = outcome.unwrap_err();
            let Error::Timeout(Timeout { timeout, cause }) = error else {
                panic!("{error}");
            };
            assert_eq!(timeout, bench.options.timeout);
            let is_named = matches!(cause, TimeoutCause::NotCompleted | TimeoutCause::Unknown);
            assert!(is_named, "{cause}");
            assert!(buffer.is_none(), "the device has it");
        }
        // The third is in time, and the late answers to the others hurt nobody.
        assert_eq!(bench.disk.release_all(), 3);
        deliver(&bench.disk, &blk, &signal);
        let (task, outcome) = tasks.run().pop().unwrap();
        assert_eq!(task, late);
        assert_eq!(outcome.unwrap().as_slice(), patterned(2, 512));
        assert_eq!((blk.in_flight(), blk.idle_slots()), (0, 4));
    }
}

#[test]
fn a_wait_for_room_has_a_deadline_too() {
    let bench = Bench::new(BlockModel::patterned(8));
    let signal = Signal::new();
    let mut storage = Storage::<1>::new();
    let blk = drive(&bench, &mut storage, &signal);
    // Its future is dropped, so that nobody but the one that waits for room asks for the time.
    drop(hold(&bench, &blk, 1));
    let mut tasks = Tasks::new();
    tasks.spawn(read(&blk, 1));
    assert!(tasks.run().is_empty());
    bench.clock.advance(bench.options.timeout);
    signal.on_tick();
    let (_, outcome) = tasks.run().pop().unwrap();
    let BufferError { error, buffer } = outcome.unwrap_err();
    let is_named = matches!(
        error,
        Error::Timeout(Timeout {
            cause: TimeoutCause::NotCompleted,
            ..
        })
    );
    assert!(is_named, "{error}");
    assert!(buffer.is_some(), "the device has never seen it");
}

#[test]
fn a_poll_without_a_tick_sees_the_deadline_as_well() {
    let bench = Bench::new(BlockModel::patterned(8));
    let signal = Signal::new();
    let mut storage = Storage::<4>::new();
    let blk = drive(&bench, &mut storage, &signal);
    let mut tasks = hold(&bench, &blk, 1);
    bench.clock.advance(bench.options.timeout);
    assert!(tasks.poll(0).is_ready());
}

#[test]
fn a_tick_finds_what_an_interrupt_should_have_told() {
    let bench = Bench::new(BlockModel::patterned(16));
    let signal = Signal::new();
    let mut storage = Storage::<4>::new();
    let blk = drive(&bench, &mut storage, &signal);
    let mut tasks = hold(&bench, &blk, 3);
    bench
        .disk
        .behave(|behaviour| behaviour.lose_interrupts = true);
    bench.disk.release_all();
    assert_eq!(deliver(&bench.disk, &blk, &signal), 0);
    assert!(tasks.run().is_empty());
    signal.on_tick();
    for (task, outcome) in tasks.run() {
        assert_eq!(outcome.unwrap().as_slice(), patterned(task as u64, 512));
    }
    assert_eq!(tasks.alive(), 0);
}

#[test]
fn answers_that_nobody_takes_are_named_when_others_wait_for_their_room() {
    let bench = Bench::new(BlockModel::patterned(8).id("disk-7"));
    let signal = Signal::new();
    let mut storage = Storage::<2>::new();
    let blk = drive(&bench, &mut storage, &signal);
    let mut idle = Tasks::new();
    bench.disk.set_completion(Completion::Held);
    idle.spawn(blk.id());
    assert!(idle.run().is_empty());
    let mut waits = Tasks::new();
    waits.spawn(blk.id());
    assert!(waits.run().is_empty());
    bench.disk.release_all();
    bench.clock.advance(bench.options.timeout);
    signal.on_tick();
    assert_eq!(
        waits.run().pop().unwrap().1.unwrap_err(),
        Error::Refused(SubmitError::OwnBufferInUse)
    );
    drop(waits);

    let mut idle_too = hold(&bench, &blk, 1);
    let mut waits = Tasks::new();
    waits.spawn(blk.flush());
    assert!(waits.run().is_empty());
    bench.disk.release_all();
    bench.clock.advance(bench.options.timeout);
    signal.on_tick();
    let full = levitate_virtio::SubmitError::Full {
        slots: 2,
        free: 0,
        needed: 1,
    };
    assert_eq!(
        waits.run().pop().unwrap().1.unwrap_err(),
        Error::Refused(SubmitError::Queue(full))
    );
    // They are there all the same.
    assert_eq!(idle.run().len() + idle_too.run().len(), 2);
}

/// A task that is woken in the middle of another one's poll, while time goes on and a tick comes.
struct Meanwhile {
    clock: VirtualClock,
    time: Duration,
    signal: &'static Signal,
}

impl Wake for Meanwhile {
    fn wake(self: Arc<Self>) {
        self.clock.advance(self.time);
        self.signal.on_tick();
    }
}

#[test]
fn a_tick_in_the_middle_of_a_poll_is_about_the_time_until_then() {
    static SIGNAL: Signal = Signal::new();
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let blk = drive(&bench, &mut storage, &SIGNAL);
    bench.disk.set_completion(Completion::Held);
    let half = bench.options.timeout / 2;
    // The second request is the one that is answered, and the last one leads.
    let (mut first, mut last) = (Tasks::new(), Tasks::new());
    first.spawn(read(&blk, 1));
    assert!(first.run().is_empty());
    bench.clock.advance(half);
    let mut answered = pin!(read(&blk, 2));
    let meanwhile = Waker::from(Arc::new(Meanwhile {
        clock: bench.clock.clone(),
        time: half,
        signal: &SIGNAL,
    }));
    let outcome = answered.as_mut().poll(&mut Context::from_waker(&meanwhile));
    assert!(outcome.is_pending());
    last.spawn(read(&blk, 3));
    assert!(last.run().is_empty());

    bench.clock.advance(half / 2);
    bench.disk.release_at(1);
    SIGNAL.on_tick();
    let woken = first.wakes(0);
    assert!(last.poll(0).is_pending());
    assert_eq!(first.wakes(0), woken + 1, "its deadline is past");
    let (_, outcome) = first.run().pop().unwrap();
    assert!(matches!(outcome.unwrap_err().error, Error::Timeout(_)));
}
