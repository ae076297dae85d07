//! How often tasks read the clock, which may cost an exit to the hypervisor, and wait there for the very device: when there is something
//! to decide, and once then.

use levitate_drivers_blk::Signal;
use levitate_host::{BlockModel, Completion};

use crate::bench::{Bench, Storage, every_variant};
use crate::tasks::{Tasks, deliver, drive, hold, read};

/// Returns how often the clock was read meanwhile: each time moves it by a step.
fn readings(bench: &Bench, run: impl FnOnce()) -> u64 {
    let before = bench.clock.present();
    run();
    let step = 1000;
    let nanos = bench.clock.present().since(before).as_nanos();
    u64::try_from(nanos).unwrap() / step
}

#[test]
fn a_request_that_is_waited_for_reads_the_clock_once() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        bench.disk.set_completion(Completion::Held);
        let mut tasks = Tasks::new();
        tasks.spawn(read(&blk, 1));
        let sent = readings(&bench, || assert!(tasks.run().is_empty()));
        assert_eq!(sent, 1, "for its deadline");
        bench.disk.release_all();
        let answered = readings(&bench, || {
            deliver(&bench.disk, &blk, &signal);
            assert_eq!(tasks.run().len(), 1);
        });
        assert_eq!(answered, 0, "there is nothing to decide");
    }
}

#[test]
fn an_answer_within_the_notification_reads_no_clock() {
    for bench in every_variant(|| BlockModel::patterned(8)) {
        let signal = Signal::new();
        let mut storage = Storage::<4>::new();
        let blk = drive(&bench, &mut storage, &signal);
        let mut tasks = Tasks::new();
        for sector in 0..4 {
            tasks.spawn(read(&blk, sector));
        }
        let all = readings(&bench, || assert_eq!(tasks.run().len(), 4));
        assert_eq!(all, 0);
    }
}

#[test]
fn requests_that_share_a_notification_share_a_reading() {
    for bench in every_variant(|| BlockModel::patterned(64)) {
        let signal = Signal::new();
        let mut storage = Storage::<32>::new();
        let blk = drive(&bench, &mut storage, &signal);
        bench.disk.set_completion(Completion::Held);
        let mut tasks = Tasks::new();
        for sector in 0..blk.idle_slots() {
            let buffer = blk.allocate_buffer(512).unwrap();
            tasks.spawn(blk.submit_read(sector.into(), buffer).unwrap());
        }
        let sent = readings(&bench, || assert!(tasks.run().is_empty()));
        assert_eq!(sent, 1);
        bench.disk.release_all();
        let answered = readings(&bench, || {
            deliver(&bench.disk, &blk, &signal);
            drop(tasks.run());
        });
        assert_eq!((answered, tasks.alive()), (0, 0));
    }
}

#[test]
fn a_tick_reads_the_clock_once_for_all_and_a_poll_in_vain_once_for_itself() {
    let bench = Bench::new(BlockModel::patterned(32));
    let signal = Signal::new();
    let mut storage = Storage::<8>::new();
    let blk = drive(&bench, &mut storage, &signal);
    // Eight requests, and four tasks that wait for room.
    let mut tasks = hold(&bench, &blk, 12);
    for _ in 0..3 {
        let tick = readings(&bench, || {
            signal.on_tick();
            assert!(tasks.run().is_empty());
        });
        assert_eq!(tick, 1);
        let interrupt = readings(&bench, || {
            bench.disk.interrupt_for_queue(0);
            deliver(&bench.disk, &blk, &signal);
            assert!(tasks.run().is_empty());
        });
        assert_eq!(interrupt, 1, "that of whoever leads");
        let in_vain = readings(&bench, || assert!(tasks.poll(3).is_pending()));
        assert_eq!(in_vain, 1);
    }
}

#[test]
fn requests_that_are_waited_for_one_after_the_other_have_a_deadline_each() {
    let bench = Bench::new(BlockModel::patterned(32));
    let signal = Signal::new();
    let mut storage = Storage::<4>::new();
    let blk = drive(&bench, &mut storage, &signal);
    bench.disk.set_completion(Completion::Held);
    let read = |sector| blk.submit_read(sector, blk.allocate_buffer(512).unwrap());
    let requests: Vec<_> = (0..4).map(|sector| read(sector).unwrap()).collect();
    let mut tasks = Tasks::new();
    tasks.spawn(async {
        for request in requests {
            request.await.unwrap().result.unwrap();
        }
    });
    // Together they take longer than one may.
    for _ in 0..4 {
        assert!(tasks.run().is_empty());
        bench.clock.advance(bench.options.timeout / 2);
        signal.on_tick();
        assert!(tasks.run().is_empty());
        bench.disk.release_one();
        deliver(&bench.disk, &blk, &signal);
    }
    assert_eq!(tasks.run().len(), 1);
}

#[test]
fn a_deadline_begins_when_the_device_is_told_and_not_before() {
    let bench = Bench::new(BlockModel::patterned(32));
    let signal = Signal::new();
    let mut storage = Storage::<4>::new();
    let blk = drive(&bench, &mut storage, &signal);
    let mut tasks = hold(&bench, &blk, 1);
    let late = blk.submit_read(1, blk.allocate_buffer(512).unwrap());
    bench.clock.advance(bench.options.timeout / 2);
    let mut others = Tasks::new();
    others.spawn(late.unwrap());
    assert!(others.run().is_empty());
    bench.clock.advance(bench.options.timeout / 2);
    signal.on_tick();
    assert!(others.run().is_empty(), "it has half of its time left");
    assert_eq!(tasks.run().len(), 1);
    bench.clock.advance(bench.options.timeout / 2);
    signal.on_tick();
    assert_eq!(others.run().len(), 1);
}
